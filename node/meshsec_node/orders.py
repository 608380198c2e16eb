"""Routes that only a development chain serves: sign for a named user, make blocks, move the clock.

Those that need no waiting are views (`views/faults.py`), so that simulated chains serve them too.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.storage import PowerCut
from meshsec_node import rewinding
from meshsec_node.runner import Runner
from meshsec_node.settings import BlockMode
from meshsec_node.views.chain import receipt_fields
from meshsec_node.views.routes import Reply, Request
from meshsec_node.views.txs import compose
from meshsec_sdk.problems import BAD_PARAMETER, problem, read_body, status_of
from meshsec_sdk.quantities import duration

WAIT_SECONDS = 30.0
"""How long an answer may wait for a block; then 202 says that the outcome is open."""

MAX_BLOCKS = 10_000
JUMP_BLOCKS = 2
"""Blocks after a jump of the clock: a header's time lags one block behind the clock."""


class Mine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `mine`."""

    blocks: int = 1


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `clock`: one of the two."""

    advance: str | None = None
    """Duration such as `21d`, or nanoseconds."""
    offset: int | None = None
    """Logical time minus wall time, nanoseconds; may not go back."""


class Mode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `block-mode`."""

    mode: BlockMode
    block_time: str | None = None
    """Duration such as `500ms`, for interval mode."""


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `cut-power`."""

    batch: int = 1
    """Before the how manyeth durable write from now."""
    commit: bool = False
    """Count those alone that make a block durable."""


def _nanoseconds(name: str, text: str) -> int:
    found = int(text) if text.isdecimal() and len(text) < 20 else duration(text)
    if found is None or found >= 2**62:
        raise Rejected(BAD_PARAMETER, name=name, found=text[:50], expected="a duration such as 21d or 500ms")
    return found


async def send(runner: Runner, request: Request) -> Reply:
    """Sign messages with a user's development key, wait for the block and answer with the receipt; 422 if they were refused.

    In manual mode, or if no block comes, the answer is 202 with the hash. An order with a sequence may be sent again.
    """
    raw = compose(runner, request.body)
    found = sha256(raw)
    if not runner.replica.is_waiting(found) and runner.replica.receipt(found) is None:
        runner.submit(raw)
    receipt = None if runner.mode is BlockMode.MANUAL else await runner.receipt_of(found, WAIT_SECONDS)
    if receipt is None:
        return Reply({"hash": found.hex(), "height": runner.replica.height}, 202)
    if not receipt.code:
        return Reply(receipt_fields(receipt))
    refusal = problem(Rejected(receipt.code, **receipt.facts))
    return Reply({**receipt_fields(receipt), "message": refusal.message}, status_of(receipt.code))


async def mine(runner: Runner, request: Request) -> Reply:
    """Make blocks now; answer with the new height."""
    asked = read_body(request.body, Mine)
    if not 1 <= asked.blocks <= MAX_BLOCKS:
        raise Rejected(BAD_PARAMETER, name="blocks", found=asked.blocks, expected=f"1 to {MAX_BLOCKS}")
    return Reply({"height": await runner.mine(asked.blocks)})


async def clock(runner: Runner, request: Request) -> Reply:
    """Move logical time forward and make two blocks, so that a header says so; answer with offset and time."""
    asked = read_body(request.body, Clock)
    if (asked.advance is None) == (asked.offset is None):
        raise Rejected(BAD_PARAMETER, name="clock", found="both or none", expected="advance or offset")
    before = runner.clock.offset
    after = before + _nanoseconds("advance", asked.advance) if asked.advance is not None else asked.offset
    if after is None or not before <= after < 2**62:
        raise Rejected(BAD_PARAMETER, name="offset", found=str(after)[:50], expected=f"at least {before}")
    runner.set_clock(after)
    if after > before:
        await runner.mine(JUMP_BLOCKS)
    return await show_clock(runner, request)


async def show_clock(runner: Runner, request: Request) -> Reply:  # noqa: ARG001
    """Show logical time and its offset from wall time, in nanoseconds."""
    return Reply({"offset": runner.clock.offset, "now": runner.clock.now(), "height": runner.replica.height})


async def block_mode(runner: Runner, request: Request) -> Reply:
    """Change when blocks are made."""
    asked = read_body(request.body, Mode)
    block_time = None if asked.block_time is None else _nanoseconds("block_time", asked.block_time)
    if block_time == 0:
        raise Rejected(BAD_PARAMETER, name="block_time", found="0", expected="more than 0")
    runner.set_mode(asked.mode, block_time)
    return Reply({"block_mode": runner.block_mode, "block_time": runner.block_time})


async def cut_power(runner: Runner, request: Request) -> Reply:
    """Let the process die by SIGKILL before one of its next durable writes; what shares its sync is lost with it, unheard of."""
    asked = read_body(request.body, Cut)
    if asked.batch < 1:
        raise Rejected(BAD_PARAMETER, name="batch", found=str(asked.batch), expected="1 or more")
    runner.cut_power(PowerCut(asked.batch, commit=asked.commit))
    return Reply({"batch": asked.batch, "height": runner.replica.height})


Order = Callable[[Runner, Request], Awaitable[Reply]]

ORDERS: Mapping[tuple[str, str], tuple[Order, str]] = {
    ("POST", "/v1/dev/send"): (send, "Order"),
    ("POST", "/v1/dev/mine"): (mine, "Mine"),
    ("GET", "/v1/dev/clock"): (show_clock, ""),
    ("POST", "/v1/dev/clock"): (clock, "Clock"),
    ("POST", "/v1/dev/block-mode"): (block_mode, "Mode"),
    ("POST", "/v1/dev/cut-power"): (cut_power, "CutPower"),
    ("POST", "/v1/dev/rest"): (rewinding.rest, "Rest"),
    ("POST", "/v1/dev/snapshot"): (rewinding.snapshot, "NamedSnapshot"),
    ("GET", "/v1/dev/snapshots"): (rewinding.snapshots, ""),
    ("GET", "/v1/dev/snapshots/{name}"): (rewinding.show_snapshot, ""),
    ("DELETE", "/v1/dev/snapshots/{name}"): (rewinding.delete_snapshot, ""),
    ("POST", "/v1/dev/revert"): (rewinding.revert, "Revert"),
    ("POST", "/v1/dev/lift"): (rewinding.lift, "Lift"),
}
"""(method, path) to what is done and the schema of the body."""
