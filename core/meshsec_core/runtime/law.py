"""What must hold across the chains of a mesh, whoever says so: an application or a shared-security model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from meshsec_core.kernel.errors import InvariantViolated, told
from meshsec_core.kernel.types import ChainId
from meshsec_core.runtime.module import View

T = TypeVar("T")

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


def hold(name: str, check: Callable[[T], None], seen: T) -> None:
    """Check a law on what is seen, and say which one it is if it does not hold.

    Raises:
        InvariantViolated: it does not hold, or its check fails itself.
    """
    try:
        check(seen)
    except InvariantViolated as broken:
        raise InvariantViolated(f"the law `{name}` does not hold: {broken}") from broken
    except Exception as error:
        raise InvariantViolated(f"the law `{name}` cannot be checked: {told(error)}") from error


def hold_alone(view: View) -> None:
    """Check every law of a chain's modules on its state.

    Raises:
        InvariantViolated: one does not hold.
    """
    for module in view.machine.modules:
        for name, law in module.laws.items():
            hold(name, law, view)
