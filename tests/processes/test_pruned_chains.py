"""A chain process that keeps a few blocks: its file stays small, and it comes back from a kill and from a revert."""

from pathlib import Path

from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.client import Client
from node_process import NodeProcess

KEPT = {"block_mode": "manual", "keep_states": 20, "keep_blocks": 40}


def earliest(client: Client) -> int:
    return int(client.get("/v1/status")["earliest_height"])


def code(client: Client, path: str) -> str:
    try:
        client.get(path)
    except Rejected as refusal:
        return refusal.code
    return ""


def test_the_file_of_a_chain_that_keeps_few_blocks_stops_growing(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, **KEPT) as node, node.client() as client:
        sizes = []
        for _ in range(4):
            client.mine(150)
            sizes.append((tmp_path / "chain.db").stat().st_size + (tmp_path / "chain.db-wal").stat().st_size)
        assert earliest(client) == 600 - 40 + 1
        assert sizes[3] <= 1.1 * sizes[1]


def test_a_kill_and_a_revert_lose_nothing_that_is_kept(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, **KEPT) as node:
        with node.client() as client:
            client.mine(100)
            client.post("/v1/dev/snapshot", {"name": "here"})
            client.mine(100)
            assert (earliest(client), code(client, "/v1/blocks/99"), code(client, "/v1/blocks/100")) == (100, "block/pruned", "")
            tip = client.status()
        node.kill()
        node.start()
        with node.client() as client:
            assert client.status() == tip
            client.mine(1)
            assert earliest(client) == 100
            assert client.post("/v1/dev/revert", {"name": "here"})["height"] == "100"
            assert earliest(client) == 61
            client.mine(60)
            assert (client.status().height, earliest(client), code(client, "/v1/blocks/100")) == (160, 100, "")


def test_settings_that_would_forget_blocks_before_states_end_the_process(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path, keep_states=20, keep_blocks=19)
    process = node.launch()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.split()[0]) == (2, "node/bad-settings")
