"""Prices: how long one counts, how often it is asked for, and what a chain does without one (case list, section A)."""

import pytest
from msgspec.structs import replace

from harness import Chain
from mesh_faults import downtime
from mesh_markets import connect
from mesh_rig import E18, Link, MeshRig, account, pair, refused
from meshsec_core.ibc.prices import Quote, Track
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, ChainId
from meshsec_core.security.mesh.consumer.governance import SetMaxCap, SetPriceFeed
from meshsec_core.security.mesh.consumer.pricing import FEEDS, Asked, channel_of
from meshsec_core.security.mesh.consumer.state import Feed
from meshsec_core.security.mesh.price import Told, current, is_due, newer
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range

TTL = 600 * SECOND


def code_of(known: Told | None, now: int) -> str:
    with pytest.raises(Rejected) as refusal:
        current(known, now, TTL)
    return refusal.value.code


def test_pf_1_a_price_counts_until_it_is_as_old_as_its_time_to_live() -> None:
    start = 1_000 * SECOND
    told = newer(None, Told(start, E18))
    assert current(told, start + 559 * SECOND, TTL) == E18
    assert current(told, start + TTL - 1, TTL) == E18
    assert code_of(told, start + TTL) == "mesh/outdated-price-data"
    assert code_of(told, start + 601 * SECOND) == "mesh/outdated-price-data"
    assert code_of(None, start) == "mesh/no-price-data"
    assert newer(told, Told(start - SECOND, E18 // 2)) == told
    assert newer(told, Told(start, E18 // 2)) == Told(start, E18 // 2)


def test_pf_2_a_price_is_asked_for_at_once_and_then_once_per_period() -> None:
    assert is_due(None, 0, 111_111)
    last, fired = None, []
    for now in (0, 5, 10, 15, 15, 20):
        if is_due(last, now, 10):
            last = now
            fired.append(now)
    assert fired == [0, 10, 20]


def test_an_average_weighs_every_price_by_how_long_it_was_in_force() -> None:
    track = Track().set(100, 10).set(160, 40)
    assert [track.average(now, 100) for now in (160, 200)] == [10, 22]  # 60 at 10 and 40 at 40
    assert track.average(200, 40) == 40
    assert track.average(200, 0) == 40
    assert track.set(160, 70).average(200, 40) == 70
    long = Track()
    for time in range(200):
        long = long.set(time, time)
    assert (len(long.samples), long.average(200, 1_000)) == (64, 167)  # 136 to 199


def start(**feed: int) -> tuple[MeshRig, Link, Chain]:
    """Juno borrows from osmo and asks axelar, which trades the pair, at what price; alice has lent 1,000."""
    rig, link = pair(alice=10_000)
    market = rig.add("axelar", genesis={"prices": {"makers": [rig_address(rig)]}}, alice=1)
    channel = connect(rig, link.consumer, market)
    govern(link.consumer, SetPriceFeed(link.link, E18, Feed(channel, "uosmo", "ujuno", **feed)))
    link.provider.send("alice", Bond(10_000), StakeRemote(link.lent, link.validator(0), 1_000))
    return rig, link, market


def rig_address(rig: MeshRig) -> str:
    return Chain(rig.chains["osmo"].machine.modules, "axelar", "uaxelar").address("maker")


def govern(chain: Chain, msg: object) -> None:
    chain.send(chain.ctx.module_account("gov"), msg)  # type: ignore[arg-type]


def price(link: Link) -> tuple[int | None, str]:
    view = link.consumer.query("mesh/consumer/link", link=link.link)
    return (None if view.rate is None else view.rate.price_e18), view.price_code


def quote(market: Chain, price_e18: int) -> None:
    market.send("maker", Quote("uosmo", "ujuno", price_e18))


def test_a_remote_price_is_asked_for_and_re_prices_the_whole_stake() -> None:
    rig, link, market = start(period_seconds=60, window_seconds=1)
    rig.settle()
    assert (price(link), link.virtual()) == ((None, "mesh/no-price-data"), 0)
    quote(market, E18 // 2)
    rig.advance(60)
    rig.settle()
    assert (price(link), link.virtual()) == ((E18 // 2, ""), 500)
    quote(market, E18 // 4)
    rig.advance(60)
    rig.settle()
    assert link.virtual() == 250


def test_a_price_that_is_too_old_lets_nothing_grow_and_everything_leave() -> None:
    rig, link, market = start(period_seconds=60, window_seconds=1, ttl_seconds=600)
    quote(market, E18 // 2)
    rig.advance(60)
    rig.settle()
    assert link.virtual() == 500
    rig.relay(lambda flight: flight.kind != "query_twap")
    for _ in range(11):
        rig.advance(60)
        rig.relay(lambda flight: flight.kind != "query_twap")
    assert price(link) == (E18 // 2, "mesh/outdated-price-data")
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 1_000), StakeRemote(link.lent, link.validator(1), 9))
    rig.block(2)
    rig.relay(lambda flight: flight.kind != "query_twap")
    rig.block(2)
    assert (link.virtual(0), link.virtual(1)) == (500, 0)
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 1_500))
    rig.relay(lambda flight: flight.kind != "query_twap")
    rig.block(2)
    assert (link.virtual(), link.range("alice", 0)) == (250, Range.of(500))
    downtime(link.consumer, 0)
    rig.relay(lambda flight: flight.kind != "query_twap")
    rig.block(2)
    rig.relay(lambda flight: flight.kind != "query_twap")
    assert account(link.provider, "alice").collateral == 9_950
    rig.settle()


def test_stake_goes_home_without_any_price() -> None:
    rig, link, _ = start()
    rig.settle()
    govern(link.consumer, SetMaxCap(link.link, 0))
    rig.settle()
    assert link.stake("alice", 0).unbonding == 1_000


def test_only_the_channel_that_governance_chose_is_believed() -> None:
    rig, link, market = start(period_seconds=60, window_seconds=1)
    quote(market, E18 // 2)
    rig.advance(60)
    rig.block()
    asked = [flight for flight in rig.collect() if flight.kind == "query_twap"]
    govern(link.consumer, SetPriceFeed(link.link, E18, Feed("channel-77", "uosmo", "ujuno")))
    for flight in asked:
        rig.receive(flight)
        rig.acknowledge(flight)
    assert price(link) == (None, "mesh/no-price-data")
    rig.settle()
    assert link.virtual() == 0
    govern(link.consumer, SetPriceFeed(link.link, E18 * 2))
    rig.settle()
    assert (price(link), link.virtual()) == ((E18 * 2, ""), 2_000)


def test_only_a_maker_quotes_and_a_pair_that_is_not_traded_has_no_price() -> None:
    rig, link, market = start(period_seconds=60)
    with refused(market, "prices/not-a-maker"):
        market.send("alice", Quote("uosmo", "ujuno", 1))
    with refused(market, "prices/bad-price"):
        quote(market, 0)
    with refused(market, "prices/bad-pair"):
        market.send("maker", Quote("uosmo", "uosmo", 1))
    rig.settle()
    refusals = [event for event in link.consumer.events if event.type == "mesh/price-refused"]
    assert {dict(event.attributes)["reason"] for event in refusals} == {"prices/no-price"}


@pytest.mark.parametrize("changes", [{"ttl_seconds": 0}, {"period_seconds": 0}, {"window_seconds": 2**32}, {"base": ""}])
def test_a_feed_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    _, link = pair()
    fields = {"channel": "channel-9", "base": "uosmo", "quote": "ujuno", **changes}
    with refused(link.consumer, "mesh/bad-params"):
        govern(link.consumer, SetPriceFeed(link.link, E18, Feed(**fields)))  # type: ignore[arg-type]


def test_a_feed_that_names_a_market_believes_the_first_channel_that_opens_to_it_and_no_other() -> None:
    """The feed is named before there is a channel. A second channel to the same market is not asked."""
    rig, link = pair(alice=10_000)
    juno = link.consumer
    market = rig.add("axelar", genesis={"prices": {"makers": [rig_address(rig)]}}, alice=1)
    govern(juno, SetPriceFeed(link.link, E18, Feed("", "uosmo", "ujuno", period_seconds=60, market=market.ctx.chain_id)))
    quote(market, E18 // 2)
    rig.advance(60)
    rig.settle()
    assert price(link) == (None, "mesh/no-price-data")
    first = connect(rig, juno, market)
    second = connect(rig, juno, market)
    rig.advance(60)
    rig.settle()
    assert (price(link), channel_of(juno.state, link_feed(link))) == ((E18 // 2, ""), first)
    assert first != second


def link_feed(link: Link) -> Feed:
    feed: Feed = link.consumer.query("mesh/consumer/link", link=link.link).params.feed
    return feed


def test_a_feed_that_changes_forgets_what_it_was_told_and_asks_anew_and_one_that_goes_leaves_nothing() -> None:
    rig, link, market = start(period_seconds=60, window_seconds=1)
    quote(market, E18 // 2)
    rig.advance(60)
    rig.settle()
    assert price(link) == (E18 // 2, "")
    juno, feed = link.consumer, link.consumer.query("mesh/consumer/link", link=link.link).params.feed
    govern(juno, SetPriceFeed(link.link, E18, replace(feed, quote="uother")))
    assert price(link) == (None, "mesh/no-price-data")
    assert FEEDS.get(juno.state).asked == (Asked(link.link),)
    govern(juno, SetPriceFeed(link.link, E18, None))
    assert (price(link), juno.state.get(FEEDS.path)) == ((E18, ""), None)


@pytest.mark.parametrize(("channel", "market"), [("", ""), ("channel-0", "axelar-1")])
def test_a_feed_names_a_channel_or_a_market(channel: str, market: str) -> None:
    _, link = pair()
    feed = Feed(channel, "uosmo", "ujuno", market=ChainId(market))
    with refused(link.consumer, "mesh/bad-params"):
        govern(link.consumer, SetPriceFeed(link.link, E18, feed))
