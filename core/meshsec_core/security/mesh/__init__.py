"""Mesh Security: stake of one chain adds power to another chain's validators and pays for their faults.

Source: github.com/osmosis-labs/mesh-security, without its known defects. `provider` holds the vault's side, `consumer` the side of
virtual stake; beside them lies pure arithmetic (`ranges`, `burn`, `account`, `stake`, `history`, `converter`, `caps`, `rewards`) and what
the two share (`packets`, `versions`). Start with `account`.
"""

from meshsec_core.runtime.module import Module
from meshsec_core.security.model import SecurityModel

MESH = SecurityModel(
    name="mesh",
    source="Mesh Security (osmosis-labs/mesh-security)",
    provider=Module("mesh/provider", stores=("mesh",)),
    consumer=Module("mesh/consumer", stores=("mesh",)),
)
"""Mesh Security as a plug-in."""
