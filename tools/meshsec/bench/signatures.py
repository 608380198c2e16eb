"""What signatures cost on this machine, without anything around them: the limit of everything that makes or checks them."""

from meshsec.bench.figure import busy_seconds
from meshsec_core.kernel.crypto import PrivateKey, verify

SIGNATURES_PER_BLOCK = 9
"""One proposal, and a prevote and a precommit of each of four validators; each is made once and verified once."""

_KEY = PrivateKey(bytes(range(32)))
_VOTE = bytes(120)
_TRANSACTION = bytes(300)


def verified_per_s(count: int = 1_000) -> float:
    """Verify transactions' signatures on one thread; return how many a second."""
    return count / busy_seconds(_verify, _TRANSACTION, count)


def blocks_per_s(count: int = 100) -> float:
    """Make and verify the signatures of blocks; return of how many blocks a second."""
    signatures = count * SIGNATURES_PER_BLOCK
    return count / (busy_seconds(_sign, _VOTE, signatures) + busy_seconds(_verify, _VOTE, signatures))


def _sign(message: bytes, count: int) -> None:
    for _ in range(count):
        _KEY.sign(message)


def _verify(message: bytes, count: int) -> None:
    signature = _KEY.sign(message)
    for _ in range(count):
        verify(_KEY.public_key, message, signature)
