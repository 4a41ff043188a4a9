"""Finds the environment variables that code names literally. docs/what-functions-read.md has the rules for users."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from funes._code.scopes import MAYBE, WRITTEN, AttributePath, Use, key_of
from funes._code.third_party import is_library_function

#: The names that describe a machine or a job. They never count. A star stands for any rest of a name.
#: The list contains only names that no program uses for a parameter of its own: a name that is
#: missing here costs a computation, and a wrong name here costs a wrong result.
MACHINE_NAMES = (
    # The user and the folders.
    "HOME", "HOMEDRIVE", "HOMEPATH", "LOGNAME", "OLDPWD", "PATH", "PATHEXT", "PWD", "SUDO_USER", "TEMP", "TMP",
    "TMPDIR", "USER", "USERDOMAIN", "USERNAME", "USERPROFILE", "XDG_*",
    # The machine and its system.
    "APPDATA", "COMPUTERNAME", "COMSPEC", "HOSTNAME", "HOSTTYPE", "LOCALAPPDATA", "MACHTYPE", "NUMBER_OF_PROCESSORS",
    "OSTYPE", "PROCESSOR_*", "PROGRAMDATA", "PROGRAMFILES*", "SYSTEMDRIVE", "SYSTEMROOT", "WINDIR",
    # The terminal and the session.
    "COLORTERM", "COLUMNS", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "LINES", "SHELL", "SHLVL", "SSH_*", "TERM",
    "TERM_PROGRAM", "WAYLAND_DISPLAY", "XAUTHORITY",
    # Python and where programs and libraries are found.
    "CONDA_*", "CUDA_HOME", "CUDA_PATH", "DYLD_*", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYENV_*", "PYTHONHASHSEED",
    "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV",
    # Processors and devices.
    "BLIS_NUM_THREADS", "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS", "NUMEXPR_MAX_THREADS", "NUMEXPR_NUM_THREADS", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "ROCR_VISIBLE_DEVICES", "VECLIB_MAXIMUM_THREADS", "ZE_AFFINITY_MASK",
    # Jobs of clusters, MPI and other engines.
    "ALPS_APP_PE", "COBALT_JOBID", "COBALT_NODEFILE", "FLUX_JOB_ID", "FLUX_TASK_RANK", "FLUX_URI", "I_MPI_*",
    "JOBLIB_*", "LOKY_*", "LSB_*", "MPIEXEC_*", "MPI_LOCALNRANKS", "MPI_LOCALRANKID", "MV2_*", "OMPI_*", "PALS_*",
    "PBS_*", "PMIX_*", "PMI_*", "RAY_ADDRESS", "RAY_JOB_ID", "SBATCH_*", "SGE_*", "SLURMD_*", "SLURM_*", "SRUN_*",
    "TORCHELASTIC_*", "_CONDOR_*",
    # funes itself.
    "FUNES_*",
)  # fmt: skip

_NAMES = frozenset(name for name in MACHINE_NAMES if name[-1] != "*")
_STARTS = tuple(name[:-1] for name in MACHINE_NAMES if name[-1] == "*")

#: What counts of code that reads the environment in another way than by literal names.
WHOLE: Final = ("environment",)

_ENVIRON: Any = getattr(os, "_Environ", type(os.environ))

_READERS = frozenset(("__contains__", "__getitem__", "get", "pop", "setdefault"))
_WRITERS = frozenset(("__delitem__", "__setitem__", "clear", "update"))


def is_of_machine(name: str) -> bool:
    """Returns true for the name of a variable that describes a machine or a job.

    >>> is_of_machine("SLURM_JOB_ID"), is_of_machine("LEARNING_RATE")
    (True, False)
    """
    name = name.upper() if os.name == "nt" else name
    return name in _NAMES or name.startswith(_STARTS)


def reads_environment(value: object) -> bool:
    """Returns true for `os.environ`, `os.environb`, their methods, `os.getenv` and `os.getenvb`.

    The name by which code has them does not matter.
    """
    if type(value) is MethodType:
        value = value.__self__
    if type(value) is FunctionType:
        return (
            value.__name__ in ("getenv", "getenvb")
            and value.__module__ == "os"
            and is_library_function(value)
        )
    return type(value) is _ENVIRON


def is_part_of_os(module: ModuleType, name: str) -> bool:
    """Returns true if this attribute of a library module reads the environment."""
    return module is os and name in ("environ", "environb", "getenv", "getenvb")


def mapping_of(value: Any) -> Any:
    """Returns the mapping that one of these objects reads."""
    if type(value) is FunctionType:
        return os.environ
    return value.__self__ if type(value) is MethodType else value


def names_read(
    value: object,
    rest: AttributePath,
    uses: tuple[Use, ...],
    find: Callable[[AttributePath], object],
) -> Iterator[str | None]:
    """Yields the names of the variables that code reads; None if it also reads variables whose names are not literal.

    Args:
        value: An object that reads the environment.
        rest: The path after this object.
        uses: What the code does with the object at the end of the path.
        find: A function that finds the value at the end of a path.
    """
    if type(value) is MethodType:
        rest = (value.__name__, *rest)
    if len(rest) > 1 and rest[0] == "get" and key_of(rest[1]) is not None:
        rest = rest[1:]
    key = key_of(rest[0]) if rest else None
    if key is not None:
        yield os.fsdecode(key)
        return
    is_function = type(value) is FunctionType
    if rest and (is_function or len(rest) > 1 or rest[0] not in _READERS | _WRITERS):
        # An attribute of the function itself is no variable. Other methods of the mapping read all variables.
        yield from () if is_function else (None,)
        return
    for use in () if rest and rest[0] in _WRITERS else uses:
        if use == WRITTEN:
            continue
        is_possible = use[:1] == (MAYBE,)
        path = use[1:] if is_possible else use
        name: object = key_of(path[0]) if path else None
        if path and name is None:
            name = find(path)
        if type(name) is str or type(name) is bytes:
            yield os.fsdecode(name)
        elif not is_possible:
            yield None


def data_of(mapping: Any) -> dict[Any, Any] | None:
    """Returns the dict of a mapping in which a guard can look a variable up; None if there is none."""
    if type(mapping) is dict:
        return mapping
    data = vars(mapping).get("_data") if type(mapping) is _ENVIRON else None
    return data if type(data) is dict else None


def key_in(mapping: Any, name: str) -> Any:
    """Returns the key of a variable in the dict of `data_of`.

    Raises:
        UnicodeError: No variable can have this name.
    """
    if type(mapping) is dict:
        return name
    return name.upper() if os.name == "nt" else os.fsencode(name)


def value_in(mapping: Any, name: str) -> object:
    """Returns the value of a variable in a mapping that is not Python's own; None if it is not set."""
    try:
        return mapping.get(name)
    except Exception:  # a mapping of the user may raise anything
        return None
