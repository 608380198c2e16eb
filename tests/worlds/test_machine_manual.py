"""The example in the manual of the state machine runs as it stands there."""

from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "mesh-machine.md"


def test_the_example_of_the_manual_runs() -> None:
    names: dict[str, Any] = {"__name__": "manual"}
    exec(MANUAL.read_text().partition("```python\n")[2].partition("```")[0], names)
    quick = settings(names["TestSavers"].settings, max_examples=3, stateful_step_count=10, database=None, derandomize=True)
    run_state_machine_as_test(names["Savers"], settings=quick)  # type: ignore[no-untyped-call]
