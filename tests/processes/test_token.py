"""Who may tell a mesh anything: everybody on this machine and nobody beyond it, or those alone who show its token."""

from pathlib import Path

import httpx
import pytest

from meshes import transfer
from meshsec import mesh
from meshsec.world.process import ProcessWorld
from meshsec_sdk.token import VARIABLE
from torture.mesh import processes_of

ORDER = {"from": "alice", "msgs": [{"@type": "mesh/Bond", "amount": "1"}]}


def test_a_mesh_with_a_token_takes_orders_from_those_alone_who_show_it_and_shows_itself_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given a pair that was started with a token
    When somebody without it, somebody with another one, and the world itself read and give orders, at each process
    Then all may read, only the world is obeyed, and relayer and gateway show the token to the chains themselves
    """
    monkeypatch.setenv(VARIABLE, "sesame")
    with ProcessWorld("pair") as world:
        endpoints = world.home.running().endpoints
        chain, relayer, gateway = endpoints.chains["osmosis"], endpoints.relayers["main"], endpoints.gateway
        drip = {"chain": "osmosis", "address": "bob", "amount": "5"}
        orders = [
            (f"{chain}/v1/dev/send", ORDER),
            (f"{gateway}/chains/osmosis/v1/dev/send", ORDER),
            (f"{gateway}/faucet", drip),
            (f"{gateway}/v1/clock", {"advance": "1s"}),
            (f"{relayer}/v1/pause", {}),
            (f"{gateway}/relayers/main/v1/resume", {}),
        ]
        for url, body in orders:
            for shown, expected in (
                ({}, (401, "http/token-missing")),
                ({"authorization": "Bearer x"}, (403, "http/token-wrong")),
            ):
                answer = httpx.post(url, json=body, headers=shown)
                assert (answer.status_code, answer.json()["code"]) == expected, url
            assert httpx.post(url, json=body, headers={"authorization": "Bearer sesame"}, timeout=30).status_code == 200, url
        for url in (f"{chain}/v1/status", f"{relayer}/v1/status", f"{gateway}/v1/mesh", f"{gateway}/"):
            assert httpx.get(url).status_code == 200, url
        assert httpx.get(f"{chain}/v1/dev/clock").status_code == 401
        assert httpx.delete(f"{gateway}/v1/snapshots/none").status_code == 401
        world.osmosis.user("alice").send(mesh.Bond(100))
        transfer(world, "osmosis", "juno", 7)
        world.snapshot("here")
        world.revert("here")
        world.settle()


LOOPBACK, LISTENS = "0100007F", "0A"
"""How /proc/net/tcp spells 127.0.0.1 and a socket that waits for connections."""


def test_no_process_of_a_mesh_listens_beyond_this_machine() -> None:
    with ProcessWorld("pair") as world:
        addresses = listening(processes_of(world.home.running().pid))
    assert len(addresses) == 4  # two chains, a relayer and the gateway
    assert {address for address, _ in addresses} == {LOOPBACK}


def listening(pids: set[int]) -> set[tuple[str, str]]:
    """(address, port), as Linux spells them, on which processes listen."""
    held = {str(link.readlink()) for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for family in ("tcp", "tcp6") for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]]
    found = [row[1].split(":") for row in rows if row[3] == LISTENS and f"socket:[{row[9]}]" in held]
    return {(address, port) for address, port in found}
