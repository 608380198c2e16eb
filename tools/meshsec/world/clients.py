"""Light clients that people create by hand, as substitutes for those that have died."""

from base64 import b64decode

from meshsec.world.chain import Chain, Receipt
from meshsec_core.kernel import codec
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import SignedHeader
from meshsec_relayer.engine.client import TrustParams, creation_at
from meshsec_sdk import names


def create(host: Chain, subject: Chain) -> Receipt:
    """Create a client of one chain's tip on another, by the rules of the relayers, in the faucet's name.

    Raises:
        TxRejected: the host refuses it.
    """
    signed = decode(SignedHeader, b64decode(subject.get(f"/v1/commits/{subject.height}")["proto"]))
    return host.send(names.FAUCET, codec.plain(creation_at(signed.header, TrustParams())))
