"""Server-sent events of one chain: every block and everything that happened in it, in order, resumable by height.

Ids read `generation-height-index`, where index 0 is the block itself; a reader that comes back with `Last-Event-ID` or `?since=`
misses nothing and sees nothing twice.
"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from meshsec_core.app import Results
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_node.runner import Runner
from meshsec_node.views.chain import GENERATION, events_of
from meshsec_sdk.problems import BAD_PARAMETER

KEEP_ALIVE_SECONDS = 15.0
"""A comment is sent after so long without a block, so that dead connections are noticed."""

_SINCE = re.compile(r"(?:([0-9]{1,19})-)?([0-9]{1,19})(?:-([0-9]{1,9}))?")


def read_since(text: str | None, latest: int) -> tuple[int, int]:
    """Return (height, index) behind which a reader wants to go on; without a text it is the latest block.

    Raises:
        Rejected: `http/bad-parameter`.
    """
    if text is None or text == "":
        return latest, 0
    found = _SINCE.fullmatch(text)
    if found is None or (found[1] is not None) != (found[3] is not None):
        raise Rejected(BAD_PARAMETER, name="since", found=text[:100], expected="a height or an event id")
    return (int(found[2]), int(found[3])) if found[3] is not None else (int(found[2]), 2**30)


async def stream(runner: Runner, since: tuple[int, int], only: str | None = None) -> AsyncIterator[bytes]:
    """Yield events behind a point, then new ones as blocks are made; end when the process stops.

    Args:
        runner: whose.
        since: (height, index).
        only: the one type that is told, such as `block`; all by default.
    """
    height, index = since
    height = min(height, runner.replica.height)
    yield b": events\n\n"
    while not runner.stopping.is_set():
        if told := _block(runner, height, index, only):
            yield told
        while height < runner.replica.height and not runner.stopping.is_set():
            height += 1
            if told := _block(runner, height, -1, only):
                yield told
        index = 2**30
        if not await runner.news(height, KEEP_ALIVE_SECONDS):
            if runner.replica.halted is not None:
                return
            yield b": still here\n\n"


def _block(runner: Runner, height: int, after: int, only: str | None) -> bytes:
    """Spell what a block holds behind an index, in one piece: what is sent costs by the piece, here and where it is read."""
    results = runner.replica.results(height)
    if results is None:
        return b""
    return b"".join(
        b"id: %d-%d-%d\nevent: %s\ndata: %s\n\n" % (GENERATION, height, number, kind.encode(), codec.encode(fields))
        for number, (kind, fields) in enumerate(_entries(runner, results))
        if number > after and only in (None, kind)
    )


def _entries(runner: Runner, results: Results) -> Iterator[tuple[str, dict[str, Any]]]:
    where = {"chain_id": runner.replica.genesis.chain_id, "height": results.height}
    refused = sum(receipt.code != "" for receipt in results.receipts)
    yield "block", {**where, "time": results.time, "txs": len(results.receipts), "refused": refused}
    for event in events_of(results):
        yield event["type"], {**where, **event}
