"""Faults beyond single validators: what each does to a mesh, and that every law holds once all is healed."""

import pytest

from meshsec import SimWorld, mesh, verbs
from meshsec.world.mishaps import MISHAPS
from meshsec.world.ways import channel_to
from meshsec_core.ibc.prices import Quote
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_E18
from meshsec_core.modules.staking.module import Delegate
from meshsec_sdk import mesh_yaml

MARKET = (
    "chains: {osmosis: , juno: , axelar: {params: {prices: {makers: [carol]}}}}\n"
    "links: [{provider: osmosis, consumer: juno,"
    " feed: {market: axelar, base: uosmo, quote: ujuno, window: 1s, period: 10m, ttl: 1h}}]\n"
)
VOUCHER = "osmosis/uosmo"


def sends(world: SimWorld, amount: int) -> None:
    """Alice sends coins to bob on juno, without waiting for them."""
    fields = {"from": "osmosis/alice", "channel": "juno", "amount": f"{amount}uosmo", "receiver": "juno/bob"}
    verbs.perform(world, verbs.find("transfer/Transfer"), fields)


def ends_well(world: SimWorld) -> None:
    world.heal()
    world.settle()


def power(world: SimWorld) -> int:
    return int(world.juno.find_validator("val-0")["power"])


def test_a_halted_chain_makes_blocks_again_when_it_is_healed() -> None:
    with SimWorld("pair") as world:
        world.fault("halt", "juno")
        before = world.juno.height
        world.mine(3)
        assert world.juno.height == before
        assert world.juno.get("/v1/status")["faults"] == ["down: val-0, val-1, val-2, val-3"]
        reasons = world.juno.get("/v1/status")["reasons"]
        assert world.juno.get("/readyz") == {"ready": False, "reasons": reasons}  # with status 503, and no problem
        world.heal("juno")  # and the height under way goes on
        world.mine(3)
        assert world.juno.height == before + 4
        ends_well(world)


@pytest.mark.parametrize("writes", [1, 2, 3, 4])
def test_writes_that_are_lost_with_the_power_lose_no_block_and_sign_nothing_twice(writes: int) -> None:
    with SimWorld("pair") as world:
        before = world.juno.get("/v1/blocks/3")
        world.fault("lose-writes", "juno", writes=writes)
        world.mine(3)
        assert world.juno.get("/v1/blocks/3") == before
        ends_well(world)
        assert [found["jailed"] for found in world.juno.query("staking", "validators")] == [False] * 4


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_block_that_was_decided_and_not_committed_comes_back_as_it_was(blocks: int) -> None:
    """Given a chain whose power fails before the commit of its next block but so many
    Then the height is decided once more, as the same block, and ends as on a chain that never failed
    """
    with SimWorld("pair") as steady, SimWorld("pair") as world:
        for each in (steady, world):
            sends(each, 7)
        before = world.juno.height
        world.fault("crash-before-commit", "juno", blocks=blocks)
        for each in (steady, world):
            each.mine(blocks)
        assert world.juno.height == before + blocks - 1
        height = before + blocks
        world.mine(1)
        assert world.juno.get(f"/v1/blocks/{height}") == steady.juno.get(f"/v1/blocks/{height}")
        ends_well(world)
        assert [found["jailed"] for found in world.juno.query("staking", "validators")] == [False] * 4


def test_a_power_cut_to_come_is_healed_like_any_fault() -> None:
    with SimWorld("pair") as world:
        world.fault("lose-writes", "juno", writes=20)
        replica = world.nodes["juno"].replica
        world.heal()
        world.mine(10)
        assert world.nodes["juno"].replica is replica


def test_a_state_that_nobody_reaches_is_signed_beside_the_chain_and_the_chain_goes_on_without_it() -> None:
    with SimWorld("pair") as world:
        before = world.juno.balance("erin")
        said = world.fault("lunatic", "juno", validators="val-0, val-1, val-2", address="erin", amount="9000000000")
        assert said == {"branch": "juno~lunatic"}
        assert world.juno.get("/v1/status")["faults"] == ["fork: lunatic"]
        assert (world.chain("juno~lunatic").balance("erin"), world.juno.balance("erin")) == (9_000_000_000, before)
        signed = world.chain("juno~lunatic").get(f"/v1/commits/{world.chain('juno~lunatic').height}")["signed_header"]["commit"]
        assert sum(int(each["flag"]) == 2 for each in signed["signatures"]) == 3
        ends_well(world)
        assert (world.branches, world.juno.get("/v1/status")["faults"]) == ({}, [])


@pytest.mark.parametrize("kind", ["relayer-pause", "relayer-hold"])
def test_packets_that_a_relayer_keeps_back_arrive_when_it_is_healed(kind: str) -> None:
    with SimWorld("pair") as world:
        world.fault(kind, "relayer")
        sends(world, 7)
        world.settle()
        assert world.juno.balance("bob", VOUCHER) == 0
        ends_well(world)
        assert world.juno.balance("bob", VOUCHER) == 7


def test_orders_of_one_kind_of_packet_leave_the_others_alone() -> None:
    with SimWorld("pair") as world:
        world.fault("relayer-hold", "relayer/main", kind="stake")
        alice = world.osmosis.user("alice")
        before = power(world)
        alice.send(mesh.Bond(100), mesh.StakeRemote("juno", "juno/val-0", 100))  # type: ignore[arg-type]
        sends(world, 7)
        world.settle()
        assert (world.juno.balance("bob", VOUCHER), power(world)) == (7, before)
        ends_well(world)
        assert power(world) == before + 100


@pytest.mark.parametrize(("kind", "given"), [("duplicate", {}), ("reorder", {}), ("delay", {"by": "3blocks"})])
def test_packets_that_come_twice_late_or_in_another_order_count_once(kind: str, given: dict[str, str]) -> None:
    with SimWorld("pair") as world:
        world.fault(f"relayer-{kind}", "relayer", **given)
        for amount in (1, 2, 4):
            sends(world, amount)
        ends_well(world)
        assert world.juno.balance("bob", VOUCHER) == 7


def test_a_dropped_packet_is_carried_after_heal() -> None:
    with SimWorld("pair") as world:
        world.fault("relayer-pause", "relayer")
        sends(world, 7)
        world.relay()
        world.fault("relayer-drop", "relayer", id=f"osmosis:transfer:{channel_to(world.osmosis, 'juno')}:1")
        world.relayer("resume")
        world.relay()
        assert world.juno.balance("bob", VOUCHER) == 0
        ends_well(world)
        assert world.juno.balance("bob", VOUCHER) == 7


def test_a_line_that_loses_a_third_of_all_requests_and_answers_loses_no_packet_and_doubles_none() -> None:
    def told(seed: int) -> str:
        with SimWorld("pair", seed=seed) as world:
            for chain in ("osmosis", "juno"):
                world.fault("relayer-line", "relayer", chain=chain, percent=34)
            for amount in (1, 2, 4):
                sends(world, amount)
            world.relay()
            assert world.juno.balance("bob", VOUCHER) == 7
            ends_well(world)
            return world.digest()

    assert told(1) == told(1)


@pytest.mark.parametrize("given", [{"percent": "100"}, {"delay": "10m"}])
def test_a_relayer_comes_to_no_rest_behind_a_line_that_is_cut_or_slower_than_blocks_and_carries_all_once_it_is_mended(
    given: dict[str, str],
) -> None:
    with SimWorld("pair") as world:
        world.fault("relayer-line", "relayer", chain="juno", **given)
        sends(world, 7)
        with pytest.raises(Rejected) as refusal:
            world.relay()
        assert refusal.value.code == "world/stuck"
        assert world.juno.balance("bob", VOUCHER) == 0
        ends_well(world)
        assert world.juno.balance("bob", VOUCHER) == 7


def test_requests_that_are_heard_twice_and_out_of_order_double_no_packet_and_lose_none() -> None:
    """Given lines to both chains on which every request is heard twice, and up to three blocks later in an order of its own
    Then each transfer arrives once, and two runs of one seed are equal
    """

    def told(seed: int) -> str:
        with SimWorld("pair", seed=seed) as world:
            for chain in ("osmosis", "juno"):
                world.fault("relayer-line", "relayer", chain=chain, twice=100, within="3s")
            for amount in (1, 2, 4):
                sends(world, amount)
            for _ in range(300):
                world.couriers["main"].run_once(world.now)
                world.mine()
            assert world.juno.balance("bob", VOUCHER) == 7
            ends_well(world)
            return world.digest()

    assert told(1) == told(1) != told(2)


def test_a_relayer_says_what_it_was_told_to_do_wrong_until_it_is_healed() -> None:
    with SimWorld("pair") as world:
        world.fault("relayer-line", "relayer", chain="juno", twice=10)
        world.fault("relayer-stale-client", "relayer")
        world.fault("relayer-hold", "relayer")
        world.fault("relayer-pause", "relayer")
        assert world.relayer("status")["main"]["faults"] == ["pause", "hold", "stale-client", "line: juno (10 % twice)"]
        world.heal()
        assert world.relayer("status")["main"]["faults"] == []


def test_requests_that_leave_late_bring_packets_late() -> None:
    """Given each request to juno leaves five blocks late
    Then a transfer is not there after five blocks, and is there without heal in the end
    """
    with SimWorld("pair") as world:
        world.fault("relayer-line", "relayer", chain="juno", delay="5s")
        sends(world, 7)
        arrived = []
        for _ in range(200):
            world.couriers["main"].run_once(world.now)
            world.mine()
            arrived.append(world.juno.balance("bob", VOUCHER))
        assert arrived.index(7) > 5
        ends_well(world)


def test_clients_that_nobody_refreshes_die_and_those_that_are_refreshed_live() -> None:
    for neglected, status in ((True, "expired"), (False, "active")):
        with SimWorld("pair") as world:
            if neglected:
                world.fault("relayer-stale-client", "relayer")
            world.advance("15d")
            (client,) = world.osmosis.query("ibc", "clients")
            assert client["status"].lower() == status
            world.heal()
            world.check_laws()


def test_a_forged_packet_is_refused_and_mints_nothing() -> None:
    with SimWorld("pair") as world:
        before = world.juno.get(f"/v1/accounts/{world.juno.user('erin').address}")["balances"]
        said = world.fault("relayer-forge", "juno", of="osmosis")
        assert said == {"refused": "proof/wrong-key"}
        assert world.juno.get(f"/v1/accounts/{world.juno.user('erin').address}")["balances"] == before
        ends_well(world)


def test_a_shock_and_a_lie_about_the_price_move_power_and_never_stake() -> None:
    """Given 80 million that are lent, at a price of one half
    When the price falls to a quarter of that, and then somebody says that a uosmo is worth three ujuno
    Then they count for 40, 10 and 240 million, and the collateral is what it was
    """
    with SimWorld(mesh_yaml.loads(MARKET)) as world:
        alice = world.osmosis.user("alice")
        alice.send(mesh.Bond(100_000_000), mesh.StakeRemote("juno", "juno/val-0", 80_000_000))  # type: ignore[arg-type]
        world.settle()
        native, seen = power(world), []
        world.axelar.user("carol").send(Quote("uosmo", "ujuno", ONE_E18 // 2))
        pair = {"base": "uosmo", "quote": "ujuno"}
        for kind, given in ((None, {}), ("price-shock", {"factor": "0.25"}), ("oracle-lie", {"price": "3"})):
            if kind is not None:
                world.fault(kind, "axelar", **pair, **given)
            world.advance("11m")
            world.settle()
            seen.append(power(world) - native)
        assert seen == [40_000_000, 10_000_000, 240_000_000]
        assert world.osmosis.query("mesh/provider", "vault", user=alice.address)["collateral"] == "100000000"
        ends_well(world)


def test_a_mass_unbond_takes_the_share_of_every_user_home_and_abroad() -> None:
    """Given alice has 100 staked at home and 60 lent, and bob 9 staked
    When everybody takes back half
    Then 50, 30 and 4 are on their way
    """
    with SimWorld("pair") as world:
        alice, bob = world.osmosis.user("alice"), world.osmosis.user("bob")
        (home, *_) = [found["operator"] for found in world.osmosis.query("staking", "validators")]
        alice.send(Delegate(home, 100), mesh.Bond(60), mesh.StakeRemote("juno", "juno/val-0", 60))  # type: ignore[arg-type]
        bob.send(Delegate(home, 9))
        world.settle()
        assert world.fault("mass-unbond", "osmosis", percent=50) == {"unbonding": "84"}
        world.settle()
        staked = [world.osmosis.query("staking", "delegations", delegator=user.address) for user in (alice, bob)]
        assert staked == [{home: "50"}, {home: "5"}]
        world.advance("22d")
        ends_well(world)


@pytest.mark.parametrize(
    ("kind", "target", "given", "code"),
    [
        ("halt", "juno/val-0", {}, "world/unknown-chain"),
        ("halt", "juno", {"loudly": "1"}, "dev/bad-fault"),
        ("relayer-pause", "relayer/other", {}, "world/unknown-relayer"),
        ("price-shock", "juno", {"base": "uosmo", "quote": "ujuno"}, "dev/bad-fault"),
        ("oracle-lie", "juno", {"base": "uosmo", "quote": "ujuno", "price": "-1"}, "dev/bad-fault"),
        ("oracle-lie", "juno", {"base": "uosmo", "quote": "ujuno", "price": "1"}, "world/no-market-maker"),
        ("mass-unbond", "juno", {"percent": 101}, "dev/bad-fault"),
    ],
)
def test_what_a_fault_cannot_strike_is_refused(kind: str, target: str, given: dict[str, str], code: str) -> None:
    with SimWorld("pair") as world, pytest.raises(Rejected) as refusal:
        world.fault(kind, target, **given)
    assert refusal.value.code == code


def test_every_fault_of_the_table_is_a_verb_with_the_same_parameters() -> None:
    for kind, mishap in MISHAPS.items():
        verb = verbs.find(f"fault.{kind}")
        assert [param.name for param in verb.params] == ["target", *mishap.parameters.__struct_fields__]
        assert verb.help == mishap.help
