"""The types of objects that funes returns, for annotations and `isinstance`.

>>> from funes.types import Memo, Results
"""

from funes._code.definition_diff import Change
from funes._entries.run_record import RunRecord
from funes._memo.key import Key
from funes._memo.memo import CacheInfo, Memo
from funes._results.cache import Cache, StoredObject, StoredRun
from funes._results.results import Results
from funes._results.stored import StoredEntry, StoredFunction, StoredVersion, Summary
from funes._results.stored_files import CheckResult, DeletedFiles, StoredFile
from funes._sweeps.grid import Grid
from funes._sweeps.outcome import Outcome, Status
from funes._sweeps.progress import Progress
from funes._sweeps.sweep import Sweep
from funes._tools.adopt.result import AdoptionResult
from funes._tools.check.compare import ResultDifference
from funes._tools.check.comparison import ComparedCall, Comparison
from funes._tools.explain.argument_diff import Difference
from funes._tools.explain.explanation import Explanation

__all__ = [
    "AdoptionResult",
    "Cache",
    "CacheInfo",
    "Change",
    "CheckResult",
    "ComparedCall",
    "Comparison",
    "DeletedFiles",
    "Difference",
    "Explanation",
    "Grid",
    "Key",
    "Memo",
    "Outcome",
    "Progress",
    "ResultDifference",
    "Results",
    "RunRecord",
    "Status",
    "StoredEntry",
    "StoredFile",
    "StoredFunction",
    "StoredObject",
    "StoredRun",
    "StoredVersion",
    "Summary",
    "Sweep",
]
