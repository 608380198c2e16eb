"""Fetches a value with its proof and verifies it by a light client that starts from the genesis of the mesh."""

from typing import Any
from urllib.parse import quote

from meshsec.world.chain import FORK, Chain
from meshsec_core.kernel import codec
from meshsec_sdk.client import Client
from meshsec_sdk.light import LightClient, Proven, Trust, of_genesis
from meshsec_sdk.mesh_file import genesis_of

FOR_EVER = 2**62
"""Nanoseconds. Whoever has the directory of a mesh knows its genesis, however long ago that was."""


def proven(chain: Chain, path: str) -> dict[str, Any]:
    """Return what the chain answers for a path of its state, once it is verified.

    Raises:
        Rejected: `proof/…`, `light/…` if it does not verify; what the chain refuses.
    """
    anchor = of_genesis(genesis_of(chain.world.spec, chain.name.partition(FORK)[0]))
    trust = Trust(anchor, trusting_period=FOR_EVER, now=chain.world.logical_time)
    light = LightClient(Client(chain.transport), trust)
    found: dict[str, Any] = chain.get(f"/v1/state/{quote(path)}?prove=true")
    said = codec.convert(found, Proven)
    light.check(path, None, said)
    return {**found, "verified": True, "signed_by": light.header(said.proof_height).signed_by}
