"""Blocks of one chain process: signed by four validators, executed, durable before anybody sees them; and what a reader gets."""

from collections.abc import Iterator
from contextlib import closing
from time import perf_counter, sleep

from meshsec.bench import limits
from meshsec.bench.figure import Figure, Limit, figure, scaled, seconds
from meshsec.bench.meshes import one_chain
from meshsec.world.process import ProcessWorld
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import Denom
from meshsec_core.modules.bank import Send
from meshsec_sdk.client import Client
from meshsec_sdk.names import USERS
from meshsec_sdk.transport import HttpTransport
from meshsec_sdk.wallet import Wallet

MILLISECONDS = 1e3
INTERVAL_MS = 50
"""Block time in interval mode."""
STATUS = "/v1/status"


def measure(tries: int = 5, blocks: int = 100, transfers: int = 1_000, requests: int = 500) -> Iterator[Figure]:
    """Measure `block.empty_per_s` and `block.full_ms`, a block with many transfers, made on order; `block.interval_per_s`, blocks
    in interval mode against those that are due; and `block.status_per_s`, answers about the chain's status.

    Args:
        tries: how many times over.
        blocks: that are empty, in each try.
        transfers: in the block that is full; their signatures are checked when they are submitted.
        requests: of one client, one at a time, in each try.
    """
    with ProcessWorld(one_chain()) as world, Client(world.home.running().endpoints.chains["osmosis"]) as client:
        _set_mode(client, "manual")
        syncs = [limits.fsyncs_per_s(blocks) for _ in range(tries)]
        empty = [blocks / seconds(client.mine, blocks) for _ in range(tries)]
        yield figure("block.empty_per_s", empty, "blocks/s", Limit.of(syncs, "the disk, one sync a block"))
        yield figure("block.full_ms", scaled([_full(client, transfers) for _ in range(tries)], MILLISECONDS), "ms")
        _set_mode(client, "interval")
        due = Limit(1_000 / INTERVAL_MS, f"a block every {INTERVAL_MS} ms")
        yield figure("block.interval_per_s", [_at_intervals(client) for _ in range(tries)], "blocks/s", due)
        _set_mode(client, "manual")
        with limits.plain_server() as plain, closing(HttpTransport(world.home.running().endpoints.chains["osmosis"])) as line:
            most = [limits.requests_per_s(plain, "/", requests) for _ in range(tries)]
            rates = [limits.requests_per_s(line, STATUS, requests) for _ in range(tries)]
        yield figure("block.status_per_s", rates, "requests/s", Limit.of(most, "plain uvicorn"))


def _set_mode(client: Client, mode: str) -> None:
    client.post("/v1/dev/block-mode", {"mode": mode, "block_time": f"{INTERVAL_MS}ms"})


def _full(client: Client, transfers: int) -> float:
    """Put transfers into one block; return the seconds that it takes to make."""
    wallets = [Wallet.named(client, user) for user in USERS]
    transfer = Send(wallets[0].address, Denom(client.status().denom), 1)
    answer = client.submit_batch([wallets[number % len(wallets)].sign(transfer) for number in range(transfers)])
    if answer.refused:
        raise InvariantViolated(f"a transfer is refused: {answer.refused[0]}")
    took = seconds(client.mine)
    done = len(client.block()["results"]["receipts"])
    if done != transfers:
        raise InvariantViolated(f"{done} of {transfers} transfers are in the block")
    return took


def _at_intervals(client: Client) -> float:
    """Let blocks be made for a second; return how many a second."""
    height, begun = client.status().height, perf_counter()
    sleep(1.0)
    return (client.status().height - height) / (perf_counter() - begun)
