"""The double-sign guard: what a validator last signed decides what it may sign next.

Laws: (height, round, step) of what is signed never goes back; within one step only one content is ever signed. Asked again for
the same content, perhaps at another time of day, the validator repeats the signature it gave. The host makes `LastSigned` durable
before the signature leaves it.

Source: cometbft v0.38 privval/file.go.
"""

from typing import Final

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.scalars import FIXED64, LENGTH, TIME, VARINT, read_varint, span
from meshsec_core.kernel.wire.tendermint import PROPOSAL

DOUBLE_SIGN = "consensus/double-sign"
SIGNED_LATER = "consensus/signed-later"
NOT_SIGN_BYTES = "consensus/not-sign-bytes"

STEP_PROPOSE = 1
STEP_PREVOTE = 2
STEP_PRECOMMIT = 3

_KIND_TAG: Final = 0x08
_TIME_OF_VOTE: Final = 0x2A
_TIME_OF_PROPOSAL: Final = 0x32


class LastSigned(msgspec.Struct, frozen=True):
    """The last thing a validator signed."""

    height: int
    round: int
    step: int
    """STEP_PROPOSE, STEP_PREVOTE or STEP_PRECOMMIT."""
    sign_bytes: bytes
    signature: bytes


def guard(last: LastSigned | None, height: int, number: int, step: int, sign_bytes: bytes) -> LastSigned | None:
    """Say whether a validator may sign.

    Args:
        number: the round.

    Returns:
        None if it may; otherwise what it signed before for the same content: use that signature and `time_of` its bytes.

    Raises:
        Rejected: `consensus/double-sign` (other content in the same step), `consensus/signed-later` (a later step is signed
            already), `consensus/not-sign-bytes`.
    """
    if last is None:
        return None
    held, asked = (last.height, last.round, last.step), (height, number, step)
    if asked > held:
        return None
    if asked < held:
        raise Rejected(SIGNED_LATER, height=height, round=number, step=step, last_height=last.height, last_round=last.round)
    if sign_bytes == last.sign_bytes or _without_time(sign_bytes)[0] == _without_time(last.sign_bytes)[0]:
        return last
    raise Rejected(DOUBLE_SIGN, height=height, round=number, step=step)


def time_of(sign_bytes: bytes) -> int:
    """Return the time inside the sign-bytes of a vote or proposal.

    Raises:
        Rejected: `consensus/not-sign-bytes`.
    """
    return _without_time(sign_bytes)[1]


def _without_time(sign_bytes: bytes) -> tuple[bytes, int]:
    """Split sign-bytes into everything but the time (and the overall length, which depends on it), and the time."""
    at, stop = span(sign_bytes, 0, len(sign_bytes))
    start, kind = at, 0
    while at < stop:
        field = at
        tag, at = read_varint(sign_bytes, at, stop)
        if tag == (_TIME_OF_PROPOSAL if kind == PROPOSAL else _TIME_OF_VOTE):
            time, at = TIME.read(sign_bytes, at, stop)
            return sign_bytes[start:field] + sign_bytes[at:stop], time
        match tag & 7:
            case wire if wire == VARINT:
                value, at = read_varint(sign_bytes, at, stop)
                kind = value if tag == _KIND_TAG else kind
            case wire if wire == FIXED64:
                at += 8
            case wire if wire == LENGTH:
                _, at = span(sign_bytes, at, stop)
            case _:
                break
    raise Rejected(NOT_SIGN_BYTES, bytes=len(sign_bytes))
