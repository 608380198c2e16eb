"""Fetches a value with its proof and verifies it as a stranger would: by the signatures of more than two thirds of the power."""

from typing import Any
from urllib.parse import quote

from meshsec.world.chain import Chain
from meshsec_core.consensus.commits import verify_commit
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel import codec, crypto
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import SignedHeader
from meshsec_core.kernel.wire.tendermint import ValidatorSet as WireValidatorSet
from meshsec_sdk.light import check_proof

OTHER_SET = "proof/other-validators"


def proven(chain: Chain, path: str) -> dict[str, Any]:
    """Return what the chain answers for a path of its state, once it is verified.

    Raises:
        Rejected: `proof/…`, `consensus/…` if it does not verify; what the chain refuses.
    """
    found: dict[str, Any] = chain.get(f"/v1/state/{quote(path)}?prove=true")
    height = int(found["proof_height"])
    header = decode(SignedHeader, codec.convert(chain.get(f"/v1/commits/{height}")["proto"], bytes))
    voters = ValidatorSet.from_wire(
        decode(WireValidatorSet, codec.convert(chain.get(f"/v1/validators?height={height}")["proto"], bytes))
    )
    if header.header.validators_hash != voters.hash:
        raise Rejected(OTHER_SET, height=height)
    verify_commit(chain.names.chain_id, voters, header.commit.block_id, height, header.commit, verify=crypto.verify)
    value = None if found["value"] is None else codec.convert(found["value"], bytes)
    check_proof(header.header.app_hash, path, value, codec.convert(found["proof"], bytes))
    return {**found, "verified": True, "signed_by": len([vote for vote in header.commit.signatures if vote.flag == 2])}
