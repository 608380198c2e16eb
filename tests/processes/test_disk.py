"""Disks that are full, that refuse, or that return nonsense: a clear reason, exit code 3, and no harm to what was durable."""

import json
import random
import resource
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from meshsec.relays import relayer_config
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ChainId
from meshsec_core.modules.bank import Send
from meshsec_core.runtime.tx import make_tx
from meshsec_sdk import names
from meshsec_sdk.client import Client
from meshsec_sdk.errors import OutcomeUnknown, TxRejected
from meshsec_sdk.mesh_file import topology
from meshsec_sdk.names import chain_name
from node_process import NodeProcess

OSMOSIS = chain_name("osmosis")
NOWHERE = Path("/proc/meshsec")
"""A directory that nobody can make, whatever they may do elsewhere."""


def transfers(first: int, count: int) -> list[bytes]:
    key, bob = names.development_key("user/alice"), names.address("bob", OSMOSIS)
    give = Send(bob, OSMOSIS.denom, 1)
    return [make_tx(key, "osmo", ChainId("osmosis-1"), first + number, (give,)) for number in range(count)]


def limited() -> None:
    """Let no file of this process grow beyond a megabyte and a half: what the system does to writers on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))


def fill(client: Client) -> tuple[int, str]:
    """Have transfers included until the chain goes away; return its last height that was seen, and the block's hash there."""
    seen = (0, "")
    while True:
        try:
            client.submit_batch(transfers(client.account("alice").next_sequence, 200))
            client.mine(1)
            status = client.status()
            seen = status.height, status.block_hash
        except (Rejected, TxRejected, OutcomeUnknown):
            return seen


def test_a_chain_whose_disk_takes_no_more_ends_with_a_reason_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """Given a chain whose files cannot grow
    When it is loaded until the disk refuses
    Then it ends by itself with exit code 3 and says why; with room again it holds every block that was seen, and makes more
    """
    node = NodeProcess(tmp_path).start(preexec_fn=limited)
    with node.client() as client:
        height, block_hash = fill(client)
    _, said = node.process.communicate(timeout=20)
    assert (node.process.returncode, said.split(" ")[0]) == (3, "storage/unavailable")
    assert height > 0
    with node.start(), node.client() as client:
        assert client.status().height >= height
        assert client.block(height)["hash"] == block_hash
        assert client.include(transfers(client.account("alice").sequence, 1)[0]).code == ""


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """What a chain leaves that has ended: its directory and the bytes of its database."""
    home = tmp_path_factory.mktemp("left")
    node = NodeProcess(home).start()
    with node.client() as client:
        client.submit_batch(transfers(0, 100))
        client.mine(3)
    assert node.stop() == 0
    return home, (home / "chain.db").read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_a_chain_whose_database_is_overwritten_says_so_and_does_not_start(left: tuple[Path, bytes], seed: int) -> None:
    home, raw = left
    chance, broken = random.Random(seed), bytearray(raw)
    for page in chance.sample(range(1, len(raw) // 4_096), len(raw) // 4_096 // 2):
        broken[page * 4_096 : page * 4_096 + 200] = chance.randbytes(200)
    (home / "chain.db").write_bytes(broken)
    assert refused(["meshsec_node", "--config", str(home / "node.json")]) == (3, "storage/corrupt")


def test_a_chain_whose_database_is_cut_off_says_so_and_does_not_start(left: tuple[Path, bytes]) -> None:
    home, raw = left
    (home / "chain.db").write_bytes(raw[: len(raw) // 3])
    assert refused(["meshsec_node", "--config", str(home / "node.json")]) == (3, "storage/corrupt")


def test_a_chain_that_may_not_write_where_it_is_told_to_says_so(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path)
    node.config.write_text(node.config.read_text().replace(json.dumps(str(tmp_path)), json.dumps(str(NOWHERE))))
    assert refused(["meshsec_node", "--config", str(node.config)]) == (3, "storage/unavailable")


def test_a_relayer_that_may_not_write_where_it_is_told_to_says_so(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "osmosis") as here, NodeProcess(tmp_path / "juno", "juno") as there:
        config = relayer_config(topology("pair"), "main", {"osmosis": here.url, "juno": there.url})
        config = msgspec.structs.replace(config, store=str(NOWHERE / "cursor"))
        (tmp_path / "relayer.json").write_bytes(msgspec.json.encode(config))
        assert refused(["meshsec_relayer", "--config", str(tmp_path / "relayer.json")]) == (3, "relayer/store-failed")


def test_a_mesh_that_may_not_write_where_it_is_told_to_says_so() -> None:
    command = ["meshsec", "up", "pair", "--detach", "--dir", str(NOWHERE)]
    assert refused(command) == (3, "up/bad-directory:")


def refused(module: list[str]) -> tuple[int, str]:
    """Run a program that does not start; return its exit code and the first word that it says of why."""
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr.split(" ")[0]
