"""The examples in docstrings of public names run, and every public name is in the API reference."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import funes
import funes.types

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
PUBLIC = {
    **{name: getattr(funes, name) for name in funes.__all__ if name != "__version__"},
    **{f"types.{name}": getattr(funes.types, name) for name in funes.types.__all__},
}
#: Examples marked with SKIP are not run.
WITH_EXAMPLES = [
    name
    for name, thing in PUBLIC.items()
    if ">>>" in (thing.__doc__ or "") and "+SKIP" not in thing.__doc__
]


RUN = """
import doctest, operator, funes, funes.types

public = {name: getattr(funes, name) for name in funes.__all__}
public |= {name: getattr(funes.types, name) for name in funes.types.__all__}
text = operator.attrgetter(NAME)(funes).__doc__
example = doctest.DocTestParser().get_doctest(text, public, NAME, None, None)
failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
print(f"{failed} of {tried} failed")
"""


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_example_of_a_docstring_runs(name: str, run_python: Callable[..., str]) -> None:
    """Runs in a separate process, since `register` affects the whole process."""
    tried = doctest.DocTestParser().get_examples(PUBLIC[name].__doc__)
    outcome = run_python(f"NAME = {name!r}\n{RUN}")
    assert outcome.endswith(f"0 of {len(tried)} failed\n")


def test_every_public_name_is_in_the_reference_and_has_a_docstring() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto(?:function|class|exception):: funes\.([\w.]+)", text, re.M)
    assert sorted(named) == sorted(PUBLIC)
    assert [name for name in PUBLIC if not PUBLIC[name].__doc__] == []
