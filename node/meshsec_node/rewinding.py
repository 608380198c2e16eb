"""Orders about snapshots of one chain: let it rest, save it, and take it back to where it was."""

from collections.abc import Mapping
from contextlib import suppress

import msgspec
import structlog

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.replica.generations import Fork, marks_above
from meshsec_node.clock import MeshClock, clock_row
from meshsec_node.runner import Runner
from meshsec_node.snapshots import Saved, Snapshots
from meshsec_node.views.routes import Reply, Request
from meshsec_sdk.problems import BAD_PARAMETER, read_body
from meshsec_sdk.quantities import duration

NO_SNAPSHOTS = "dev/no-snapshots"

LONGEST_REST = 60
"""Seconds without blocks that may be ordered at once."""


class Rest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `rest`."""

    duration: str
    """Such as `2s`."""


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `snapshot`."""

    name: str


class Revert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `revert`."""

    name: str
    generation: int | None = None
    """The new one, the same on all chains of a mesh; by default the next."""
    offset: int | None = None
    """Of the clock, nanoseconds; by default the time is that of the snapshot."""
    abandoned: tuple[bytes, ...] = ()
    """Marks of what the other chains give up."""
    revived: tuple[bytes, ...] = ()
    """Marks of what they take up again."""


class Lift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `lift`."""

    marks: tuple[bytes, ...]


async def rest(runner: Runner, request: Request) -> Reply:
    """Decide no block for a while; with `0s` go on at once."""
    text = read_body(request.body, Rest).duration
    nanoseconds = duration(text)
    if nanoseconds is None or nanoseconds > LONGEST_REST * SECOND:
        raise Rejected(BAD_PARAMETER, name="duration", found=text[:50], expected=f"such as 2s, at most {LONGEST_REST}s")
    runner.rest(nanoseconds / SECOND)
    return Reply({"height": runner.replica.height})


async def snapshot(runner: Runner, request: Request) -> Reply:
    """Save the chain under a name: blocks, state, double-sign guards, and what waits for a block."""
    chain = runner.replica
    name = read_body(request.body, Named).name
    saved = Saved(name, chain.height, chain.generation, runner.clock.now(), chain.waiting_txs())
    _snapshots(runner).save(saved)
    return Reply(_spell(saved))


async def snapshots(runner: Runner, request: Request) -> Reply:  # noqa: ARG001
    """List the names of the chain's snapshots."""
    return Reply({"snapshots": _snapshots(runner).names()})


async def show_snapshot(runner: Runner, request: Request) -> Reply:
    """Show a snapshot, and what the chain would give up and take up again if it went there."""
    name = request.parts["name"]
    fork = _snapshots(runner).fork(name)
    fork = Fork(fork.height, (*fork.abandoned, *_branch_marks(runner)), fork.revived)
    return Reply({**_spell(_snapshots(runner).read(name)[0]), "fork": fork})


async def delete_snapshot(runner: Runner, request: Request) -> Reply:
    """Forget a snapshot."""
    _snapshots(runner).delete(request.parts["name"])
    return Reply({"deleted": request.parts["name"]})


async def revert(runner: Runner, request: Request) -> Reply:
    """Go to a snapshot and start a generation; nothing happens if the chain has come to that generation before.

    Faults and branches end, the clock shows the time of the snapshot, and what waited for a block waits again.
    """
    asked = read_body(request.body, Revert)
    generation = runner.replica.generation + 1 if asked.generation is None else asked.generation
    if generation > runner.replica.generation:
        saved, image = _snapshots(runner).read(asked.name)
        offset = saved.now - MeshClock(0).now() if asked.offset is None else asked.offset
        marks = ([*asked.abandoned, *_branch_marks(runner)], asked.revived)
        _snapshots(runner).go(image, generation, marks, [clock_row(offset)])
        runner.begin_generation(offset)
        for raw in saved.waiting:
            with suppress(Rejected):
                runner.submit(raw)
        structlog.get_logger().info("reverted", snapshot=asked.name, generation=generation, height=runner.replica.height)
    return Reply({"generation": runner.replica.generation, "height": runner.replica.height})


async def lift(runner: Runner, request: Request) -> Reply:
    """Believe again in what another chain had given up: it has signed the very same once more."""
    runner.storage.apply(runner.replica.abandoned.lift(read_body(request.body, Lift).marks))
    return Reply({"abandoned": len(runner.replica.abandoned)})


def _snapshots(runner: Runner) -> Snapshots:
    if runner.snapshots is None:
        raise Rejected(NO_SNAPSHOTS, chain_id=runner.replica.genesis.chain_id)
    return runner.snapshots


def _branch_marks(runner: Runner) -> list[bytes]:
    """Return the marks of what was signed on branches, which end with a revert."""
    chain_id = runner.replica.genesis.chain_id
    return [mark for branch in runner.branches.values() for mark in marks_above(chain_id, branch.storage, branch.base or 0)]


def _spell(saved: Saved) -> Mapping[str, object]:
    return {"name": saved.name, "height": saved.height, "generation": saved.generation, "now": saved.now}
