"""The one shape in which every process refuses a request: `{code, message, facts}` and a status that the code decides.

`json_body` reads what people send: any spelling of JSON, but only what has one reading.
"""

import json
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected

T = TypeVar("T")

NO_ROUTE = "http/not-found"
NO_METHOD = "http/method-not-allowed"
BAD_PARAMETER = "http/bad-parameter"
UNKNOWN_PARAMETER = "http/unknown-parameter"
MISSING_PARAMETER = "http/missing-parameter"
MALFORMED_HTTP = "http/malformed"
MALFORMED_BODY = "http/malformed-body"
BODY_TOO_LARGE = "http/body-too-large"
TOO_MANY_STREAMS = "http/too-many-streams"
TOKEN_MISSING = "http/token-missing"
TOKEN_WRONG = "http/token-wrong"
INTERNAL = "http/internal"
TX_NOT_FOUND = "tx/not-found"
UNKNOWN_SNAPSHOT = "snapshot/not-found"

UNPROCESSABLE = 422

STATUS = {
    NO_METHOD: 405,
    BAD_PARAMETER: 400,
    UNKNOWN_PARAMETER: 400,
    MISSING_PARAMETER: 400,
    MALFORMED_HTTP: 400,
    MALFORMED_BODY: 400,
    BODY_TOO_LARGE: 413,
    TOO_MANY_STREAMS: 429,
    TOKEN_MISSING: 401,
    TOKEN_WRONG: 403,
    INTERNAL: 500,
    "dev/forbidden": 403,
    "tx/too-large": 413,
    "codec/malformed": 400,
    "state/pruned": 410,
    "block/pruned": 410,
    "snapshot/pruned": 410,
    "state/future-height": 404,
    "state/unknown-store": 404,
    "query/unknown": 404,
    "mempool/full": 429,
    "mempool/known": 409,
    "node/halted": 503,
    "storage/full": 503,
    "storage/corrupt": 503,
    "storage/unavailable": 503,
    "gateway/unknown-chain": 404,
    "gateway/unknown-relayer": 404,
    "gateway/unreachable-chain": 503,
    "gateway/unreachable-relayer": 503,
    "gateway/broken-answer": 502,
    "clock/clients-would-expire": 409,
    "snapshot/unfinished": 503,
    "dev/reverted": 409,
}
"""Codes whose status is neither 404 by their ending nor 422."""


def status_of(code: str) -> int:
    """Return the HTTP status of a refusal: a few are listed, whatever ends in `/not-found` is 404, everything else is 422."""
    return STATUS.get(code) or (404 if code.endswith("/not-found") else UNPROCESSABLE)


class Problem(msgspec.Struct, frozen=True):
    """The one shape of every error."""

    code: str
    """Stable: `module/reason`."""
    message: str
    """For people."""
    facts: dict[str, str]
    """The values a reader needs to mend the input."""


def problem(refusal: Rejected) -> Problem:
    """Spell a refusal."""
    facts = refusal.texts
    reason = refusal.code.rpartition("/")[2].replace("-", " ")
    return Problem(refusal.code, reason + "".join(f"; {name}: {value}" for name, value in facts.items() if value), facts)


def check_query(given: Iterable[str], known: Collection[str]) -> None:
    """Refuse query parameters that nobody would look at.

    Raises:
        Rejected: `http/unknown-parameter`.
    """
    for name in given:
        if name not in known:
            raise Rejected(UNKNOWN_PARAMETER, name=name[:100], known=", ".join(known))


def json_body(body: bytes) -> Any:
    """Read JSON that has one reading: a key twice in one object, or a number that is not whole, is refused.

    Raises:
        Rejected: `http/malformed-body`.
    """
    try:
        msgspec.json.decode(body)
        return json.loads(body, object_pairs_hook=_unique, parse_float=_whole, parse_constant=_whole)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Rejected(MALFORMED_BODY, detail=str(error)[:200]) from None


def read_body(body: bytes, kind: type[T]) -> T:
    """Read a request's body; nothing counts as an empty object.

    Raises:
        Rejected: `http/malformed-body`, `codec/malformed`.
    """
    return codec.convert(json_body(body or b"{}"), kind)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _whole(text: str) -> int:
    raise ValueError(f"{text[:30]} is not a whole number")
