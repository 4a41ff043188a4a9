"""Runs a model against the cache, which makes calls, changes files, and compares."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run(model: type[RuleBasedStateMachine], examples: int, steps: int, *, full: bool) -> None:
    """Runs a model for some examples of some steps; if `full`, for many of them, which differ in each run."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        model,
        settings=settings(
            max_examples=150 if full else examples,
            stateful_step_count=40 if full else steps,
            deadline=None,
            derandomize=not full,
            suppress_health_check=list(HealthCheck),
        ),
    )
