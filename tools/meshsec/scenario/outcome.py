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
    fails: str = ""
    """The code with which it had to be refused, and was if it passed."""


class Laws(msgspec.Struct, frozen=True):
    """What was checked besides the story's own expectations."""

    names: tuple[str, ...]
    blocks: str
    """At how many blocks what always holds was checked; on processes at none, for their blocks do not wait."""
    left_out: tuple[str, ...]
    """Laws across chains that do not hold where a run ended: somebody believes a fork, or packets are on their way."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a run."""

    passed: bool
    digest: str
    steps: tuple[Played, ...]
    laws: Laws
    failed_step: Played | None = None
