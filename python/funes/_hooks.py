"""The table of callbacks: everything that the extension needs of the Python code of funes.

Each method imports the function that it returns. A process needs only a few of these functions, and
none if all results are in memory. The extension calls a method at the first use and keeps the result.
The class `Hooks` in the stub has the types of the methods.
"""

from __future__ import annotations

from funes._funes import register_hooks

# mypy compares these methods with the types in the stub. At run time, `typing` is not imported: its
# import takes longer than the rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from funes._funes import Call, InFlightCall, Store
    from funes._memo.memo import Memo
    from funes._sweeps.sweep import Sweep
    from funes._tools.adopt.result import AdoptionResult
    from funes._tools.check.comparison import Comparison
    from funes._tools.explain.explanation import Explanation
    from funes.errors import UnhashableArgumentError


class _Table:
    # Leaves of a call, in the order of its states.

    def call_in_coroutine(self) -> Callable[..., Any]:
        from funes._call.coroutine import call_in_coroutine

        return call_in_coroutine

    def read_entry(self) -> Callable[[Memo[..., Any], Call], tuple[Any] | None]:
        from funes._call.leaves import read_entry

        return read_entry

    def read_error(self) -> Callable[[Memo[..., Any], Call], tuple[Exception, float] | None]:
        from funes._call.leaves import read_error

        return read_error

    def wait(self) -> Callable[[Memo[..., Any], InFlightCall, int], tuple[bool, bool, int]]:
        from funes._call.single_flight import wait

        return wait

    def wait_in_task(self) -> Callable[..., Any]:
        from funes._call.single_flight import wait_in_task

        return wait_in_task

    def log_miss(self) -> Callable[[Memo[..., Any], Call], None]:
        from funes._call.log import log_miss

        return log_miss

    def take_snapshot(self) -> Callable[[dict[str, Any]], Any]:
        from funes._call.argument_snapshot import take_snapshot

        return take_snapshot

    def states_inside(self) -> Callable[[], Any]:
        from funes._call.leaves import states_inside

        return states_inside

    def warn_uncached(self) -> Callable[[Memo[..., Any], Exception], None]:
        from funes._call.leaves import warn_uncached

        return warn_uncached

    def run_seeded(self) -> Callable[..., tuple[Any, float, str | None, bool]]:
        from funes._call.leaves import run_seeded

        return run_seeded

    def run_seeded_in_task(self) -> Callable[..., Any]:
        from funes._call.leaves import run_seeded_in_task

        return run_seeded_in_task

    def drawn_inside(self) -> Callable[[Any], str]:
        from funes._call.leaves import drawn_inside

        return drawn_inside

    def report_change(self) -> Callable[..., None]:
        from funes._call.leaves import report_change

        return report_change

    def dump(self) -> Callable[..., tuple[Any, bool]]:
        from funes._call.leaves import dump

        return dump

    def dump_error(self) -> Callable[..., Any]:
        from funes._call.leaves import dump_error

        return dump_error

    def record_definition(self) -> Callable[[Memo[..., Any], Call], bool]:
        from funes._call.leaves import record_definition

        return record_definition

    def report_unstored(self) -> Callable[[Memo[..., Any], Exception | str], None]:
        from funes._call.leaves import report_unstored

        return report_unstored

    def warn_expired(self) -> Callable[[Memo[..., Any]], None]:
        from funes._call.leaves import warn_expired

        return warn_expired

    def recheck(self) -> Callable[..., Any]:
        from funes._call.recheck import recheck

        return recheck

    def may_store(self) -> Callable[[Memo[..., Any], Any, float], bool]:
        from funes._call.leaves import may_store

        return may_store

    def refuse_miss(self) -> Callable[..., None]:
        from funes._call.leaves import refuse_miss

        return refuse_miss

    def ask_remote(self) -> Callable[[Memo[..., Any], Call, bool], Any]:
        from funes._remote.leaves import ask_remote

        return ask_remote

    def ask_remote_in_task(self) -> Callable[..., Any]:
        from funes._remote.leaves import ask_remote_in_task

        return ask_remote_in_task

    def offer_to_remote(self) -> Callable[[Memo[..., Any], Call, bool, bool], None]:
        from funes._remote.leaves import offer_to_remote

        return offer_to_remote

    def apply_environment(self) -> Callable[[], None]:
        from funes._memo.mode import apply_environment

        return apply_environment

    # Other parts of a call.

    def load_entry(self) -> Callable[..., Any]:
        from funes._entries.unpickler import load_entry

        return load_entry

    def normalize_seed(self) -> Callable[[Any], int | None]:
        from funes._call.seeding import normalise

        return normalise

    def save_other_generators(self) -> Callable[[], Any]:
        from funes._call.generators import save_others

        return save_others

    def have_same_states(self) -> Callable[[Any, Any], bool]:
        from funes._call.generator_lock import same_states

        return same_states

    def main_module_name(self) -> Callable[[], str | None]:
        from funes._entries.main_module import last_name

        return last_name

    def read_settings(self) -> Callable[[], tuple[Any, ...]]:
        from funes._call.read_settings import read_settings

        return read_settings

    def project_folders(self) -> Callable[[Any], tuple[str, ...]]:
        from funes._call.read_settings import project_folders

        return project_folders

    def setting(self) -> Callable[[str], Any]:
        from funes._entries.settings import setting

        return setting

    def begin_run(self) -> Callable[[], None]:
        from funes._entries.run_record import begin_run

        return begin_run

    def record_run(self) -> Callable[[Store], bytes | None]:
        from funes._entries.run_record import record_run

        return record_run

    def check_run(self) -> Callable[[Memo[..., Any], bytes], None]:
        from funes._call.run_check import check_run

        return check_run

    # Rare methods of memorious functions.

    def decorate_in_mode(self) -> Callable[..., Any]:
        from funes._memo.in_mode import decorate_in_mode

        return decorate_in_mode

    def refresh(self) -> Callable[..., Any]:
        from funes._call.refresh import refresh

        return refresh

    def explain(self) -> Callable[..., Explanation]:
        from funes._tools.explain.explain import explain

        return explain

    def explain_miss(self) -> Callable[[Memo[..., Any], Call, Iterable[str]], str]:
        from funes._tools.explain.explain import miss_in_one_line

        return miss_in_one_line

    def adopt(self) -> Callable[..., AdoptionResult]:
        from funes._tools.adopt.adopt import adopt

        return adopt

    def check(self) -> Callable[..., Comparison]:
        from funes._tools.check.check import check

        return check

    def make_map(self) -> Callable[..., Sweep[Any]]:
        from funes._sweeps.make import make_map

        return make_map

    def make_starmap(self) -> Callable[..., Sweep[Any]]:
        from funes._sweeps.make import make_starmap

        return make_starmap

    def bring_from_remote(self) -> Callable[[Memo[..., Any], str, list[str]], bool]:
        from funes._remote.sweeps import bring

        return bring

    def reduce(self) -> Callable[[Memo[..., Any]], tuple[Any, ...]]:
        from funes._memo.sending import reduce

        return reduce

    def dask_token(self) -> Callable[[Memo[..., Any]], object]:
        from funes._memo.sending import token_of

        return token_of

    # Definitions.

    def describe(self) -> Callable[..., Any]:
        from funes._code.describe import describe

        return describe

    def is_code(self) -> Callable[[Any], bool]:
        from funes._code.describe import is_code

        return is_code

    def reason_for_distrust(self) -> Callable[[Any, str, int], str | None]:
        from funes._code.memoized import reason_for_distrust

        return reason_for_distrust

    def is_user_code(self) -> Callable[[str], bool]:
        from funes._code.user_code import is_user_code

        return is_user_code

    def resolve_lazy_imports(self) -> Callable[[Any], None]:
        from funes._code.lazy_imports import resolve

        return resolve

    def missing(self) -> Any:
        from funes._code.node import MISSING

        return MISSING

    def class_noise(self) -> frozenset[str]:
        from funes._code.classes import NOISE

        return NOISE

    def state_of(
        self,
    ) -> Callable[[object], tuple[Callable[[], Any], Callable[[Any], object]] | None]:
        from funes._code.context_values import state_of

        return state_of

    def holds_generator(self) -> Callable[[Any], bool]:
        from funes._call.generators import holds_generator

        return holds_generator

    def warn_of_changes(self) -> Callable[..., None]:
        from funes._code.functions import warn_of_changes

        return warn_of_changes

    def set_by_user(self) -> Callable[..., Any]:
        from funes._code.third_party_classes import set_by_user

        return set_by_user

    def without_orders(self) -> Callable[[dict[str, Any]], dict[str, Any]]:
        from funes._code.unordered import without_orders

        return without_orders

    def name_in_its_library(self) -> Callable[[Any], str | None]:
        from funes._code.sentinels import name_in_its_library

        return name_in_its_library

    # Values.

    def strategy(self) -> Callable[[type], tuple[Any, ...]]:
        from funes._values.rules import strategy

        return strategy

    def exception_state(self) -> Callable[..., Any]:
        from funes._values.exceptions import state_of

        return state_of

    def without_caches(self) -> Callable[..., Any]:
        from funes._values.rules import without_caches

        return without_caches

    def steps_to_refused_part(self) -> Callable[..., list[str]]:
        from funes._values.refused_part import steps

        return steps

    def unhashable_argument_error(self) -> type[UnhashableArgumentError]:
        from funes.errors import UnhashableArgumentError

        return UnhashableArgumentError


register_hooks(_Table())
