"""What must hold across the chains of a mesh, whoever says so: an application or a shared-security model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meshsec_core.kernel.types import ChainId
from meshsec_core.runtime.module import View

Views = Mapping[ChainId, View]
"""One committed state per chain, all of the same moment."""


@dataclass(frozen=True, slots=True)
class Law:
    """What must hold across the chains of a mesh."""

    name: str
    always: bool
    """Holds at every block; otherwise only while nothing is in flight and an epoch has passed."""
    check: Callable[[Views], None]
    """Raises `InvariantViolated` with what is wrong."""
