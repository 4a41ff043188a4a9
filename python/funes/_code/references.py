"""Resolves the free names of code in the running program and collects the objects that they refer to."""

from __future__ import annotations

import operator
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

from funes._code import (
    environment,
    namespaces,
    project_paths,
    sentinels,
    third_party_attributes,
    third_party_bodies,
    third_party_classes,
)
from funes._code.annotations import (
    annotations_of,
    docstring_of,
    docstrings_of,
    fixed_annotations,
    fixed_docstring,
    fixed_docstrings,
    fixed_hints,
    fixed_type_parameters,
    hints_of,
    location_of,
    name_of,
    subclasses_of,
    type_parameters_of,
)
from funes._code.context_values import DECIMAL, current
from funes._code.descriptors import (
    MACHINERY,
    is_special_descriptor,
    parts_of,
    slots_of,
    state_of,
)
from funes._code.function_attributes import (
    MEMO_STATE,
    attributes_of,
    memo_attributes,
)
from funes._code.local_imports import Absent, find_module
from funes._code.node import (
    MISSING,
    Computed,
    Description,
    Source,
    WatchedAttributes,
    WatchedClass,
)
from funes._code.read_parts import ANY, LOCATIONS, NAMES, parts_named_in
from funes._code.scopes import AttributePath, Names, Use, as_code, written_name
from funes._code.third_party import (
    LOGGER_STATE,
    depends_on,
    is_a,
    is_library_class,
    is_library_function,
    is_library_module,
    is_logger,
    is_memorious,
    library_of,
    qualified_name,
    stands_for_builtin,
    type_token,
)
from funes._funes import counted

# Attributes in which a module describes itself: its location and how it was loaded. They never
# count.
_MODULE_MACHINERY = frozenset(
    (
        "__annotations__",
        "__builtins__",
        "__cached__",
        "__conditional_annotations__",
        "__debug__",
        "__dict__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
        "__warningregistry__",
    )
)
_PLAIN = frozenset(
    (type(None), bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset)
)

# The types whose instances hold the names of the attributes that they read.
_NAMING = frozenset((operator.attrgetter, operator.methodcaller))


class References:
    """Collects the references of one piece of code."""

    def __init__(self, home: object = "") -> None:
        """Starts without references.

        home: The name of the module of the code.
        """
        self._home = home
        # These fields are documented in `Description`.
        self.references: dict[str, object] = {}
        self.modules: set[str] = set()
        self._opaque: dict[str, object] = {}
        self.attributes: list[WatchedAttributes] = []
        self._computed: list[Computed] = []
        self._watched: dict[type, WatchedClass] = {}
        #: The bits of `read_parts` for attribute names that the values of references contain.
        self.read_parts = 0
        #: The paths of the values that the code passes to other code, see `Content.passed`; None if
        #: they are not known.
        self.passed: frozenset[AttributePath] | None = frozenset()
        #: The paths that need no further reference: paths to docstrings, annotations and so on that
        #: are references already, and paths into libraries.
        self.covered: set[AttributePath] = set()
        #: The names and modules of library functions among the references, which may read parts of
        #: code.
        self.readers: set[str] = set()
        self._reads: dict[tuple[int, object], tuple[object, object, object]] = {}
        #: The library classes that the code refers to.
        self._classes: list[type] = []
        self._globals: dict[str, Any] = {}
        self._cells: dict[str, CellType] = {}

    def description(self, kind: str, name: str, content: object) -> Description:
        """Returns a node with these references."""
        return Description(
            kind,
            name,
            content,
            self.references,
            list(self._reads.values()),
            frozenset(self.modules),
            opaque=self._opaque,
            attributes=tuple(self.attributes),
            computed=tuple(self._computed),
            read_parts=self.read_parts,
            watched=tuple(self._watched.items()),
        )

    def add(self, label: str, value: object) -> None:
        """Adds a reference to a value."""
        if type(value) in _PLAIN:
            self.references[label] = value
            self.read_parts |= parts_named_in(value)
            return
        if environment.reads_environment(value):
            self.references[f"{label} by name"] = environment.WHOLE
            return
        if type(value) in _NAMING:
            self.read_parts |= parts_named_in(value.__reduce__()[1])
        elif value is getattr:
            self.read_parts |= ANY
        library = library_of(value)
        if library:
            self._note_library(library)
        elif is_a(value, type):
            self._classes += third_party_classes.library_bases(value)
        place = sentinels.place_of(value)
        for read in () if place is None else place.reads():
            self.note_read(
                *read
            )  # the value counts by a name, which may be bound to another object later
        value = current(value)
        substitute = type_token(value, self._home)
        if library and substitute is None:
            self._classes.append(value if is_a(value, type) else type(value))
        if substitute is not None:
            # The label differs, so that a user's tuple never equals a substitute.
            self.references[f"{label} by name"] = substitute
            self._opaque[label] = value
            if not library and is_logger(value, "Logger"):
                self._add_logger(label, value, LOGGER_STATE)
        elif is_logger(value, "LoggerAdapter"):
            self._add_logger(label, value, frozenset())
        elif is_special_descriptor(value):
            for name, part in parts_of(value).items():
                self.add(f"{label}.{name}", part)
            if not getattr(type(value), "IS_OF_FUNES", False):
                self.add(f"type of {label}", type(value))
            if not library:
                self._add_state(label, value)
        elif is_memorious(value):
            self._add_memorious(label, value)
        else:
            self.references[label] = value
            if library and type(value) is FunctionType:
                self.readers.update((value.__name__, value.__module__))

    def _note_library(self, module: str) -> None:
        self.modules.add(module)
        if module in ("decimal", "_decimal", "_pydecimal"):
            self.references["decimal context"] = DECIMAL

    def compute(
        self, label: str, find: Callable[[Any], object], thing: Any, *sources: Source
    ) -> None:
        """Adds a reference to a computed value, unless the value is empty. Guards compute the value again.

        Args:
            label: The label of the reference.
            find: A function that computes the value from `thing`.
            thing: A function, class or descriptor.
            sources: The attributes that determine the value; none if the value depends on more.
        """
        compute = partial(find, thing)
        value = compute()
        if value:
            self.references[label] = value
        self._computed.append((compute, sources, value))

    def add_names(self, thing: Any, read_parts: int) -> None:
        """Adds the name and the location of a function or class, each only if code reads it."""
        if read_parts & NAMES:
            self.compute("name", name_of, thing, *_attributes(thing, "__name__"))
        if read_parts & LOCATIONS:
            self.compute(
                "place", location_of, thing, *_attributes(thing, "__module__", "__qualname__")
            )

    def is_known_text(self, chain: AttributePath) -> bool:
        """Returns true if a path refers to a string that is a reference already."""
        labels = (f"{where} {as_code(chain)}" for where in ("global", "captured", "imported"))
        return chain != () and any(type(self.references.get(label)) is str for label in labels)

    def watch_attributes(self, attributes: dict[str, Any], ignored: tuple[str, ...] = ()) -> None:
        """Adds a guard for a dict of attributes. Called before the attributes are read, so that a change is noticed.

        ignored: The names that do not count.
        """
        self.attributes.append((attributes, ignored, dict(attributes)))

    def add_attributes(self, thing: Any, *excluded: str) -> None:
        """Adds the attributes that were set on a function or wrapper.

        excluded: The names in the ``__dict__`` of the function that are handled elsewhere.
        """
        self.watch_attributes(thing.__dict__)
        for name, value in attributes_of(thing).items():
            if name not in excluded:
                self.add(f"attribute {name}", value)

    def add_memo_attributes(self, memo: Any, of: str = "") -> None:
        """Adds the attributes that were set on a memorious function, not on the function that it wraps.

        of: The label of the reference to the memorious function.
        """
        self.watch_attributes(memo.__dict__, MEMO_STATE)
        for name, value in memo_attributes(memo).items():
            self.add(f"{of}.{name}" if of else f"attribute {name}", value)

    def _add_state(self, label: str, descriptor: Any) -> None:
        """Adds the attributes that a user's subclass of `property` or another descriptor adds to its instance."""
        attributes = getattr(descriptor, "__dict__", None)
        if type(attributes) is dict:
            self.watch_attributes(attributes, MACHINERY)
        for name, part in state_of(descriptor).items():
            self.add(f"{label}.{name}", part)
        self.compute(f"slots of {label}", slots_of, descriptor)

    def _add_logger(self, label: str, logger: Any, ignored: frozenset[str]) -> None:
        """Adds the class of a logger or adapter, and the attributes that the logger's name does not cover."""
        self.add(f"type of {label}", type(logger))
        self.watch_attributes(vars(logger), tuple(ignored))
        for name, part in vars(logger).copy().items():
            is_usual = name == "merge_extra" and part is False  # from 3.13 on
            if name not in ignored and not is_usual:
                self.add(f"{label}.{name}", part)

    def _add_memorious(self, label: str, memo: Any) -> None:
        """Adds the function that a memorious function wraps, since memoization changes no result."""
        self.references[label] = memo.__wrapped__
        self.add_memo_attributes(memo, label)
        if depends_on(memo):
            self.references[f"{label} depends on"] = depends_on(memo)

    def add_captured(self, names: Names, cells: dict[str, CellType]) -> None:
        """Adds captured variables. If a variable is a module or namespace, adds only the attributes that are read."""
        self._cells = cells
        chains: dict[str, list[tuple[AttributePath, tuple[Use, ...]]]] = {
            name: [] for name in cells
        }
        for read in names.reads:
            if not read.is_global and read.chain[0] in cells:
                chains[read.chain[0]].append((read.chain, read.uses))
        for name, cell in cells.items():
            try:
                value = counted(cell, "", cell.cell_contents)
            except ValueError:
                value = counted(cell, "", MISSING)
            if value is MISSING:
                self.references[f"captured {name} is empty"] = None
                continue
            for chain, uses in chains[name] or [((name,), ((),))]:
                self._follow("captured", value, chain, uses)

    def add_globals(
        self,
        names: Names,
        cells: dict[str, CellType],
        globals_: dict[str, Any],
        builtins: dict[str, Any],
    ) -> None:
        """Adds the globals and builtins that the function reads."""
        self._globals = globals_
        for read in names.reads:
            name = read.chain[0]
            if name == "__annotations__" and name not in cells:
                module = sys.modules.get(str(globals_.get("__name__")))
                if module is not None and vars(module) is globals_:
                    self._add_module_annotations("the module", module)
            if name in _MODULE_MACHINERY or (name in cells and not read.is_global):
                continue
            value = self._look_up(globals_, name)
            if value is not MISSING:
                # After ``from builtins import open``, the global is the builtin itself.
                is_builtin = value is builtins.get(name, MISSING) and _is_python_builtin(value)
                if not is_builtin and not stands_for_builtin(value, name):
                    self._follow("global", value, read.chain, read.uses)
            elif name not in builtins:
                if read.is_certain:
                    self.note_read(builtins, name, MISSING)
                    self.references[f"missing {name}"] = None
            else:
                value = self._look_up(builtins, name)
                if not _is_python_builtin(value):
                    self._follow("builtin", value, read.chain, read.uses)

    def add_imports(self, names: Names, globals_: dict[str, Any]) -> None:
        """Adds the modules and names that the function imports in its body."""
        modules: dict[str, Any] = sys.modules
        self._globals = globals_
        for origin in names.imports:
            module = find_module(origin, globals_)
            chain = (written_name(origin), *origin.chain)
            if isinstance(module, str):
                self._note_library(module)
                library = third_party_attributes.imported(module, origin.chain)
                if library is None or not third_party_attributes.is_of_python(library):
                    self.note_read(modules, module, MISSING if library is None else library)
                if library is not None:
                    self._follow_library(
                        "imported", library, chain, origin.uses, 1, is_imported=True
                    )
            elif isinstance(module, Absent):
                self.references[f"absent {written_name(origin)}"] = module
            elif module is not None:
                self.note_read(modules, module.__name__, module)
                self._follow("imported", module, chain, origin.uses)

    def add_patches(self, read_names: frozenset[str]) -> None:
        """Adds the attributes that the user set on library classes and that may affect a function.

        read_names: The attributes that the code reads from any object.
        """
        for cls in dict.fromkeys(self._classes):
            for base, name, value in self._set_by_user(cls, read_names, True):
                if name in read_names or third_party_classes.is_known_to_library(base, name):
                    self._add_patch(base, name, value)
        for cls in third_party_classes.extended_classes() if read_names else ():
            if cls not in self._watched:
                for base, name, value in self._set_by_user(cls, read_names, False):
                    self._add_patch(base, name, value)

    def add_inherited_patches(self, read_names: Callable[[], frozenset[str]]) -> None:
        """Adds attributes that the user set on the library classes from which a user class derives.

        read_names: A function that finds the attributes that the code of the methods reads from any object.
        """
        for cls in filter(third_party_classes.changeable, dict.fromkeys(self._classes)):
            for base, name, value in self._set_by_user(cls, read_names(), True):
                self._add_patch(base, name, value)

    def _set_by_user(
        self, cls: type, read_names: frozenset[str], is_named: bool
    ) -> Iterator[tuple[type, str, object]]:
        found = third_party_classes.set_by_user(cls, read_names, is_named)
        if found:
            self._watched[cls] = read_names, is_named, found
        for base, attributes in found:
            for name, value in attributes.items():
                yield base, name, value

    def _add_patch(self, cls: type, name: str, value: object) -> None:
        self.add(f"attribute {name} of {qualified_name(cls)}", third_party_classes.part_of(value))

    def _follow(
        self,
        where: str,
        value: object,
        chain: AttributePath,
        uses: tuple[Use, ...],
        position: int = 1,
    ) -> None:
        """Follows a path through user modules and plain namespaces, and adds the object at its end.

        Args:
            where: The start of the label, such as "global".
            value: The object to which the steps before `position` lead.
            chain: The path.
            uses: What the code does with the object at the end of the path.
            position: The position of the next step in the path.
        """
        while True:
            path = chain[:position]
            if value is MISSING:
                self.references[f"missing {as_code(path)}"] = None
                return
            if environment.reads_environment(value):
                self._add_variables(where, value, chain, uses, position)
                return
            if position == len(chain):
                break
            if is_a(value, ModuleType):
                if is_library_module(value):
                    self._follow_library(where, value, chain, uses, position)
                    return
                if chain[position] in _MODULE_MACHINERY:
                    if chain[position] == "__annotations__":
                        self._add_module_annotations(f"{where} {'.'.join(path)}", value)
                        self._note_covered(chain, position)
                    return
                module, name = value, chain[position]
                value = self._look_up(vars(module), name)
                position += 1
                if value is MISSING:
                    value = self._made_by(module, name)
                if name not in vars(module) or not is_library_class(type(module)):
                    self._add_makers(f"{where} {'.'.join(path)}", module)
                continue
            step = namespaces.step(value, chain, position)
            if step is None:
                break
            self.note_read(step.owner, step.name, step.value)
            for cls in step.classes:
                self.note_read(cls, step.name, vars(cls).get(step.name, MISSING))
            value, position = step.value, step.position
        self._link_end(where, value, chain, position)

    def _follow_library(
        self,
        where: str,
        value: Any,
        chain: AttributePath,
        uses: tuple[Use, ...],
        position: int,
        *,
        is_imported: bool = False,
    ) -> None:
        """Adds a library module by name, and the object at the end of a path if it counts by value.

        is_imported: True if the function imports the module in its body. Then the module may not be
            loaded yet.
        """
        if not is_imported:
            self.add(f"{where} {'.'.join(chain[:position])}", value)
        start = position
        while is_a(value, ModuleType) and position < len(chain):
            if third_party_attributes.describes_machine(value, chain[position]):
                found = third_party_attributes.look_up(value, chain[position])
                if not is_a(found, ModuleType) and not third_party_attributes.is_users(found):
                    if environment.is_part_of_os(value, chain[position]):
                        self._look_up(vars(value), chain[position])
                        self._add_variables(where, found, chain, uses, position + 1)
                    elif callable(found) and chain[position] in vars(value):
                        self._look_up(
                            vars(value), chain[position]
                        )  # so that a later patch is noticed
                    break
            if not is_library_module(value):
                # A user module inside the library is followed like any user module.
                self._follow(where, value, chain, uses, position)
                return
            module, name = value, chain[position]
            value = third_party_attributes.look_up(module, name)
            if name in vars(module) or value is MISSING:
                value = self._look_up(vars(module), name)
            position += 1
        if value is not MISSING and third_party_attributes.is_users(value):
            self._link_end(where, value, chain, position)
            return
        if environment.reads_environment(value):
            self._add_variables(where, value, chain, uses, position)
            return
        self._note_covered(chain, start)
        if value is MISSING or is_a(value, ModuleType):
            return
        label = f"{where} {as_code(chain[:position])}"
        if is_a(value, type) and is_library_class(value):
            self._classes.append(value)
        if third_party_attributes.is_plain(value):
            if name[0] == "_" and type(value) in (list, dict, set):
                return  # internal state of the library
            if (
                not is_imported
                or third_party_attributes.is_of_python(module)
                or not third_party_bodies.is_own_value(module.__name__, name, value)
            ):
                self.add(label, value)
            return
        foreign = third_party_attributes.foreign_name(value, module.__name__)
        if foreign:
            self.references[f"{label} by name"] = ("name", foreign)
        elif third_party_attributes.is_added_value(
            name, value, lambda: third_party_bodies.body_of_module(module.__name__)
        ):
            self.add(label, value)
        elif not callable(value):
            self._classes.append(type(value))

    def _add_variables(
        self,
        where: str,
        value: object,
        chain: AttributePath,
        uses: tuple[Use, ...],
        position: int,
    ) -> None:
        """Adds the environment variables that code reads by literal names.

        value: An object that reads the environment. The steps before `position` lead to it.
        """
        if is_a(value, FunctionType):
            self._look_up(vars(os), "environ")
        mapping = environment.mapping_of(value)
        for name in environment.names_read(value, chain[position:], uses, self._value_at):
            if name is None:
                self.references[f"{where} {as_code(chain[:position])} by name"] = environment.WHOLE
            elif not environment.is_of_machine(name):
                self._add_variable(mapping, name)

    def _add_variable(self, mapping: Any, name: str) -> None:
        label = f"environment variable {name}"
        data = environment.data_of(mapping)
        if data is None:
            compute = partial(environment.value_in, mapping, name)
            variable = compute()
            self.references[label] = variable
            self._computed.append((compute, (), variable))
            return
        try:
            key = environment.key_in(mapping, name)
        except UnicodeError:
            return
        value = counted(data, key, data.get(key, MISSING))
        self.note_read(data, key, value)
        if value is MISSING:
            self.references[label] = None
        else:
            self.references[label] = os.fsdecode(value) if type(value) is bytes else value

    def _value_at(self, chain: AttributePath) -> object:
        """Returns the value at the end of a path, which the code reads too; `MISSING` if there is none."""
        cell = self._cells.get(chain[0])
        value: object
        try:
            value = self._globals.get(chain[0], MISSING) if cell is None else cell.cell_contents
        except ValueError:
            return MISSING
        holder: object = self._globals if cell is None else cell
        value = counted(holder, chain[0] if cell is None else "", value)
        position = 1
        while position < len(chain):
            if is_a(value, ModuleType) and not is_library_module(value):
                name = chain[position]
                value = counted(vars(value), name, vars(value).get(name, MISSING))
                position += 1
                continue
            step = namespaces.step(value, chain, position)
            if step is None:
                return MISSING
            value, position = step.value, step.position
        return value

    def _add_makers(self, label: str, module: ModuleType) -> None:
        """Adds the ``__getattr__`` and the class of a module, which may compute its attributes."""
        getter = self._look_up(vars(module), "__getattr__")
        if getter is not MISSING:
            self.add(f"{label}.__getattr__", getter)
        if not is_library_class(type(module)):
            self._add_class_of(label, module)

    def _made_by(self, module: ModuleType, name: str) -> object:
        """Returns an attribute that the ``__getattr__`` of a module finds; `MISSING` if each access makes another.

        A package that loads its parts on demand returns a module, function or value of another module.
        Its ``__getattr__`` may store the attribute in the module, which is the same as an import.
        """
        if name[:2] == "__" or "__getattr__" not in vars(module):
            return MISSING
        found = _made_attribute(module, name)
        if name in vars(module):
            return self._look_up(vars(module), name)
        if found is MISSING or _made_attribute(module, name) is not found:
            return MISSING
        self._computed.append((partial(_identity_of_made, module, name), (), id(found)))
        return found

    def _add_module_annotations(self, label: str, module: ModuleType) -> None:
        self.compute(f"annotations of {label}", annotations_of, module)

    def add_annotations_of_modules(self) -> None:
        """Adds the annotations of the user modules that the code passes on as a whole."""
        for label, value in list(self._opaque.items()):
            if is_a(value, ModuleType) and not is_library_module(value):
                self._add_module_annotations(label, value)

    def _add_class_of(self, label: str, module: ModuleType) -> None:
        """Adds the user-defined class of a module, and all attributes of the module, which the class may read."""
        self.add(f"type of {label}", type(module))
        self.watch_attributes(vars(module), ("__doc__", *_MODULE_MACHINERY))
        for name, value in attributes_of(module).items():
            if name not in _MODULE_MACHINERY:
                self.add(f"{label}.{name}", value)

    def _look_up(self, namespace: dict[str, Any], name: str) -> object:
        """Returns the value of a name that counts, and records the lookup."""
        value = counted(namespace, name, namespace.get(name, MISSING))
        self.note_read(namespace, name, value)
        return value

    def note_read(self, namespace: object, name: object, value: object) -> None:
        """Records a lookup: the references are valid as long as the name refers to this value.

        name: A str; in the dict of the environment bytes.
        """
        self._reads[id(namespace), name] = (namespace, name, value)

    def _link_end(self, where: str, value: Any, chain: AttributePath, position: int) -> None:
        """Adds the first object on a path that is no namespace. The steps before `position` lead to it."""
        label = f"{where} {as_code(chain[:position])}"
        path = project_paths.in_project(value, self._globals)
        if path is not None:
            self.references[f"{label} in the project"] = path
            return
        self.add(label, value)
        if _is_user_code(value):
            self._add_read_part(label, value, chain, position)
        elif position == len(chain) or is_a(value, type) or is_a(value, FunctionType):
            self._note_covered(chain, position - 1)  # library code

    def _add_read_part(self, label: str, value: Any, chain: AttributePath, position: int) -> None:
        """Adds the docstring, annotations, name or subclasses of user code that a path reads."""
        is_class = is_a(value, type)
        attribute = chain[position] if position < len(chain) else ""
        is_passed = is_class and (
            attribute == "__dict__"
            or (not attribute and (self.passed is None or chain in self.passed))
        )
        function = value.__wrapped__ if is_memorious(value) else value
        if attribute == "__doc__":
            self.compute(f"{label}.__doc__", docstring_of, value, *fixed_docstring(value))
        elif attribute == "__annotations__":
            sources = fixed_annotations(function)
            self.compute(f"{label}.__annotations__", annotations_of, function, *sources)
        elif attribute in ("__parameters__", "__type_params__"):
            sources = fixed_type_parameters(function)
            self.compute(f"{label}.__type_params__", type_parameters_of, function, *sources)
        elif attribute == "__name__":
            sources = _attributes(function, "__name__")
            self.compute(f"{label}.__name__", name_of, function, *sources)
        elif attribute in ("__module__", "__qualname__"):
            sources = _attributes(function, "__module__", "__qualname__")
            self.compute(f"{label}.{attribute}", location_of, function, *sources)
        elif attribute == "__subclasses__" and is_class:
            self.compute(f"{label}.__subclasses__", subclasses_of, value)
        elif is_passed:
            self.compute(f"{label}.__doc__", docstrings_of, value, *fixed_docstrings(value))
            self.compute(f"{label}.__annotations__", hints_of, value, *fixed_hints(value))
        else:
            return
        self._note_covered(chain, position)

    def _note_covered(self, chain: AttributePath, position: int) -> None:
        self.covered.update(chain[:end] for end in range(position + 1, len(chain) + 1))


def _made_attribute(module: ModuleType, name: str) -> object:
    """Returns an attribute that a module makes on demand; `MISSING` if this raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a deprecation is reported when the function runs
        try:
            return getattr(module, name)
        except Exception:  # the code is the user's and may raise anything
            return MISSING


def _identity_of_made(module: ModuleType, name: str) -> int:
    return id(_made_attribute(module, name))


def _attributes(thing: object, *names: str) -> tuple[Source, ...]:
    return tuple((thing, name, False) for name in names)


def _is_user_code(value: object) -> bool:
    if is_a(value, type):
        return not is_library_class(value)
    return is_memorious(value) or (is_a(value, FunctionType) and not is_library_function(value))


def _is_python_builtin(value: object) -> bool:
    """Returns true for a builtin of Python itself; false for an object that a program added to the builtins."""
    if is_a(value, type):
        return value.__module__ == "builtins"
    if value is NotImplemented or value is ... or is_a(value, BuiltinFunctionType):
        return True
    return type(value).__module__ == "_sitebuiltins"  # help, exit, license
