"""What a shared-security model is: two modules, how it shapes power, its laws across chains, and the measures it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.runtime.law import Law
from meshsec_core.runtime.module import Module, Query

Powers = tuple[tuple[bytes, int], ...]
"""(consensus public key, power), in the order of the validator set."""

ShapePower = Callable[[Reader, Powers], Powers]
"""(state, native powers) -> effective powers. Pure; keys may be added or left out."""

NO_MEASURES: Mapping[str, Query] = MappingProxyType({})


def unchanged(store: Reader, powers: Powers) -> Powers:  # noqa: ARG001
    """Shape nothing: for models whose power lies in the staking module already."""
    return powers


def idle(store: Reader) -> bool:  # noqa: ARG001
    """Tell that a model never needs a block of its own."""
    return False


@dataclass(frozen=True, slots=True)
class SecurityModel:
    """A plug-in: how chains lend each other security. A frozen value built once at the end of the model's file."""

    name: str
    """Key in the genesis document; prefix of the model's ports and stores."""
    source: str
    """The specification it follows."""
    provider: Module[Any]
    """Runs on the chain that lends security."""
    consumer: Module[Any]
    """Runs on the chain that borrows it. One chain may be both."""
    shape_power: ShapePower = unchanged
    laws: tuple[Law, ...] = ()
    measures: Mapping[str, Query] = field(default_factory=lambda: NO_MEASURES)
    """Read-only figures by which models are compared; the arguments are those of queries."""
    has_work: Callable[[Reader], bool] = idle
    """Whether the state waits for another block: an epoch is due, or something must still be told to a partner."""
