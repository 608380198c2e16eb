"""Server-sent events of one chain: every block and everything that happened in it, in order, resumable by height.

Ids read `generation-height-index`, where index 0 is the block itself; a reader that comes back with `Last-Event-ID` or `?since=`
misses nothing and sees nothing twice. After a revert it is told `reset`: what it has read above that height is void, and what
follows is of the new generation. Who comes for blocks that the chain has forgotten is told `pruned`, and goes on with the first
that it still has.
"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from meshsec_core.app import Results
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.generations import height_since
from meshsec_node.runner import Runner
from meshsec_node.views.chain import events_of
from meshsec_sdk.problems import BAD_PARAMETER

KEEP_ALIVE_SECONDS = 15.0
"""A comment is sent after so long without a block, so that dead connections are noticed."""

_SINCE = re.compile(r"(?:([0-9]{1,19})-)?([0-9]{1,19})(?:-([0-9]{1,9}))?")


class Position(NamedTuple):
    """How far somebody has read."""

    generation: int
    height: int
    number: int


def read_since(text: str | None, latest: Position) -> Position:
    """Return behind which point a reader wants to go on; without a text it is the latest one.

    A height alone is of the latest generation.

    Raises:
        Rejected: `http/bad-parameter`.
    """
    if text is None or text == "":
        return latest
    found = _SINCE.fullmatch(text)
    if found is None or (found[1] is not None) != (found[3] is not None):
        raise Rejected(BAD_PARAMETER, name="since", found=text[:100], expected="a height or an event id")
    return Position(int(found[1] or latest.generation), int(found[2]), int(found[3] or 2**30))


def latest(runner: Runner) -> Position:
    """Return the point behind the latest block, but before what happened in it."""
    return Position(runner.replica.generation, runner.replica.height, 0)


async def stream(runner: Runner, since: Position, only: str | None = None) -> AsyncIterator[bytes]:
    """Yield events behind a point, then new ones as blocks are made; end when the process stops.

    Args:
        runner: whose.
        since: how far was read.
        only: the one type that is told, such as `block`, besides `reset`; all by default.
    """
    generation, height, index = since
    height = min(height, runner.replica.height)
    yield b": events\n\n"
    if height + 1 < runner.replica.pruning.earliest:
        height, index = runner.replica.pruning.earliest - 1, 0
        yield _spell(Position(generation, height, index), "pruned", _where(runner, height))
    while not runner.stopping.is_set():
        if generation != runner.replica.generation:
            generation, height, index = _reset(runner, generation, height)
            yield _spell(Position(generation, height, index), "reset", {**_where(runner, height), "generation": generation})
        if told := _block(runner, height, index, only):
            yield told
        while height < runner.replica.height and generation == runner.replica.generation and not runner.stopping.is_set():
            height += 1
            if told := _block(runner, height, -1, only):
                yield told
        index = 2**30
        if not await runner.news(height, generation, KEEP_ALIVE_SECONDS):
            if runner.replica.halted is not None:
                return
            yield b": still here\n\n"


def _reset(runner: Runner, generation: int, height: int) -> Position:
    """Return from where a reader of an earlier generation must go on; of one that never was it knows nothing that holds."""
    replica = runner.replica
    left = height_since(replica.generations, generation, height) if generation < replica.generation else 0
    results = replica.results(left)
    last = 0 if results is None else sum(1 for _ in _entries(runner, results)) - 1
    return Position(replica.generation, left, last)


def _block(runner: Runner, height: int, after: int, only: str | None) -> bytes:
    """Spell what a block holds behind an index, in one piece: what is sent costs by the piece, here and where it is read."""
    results = runner.replica.results(height)
    if results is None:
        return b""
    return b"".join(
        _spell(Position(runner.replica.generation, height, number), kind, fields)
        for number, (kind, fields) in enumerate(_entries(runner, results))
        if number > after and only in (None, kind)
    )


def _spell(at: Position, kind: str, fields: dict[str, Any]) -> bytes:
    return b"id: %d-%d-%d\nevent: %s\ndata: %s\n\n" % (*at, kind.encode(), codec.encode(fields))


def _where(runner: Runner, height: int) -> dict[str, Any]:
    return {"chain_id": runner.replica.genesis.chain_id, "height": height}


def _entries(runner: Runner, results: Results) -> Iterator[tuple[str, dict[str, Any]]]:
    where = _where(runner, results.height)
    refused = sum(receipt.code != "" for receipt in results.receipts)
    again = runner.replica.abandoned.again.get(results.height)
    told = {"again": again} if again else {}
    yield "block", {**where, "time": results.time, "txs": len(results.receipts), "refused": refused, **told}
    for event in events_of(results):
        yield event["type"], {**where, **event}
