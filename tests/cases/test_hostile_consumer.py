"""A consumer that lies, row by row of docs/hostile-partners.md: forged packets and answers over a real channel."""

from base64 import b64encode
from typing import Any

from mesh_faults import double_vote, evidence_for, identity
from mesh_hostile import GARBAGE, Stranger, raw, report, slashed, understood
from mesh_rig import SELF_BOND, Link, MeshRig, account, pair, refused
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import Delegate
from meshsec_core.security.mesh.account import Account, Lien
from meshsec_core.security.mesh.history import MOST_ENTRIES, State
from meshsec_core.security.mesh.measures import query_lent_at_stake
from meshsec_core.security.mesh.packets import MAX_AMOUNT, Applied, Done, Reduced, Refusal, Released
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.reports import MOST_SLASHES
from meshsec_core.security.mesh.provider.state import HISTORIES
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
from meshsec_core.security.mesh.ranges import Range


def lent(amount: int = 1_000, **changes: Any) -> tuple[MeshRig, Link, Stranger]:
    """Let alice, with a collateral of 1,000, lend to validator 0 of a consumer that is hostile from now on."""
    rig, link = pair(alice=1_000, bob=1_000, **changes)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, link, Stranger(rig, link, link.consumer)


def named(validator: str, key: bytes) -> dict[str, str]:
    return {"validator": validator, "public_key": b64encode(key).decode()}


def test_a_consumer_floods_a_report_with_slashes() -> None:
    """Four of a thousand are looked at: 1,000 → 900 → 810 → 729 → 657 (656.1: shares round down for the user)."""
    _, link, juno = lent()
    link_key = named(link.validator(0), link.consumer.consensus_key(0).public_key)
    juno.says(report(link, height=1, additions=[link_key]))
    flood = [slashed(link, link.validator(0), MAX_AMOUNT, infraction_height=height) for height in range(1, 501)]
    applied = understood(juno.says(report(link, slashed=flood)), Applied)
    assert account(link.provider, "alice").collateral == 657
    assert link.range("alice", 0) == Range.of(657)
    assert applied.slashed == tuple(Reduced(link.validator(0), cut) for cut in (100, 90, 81, 72))
    assert applied.refused == (Refusal(link.validator(0), "mesh/too-many-slashes"),) * (500 - MOST_SLASHES)


def test_a_consumer_gives_a_guilty_key_to_another_validator() -> None:
    """Before validator 0 signs two blocks, the consumer says that its key belongs to somebody else."""
    _, link, juno = lent()
    key = link.consumer.consensus_key(0).public_key
    changes = {"additions": [named(link.validator(1), key)], "updated": [named("junovaloper1nobody", key)]}
    applied = understood(juno.says(report(link, **changes)), Applied)
    assert applied.refused == (Refusal(link.validator(1), "mesh/key-taken"), Refusal("junovaloper1nobody", "mesh/key-taken"))
    link.provider.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
    juno.check()
    assert account(link.provider, "alice").collateral == 900


def test_a_consumer_lowers_its_slash_fraction_before_a_fault() -> None:
    """Or raises it: evidence charges the 10 % under which was lent, neither 0 % nor 100 %."""
    for stated in (0, 10_000):
        _, link, juno = lent()
        juno.says(report(link, height=100, double_sign_bps=stated, downtime_bps=0))
        measured = query_lent_at_stake(link.provider.view(), link.lent, link.validator(0))
        with refused(link.provider, "mesh/ratio-too-low" if stated else "mesh/insufficient-balance"):
            link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 1))
        link.provider.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
        juno.check()
        assert (account(link.provider, "alice").collateral, measured.loss) == (900, 100)


def test_a_consumer_refuses_every_unstake() -> None:
    """Whoever is refused leaves without asking; the burn that tells of it cannot be refused."""
    rig, link, juno = lent()
    osmo = link.provider
    osmo.send("alice", Unstake(link.lent, link.validator(0), 400))
    juno.answers("unstake", b'{"error":"stay"}')
    assert link.range("alice", 0) == Range.of(1_000)
    osmo.send("alice", Leave(link.lent, link.validator(0), 1_000))
    juno.answers("burn", b'{"error":"stay"}')
    assert (link.range("alice", 0), link.stake("alice", 0).unbonding) == (Range(), 1_000)
    with refused(osmo, "mesh/not-enough-stake"):
        osmo.send("alice", Leave(link.lent, link.validator(0), 1))
    rig.advance(99)
    osmo.send("alice", WithdrawUnbonded(link.lent))
    with refused(osmo, "mesh/claims-locked"):
        osmo.send("alice", Unbond(1))
    rig.advance(1)
    osmo.send("alice", WithdrawUnbonded(link.lent), Unbond(1_000))
    juno.check()
    assert (osmo.balance("alice"), account(osmo, "alice").collateral) == (1_000, 0)


def test_a_consumer_never_answers() -> None:
    """Stake in flight comes back when it times out; what is asked back stays asked for until then, and may leave after that."""
    _, link, juno = lent(600)
    osmo = link.provider
    osmo.send("alice", StakeRemote(link.lent, link.validator(1), 300), Unstake(link.lent, link.validator(0), 200))
    assert (link.range("alice", 0), link.range("alice", 1)) == (Range(400, 600), Range(0, 300))
    with refused(osmo, "mesh/claims-locked"):
        osmo.send("alice", Unbond(101))
    juno.stays_silent("stake")
    juno.stays_silent("unstake")
    assert (link.range("alice", 0), link.range("alice", 1)) == (Range.of(600), Range())
    osmo.send("alice", Leave(link.lent, link.validator(0), 600))
    juno.stays_silent("burn")
    osmo.send("alice", WithdrawUnbonded(link.lent), Unbond(1_000))
    juno.check()
    assert osmo.balance("alice") == 1_000


def test_a_consumer_gives_a_validator_a_key_of_its_own_and_lets_it_double_sign() -> None:
    """Who lent to the validator pays the frozen ratio, as for any fault; its operator's bond here is out of reach."""
    few = {"slashing": {"double_sign_slash_bps": 1_000, "downtime_slash_bps": 1_000}, "staking": {"max_validators": 3}}
    bonds = (SELF_BOND, SELF_BOND, SELF_BOND, SELF_BOND - 1)
    _, link, juno = lent(validators=bonds, genesis=few, provider_terms={"correlated": True})
    osmo = link.provider
    osmo.send("val-0", identity(link, 0, 0))
    strange = link.consumer.consensus_key(3).public_key
    assert understood(juno.says(report(link, height=90, updated=[named(link.validator(0), strange)])), Applied) == Applied()
    link.consumer.send("alice", Delegate(link.validator(3), 900))
    link.consumer.block()
    osmo.send("bob", evidence_for(link, double_vote(link.consumer, 3)))
    juno.check()
    assert account(osmo, "alice").collateral == 900
    assert staking.delegation_value(osmo.state, osmo.address("val-0"), osmo.validator(0)) == SELF_BOND


def test_a_consumer_floods_the_history_of_a_validator() -> None:
    """2,000 new keys in one report: what is kept of them is bounded, so the next report costs no more than the last."""
    _, link, juno = lent()
    keys = [named(link.validator(0), number.to_bytes(32, "big")) for number in range(1, 2_001)]
    juno.says(report(link, time=0, updated=keys))
    history = HISTORIES.get(link.provider.state, link.lent, link.validator(0))
    assert len(history.entries) <= MOST_ENTRIES
    assert history.latest.state is State.ACTIVE


def test_a_consumer_names_validators_that_do_not_exist() -> None:
    """They are written down as it says, and nobody has lent to them: a slash of theirs costs nobody anything."""
    _, link, juno = lent()
    ghost = "junovaloper1ghost"
    entries = [slashed(link, ghost, MAX_AMOUNT), slashed(link, "a/b", 5), slashed(link, "", 5)]
    told = report(link, additions=[named(ghost, b"g" * 32)], tombstoned=["junovaloper1dead"], jailed=["../x"], slashed=entries)
    applied = understood(juno.says(told), Applied)
    assert applied.refused == (
        Refusal(ghost, "mesh/not-active-at-infraction"),
        Refusal("a/b", "mesh/bad-name"),
        Refusal("", "mesh/bad-name"),
        Refusal("../x", "mesh/bad-name"),
    )
    told = report(link, slashed=[slashed(link, ghost, MAX_AMOUNT)])
    assert understood(juno.says(told), Applied) == Applied()
    assert account(link.provider, "alice").collateral == 1_000


def test_a_consumer_says_absurd_numbers() -> None:
    """Refused whole where they are the report's own, entry by entry where they are not; an amount beyond all stake is all of it,
    so the frozen ratio."""
    _, link, juno = lent()
    for number in (-1, 2**63, 2**255, 10**3_000):
        for field in ("height", "time", "unbonding_time", "double_sign_bps", "downtime_bps"):
            assert juno.says(raw(report(link, **{field: number}))) == b'{"error":"mesh/bad-report"}'
        for field in ("infraction_height", "infraction_time", "slash_ratio_bps"):
            entry = slashed(link, link.validator(0), 5, **{field: number if number != 2**63 else 2**129})
            applied = understood(juno.says(raw(report(link, slashed=[entry]))), Applied)
            assert [each.code for each in applied.refused] == ["mesh/bad-report"]
    for denom in ("", "d" * 200_000):
        assert juno.says(report(link, denom=denom)) == b'{"error":"mesh/bad-report"}'
    for amount in (-1, 2**128, 2**255):
        applied = understood(juno.says(raw(report(link, slashed=[slashed(link, link.validator(0), amount)]))), Applied)
        assert [each.code for each in applied.refused] == ["mesh/bad-report"]
    assert account(link.provider, "alice") == Account(1_000, {link.lent: Lien(Range.of(1_000), 1_000)})
    zero = slashed(link, link.validator(0), 0, slash_ratio_bps=0)
    assert understood(juno.says(report(link, slashed=[zero])), Applied) == Applied()
    entry = slashed(link, link.validator(0), MAX_AMOUNT, infraction_height=1)
    juno.says(report(link, height=1, additions=[named(link.validator(0), link.consumer.consensus_key(0).public_key)]))
    juno.says(report(link, slashed=[entry]))
    assert account(link.provider, "alice").collateral == 900


def test_a_consumer_lies_about_heights_and_times() -> None:
    """A report from the far future makes all later ones old news: its own rules stay as they were. Users leave as ever."""
    rig, link, juno = lent()
    osmo = link.provider
    end = 2**63 - 1
    juno.says(report(link, height=end, time=end, jailed=[link.validator(0)], unbonding_time=200 * SECOND))
    juno.says(report(link, height=100, unbonding_time=0))
    assert osmo.query("mesh/provider/link", link=link.lent).rules.unbonding_time == 200 * SECOND
    with refused(osmo, "mesh/validator-not-active"):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 1))
    future = slashed(link, link.validator(0), MAX_AMOUNT, infraction_height=end, infraction_time=2**127)
    applied = understood(juno.says(report(link, slashed=[future])), Applied)
    assert [each.code for each in applied.refused] == ["mesh/not-active-at-infraction"]
    osmo.send("alice", Unstake(link.lent, link.validator(0), 1_000))
    juno.answers("unstake", Done())
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(link.lent), Unbond(1_000))
    juno.check()
    assert osmo.balance("alice") == 1_000


def test_a_consumer_says_a_thing_and_its_opposite() -> None:
    """Whatever the order, the lists of one report apply in one order: removed and jailed ends jailed, tombstoned ends all."""
    _, link, juno = lent()
    one, two, three = (link.validator(index) for index in (1, 2, 3))
    key = {index: named(link.validator(index), link.consumer.consensus_key(index).public_key) for index in (1, 2, 3)}
    told = report(
        link,
        additions=[key[1], key[2], key[3]],
        removals=[one, two],
        jailed=[two, three],
        unjailed=[three],
        tombstoned=[one],
        height=50,
    )
    juno.says(told)
    juno.says(report(link, height=40, additions=[key[1]]))
    found = {each.validator: each.state for each in link.provider.query("mesh/provider/validators", consumer=link.lent)}
    assert [found[each] for each in (one, two, three)] == [State.TOMBSTONED, State.JAILED, State.JAILED]


def test_a_consumer_invents_downtime_again_and_again() -> None:
    """Each report costs a ratio of what is left: 1,000 → 900 → 810 → 729. What unbonds pays until it is free; who bonds no
    more is out of reach."""
    rig, link, juno = lent()
    osmo = link.provider
    juno.says(report(link, height=1, additions=[named(link.validator(0), link.consumer.consensus_key(0).public_key)]))
    for height, left in ((1, 900), (2, 810)):
        told = report(link, slashed=[slashed(link, link.validator(0), MAX_AMOUNT, infraction_height=height)])
        assert understood(juno.says(told), Applied).slashed == (Reduced(link.validator(0), left // 9),)
        assert account(osmo, "alice").collateral == left
    osmo.send("alice", Leave(link.lent, link.validator(0), 810))
    entry = slashed(link, link.validator(0), MAX_AMOUNT, infraction_height=3, slash_ratio_bps=10_000)
    juno.says(report(link, slashed=[entry]))
    assert (account(osmo, "alice").collateral, link.stake("alice", 0).unbonding) == (729, 729)
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(link.lent), Unbond(729))
    juno.says(report(link, slashed=[entry | {"infraction_height": 4}]))
    assert (osmo.balance("alice"), account(osmo, "alice").collateral) == (729, 0)


def test_a_consumer_slashes_more_for_downtime_than_the_link_allows() -> None:
    """Terms can bound downtime apart from the frozen ratio: 1 % of 1,000, not 10 %."""
    _, link, juno = lent(provider_terms={"downtime_bps": 100})
    juno.says(report(link, slashed=[slashed(link, link.validator(0), MAX_AMOUNT)]))
    assert account(link.provider, "alice").collateral == 990


def test_a_consumer_reports_one_fault_twice() -> None:
    _, link, juno = lent()
    entry = slashed(link, link.validator(0), 10)
    applied = understood(juno.says(report(link, slashed=[entry, entry])), Applied)
    assert (applied.slashed, [each.code for each in applied.refused]) == (
        (Reduced(link.validator(0), 10),),
        ["mesh/fault-charged"],
    )
    flight = juno.sends(report(link, slashed=[entry]))
    answer = juno.rig.receive(flight)
    assert [each.code for each in understood(answer, Applied).refused] == ["mesh/fault-charged"]
    juno.repeats(flight)
    assert account(link.provider, "alice").collateral == 990


def test_a_consumer_reports_a_double_sign_that_never_was() -> None:
    """Where evidence decides it costs nothing; where the consumer's word does, the frozen ratio, once for ever."""
    for authority, left in (("evidence", 1_000), ("packet", 900)):
        _, link, juno = lent(provider_terms={"slash_authority": authority})
        for height in (link.consumer.ctx.height, link.consumer.ctx.height - 1):
            entry = slashed(link, link.validator(0), MAX_AMOUNT, reason="double-sign", infraction_height=height)
            juno.says(report(link, slashed=[entry]))
        assert account(link.provider, "alice").collateral == left


def test_a_consumer_pardons_its_validator_by_a_slash_of_nothing() -> None:
    """Only where its word decides: the fault is charged then, and true evidence comes too late."""
    for authority, left in (("evidence", 900), ("packet", 1_000)):
        _, link, juno = lent(provider_terms={"slash_authority": authority})
        juno.says(report(link, slashed=[slashed(link, link.validator(0), 0, reason="double-sign")]))
        proof = evidence_for(link, double_vote(link.consumer, 0))
        if authority == "evidence":
            link.provider.send("bob", proof)
        else:
            with refused(link.provider, "mesh/fault-charged"):
                link.provider.send("bob", proof)
        juno.check()
        assert account(link.provider, "alice").collateral == left


def test_a_consumer_sends_stake_home_before_a_fault() -> None:
    """It is free at once, so the fault finds nothing: the collateral was never more than the consumer's to give up."""
    _, link, juno = lent()
    osmo = link.provider
    packet = {
        "@type": "internal_unstake",
        "delegator": osmo.address("alice"),
        "validator": link.validator(0),
        "normalize_amount": {"denom": "ujuno", "amount": 0},
        "inverted_amount": {"denom": "provider", "amount": MAX_AMOUNT},
    }
    assert understood(juno.says(packet), Released) == Released(1_000, 0)
    osmo.send("alice", WithdrawUnbonded(link.lent), Unbond(1_000))
    osmo.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
    juno.check()
    assert osmo.balance("alice") == 1_000


def test_a_consumer_sends_home_what_nobody_lent() -> None:
    _, link, juno = lent(600)
    osmo = link.provider
    packet = {"@type": "internal_unstake", "normalize_amount": {"denom": "ujuno", "amount": 0}}
    for user, validator, amount, expected in (
        (osmo.address("alice"), link.validator(1), 5, Released(0, 0)),
        (osmo.address("bob"), link.validator(0), 5, Released(0, 0)),
        ("osmo1nobody", link.validator(0), MAX_AMOUNT, Released(0, 0)),
        (osmo.address("alice"), link.validator(0), MAX_AMOUNT, Released(600, 0)),
        (osmo.address("alice"), link.validator(0), MAX_AMOUNT, Released(0, 0)),
    ):
        said = packet | {"delegator": user, "validator": validator, "inverted_amount": {"denom": "provider", "amount": amount}}
        assert understood(juno.says(said), Released) == expected
    for changes in ({"delegator": "a/b"}, {"validator": ""}, {"inverted_amount": {"denom": "provider", "amount": -1}}):
        assert juno.says(said | changes).startswith(b'{"error":"mesh/bad-')
    assert account(osmo, "alice").free == Range.of(400)


def test_a_consumer_credits_rewards_that_it_never_pays() -> None:
    """What it has told can be claimed as often as one likes; the claim comes back, and no coin here has moved."""
    _, link, juno = lent()
    osmo = link.provider
    supply = bank.supply(osmo.state, osmo.ctx.denom)
    rewards = [{"validator": link.validator(0), "reward": MAX_AMOUNT}] * 1_000
    assert understood(juno.says({"@type": "distribute_batch", "denom": "ujuno", "rewards": rewards}), Done) == Done()
    for _ in range(3):
        assert link.rewards("alice", 0) == 1_000 * MAX_AMOUNT
        osmo.send("alice", WithdrawRewards(link.lent, link.validator(0), "juno1somebody"))
        juno.answers("transfer_rewards", b'{"error":"no"}')
    for wrong in ({"denom": "uosmo", "rewards": rewards[:1]}, {"denom": "ujuno", "rewards": [rewards[0] | {"reward": 0}]}):
        assert juno.says({"@type": "distribute_batch"} | wrong).startswith(b'{"error":')
    assert bank.supply(osmo.state, osmo.ctx.denom) == supply


def test_a_consumer_counts_nothing_of_what_it_accepts() -> None:
    """It says yes to stake and gives no power for it: the loss is its own, and the stake leaves as it came."""
    rig, link, juno = lent(600)
    osmo = link.provider
    osmo.send("alice", StakeRemote(link.lent, link.validator(1), 400))
    juno.answers("stake", b'{"result":"e30="}')
    assert (link.range("alice", 1), link.virtual(1)) == (Range.of(400), 0)
    osmo.send("alice", Leave(link.lent, link.validator(1), 400))
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(link.lent), Unbond(400))
    juno.check()
    assert osmo.balance("alice") == 400


def test_a_consumer_answers_nonsense() -> None:
    """Whatever cannot be read is a refusal: stake on its way comes back, what was asked back stays, rewards are owed again."""
    _, link, juno = lent(400)
    osmo = link.provider
    reward = {"@type": "distribute", "validator": link.validator(0), "rewards": {"denom": "ujuno", "amount": 9}}
    juno.says(reward)
    for words in GARBAGE:
        osmo.send(
            "alice",
            StakeRemote(link.lent, link.validator(1), 300),
            Unstake(link.lent, link.validator(0), 100),
            WithdrawRewards(link.lent, link.validator(0), "juno1somebody"),
        )
        for kind in ("stake", "unstake", "transfer_rewards"):
            juno.answers(kind, words)
        assert (link.range("alice", 0), link.range("alice", 1)) == (Range.of(400), Range())
        assert link.rewards("alice", 0) == 9


def test_a_consumer_sends_garbage() -> None:
    _, link, juno = lent()
    before = account(link.provider, "alice")
    for data in GARBAGE:
        assert juno.says(data) == b'{"error":"mesh/bad-packet"}'
    assert account(link.provider, "alice") == before


def test_a_consumer_replays_its_packets() -> None:
    """The same packet has one effect; the same words again charge no fault and send nobody home twice. Rewards told twice are
    promised twice, and paid as often as it pays."""
    _, link, juno = lent()
    reward = {"@type": "distribute", "validator": link.validator(0), "rewards": {"denom": "ujuno", "amount": 9}}
    flight = juno.sends(reward)
    for _ in range(3):
        juno.repeats(flight)
    assert link.rewards("alice", 0) == 9
    juno.says(reward)
    assert link.rewards("alice", 0) == 18
