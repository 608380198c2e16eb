"""A relayer as a real process between two real chains: it opens, carries, and comes back from a kill."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import Denom
from meshsec_core.kernel.wire.ibc import voucher_denom
from meshsec_relayer.config import ChainConfig, ChannelConfig, PathConfig, RelayerConfig
from meshsec_relayer.engine.boundary import Image
from meshsec_sdk import names
from node_process import NodeProcess

BOB = names.address("bob", names.chain_name("juno"))
VOUCHER = voucher_denom("transfer/channel-0/uosmo")
TRANSFER = ChannelConfig(proposer="a", port="transfer", counterparty_port="transfer", version="ics20-1")


class RelayerProcess:
    """A relayer of the mesh `pair` under a directory; may be killed and started again."""

    def __init__(self, home: Path, urls: dict[str, str], **changes: Any) -> None:
        home.mkdir(parents=True, exist_ok=True)
        chains = {name: ChainConfig(url, f"{name}-1", names.chain_name(name).prefix) for name, url in urls.items()}
        paths = (PathConfig("osmosis", "juno", (TRANSFER,)),)
        self.store = home / "cursor"
        self.config = home / "relayer.json"
        self.config.write_bytes(codec.encode(RelayerConfig("main", chains, paths, store=str(self.store), **changes)))
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def launch(self, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "meshsec_relayer", "--config", str(self.config)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def start(self, until: str = "serving") -> None:
        """Start the process and wait until it says so."""
        self._process = self.launch()
        self.hear("serving")
        if until != "serving":
            self.hear(until)

    def hear(self, event: str) -> dict[str, Any]:
        """Wait until the process says that something has happened."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == "serving":
                self.url = f"http://127.0.0.1:{said['port']}"
            if said["event"] == event:
                return said
        raise AssertionError(f"the relayer ended: {self._process.communicate()[1]}")

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.communicate(timeout=20)
        return self._process.returncode


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, NodeProcess]]:
    home = tmp_path_factory.mktemp("chains")
    with NodeProcess(home / "osmosis", "osmosis") as osmosis, NodeProcess(home / "juno", "juno") as juno:
        yield {"osmosis": osmosis, "juno": juno}


def transfer(osmosis: NodeProcess, amount: int) -> int:
    """Send coins from alice to bob on juno; return the height of the block that holds the packet."""
    with osmosis.client() as client:
        return client.send_as("alice", Transfer("channel-0", Denom("uosmo"), amount, BOB)).require().height


def wait_for(node: NodeProcess, kind: str, since: int) -> None:
    """Wait until a chain says that something has happened."""
    with node.client() as client:
        for _, event, _ in client.events(since):
            if event == kind:
                return


def test_a_relayer_opens_a_path_carries_and_comes_back_from_a_kill(chains: dict[str, NodeProcess], tmp_path: Path) -> None:
    """Given a relayer that is killed while a packet is under way, and again right after it has come back
    Then each packet arrives once, nothing is opened twice, and an order that was given before the kill still holds
    """
    osmosis, juno = chains["osmosis"], chains["juno"]
    relayer = RelayerProcess(tmp_path, {name: node.url for name, node in chains.items()})
    relayer.start(until="path-open")
    wait_for(juno, "write_acknowledgement", transfer(osmosis, 1))

    relayer.end(signal.SIGKILL)
    sent = transfer(osmosis, 10)
    relayer.start()
    relayer.end(signal.SIGKILL)
    relayer.start(until="path-open")
    wait_for(osmosis, "acknowledge_packet", sent)

    held = httpx.post(f"{relayer.url}/v1/hold", json={"kind": "transfer"}).json()["held"]
    relayer.end(signal.SIGKILL)
    relayer.start(until="path-open")
    assert httpx.get(f"{relayer.url}/v1/status").json()["held"] == held
    sent = transfer(osmosis, 100)
    httpx.post(f"{relayer.url}/v1/release")
    wait_for(osmosis, "acknowledge_packet", sent)
    assert relayer.end(signal.SIGTERM) == 0

    with juno.client() as client:
        assert client.balance("bob", VOUCHER) == 111
        assert client.state("ibc/connections/connection-1").value is None
        assert client.state("ibc/channelEnds/ports/transfer/channels/channel-1").value is None
    assert codec.load(relayer.store.read_bytes(), Image).paths["osmosis-juno"].connection_a == "connection-0"


def test_a_relayer_that_reaches_nobody_says_so_and_still_answers(tmp_path: Path) -> None:
    relayer = RelayerProcess(tmp_path, {"osmosis": "http://127.0.0.1:9", "juno": "http://127.0.0.1:9"})
    relayer.start()
    answer = httpx.get(f"{relayer.url}/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert httpx.get(f"{relayer.url}/healthz").status_code == 200
    assert relayer.end(signal.SIGTERM) == 0


def test_a_relayer_ends_with_its_supervisor(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    relayer = RelayerProcess(tmp_path, {"osmosis": "http://127.0.0.1:9", "juno": "http://127.0.0.1:9"}, parent=reading)
    process = relayer.launch(pass_fds=(reading,))
    os.close(reading)
    os.close(writing)
    process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)


def test_bad_configuration_and_a_busy_port_are_told_by_exit_code(tmp_path: Path) -> None:
    relayer = RelayerProcess(tmp_path, {"osmosis": "http://127.0.0.1:9", "juno": "http://127.0.0.1:9"})
    good = relayer.config.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        for raw, code, said in (
            (b"{", 2, "relayer/bad-config"),
            (good.replace(b'"port":"0"', b'"port":"%d"' % port), 3, "process/port-in-use"),
        ):
            relayer.config.write_bytes(raw)
            process = relayer.launch()
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, errors.startswith(said)) == (code, True), errors
    relayer.store.write_bytes(b"rubbish")
    relayer.config.write_bytes(good)
    process = relayer.launch()
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.startswith("relayer/bad-store")) == (3, True), errors
