"""What users import: worlds to play with, a typed client, the messages of Mesh Security, and the command line.

Names are loaded when they are first used, so that importing `meshsec` costs nothing. Start reading at `world/base`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshsec import mesh
    from meshsec.machine.machine import MeshMachine
    from meshsec.scenario.scenario import Scenario
    from meshsec.world.process import ProcessWorld
    from meshsec.world.sim import SimWorld
    from meshsec_sdk.client import Client
    from meshsec_sdk.errors import OutcomeUnknown, TxRejected
    from meshsec_sdk.light import Trust
    from meshsec_sdk.wallet import Wallet

__all__ = [
    "Client",
    "MeshMachine",
    "OutcomeUnknown",
    "ProcessWorld",
    "Scenario",
    "SimWorld",
    "Trust",
    "TxRejected",
    "Wallet",
    "mesh",
]

_HOMES = {
    "SimWorld": "meshsec.world.sim",
    "ProcessWorld": "meshsec.world.process",
    "Client": "meshsec_sdk.client",
    "MeshMachine": "meshsec.machine.machine",
    "Scenario": "meshsec.scenario.scenario",
    "OutcomeUnknown": "meshsec_sdk.errors",
    "Trust": "meshsec_sdk.light",
    "TxRejected": "meshsec_sdk.errors",
    "Wallet": "meshsec_sdk.wallet",
}


def __getattr__(name: str) -> object:
    if name == "mesh":
        return import_module("meshsec.mesh")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'meshsec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
