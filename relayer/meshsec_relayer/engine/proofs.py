"""Values of a chain's state, plain or with the proof that another chain's light client can check."""

from urllib.parse import quote

import msgspec

from meshsec_relayer.engine.answers import ListingAnswer, StateAnswer
from meshsec_relayer.engine.boundary import Request
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.tasks import Task, ask, ask_all, get, read

PAGE = 100
"""Rows asked for at once."""


class Proven(msgspec.Struct, frozen=True):
    """A value, or its absence, and why to believe it."""

    value: bytes | None
    proof: bytes


def _path(key: str) -> str:
    return f"/v1/state/{quote(key)}"


def stored(chain: Chain, key: str) -> Task[bytes | None]:
    """Fetch the latest value of a key, or None."""
    answer = yield from get(chain.name, _path(key), StateAnswer)
    return answer.value


def all_stored(chain: Chain, keys: tuple[str, ...]) -> Task[tuple[bytes | None, ...]]:
    """Fetch the latest values of several keys at once."""
    replies = yield from ask_all(tuple(Request(chain.name, _path(key)) for key in keys))
    return tuple(read(reply, StateAnswer, chain.name).value for reply in replies)


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


def proven(chain: Chain, keys: tuple[str, ...], proof_height: int) -> Task[tuple[Proven, ...]]:
    """Fetch several keys with proofs that the header of `proof_height` supports: it carries the state of the block before it."""
    before = proof_height - 1
    replies = yield from ask_all(tuple(Request(chain.name, f"{_path(key)}?height={before}&prove=true") for key in keys))
    answers = (read(reply, StateAnswer, chain.name) for reply in replies)
    return tuple(Proven(answer.value, answer.proof or b"") for answer in answers)
