"""The global random generators: how each is seeded, saved and restored."""

from __future__ import annotations

import gc
import importlib
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from funes import _warnings

State = Any
Module = Any


class Source(NamedTuple):
    """The global random generator of a library: how to seed it, save its state and restore the state."""

    module: str
    save: Callable[[Module], State]
    restore: Callable[[Module, State], None]
    seed: Callable[[Module, int], None]


def _within(seed: int, bits: int, library: str) -> int:
    """Returns the seed if it is at least 0 and has at most `bits` bits, else a hash of the seed.

    A remainder instead of a hash would give -1 and 2**32 - 1, or 0 and 2**32, the same stream. The
    name of the library is part of the hash, since random and numpy draw the same numbers from the
    same wide seed.
    """
    if 0 <= seed < 1 << bits:
        return seed
    return _hash(seed, bits, library)


def _hash(seed: int, bits: int, library: str) -> int:
    import hashlib  # loads OpenSSL

    digest = hashlib.blake2b(
        seed.to_bytes(seed.bit_length() // 8 + 1, "big", signed=True),
        digest_size=bits // 8,
        person=b"funes " + library.encode(),
    )
    return int.from_bytes(digest.digest(), "big")


def _random_seed(module: Module, seed: int) -> None:
    # random.seed(-1) equals random.seed(1), so a negative seed is hashed to keep the sign.
    module.seed(seed if seed >= 0 else _hash(seed, 256, "random"))


def _numpy_save(numpy: Module) -> State:
    # The state has two parts, since the user may have put another bit generator (PCG64 ...) under
    # numpy.random.
    get_bit_generator = getattr(numpy.random, "get_bit_generator", None)
    return get_bit_generator and get_bit_generator(), numpy.random.get_state(legacy=False)


def _numpy_restore(numpy: Module, state: State) -> None:
    bit_generator, values = state
    if bit_generator is not None and numpy.random.get_bit_generator() is not bit_generator:
        numpy.random.set_bit_generator(bit_generator)
    numpy.random.set_state(values)


def _numpy_seed(numpy: Module, seed: int) -> None:
    get_bit_generator = getattr(numpy.random, "get_bit_generator", None)
    if get_bit_generator and type(get_bit_generator()) is not numpy.random.MT19937:
        numpy.random.set_bit_generator(numpy.random.MT19937(0))  # numpy.random.seed needs this type
    if 0 <= seed < 1 << 32:
        numpy.random.seed(seed)
    else:
        wide = _hash(seed, 256, "numpy")
        numpy.random.seed([wide >> shift & 0xFFFFFFFF for shift in range(0, 256, 32)])


def _torch_devices(torch: Module) -> Iterator[tuple[str, Module]]:
    for name in ("cuda", "xpu"):
        device = getattr(torch, name, None)
        if device is not None and getattr(device, "_is_compiled", lambda: True)():
            yield name, device


def _torch_has_mps(torch: Module) -> bool:
    backend = getattr(getattr(torch, "backends", None), "mps", None)
    return backend is not None and bool(backend.is_available())


def _torch_save(torch: Module) -> State:
    states: dict[str, State] = {"cpu": torch.get_rng_state()}
    for name, device in _torch_devices(torch):
        if device.is_initialized():
            states[name] = device.get_rng_state_all()
        else:
            # torch keeps seeds for a device that is not initialized in a queue. Saving the queue
            # allows seeding a device that the function initializes, without initializing it here.
            queue = getattr(device, "_lazy_seed_tracker", None)
            states[name] = None if queue is None else dict(vars(queue))
    if _torch_has_mps(torch):
        states["mps"] = torch.mps.get_rng_state()
    return states


def _torch_restore(torch: Module, state: State) -> None:
    torch.set_rng_state(state["cpu"])
    for name, device in _torch_devices(torch):
        saved = state.get(name)
        if isinstance(saved, list):
            device.set_rng_state_all(saved)
        elif saved is not None:
            queue = device._lazy_seed_tracker
            if device.is_initialized():
                # The device was initialized in the meantime, with another stream. Do what torch
                # would have done.
                waiting = [call for call in saved.get("call_order", ()) if call]
                for callback, _ in waiting:
                    callback()
                if not waiting:
                    device.seed_all()
            vars(queue).clear()
            vars(queue).update(saved)
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def _torch_seed(torch: Module, seed: int) -> None:
    value = _within(seed, 64, "torch")
    torch.default_generator.manual_seed(value)
    for _, device in _torch_devices(torch):
        if device.is_initialized() or hasattr(device, "_lazy_seed_tracker"):
            device.manual_seed_all(value)
    if _torch_has_mps(torch):
        torch.mps.manual_seed(value)


def _tensorflow_parts() -> tuple[Any, Any]:
    """Returns TensorFlow's eager context, and its module with the global generator; None for one that is missing."""
    # TensorFlow can set a global seed but has no public way to read or unset it.
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "context", None)
    stateful = sys.modules.get("tensorflow.python.ops.stateful_random_ops")
    return context and context(), stateful


def _tensorflow_save(tensorflow: Module) -> State:
    operator.attrgetter("random.set_seed")(tensorflow)  # fails if the module is loaded only partly
    context, stateful = _tensorflow_parts()
    generator = getattr(stateful, "global_generator", None)
    return (
        # set_seed creates a new random.Random, so the old object can be kept unchanged.
        (getattr(context, "_seed", None), getattr(context, "_rng", None)),
        generator,
        None if generator is None else generator.state.numpy(),
    )


def _tensorflow_restore(_: Module, state: State) -> None:
    context, stateful = _tensorflow_parts()
    (seed, numbers), generator, values = state
    if hasattr(context, "_seed"):
        context._seed, context._rng = seed, numbers
    if generator is not None:
        generator.reset(values)
    if stateful is not None:
        stateful.global_generator = generator


def _tensorflow_seed(tensorflow: Module, seed: int) -> None:
    tensorflow.random.set_seed(seed if seed >= 0 else _hash(seed, 256, "tensorflow"))
    context, stateful = _tensorflow_parts()
    value = _within(seed, 64, "tensorflow")
    if getattr(stateful, "global_generator", None) is not None:
        tensorflow.random.get_global_generator().reset_from_seed(value)
    elif getattr(context, "_initialized", False):
        # Create the generator only if TensorFlow is initialized, since this would initialize the
        # GPUs.
        tensorflow.random.set_global_generator(tensorflow.random.Generator.from_seed(value))


def _cupy_seed(cupy: Module, seed: int) -> None:
    # The state of CuPy's generator cannot be read, but the whole object can be exchanged. Its seed
    # must be an unsigned number of numpy (which CuPy needs anyway), not an int.
    value = importlib.import_module("numpy").uint64(_within(seed, 64, "cupy"))
    cupy.random.set_random_state(cupy.random.RandomState(value))


SOURCES = (
    Source("random", lambda m: m.getstate(), lambda m, s: m.setstate(s), _random_seed),
    Source("numpy", _numpy_save, _numpy_restore, _numpy_seed),
    Source("torch", _torch_save, _torch_restore, _torch_seed),
    Source("tensorflow", _tensorflow_save, _tensorflow_restore, _tensorflow_seed),
    Source(
        "cupy",
        lambda m: m.random.get_random_state(),
        lambda m, s: m.random.set_random_state(s),
        _cupy_seed,
    ),
)

#: The generators of libraries other than `random` and numpy.
_OTHERS = SOURCES[2:]

Saved = dict[Source, tuple[Module, State]]


def save(sources: tuple[Source, ...] = SOURCES) -> Saved:
    """Returns the states of all generators that the process has loaded."""
    saved: Saved = {}
    for source in sources:
        module = sys.modules.get(source.module)
        if module is not None:
            # A module that is being imported, or a replacement of a module, has no generator to
            # save.
            with suppress(Exception):
                saved[source] = module, source.save(module)
    return saved


def save_others() -> Saved:
    """Returns the states of the generators that the extension cannot read."""
    return save(_OTHERS)


def restore(saved: Saved) -> None:
    for source, (module, state) in saved.items():
        _restore_one(source, module, state)


@contextmanager
def kept() -> Iterator[None]:
    """Restores the states of the global random generators at the end."""
    states = save()
    try:
        yield
    finally:
        restore(states)


def _restore_one(source: Source, module: Module, state: State) -> None:
    try:
        source.restore(module, state)
    except Exception as error:
        _warnings.warn(
            f"the random state of {source.module} could not be put back after a seeded call:"
            f" {_warnings.one_line(error)}"
        )


def load(modules: Iterable[str]) -> None:
    """Imports the modules that a function refers to, so that it cannot load an unseeded generator.

    The caller must not own the generators: a module that another thread is importing may itself make
    a seeded call.
    """
    for name in ("random", *sorted(modules)):
        if name != "__main__":
            # An error occurs again at the function's own import, with a better message.
            with suppress(Exception):
                importlib.import_module(name)


#: The maximum number of objects that are searched for a generator. A larger value is treated as
#: containing one.
_MOST_LOOKED_AT = 1_000_000


def holds_generator(value: object) -> bool:
    """Returns whether a value is a random generator, or contains one in its attributes and containers."""
    waiting, seen = [value], {id(value)}
    while waiting:
        thing = waiting.pop()
        if any(_is_generator_class(cls) for cls in type(thing).__mro__):
            return True
        if isinstance(thing, (type, ModuleType, FunctionType)):
            continue
        for inner in gc.get_referents(thing):
            if gc.is_tracked(inner) and id(inner) not in seen:
                seen.add(id(inner))
                waiting.append(inner)
        if len(seen) > _MOST_LOOKED_AT:
            return True
    return False


def _is_generator_class(cls: type) -> bool:
    module, name = cls.__module__, cls.__name__
    return (
        (module == "random" and name == "Random")
        or module.startswith("numpy.random.")
        or (module == "torch._C" and name == "Generator")
    )
