"""The engine alone: events in, effects out, no chain behind it."""

from pathlib import Path
from typing import Any

import pytest

from harness import key_of
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.config import ChainConfig, ChannelConfig, PathConfig, RelayerConfig, check_config, read_config
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import (
    Answer,
    Ask,
    Drop,
    Filter,
    Hold,
    Image,
    Log,
    Pause,
    Poll,
    Release,
    Reply,
    Request,
    Resume,
    Save,
    Step,
)
from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.orders import ORDERS, read_order
from meshsec_relayer.store import FileStore, MemoryStore
from scripted import NOT_FOUND, SILENCE, drive, ok, refused

CONFIG = RelayerConfig(
    "main",
    {"osmosis": ChainConfig("http://osmosis", "osmosis-1", "osmo"), "juno": ChainConfig("http://juno", "juno-1", "juno")},
    (PathConfig("osmosis", "juno", (ChannelConfig(proposer="a", port="transfer", counterparty_port="transfer"),)),),
)


def engine(image: Image | None = None) -> Engine:
    return Engine(CONFIG, key_of("relayer"), image)


class EmptyChains:
    """Two chains that have made some empty blocks and take no transactions."""

    def __init__(self, height: int = 3) -> None:
        self.height = height
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        path = request.path
        if path == "/v1/status":
            return ok({"chain_id": f"{request.chain}-1", "height": self.height, "time": self.height * 10**9, "generation": "0"})
        if path.startswith("/v1/blocks/"):
            return ok({"height": path.rpartition("/")[2], "results": {"receipts": []}, "events": []})
        if path.startswith("/v1/accounts/"):
            return ok({"sequence": 0, "next_sequence": 0})
        if path.startswith("/v1/state?"):
            return ok({"entries": [], "next": None})
        if path.startswith("/v1/state/"):
            return ok({"height": self.height, "value": None})
        return NOT_FOUND

    def blocks(self) -> list[str]:
        return [f"{asked.chain} {asked.path.rpartition('/')[2]}" for asked in self.asked if asked.path.startswith("/v1/blocks/")]


def test_a_poll_asks_every_chain_where_it_stands_and_nothing_else() -> None:
    effects = engine().handle(Poll(1))
    asks = [effect.request for effect in effects if isinstance(effect, Ask)]
    assert asks == [Request("osmosis", "/v1/status"), Request("juno", "/v1/status")]


def test_a_poll_that_names_a_chain_asks_that_one_only() -> None:
    effects = engine().handle(Poll(1, ("juno",)))
    assert [effect.request for effect in effects if isinstance(effect, Ask)] == [Request("juno", "/v1/status")]


def test_a_second_poll_does_not_ask_again_while_an_answer_is_out() -> None:
    tested = engine()
    tested.handle(Poll(1))
    assert tested.handle(Poll(2)) == []


def test_equal_events_give_equal_effects() -> None:
    def life() -> list[Any]:
        tested, chains = engine(), EmptyChains()
        return [drive(tested, Poll(now), chains) for now in range(1, 5)] + [chains.asked]

    assert life() == life()


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    tested = engine()
    before = tested.handle(Poll(1))
    assert tested.handle(Answer(999, ok({}))) == []
    first = next(effect for effect in before if isinstance(effect, Ask))
    tested.handle(Answer(first.number, SILENCE))
    assert tested.handle(Answer(first.number, SILENCE)) == []


def test_every_block_is_read_once_and_in_order() -> None:
    tested, chains = engine(), EmptyChains(height=40)
    drive(tested, Poll(1), chains)
    assert [name for name in chains.blocks() if name.startswith("juno")] == [f"juno {height}" for height in range(1, 41)]
    chains.asked.clear()
    chains.height = 42
    drive(tested, Poll(2), chains)
    assert sorted(chains.blocks()) == ["juno 41", "juno 42", "osmosis 41", "osmosis 42"]


def test_blocks_from_the_cursor_on_are_read_after_a_restart() -> None:
    image = Image(chains={"juno": "juno-1"}, generations={"juno": "0"}, cursors={"juno": 38})
    tested, chains = engine(image), EmptyChains(height=40)
    drive(tested, Poll(1), chains)
    assert [name for name in chains.blocks() if name.startswith("juno")] == ["juno 38", "juno 39", "juno 40"]


def test_a_gap_in_the_blocks_is_not_skipped() -> None:
    tested, chains = engine(), EmptyChains(height=5)

    def without_three(request: Request) -> Reply:
        return SILENCE if (request.chain, request.path) == ("juno", "/v1/blocks/3") else chains(request)

    drive(tested, Poll(1), without_three)
    assert (tested.chains["juno"].scanned, tested.chains["juno"].reachable) == (2, False)
    drive(tested, Poll(2), chains)
    assert (tested.chains["juno"].scanned, tested.chains["juno"].reachable) == (5, True)


def test_the_cursor_is_made_durable_every_twenty_blocks() -> None:
    tested, chains = engine(), EmptyChains(height=19)
    drive(tested, Poll(1), chains)
    chains.height = 41
    saved = [effect.image for effect in drive(tested, Poll(2), chains) if isinstance(effect, Save)]
    assert saved[-1].cursors == {"osmosis": 42, "juno": 42}
    chains.height = 42
    assert [effect for effect in drive(tested, Poll(3), chains) if isinstance(effect, Save)] == []


def test_a_chain_that_refuses_everything_is_reported_and_asked_again_at_the_next_poll() -> None:
    tested = engine()
    for now in (1, 2):
        asked: list[str] = []

        def refuse(request: Request, asked: list[str] = asked) -> Reply:
            asked.append(request.path)
            return refused("node/halted", 503)

        drive(tested, Poll(now), refuse)
        assert asked == ["/v1/status", "/v1/status"]
    assert reports.reasons(tested) == [
        "osmosis: node/halted (chain=osmosis)",
        "juno: node/halted (chain=juno)",
        "osmosis-juno: opening",
    ]
    assert not reports.is_ready(tested)


def test_an_image_of_other_chains_or_another_version_is_refused() -> None:
    for image, code in (
        (Image(chains={"juno": "juno-2"}), "relayer/foreign-store"),
        (Image(version="0"), "relayer/store-version"),
    ):
        with pytest.raises(Rejected) as refusal:
            engine(image)
        assert refusal.value.code == code


def test_orders_survive_in_the_image() -> None:
    tested = engine()
    effects = [tested.handle(order) for order in (Pause(), Hold(Filter(kind="stake")), Drop("osmosis:transfer:channel-0:1"))]
    saved = [effect for group in effects for effect in group if isinstance(effect, Save)][-1].image
    store = MemoryStore()
    store.save(saved)
    again = engine(store.load())
    assert again.controls.paused
    assert again.controls.held == [Filter(kind="stake")]
    assert list(again.controls.dropped) == ["osmosis:transfer:channel-0:1/recv"]
    again.handle(Resume())
    again.handle(Release())
    assert (again.controls.paused, again.controls.held) == (False, [])


def test_a_store_in_a_file_is_whole_or_the_one_before(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "cursor")
    assert store.load() is None
    first, second = Image(cursors={"juno": 7}), Image(cursors={"juno": 8}, held=(Filter(kind="stake"),))
    store.save(first)
    (tmp_path / "cursor.new").write_bytes(b"half of a lat")
    assert store.load() == first
    store.save(second)
    assert FileStore(tmp_path / "cursor").load() == second
    (tmp_path / "cursor").write_bytes(b"rubbish")
    with pytest.raises(Rejected) as refusal:
        store.load()
    assert refusal.value.code == "relayer/bad-store"


def test_a_log_effect_carries_plain_texts() -> None:
    tested = engine()
    tested.chains["juno"].problem = ""
    tested._tell("info", "something", height=5)
    assert tested.handle(Poll(1))[0] == Log("info", "something", {"height": "5"})


@pytest.mark.parametrize(
    ("name", "body", "order"),
    [
        ("pause", None, Pause()),
        ("resume", {}, Resume()),
        ("step", {"count": "3"}, Step(3)),
        ("step", {}, Step(1)),
        ("hold", {"kind": "stake", "leg": "ack"}, Hold(Filter(kind="stake", leg="ack"))),
        ("release", {}, Release()),
        ("drop", {"id": "juno:transfer:channel-0:1"}, Drop("juno:transfer:channel-0:1")),
    ],
)
def test_an_order_is_read_from_its_name_and_parameters(name: str, body: Any, order: Any) -> None:
    assert read_order(name, body) == order


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("explode", {}, "relayer/unknown-order"),
        ("pause", {"now": True}, "codec/malformed"),
        ("hold", {"kin": "stake"}, "codec/malformed"),
        ("hold", {"leg": "sideways"}, "codec/malformed"),
        ("drop", {}, "codec/malformed"),
        ("step", [], "codec/malformed"),
    ],
)
def test_an_order_that_cannot_be_read_is_refused(name: str, body: Any, code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        read_order(name, body)
    assert refusal.value.code == code


def test_every_order_has_a_help_text() -> None:
    assert all(order.help.endswith(".") for order in ORDERS.values())


def test_a_configuration_is_spelled_as_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "relayer.json").write_bytes(codec.encode(CONFIG))
    assert read_config(tmp_path / "relayer.json") == CONFIG
    assert CONFIG.key_path == "relayer/main"


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"{}",
        b'{"id":"x","chains":{},"paths":[{"a":"one","b":"two"}]}',
        b'{"id":"x","chains":{},"paths":[],"unknown":1}',
        b'{"id":"x","chains":{},"paths":[],"max_batch_messages":0}',
        b'{"id":"x","chains":{},"paths":[],"peers":["y"]}',
        b'{"id":"x","chains":{},"paths":[],"peers":["x","x"]}',
        b'{"id":"x","chains":{},"paths":[],"filter":{"allow":[{"chain":"osmosis"}]}}',
        b'{"id":"x","chains":{"a":{"url":"nowhere","chain_id":"a-1","prefix":"a"}},"paths":[]}',
    ],
)
def test_a_configuration_that_cannot_work_is_refused(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "relayer.json").write_bytes(raw)
    with pytest.raises(Rejected) as refusal:
        read_config(tmp_path / "relayer.json")
    assert refusal.value.code == "relayer/bad-config"


@pytest.mark.parametrize(
    ("raw", "suggestion"),
    [
        (b'{"id":"x","chains":{},"paths":[],"max_batch_mesages":9}', "max_batch_messages"),
        (b'{"id":"x","chains":{},"paths":[],"filter":{"denny":[]}}', "deny"),
        (b'{"id":"x","chains":{"a":{"uri":"","chain_id":"a-1","prefix":"a"}},"paths":[]}', "url"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_may_have_been_meant(raw: bytes, suggestion: str, tmp_path: Path) -> None:
    (tmp_path / "relayer.json").write_bytes(raw)
    with pytest.raises(Rejected) as refusal:
        read_config(tmp_path / "relayer.json")
    assert (refusal.value.code, refusal.value.facts["suggestion"]) == ("relayer/bad-config", suggestion)


@pytest.mark.parametrize(
    "paths",
    [
        (PathConfig("osmosis", "osmosis"),),
        (PathConfig("osmosis", "juno"), PathConfig("juno", "osmosis")),
        (PathConfig("osmosis", "juno", (ChannelConfig("a", "transfer", "transfer", ordering="ORDER_NONE"),)),),
        (PathConfig("osmosis", "juno", (ChannelConfig("a", "transfer", "transfer"),) * 2),),
    ],
)
def test_a_path_that_leads_nowhere_or_twice_to_the_same_place_is_refused(paths: tuple[PathConfig, ...]) -> None:
    with pytest.raises(Rejected) as refusal:
        check_config(RelayerConfig("main", CONFIG.chains, paths))
    assert refusal.value.code == "relayer/bad-config"
