"""Values of a chain's state, plain or with the proof that another chain's light client can check."""

from urllib.parse import quote

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.answers import ListingAnswer, StateAnswer, StatesAnswer
from meshsec_relayer.engine.boundary import Request
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.tasks import BAD_ANSWER, Task, ask, ask_all, get, read

PAGE = 100
"""Rows asked for at once."""


class Proven(msgspec.Struct, frozen=True):
    """A value, or its absence, and why to believe it."""

    value: bytes | None
    proof: bytes


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of a request for many values after one height."""

    paths: tuple[str, ...]
    height: int | None = None
    prove: bool = False


def stored(chain: Chain, key: str) -> Task[bytes | None]:
    """Fetch the latest value of a key, or None."""
    answer = yield from get(chain.name, f"/v1/state/{quote(key)}", StateAnswer)
    return answer.value


def all_stored(chain: Chain, keys: tuple[str, ...]) -> Task[tuple[bytes | None, ...]]:
    """Fetch the latest values of several keys at once."""
    answers = yield from _read(chain, Wanted(keys))
    return tuple(answer.value for answer in answers)


def proven(chain: Chain, keys: tuple[str, ...], proof_height: int) -> Task[tuple[Proven, ...]]:
    """Fetch several keys with proofs that the header of `proof_height` supports: it carries the state of the block before it."""
    answers = yield from _read(chain, Wanted(keys, proof_height - 1, prove=True))
    return tuple(Proven(answer.value, answer.proof or b"") for answer in answers)


def _read(chain: Chain, wanted: Wanted) -> Task[list[StateAnswer]]:
    """Fetch values, so many to a request that its answer stays small.

    Raises:
        Rejected: as `read`; `relayer/bad-answer` if there are more or fewer than were asked for.
    """
    parts = [wanted.paths[start : start + PAGE] for start in range(0, len(wanted.paths), PAGE)]
    bodies = (codec.encode(msgspec.structs.replace(wanted, paths=part)) for part in parts)
    replies = yield from ask_all(tuple(Request(chain.name, "/v1/state", body) for body in bodies))
    found: list[StateAnswer] = []
    for part, reply in zip(parts, replies, strict=True):
        entries = read(reply, StatesAnswer, chain.name).entries
        if len(entries) != len(part):
            raise Rejected(BAD_ANSWER, chain=chain.name, detail=f"{len(entries)} values for {len(part)} paths")
        found += entries
    return found


def listed(chain: Chain, *prefixes: str) -> Task[tuple[dict[str, bytes], ...]]:
    """Fetch everything under each prefix: the rest of the path to the latest value. Long listings come page by page."""
    found: list[dict[str, bytes]] = []
    replies = yield from ask_all(tuple(_page(chain, prefix, "") for prefix in prefixes))
    for prefix, first in zip(prefixes, replies, strict=True):
        page = read(first, ListingAnswer, chain.name)
        rows = {entry.path: entry.value for entry in page.entries}
        while page.next is not None:
            page = read((yield from ask(_page(chain, prefix, page.next))), ListingAnswer, chain.name)
            rows |= {entry.path: entry.value for entry in page.entries}
        found.append({path.removeprefix(prefix): value for path, value in rows.items()})
    return tuple(found)


def _page(chain: Chain, prefix: str, after: str) -> Request:
    path = f"/v1/state?prefix={quote(prefix)}&limit={PAGE}"
    return Request(chain.name, path + (f"&after={quote(after)}" if after else ""))
