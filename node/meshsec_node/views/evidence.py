"""The view that takes evidence of validators' faults from whoever has seen one, such as a relayer."""

import msgspec

from meshsec_core.kernel.wire.hashes import evidence_id
from meshsec_core.kernel.wire.tendermint import decode_evidence
from meshsec_node.views.routes import Node, Reply, Request
from meshsec_sdk.problems import read_body


class Accusation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `accuse`."""

    evidence: bytes
    """CometBFT `Evidence` message."""


def accuse(node: Node, request: Request) -> Reply:
    """Let evidence wait for a block. It is believed for its signatures alone; what is known already changes nothing."""
    evidence = decode_evidence(read_body(request.body, Accusation).evidence)
    node.accuse(evidence)
    return Reply({"hash": evidence_id(evidence).hex(), "height": node.replica.height}, 202)
