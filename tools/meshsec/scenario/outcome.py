"""What became of a run and of each of its steps."""

from typing import Any

import msgspec

from meshsec.scenario.expect import Difference


class Played(msgspec.Struct, frozen=True):
    """What became of one step."""

    index: int
    line: int
    verb: str
    note: str
    arguments: dict[str, Any]
    passed: bool
    code: str = ""
    """Why it failed."""
    detail: str = ""
    differences: tuple[Difference, ...] = ()
    heights: dict[str, str] = {}
    """Chain to height behind the step."""
    milliseconds: str = "0"
    """Wall time."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a run."""

    passed: bool
    digest: str
    steps: tuple[Played, ...]
    failed_step: Played | None = None
