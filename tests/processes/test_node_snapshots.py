"""A chain process goes back to where it was: without a restart, for whoever reads its events, and through kills."""

import threading
from contextlib import suppress
from itertools import islice
from pathlib import Path

import httpx
import pytest

from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.client import Client
from meshsec_sdk.errors import OutcomeUnknown
from node_process import NodeProcess

SEND = {"from": "alice", "msgs": [{"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": 7}]}


def send(client: Client) -> None:
    """Send in manual mode, and make the block."""
    client.post("/v1/dev/send", SEND)
    client.mine(1)


def test_the_same_transactions_after_a_revert_lead_to_the_same_app_hash_in_a_process_that_goes_on(tmp_path: Path) -> None:
    """Times of votes are of the moment, so hashes of blocks differ; the state does not."""
    with NodeProcess(tmp_path, block_mode="manual") as node, node.client() as client:
        client.mine(3)
        saved = client.post("/v1/dev/snapshot", {"name": "start"})
        assert (saved["height"], saved["generation"]) == ("3", "0")
        outcomes = []
        for generation in range(1, 4):
            send(client)
            client.mine(2)
            status = client.status()
            outcomes.append((status.height, status.app_hash, client.balance("bob")))
            answer = client.post("/v1/dev/revert", {"name": "start"})
            assert (answer["generation"], answer["height"]) == (str(generation), "3")
            clock = client.get("/v1/dev/clock")
            assert 0 <= int(clock["now"]) - int(saved["now"]) < 5 * 10**9
        assert len(set(outcomes)) == 1
        assert node.process.poll() is None


def test_readers_of_events_are_told_to_start_again_and_see_the_new_branch_alone(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, block_mode="manual") as node, node.client() as client, node.client() as other:
        client.mine(3)
        client.post("/v1/dev/snapshot", {"name": "start"})
        client.mine(2)
        stream = other.events(since=2)
        seen = [(identity, kind) for identity, kind, _ in islice(stream, 3)]
        assert next(identity for identity, kind in seen if kind == "block") == "0-3-0"
        told: list[tuple[str, str]] = []

        def read() -> None:
            for identity, kind, data in stream:
                if kind in ("reset", "block"):
                    told.append((identity.rpartition("-")[0], kind))
                if kind == "block" and data["height"] == "4" and identity.startswith("1-"):
                    return

        reader = threading.Thread(target=read)
        reader.start()
        client.post("/v1/dev/revert", {"name": "start"})
        client.mine(1)
        reader.join(10)
        assert told[-2:] == [("1-3", "reset"), ("1-4", "block")]
        assert all(identity.startswith("0-") for identity, _ in told[:-2])
        late = [(identity.rpartition("-")[0], kind) for identity, kind, _ in islice(other.events(since="0-5-0"), 2)]
        assert late == [("1-3", "reset"), ("1-4", "block")]


@pytest.mark.slow
def test_snapshots_outlive_the_process_and_a_revert_is_before_or_after_a_kill_never_between(tmp_path: Path) -> None:
    """Given a chain is killed while it goes to a snapshot
    When it comes back
    Then it stands where it was, in its generation, or at the snapshot in the next, and goes on from there
    """
    node = NodeProcess(tmp_path, block_mode="manual")
    with node.start(), node.client() as client:
        client.mine(2)
        client.post("/v1/dev/snapshot", {"name": "low"})
    for _ in range(6):
        with node.start(), node.client() as client:
            assert client.get("/v1/dev/snapshots") == {"snapshots": ["low"]}
            client.mine(3)
            before = client.status()
            order = threading.Thread(target=lambda: quietly(node), daemon=True)
            order.start()
            node.kill()
            order.join(10)
        with node.start(), node.client() as client:
            after = client.status()
            stands = (after.height, after.generation)
            there = (before.height, before.generation), (2, str(int(before.generation) + 1))
            assert stands in there
            client.mine(1)
            assert client.status().height == after.height + 1


def quietly(node: NodeProcess) -> None:
    """Order a revert of a process that may die meanwhile."""
    with suppress(Rejected, OutcomeUnknown), node.client() as client:
        client.post("/v1/dev/revert", {"name": "low"})


def test_whoever_waits_for_blocks_of_a_branch_that_is_given_up_is_told(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, block_mode="manual") as node, node.client() as client, node.client() as other:
        client.mine(2)
        client.post("/v1/dev/snapshot", {"name": "start"})
        client.post("/v1/dev/rest", {"duration": "30s"})
        codes: list[str] = []

        def wait() -> None:
            try:
                other.mine(5)
            except Rejected as refusal:
                codes.append(refusal.code)

        waiter = threading.Thread(target=wait)
        waiter.start()
        while client.status().height == 2 and not codes:
            client.post("/v1/dev/revert", {"name": "start"})
        waiter.join(10)
        assert codes in ([], ["dev/reverted"])


@pytest.mark.parametrize("name", ["", "../chain", "a/b", ".hidden", "x" * 101])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with NodeProcess(tmp_path, block_mode="manual") as node, node.client() as client:
        with pytest.raises(Rejected) as refusal:
            client.post("/v1/dev/snapshot", {"name": name})
        assert refusal.value.code == "http/bad-parameter"


def test_an_unknown_snapshot_is_refused_and_one_that_is_deleted_is_unknown(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, block_mode="manual") as node, node.client() as client:
        client.mine(1)
        client.post("/v1/dev/snapshot", {"name": "one"})
        shown = client.get("/v1/dev/snapshots/one")
        assert (shown["height"], shown["fork"]) == ("1", {"height": "1", "abandoned": [], "revived": []})
        assert httpx.delete(f"{node.url}/v1/dev/snapshots/one").json() == {"deleted": "one"}
        with pytest.raises(Rejected) as refusal:
            client.post("/v1/dev/revert", {"name": "one"})
        assert refusal.value.code == "snapshot/not-found"
        assert (client.status().height, client.status().generation) == (1, "0")
