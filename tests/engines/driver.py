"""The driver: tests every claim for one engine and one place, and writes a line of JSON per case.

It runs in the program that `texts.prepare` writes, with the environment variables DRIVER_ENGINE,
DRIVER_PLACE and DRIVER_HOME. With the engine "none" it is the fresh process that reads the stored
results.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import texts
from tasks import Outcome, call, key, opened, sent, several
from texts import EDITED, ORIGINAL

from engines import ENGINES, Engine, failure
from funes import flush

#: A case: the outcome, and the accepted values. `MISMATCH` is accepted too during an edit.
MISMATCH = "DefinitionMismatch"

#: Functions whose code is not edited; the class of their argument is.
CLASSES_OF_ARGUMENTS = ("argument", "method", "classmethod")

#: The functions that the driver tests, in this order.
CLAIMS = {
    "runs": "the value of the plain function",
    "folder": "stored in the folder of the driver, nothing in that of the worker",
    "key": "worker and driver find the same key",
    "hit-on-driver": "what a worker computed is a hit of the driver",
    "hit-on-worker": "what the driver computed is a hit of a worker",
    "arrays": "small and large arrays keep their key",
    "random": "a seeded call draws the same numbers",
    "storm": "200 tasks over 20 keys are 20 computations",
    "remote": "workers find results in the remote cache that the driver names, and send theirs",
    "patched": "a constant, a helper or a class attribute that the driver changed",
    "data": "a file of depends_on that changes and changes back",
    "newer": "workers have newer code than the driver",
    "queued": "the code changed after the function was pickled",
    "newer-back": "the edit is taken back, the workers still have it",
    "between": "the code changes between two submissions",
    "older": "workers have older code than the driver",
    "stale": "workers imported older code, of which they called nothing",
    "back": "the driver has the code of the workers again",
    "travels": "the exception reaches the driver with its type, and names the remedy",
    "killed": "a worker is killed in a call: the retry computes, and no lock stays",
    "fresh": "a fresh process finds only right values, of the original and of the edited code",
}


class Driver:
    """Tests one engine and one place, and writes the report."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.place = os.environ["DRIVER_PLACE"]
        self.home = Path(os.environ["DRIVER_HOME"])
        self.report = (self.home / "report").open("a", encoding="utf-8")

    def say(self, claim: str, case: str, is_kept: bool | None, detail: object = "") -> None:
        """Reports a case; None if it does not apply."""
        line = {"claim": claim, "case": case, "kept": is_kept, "detail": str(detail)[:2000]}
        print(json.dumps(line), file=self.report, flush=True)

    def expect(
        self, claim: str, case: str, outcome: Outcome, value: object, or_mismatch: bool = False
    ) -> None:
        kept = outcome == ("value", value) or (or_mismatch and outcome[0] == MISMATCH)
        self.say(claim, case, kept, f"{outcome[0]}: {outcome[1]}; right is {value!r}")

    def computed(self, name: str) -> int:
        """Returns how often the function of this name was computed in all processes."""
        return (self.home / "log").read_text().split().count(name)

    def functions(self, name: str, *, load_again: bool = False) -> dict[str, tuple[Any, int]]:
        """Returns the current functions of a set in this process."""
        if load_again:
            importlib.reload(importlib.import_module(f"{name}_helpers"))
        if self.place != "module":
            return self.namespace[f"{name.upper()}_BEHIND"]  # type: ignore[no-any-return]
        module = importlib.import_module(name)
        if load_again:
            importlib.reload(module)
        return {
            **getattr(module, f"{name.upper()}_OWN"),
            **getattr(module, f"{name.upper()}_BEHIND"),
        }

    def edited(self, functions: dict[str, tuple[Any, int]]) -> dict[str, tuple[Any, int]]:
        """Excludes functions that refer to names of the helper module from before it was reloaded."""
        kept = () if self.place == "module" else ("from import", "argument")
        return {name: both for name, both in functions.items() if name not in kept}


class Claims(Driver):
    """The claims about an engine."""

    def __init__(self, namespace: dict[str, Any], engine: Engine) -> None:
        super().__init__(namespace)
        self.engine = engine

    def all(self) -> None:
        engine = self.engine
        with self.unless_it_fails("runs"):
            self.engine.start()
            self.engine.settle()
        try:
            for claim in (
                *(self.kinds, self.arrays, self.random, self.storm, self.remote, self.patched),
                *(self.data, self.newer, self.older, self.stale, self.killed),
            ):
                with self.unless_it_fails(claim.__name__.replace("kinds", "runs")):
                    claim()
        finally:
            engine.stop()

    @contextmanager
    def unless_it_fails(self, claim: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.say(claim, "the driver itself", False, traceback.format_exc()[-1500:])

    def ask(self, calls: list[tuple[Any, ...]], *, some_fail: bool = False) -> list[Outcome]:
        """Lets workers make calls; if one breaks the engine, makes each in a new engine."""
        got = self.engine.ask_where_some_fail(calls) if some_fail else self.engine.ask(calls)
        if any(is_broken(outcome) for outcome in got):
            got = []
            for one in calls:
                self.renew()
                got += self.engine.ask([one])
            self.renew()
        return got

    def renew(self) -> None:
        self.engine.stop()
        self.engine.start()
        self.engine.settle()

    def kinds(self) -> None:
        kinds = dict(self.namespace["KINDS"])
        if self.place == "notebook" and not self.engine.sends_classes:
            for name in ("method", "classmethod", "dataclass"):
                del kinds[name]
                for claim in ("runs", "key", "hit-on-driver", "hit-on-worker"):
                    self.say(claim, name, None, "plain pickle sends no class of a notebook")
        values = {**texts.VALUES, "seeded": None}
        got = self.ask([task(name, function, one) for name, (function, one, _) in kinds.items()])
        for name, outcome in zip(kinds, got, strict=True):
            value = outcome[1] if name == "seeded" and outcome[0] == "value" else values[name]
            self.expect("runs", name, outcome, value)
        stray = [str(path) for path in (self.home / "elsewhere").rglob("*") if path.is_file()]
        self.say("folder", "of the worker", not stray, stray)

        keys = self.ask([(key, function, *one) for function, one, _ in kinds.values()])
        for name, outcome in zip(kinds, keys, strict=True):
            function, one, _ = kinds[name]
            self.expect("key", name, outcome, key(function, *one))
            folder = Path(memo_of(function).cache_path)
            self.say("folder", name, folder.is_relative_to(self.home / "cache"), folder)

        for name, (function, one, _) in kinds.items():
            before = self.computed(name)
            keywords = getattr(function, "keywords", {})
            asked = function.func if keywords else function
            is_cached = asked.is_cached(*one, **keywords)
            call(function, *one)
            count = self.computed(name)
            self.say(
                "hit-on-driver",
                name,
                is_cached and count == before == 1,
                f"is_cached: {is_cached}, computed {before} times, then {count}",
            )
        mine = {name: call(function, *two) for name, (function, _, two) in kinds.items()}
        before = {name: self.computed(name) for name in kinds}
        got = self.ask([task(name, function, two) for name, (function, _, two) in kinds.items()])
        for name, outcome in zip(kinds, got, strict=True):
            again = self.computed(name) - before[name]
            kept = outcome == ("value", mine[name]) and again == 0
            self.say("hit-on-worker", name, kept, f"{outcome}, computed again: {again}")

    def arrays(self) -> None:
        import numpy as np

        array = self.namespace["array"]
        # joblib and Dask send arrays of 1 MB and more differently.
        arrays = {"small": np.arange(5.0), "large": np.arange(300_000.0)}
        got = self.ask([(array, values) for values in arrays.values()])
        for (name, values), (kind, value) in zip(arrays.items(), got, strict=True):
            before = self.computed("array")
            is_right = kind == "value" and np.array_equal(value, values * 2)
            is_right = is_right and np.array_equal(array(values), values * 2)
            again = self.computed("array") - before
            kept = is_right and again == 0
            self.say("arrays", name, kept, f"right: {is_right}, computed again: {again}, {kind}")

    def random(self) -> None:
        seeded = self.namespace["seeded"]
        (got,) = self.ask([(functools.partial(seeded, global_seed=6), 1)])
        seeded.forget(1, global_seed=6)
        before = self.computed("seeded")
        self.expect("random", "numbers", got, seeded(1, global_seed=6))
        self.say("random", "computed by the driver", self.computed("seeded") == before + 1)

    def storm(self) -> None:
        storm = self.namespace["storm"]
        calls = [(storm, number % 20) for number in range(200)]
        if self.engine.is_slow:
            shares = [self.engine.submit(several, calls[start::2]) for start in range(2)]
            got = [outcome for _, share in self.engine.gather(shares) for outcome in share]
            right = [number % 20 * 2 for start in range(2) for number in range(200)[start::2]]
        else:
            got, right = self.ask(calls), [number % 20 * 2 for number in range(200)]
        wrong = [both for both in zip(got, right, strict=True) if both[0] != ("value", both[1])]
        self.say("storm", "values", not wrong, wrong[:3])
        count = self.computed("storm")
        self.say("storm", "computations", count == 20, count)

    def remote(self) -> None:
        shared = self.namespace["shared"]
        if importlib.util.find_spec("obstore") is None:
            self.say("remote", "all", None, "pip install obstore")
            return
        if self.engine.forks:
            self.say(
                "remote", "all", None, "forked workers do not use the remote cache of their parent"
            )
            return
        value = shared(1)
        self.say("remote", "sent by the driver", flush(60))
        shared.forget(1)
        (found, stored) = self.ask([(shared, 1), (sent, shared, 2)])
        self.expect("remote", "found by a worker", found, value)
        count = self.computed("shared")
        self.say("remote", "computed once each", count == 2, count)
        self.expect("remote", "computed by a worker", stored, (value + 3, True))
        name = f"{shared.key(2).arguments}.dill"
        self.say("remote", "sent by a worker", any((self.home / "remote").rglob(name)), name)

    def patched(self) -> None:
        space, function = self.namespace, self.namespace["patched"]
        changes: dict[str, tuple[Callable[[], None], Callable[[], None], Any]] = {
            "constant": (
                lambda: space.update(PATCHED=5),
                lambda: space.update(PATCHED=2),
                lambda x: (x * 5, x * 2, x * 2),
            ),
            "helper": (
                functools.partial(space.update, patched_helper=lambda x: x * 7),
                functools.partial(space.update, patched_helper=space["patched_helper"]),
                lambda x: (x * 2, x * 7, x * 2),
            ),
            "class attribute": (
                lambda: setattr(space["Patched"], "rate", 9),
                lambda: setattr(space["Patched"], "rate", 2),
                lambda x: (x * 2, x * 2, x * 9),
            ),
        }
        for number, (name, (change, change_back, right)) in enumerate(changes.items()):
            x, y = 2 * number + 1, 2 * number + 2
            change()
            (got,) = self.ask([(function, x)], some_fail=True)
            self.expect("patched", name, got, right(x), or_mismatch=True)
            change_back()
            for other, outcome in zip(
                (x, y), self.ask([(function, x), (function, y)]), strict=True
            ):
                self.expect("patched", f"{name}, and back", outcome, (other * 2,) * 3)
            for other in (x, y):
                local = ("value", function(other))
                self.expect("patched", f"{name}, then the driver", local, (other * 2,) * 3)

    def data(self) -> None:
        data, path = self.namespace["data"], self.home / "data"
        data.key(1)
        pickled = self.engine.dumps(data)
        texts.write(path, str(EDITED))
        queued, live = self.ask([(opened, pickled, 1), (data, 2)], some_fail=True)
        self.expect("data", "queued", queued, 1 + ORIGINAL, or_mismatch=True)
        self.expect("data", "changed", live, 2 + EDITED, or_mismatch=True)
        texts.write(path, str(ORIGINAL))
        for x in (1, 2, 3):
            self.expect("data", f"{x}, then the driver", ("value", data(x)), x + ORIGINAL)
        (again,) = self.ask([(data, 4)])
        self.expect("data", "changed back", again, 4 + ORIGINAL, or_mismatch=True)

    def step(
        self, claim: str, functions: dict[str, Any], x: int, rate: Callable[[str], int]
    ) -> None:
        """Lets workers call each function with x; `rate` maps names to the rate of the submitted code."""
        calls = [(function, x) for function, _ in functions.values()]
        got = self.ask(calls, some_fail=True)
        for (name, (_, offset)), outcome in zip(functions.items(), got, strict=True):
            if name in CLASSES_OF_ARGUMENTS and outcome[0] == "value":
                # Pickle uses the class of the worker, for a plain function too, so the call has another key. It must
                # not be stored under the key of the driver, which `fresh` checks.
                self.say(claim, name, outcome[1] in (x * ORIGINAL + offset, x * EDITED + offset))
                continue
            value = x * rate(name) + offset
            self.expect(claim, name, outcome, value, or_mismatch=claim != "back")

    def newer(self) -> None:
        functions = self.functions("newer")
        for function, _ in functions.values():
            memo_of(function).definition  # noqa: B018
        pickled = {name: self.engine.dumps(function) for name, (function, _) in functions.items()}
        texts.edit(self.home, "newer", EDITED)
        original = dict.fromkeys(functions, ORIGINAL)
        self.step("newer", functions, 1, original.get)
        queued = {
            name: (functools.partial(opened, pickled[name]), offset)
            for name, (_, offset) in functions.items()
        }
        self.step("queued", queued, 2, original.get)
        # The submitted code does not run if it includes a user-defined class.
        self.travels(functions["class inside"][0])
        texts.edit(self.home, "newer", ORIGINAL)
        self.step("newer-back", functions, 3, original.get)

    def travels(self, function: Any) -> None:
        if self.place != "module" and self.engine.forks:
            self.say("travels", "class", None, "forked workers have the code of the driver")
            return
        ((kind, message),) = self.ask([(function, 5)])
        self.say("travels", "type", kind == MISMATCH, f"{kind}: {message}")
        named = all(part in str(message) for part in ("Scale", "newer_helpers.py"))
        self.say("travels", "message", named, message)
        if self.engine.ends_at_exceptions:
            self.renew()

    def older(self) -> None:
        functions = self.functions("older")
        original = dict.fromkeys(functions, ORIGINAL)
        got = self.ask([(function, 1) for function, _ in functions.values()])
        for (name, (_, offset)), outcome in zip(functions.items(), got, strict=True):
            self.expect("between", f"{name}, before", outcome, 1 * ORIGINAL + offset)
        texts.edit(self.home, "older", EDITED)
        self.step("between", functions, 2, original.get)
        functions = self.edited(self.functions("older", load_again=True))
        edited = dict.fromkeys(functions, EDITED)
        self.step("older", functions, 3, edited.get)
        self.step("older", functions, 1, edited.get)
        texts.edit(self.home, "older", ORIGINAL)
        functions = self.edited(self.functions("older", load_again=True))
        self.step("back", functions, 4, original.get)
        self.step("back", functions, 1, original.get)

    def stale(self) -> None:
        texts.edit(self.home, "stale", EDITED)
        functions = self.edited(self.functions("stale", load_again=self.place != "module"))
        edited = dict.fromkeys(functions, EDITED)
        self.step("stale", functions, 1, edited.get)
        texts.edit(self.home, "stale", ORIGINAL)
        functions = self.edited(self.functions("stale", load_again=True))
        original = dict.fromkeys(functions, ORIGINAL)
        # A worker that loaded the code while the file was different may not recognize it.
        self.step("stale", functions, 2, original.get)

    def killed(self) -> None:
        if not self.engine.survives:
            self.say("killed", "retry", None, "the engine does not survive the death of a worker")
            return
        fatal = self.namespace["fatal"]
        (got,) = self.engine.ask([(fatal, 1)])
        if got[0] != "value":
            self.renew()
            (got,) = self.engine.ask([(fatal, 1)])
        (self.home / "flag").touch()  # the driver makes this call now, and must not die of it
        self.expect("killed", "retry", got, 3)
        self.say("killed", "stored", fatal.is_cached(1))
        self.say("killed", "the driver", fatal(1) == 3)


class Fresh(Driver):
    """Tests a later process with the original code, then with the edited code."""

    def all(self) -> None:
        for name, (function, one, _) in self.namespace["KINDS"].items():
            if name != "seeded":
                self.look(name, function, one, texts.VALUES[name])
        for x in range(1, 7):
            self.look("patched", self.namespace["patched"], (x,), (x * 2,) * 3)
            self.look("data", self.namespace["data"], (x,), x + ORIGINAL)
        for rate in (ORIGINAL, EDITED):
            for name in texts.SETS:
                texts.edit(self.home, name, rate)
                functions = self.functions(name, load_again=True)
                if rate == EDITED:
                    functions = self.edited(functions)
                for case, (function, offset) in functions.items():
                    for x in range(1, 6):
                        self.look(f"{name} {case} at {rate}", function, (x,), x * rate + offset)

    def look(self, case: str, function: Any, args: tuple[Any, ...], value: object) -> None:
        try:
            outcome = "value", call(function, *args)
        except Exception as error:
            outcome = failure(error)
        if outcome != ("value", value):
            self.expect("fresh", f"{case} {args}", outcome, value)


def task(name: str, function: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns the call that a worker makes; engines cannot send coroutines back."""
    return (call, function, *args) if name == "async" else (function, *args)


def is_broken(outcome: Outcome) -> bool:
    return outcome[0] in ("BrokenProcessPool", "TerminatedWorkerError", "BrokenExecutor")


def memo_of(function: Any) -> Any:
    """Returns the memorious function of a partial or bound one."""
    while True:
        inner = getattr(function, "__func__", None) or getattr(function, "func", None)
        if inner is None:
            return function
        function = inner


def main(namespace: dict[str, Any]) -> None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    engine, home = os.environ["DRIVER_ENGINE"], Path(os.environ["DRIVER_HOME"])
    if engine == "none":
        fresh = Fresh(namespace)
        fresh.all()
        fresh.say("fresh", "was looked at", True)
    else:
        Claims(namespace, ENGINES[engine](home)).all()
