"""Headers of another chain as a light client takes them: decoded, hashed, and believed for the signatures of four validators."""

from meshsec.bench.figure import Limit, busy_seconds
from meshsec.world.sim import SimWorld
from meshsec_core.ibc import tendermint
from meshsec_core.kernel.crypto import Verify, verify
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import ClientHeader, ClientState, Fraction, Height
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.replica.replica import Replica

FIRST = 3
"""The lowest height that is verified; who votes on it has been announced by a header of the chain itself."""
DAY = 86_400 * SECOND

Question = tuple[bytes, bytes, bytes]


def verified_per_s(tries: int, headers: int) -> tuple[list[float], Limit]:
    """Verify headers of a simulated chain one after another, each from the one before; return how many a second in each
    try, and how many the verification of the signatures that this takes allows in the same run.

    Args:
        tries: how many times over.
        headers: in each try.
    """
    world = SimWorld("pair", connect=False)
    world.mine(FIRST + headers)
    replica = world.nodes["osmosis"].replica
    spelled = [encode(_header(replica, height)) for height in range(FIRST, FIRST + headers + 1)]
    questions: list[Question] = []

    def noted(public_key: bytes, message: bytes, signature: bytes) -> bool:
        questions.append((public_key, message, signature))
        return verify(public_key, message, signature)

    client = _client(replica)
    _follow(client, spelled, noted)
    values, limits = [], []
    for _ in range(tries):
        limits.append(headers / busy_seconds(_verify_all, questions))
        values.append(headers / busy_seconds(_follow, client, spelled, verify))
    return values, Limit.of(limits)


def _header(replica: Replica, height: int) -> ClientHeader:
    """Return a header for a client that knows the one before."""
    signed, validators = replica.commit(height), replica.validators_at(height)
    assert signed is not None
    assert validators is not None
    return ClientHeader(signed, validators.to_wire(), Height(1, height - 1), validators.to_wire())


def _client(replica: Replica) -> ClientState:
    unused = Height()
    periods = (14 * DAY, 21 * DAY, 30 * SECOND)
    return ClientState(replica.genesis.chain_id, Fraction(1, 3), *periods, unused, unused, tendermint.PROOF_SPECS)


def _follow(client: ClientState, spelled: list[bytes], check: Verify) -> None:
    """Take the first header on trust and verify the others."""
    known = tendermint.consensus_of(decode(ClientHeader, spelled[0]))
    for raw in spelled[1:]:
        header = decode(ClientHeader, raw)
        now = header.signed_header.header.time
        tendermint.verify_header(client, known, header, now, check)
        known = tendermint.consensus_of(header)


def _verify_all(questions: list[Question]) -> None:
    for question in questions:
        verify(*question)
