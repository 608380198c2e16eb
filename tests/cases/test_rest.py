"""When a mesh of processes counts as being at rest, and what is said of one that never comes to it."""

from collections.abc import Callable
from typing import Any

import pytest

from meshsec.rest import Mesh
from meshsec_core.kernel.errors import Rejected

CHAIN: dict[str, Any] = {"height": "5", "quiet": True, "ready": True, "block_mode": "auto", "reasons": []}
RELAYER: dict[str, Any] = {
    "ready": True,
    "idle": True,
    "pending": "0",
    "chains": {"osmosis": {"scanned": "5"}, "juno": {"scanned": "5"}},
    "waits_for": [],
}


class Scripted:
    """Answers status after status; the last one again and again."""

    def __init__(self, *statuses: dict[str, Any], told: Callable[[str, Any], None] = lambda *_: None) -> None:
        self._statuses = list(statuses)
        self._told = told

    def get(self, path: str) -> tuple[int, Any]:
        assert path == "/v1/status"
        return 200, self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        self._told(path, body)
        return 200, {}


def mesh(osmosis: Scripted, relayer: Scripted, juno: Scripted | None = None) -> Mesh:
    return Mesh({"osmosis": osmosis, "juno": juno or Scripted(CHAIN)}, {"main": relayer})


def test_a_mesh_is_at_rest_when_no_block_is_due_and_the_relayer_has_read_them_all() -> None:
    assert mesh(Scripted(CHAIN), Scripted(RELAYER)).look(ready=True) == []


@pytest.mark.parametrize(
    ("chain", "relayer", "waits"),
    [
        ({**CHAIN, "quiet": False}, RELAYER, ["osmosis makes blocks"]),
        ({**CHAIN, "height": "6"}, RELAYER, ["relayer main reads osmosis"]),
        (CHAIN, {**RELAYER, "idle": False, "pending": "2"}, ["relayer main works on 2 packets"]),
        (CHAIN, {**RELAYER, "ready": False}, ["relayer main opens channels"]),
        ({**CHAIN, "ready": False, "reasons": ["no block yet"]}, RELAYER, ["osmosis: no block yet"]),
    ],
    ids=["a block is due", "a block is unread", "a packet is under way", "a channel is missing", "a chain is not ready"],
)
def test_a_mesh_is_not_ready_while_something_is_to_be_done(
    chain: dict[str, Any], relayer: dict[str, Any], waits: list[str]
) -> None:
    assert mesh(Scripted(chain), Scripted(relayer)).look(ready=True) == waits


def test_a_chain_without_a_quorum_keeps_nobody_waiting() -> None:
    halted = {**CHAIN, "ready": False, "quiet": False, "reasons": ["no quorum"]}
    assert mesh(Scripted(halted), Scripted(RELAYER)).look(ready=False) == []


def test_a_block_that_is_made_while_one_looks_is_waited_for() -> None:
    moving = Scripted(CHAIN, {**CHAIN, "height": "6"})
    assert mesh(moving, Scripted(RELAYER)).look(ready=False) == ["new blocks"]


def test_blocks_that_a_relayer_waits_for_are_made_on_chains_that_make_none_by_themselves() -> None:
    orders: list[tuple[str, Any]] = []
    manual = Scripted({**CHAIN, "block_mode": "manual"}, told=lambda path, body: orders.append((path, body)))
    waiting = Scripted({**RELAYER, "idle": False, "pending": "1", "waits_for": ["osmosis", "juno"]}, RELAYER)
    mesh(manual, waiting).wait()
    assert orders == [("/v1/dev/mine", {"blocks": 1})]


def test_a_mesh_that_never_comes_to_rest_is_called_stuck_with_what_it_waits_for() -> None:
    with pytest.raises(Rejected) as refusal:
        mesh(Scripted({**CHAIN, "quiet": False}), Scripted(RELAYER)).wait(seconds=0)
    assert (refusal.value.code, refusal.value.facts["waits"]) == ("world/stuck", "osmosis makes blocks")
