"""Mesh Security: stake of one chain adds power to another chain's validators and pays for their faults.

`provider` is the lending side, `consumer` the borrowing side. Beside them lie what the two share (`packets`, `links`,
`versions`) and pure arithmetic (`ranges`, `burn`, `account`, `stake`, `history`, `rewards`, `converter`, `caps`). Start
with `account`. `model` joins everything.

Source: github.com/osmosis-labs/mesh-security, without its known defects.
"""

from meshsec_core.security.mesh.model import MESH

__all__ = ["MESH"]
