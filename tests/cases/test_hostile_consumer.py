"""A consumer that lies, row by row of docs/hostile-partners.md: forged packets and answers over a real channel."""

from base64 import b64encode
from typing import Any

from mesh_faults import double_vote, evidence_for, identity
from mesh_hostile import Stranger, report, slashed, understood
from mesh_rig import SELF_BOND, Link, MeshRig, account, pair, refused
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import Delegate
from meshsec_core.security.mesh.measures import query_lent_at_stake
from meshsec_core.security.mesh.packets import MAX_AMOUNT, Applied, Reduced, Refusal
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.reports import MOST_SLASHES
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
