"""Evidence of a consumer's double sign, judged by the provider alone (case list, sections C and G2)."""

import pytest
from msgspec.structs import replace

from mesh_faults import attack_on, block_id, double_sign, double_vote, evidence_for, vote
from mesh_rig import Link, MeshRig, account, pair, refused, validator_set
from meshsec_core.consensus.evidence import make_duplicate_vote
from meshsec_core.ibc import client
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, LinkId
from meshsec_core.kernel.wire.ibc import HEADER_URL, ClientHeader, Height, any_decode, any_encode
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import DuplicateVoteEvidence, decode_evidence, encode_evidence
from meshsec_core.modules import bank
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.provider.evidence import SubmitEvidence
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range


def start() -> tuple[MeshRig, Link]:
    rig, link = pair(alice=1_000, bob=1_000)
    for user, amount in (("alice", 400), ("bob", 205)):
        link.provider.send(user, Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, link


def test_two_conflicting_votes_slash_all_who_lend_to_the_validator_and_write_it_off() -> None:
    """Given alice lends 400 and bob 205 to juno/val-0 at a fraction of 10 %
    When carol proves that it signed two blocks of one height
    Then they lose 40 and 20 (each share rounds down), the coins are destroyed, and juno lowers the virtual stake
    """
    rig, link = start()
    osmo = rig.chains["osmo"]
    supply = bank.supply(osmo.state, osmo.ctx.denom)
    osmo.send("carol", evidence_for(link, double_vote(link.consumer, 0)))
    assert (link.range("alice", 0), link.range("bob", 0)) == (Range.of(360), Range.of(185))
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [960, 980]
    assert supply - bank.supply(osmo.state, osmo.ctx.denom) == 60
    (slashed,) = osmo.query("mesh/provider/slashes", consumer=link.lent)
    assert (slashed.id, slashed.fault.amount, slashed.fault.by) == ("double-sign", 60, "evidence")
    rig.settle()
    assert link.virtual(0) == 545


def test_a_share_of_a_proven_fault_rounds_down_for_the_user() -> None:
    rig, link = pair(alice=1_000, provider_terms={"double_sign_bps": 2_000})
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 205))
    rig.settle()
    link.provider.send("carol", evidence_for(link, double_vote(link.consumer, 0)))
    assert link.range("alice", 0) == Range.of(185)  # 20.5


def test_a_fault_is_charged_once_whichever_way_it_arrives() -> None:
    rig, link = start()
    osmo = rig.chains["osmo"]
    osmo.send("carol", evidence_for(link, double_vote(link.consumer, 0)))
    again = evidence_for(link, double_vote(link.consumer, 0))
    with refused(osmo, "mesh/fault-charged"):
        osmo.send("carol", again)
    double_sign(link.consumer, 0)
    rig.settle()
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [960, 980]
    assert link.virtual(0) == 0


def test_a_report_of_a_double_sign_only_jails_until_the_evidence_comes() -> None:
    rig, link = start()
    osmo = rig.chains["osmo"]
    evidence = evidence_for(link, double_vote(link.consumer, 0))
    double_sign(link.consumer, 0)
    rig.settle()
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [1_000, 1_000]
    states = {each.validator: each.state for each in osmo.query("mesh/provider/validators", consumer=link.lent)}
    assert (states[link.validator(0)], link.virtual(0)) == (State.TOMBSTONED, 0)
    with refused(osmo, "mesh/validator-not-active"):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 10))
    osmo.send("carol", evidence)
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [960, 980]
    rig.settle()


def test_with_packet_authority_the_report_itself_slashes() -> None:
    rig, link = pair(alice=1_000, provider_terms={"slash_authority": "packet"})
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 400))
    rig.settle()
    double_sign(link.consumer, 0)
    rig.settle()
    assert (account(osmo, "alice").collateral, link.range("alice", 0)) == (960, Range.of(360))
    assert link.virtual(0) == 0


def test_stake_that_was_unbonding_at_the_fault_is_reached_and_stake_that_left_before_is_not() -> None:
    rig, link = start()
    osmo = rig.chains["osmo"]
    osmo.send("alice", Unstake(link.lent, link.validator(0), 100))
    rig.settle()
    rig.block()
    early = double_vote(link.consumer, 0)
    evidence = evidence_for(link, early)
    osmo.send("bob", Unstake(link.lent, link.validator(0), 105))
    rig.settle()
    osmo.send("carol", evidence)
    assert (link.range("alice", 0), link.stake("alice", 0).unbonding) == (Range.of(270), 100)
    assert (link.range("bob", 0), link.stake("bob", 0).unbonding) == (Range.of(90), 95)  # 10.5 of 105 rounds down
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [970, 980]
    rig.settle()


def test_evidence_for_a_validator_that_nobody_lends_to_costs_nothing_but_writes_it_off() -> None:
    _, link = start()
    osmo = link.provider
    osmo.send("carol", evidence_for(link, double_vote(link.consumer, 2)))
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [1_000, 1_000]
    with refused(osmo, "mesh/validator-not-active"):
        osmo.send("alice", StakeRemote(link.lent, link.validator(2), 10))


def forged(link: Link, name: str) -> DuplicateVoteEvidence:
    """Return evidence that is wrong in one way."""
    consumer = link.consumer
    good = double_vote(consumer, 0)
    key, other = consumer.consensus_key(0), consumer.consensus_key(1)
    height = good.vote_a.height
    one, two = good.vote_a.block_id, good.vote_b.block_id
    match name:
        case "another's address":
            address = address_of(other.public_key)
            return replace(good, vote_a=replace(good.vote_a, address=address), vote_b=replace(good.vote_b, address=address))
        case "different heights":
            return replace(good, vote_b=vote(consumer, key, two, height + 1))
        case "different validators":
            return replace(good, vote_b=vote(consumer, other, two, height))
        case "the same block":
            return replace(good, vote_b=good.vote_a)
        case "the first vote for another chain":
            return replace(good, vote_a=vote(consumer, key, one, height, "other-1"))
        case "the second vote for another chain":
            return replace(good, vote_b=vote(consumer, key, two, height, "other-1"))
        case _:
            return replace(good, vote_a=good.vote_b, vote_b=good.vote_a)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("another's address", "evidence/bad-signature"),
        ("different heights", "evidence/different-steps"),
        ("different validators", "evidence/different-validators"),
        ("the same block", "evidence/same-block"),
        ("the first vote for another chain", "evidence/bad-signature"),
        ("the second vote for another chain", "evidence/bad-signature"),
        ("the wrong order", "evidence/wrong-order"),
    ],
)
def test_forged_evidence_is_refused_and_charges_nobody(name: str, code: str) -> None:
    _, link = start()
    msg = evidence_for(link, forged(link, name))
    with refused(link.provider, code):
        link.provider.send("carol", msg)


def test_the_header_must_be_of_the_height_of_the_votes_and_signed_by_the_consumer() -> None:
    _, link = start()
    evidence = double_vote(link.consumer, 0)
    later = evidence_for(link, evidence, evidence.vote_a.height + 1).header
    with_other_height = replace(evidence_for(link, evidence), header=later)
    with refused(link.provider, "mesh/wrong-header"):
        link.provider.send("carol", with_other_height)
    msg = evidence_for(link, evidence)
    header = decode(ClientHeader, any_decode(msg.header)[1])
    signed = header.signed_header
    tampered = replace(header, signed_header=replace(signed, header=replace(signed.header, app_hash=bytes(32))))
    with refused(link.provider, "light/wrong-commit"):
        link.provider.send("carol", replace(msg, header=any_encode(HEADER_URL, encode(tampered))))


def test_a_key_outside_the_header_s_set_is_refused() -> None:
    """A report may say whose key it is; only the header says who could sign."""
    rig, link = start()
    height = link.consumer.ctx.height
    key = link.consumer.consensus_key(0)
    votes = (vote(link.consumer, key, block_id(b"a"), height), vote(link.consumer, key, block_id(b"b"), height))
    evidence = make_duplicate_vote(*votes, validator_set(link.consumer), link.consumer.ctx.time)
    double_sign(link.consumer, 0)
    rig.settle()
    msg = evidence_for(link, evidence, height)
    with refused(link.provider, "mesh/key-not-in-set"):
        link.provider.send("carol", msg)


def test_what_is_no_evidence_is_refused() -> None:
    _, link = start()
    good = evidence_for(link, double_vote(link.consumer, 0))
    with refused(link.provider, "mesh/unknown-link"):
        link.provider.send("carol", SubmitEvidence(LinkId("juno-1"), good.evidence, good.header))
    for junk in (b"", b"\xff\xff", good.evidence + b"\x00"):
        with pytest.raises(Rejected) as refusal:
            link.provider.send("carol", SubmitEvidence(link.lent, junk, good.header))
        assert refusal.value.code.startswith("wire/")


@pytest.mark.parametrize("how", [{"app_hash": b"x" * 32}, {"app_hash": b"x" * 32, "round_number": 1}, {"data_hash": b"x" * 32}])
def test_who_signed_two_blocks_of_one_height_pays_whichever_of_them_is_the_chain_s(how: dict[str, object]) -> None:
    """A lunatic attack, the same in another round, and an equivocation; validator 3 signed one block only."""
    rig, link = start()
    link.provider.send("alice", StakeRemote(link.lent, link.validator(3), 100))
    rig.settle()
    msg = attack_on(link, absent=(3,), **how)  # type: ignore[arg-type]
    link.provider.send("carol", msg)
    assert [account(link.provider, user).collateral for user in ("alice", "bob")] == [960, 980]
    states = {each.validator: each.state for each in link.provider.query("mesh/provider/validators", consumer=link.lent)}
    assert [states[link.validator(index)] for index in range(4)] == [*[State.TOMBSTONED] * 3, State.ACTIVE]
    with refused(link.provider, "mesh/nobody-guilty"):
        link.provider.send("carol", msg)
    rig.settle()


def test_an_amnesia_names_nobody() -> None:
    """Another round decided another block of the same state: the signatures do not tell who broke a lock."""
    _, link = start()
    msg = attack_on(link, round_number=1, data_hash=b"x" * 32)
    with refused(link.provider, "mesh/nobody-guilty"):
        link.provider.send("carol", msg)


def test_an_attack_is_no_attack_if_the_blocks_are_the_same_or_too_few_have_signed() -> None:
    _, link = start()
    for how, code in (({}, "evidence/same-block"), ({"absent": (0, 1), "app_hash": b"x" * 32}, "evidence/bad-conflicting-block")):
        msg = attack_on(link, **how)  # type: ignore[arg-type]
        with refused(link.provider, code):
            link.provider.send("carol", msg)


def test_guilt_does_not_freeze_with_the_client() -> None:
    """The attack itself freezes the client, and the evidence comes after it."""
    rig, link = start()
    msg = evidence_for(link, double_vote(link.consumer, 0))
    name = link.provider.query("mesh/provider/link", link=link.lent).client
    frozen = replace(client.CLIENTS.get(link.provider.state, name), frozen_height=Height(0, 1))
    client.CLIENTS.put(link.provider.state, name, frozen)
    link.provider.send("carol", msg)
    assert [account(link.provider, user).collateral for user in ("alice", "bob")] == [960, 980]
    rig.check(settled=False)


@pytest.mark.parametrize("shown", ["the forged", "the true"])
def test_a_fork_is_as_old_as_its_earlier_block_whichever_is_shown(shown: str) -> None:
    """The makers of a fork choose its time: a late one lets nobody go who left after the height was decided."""
    rig, link = start()
    late = link.consumer.ctx.time + 20 * SECOND
    msg = attack_on(link, time=late, app_hash=b"x" * 32)
    if shown == "the forged":
        header, attack = decode(ClientHeader, any_decode(msg.header)[1]), decode_evidence(msg.evidence)
        true = replace(attack, conflicting_block=replace(attack.conflicting_block, signed_header=header.signed_header))
        forged = replace(header, signed_header=attack.conflicting_block.signed_header)
        msg = replace(msg, evidence=encode_evidence(true), header=any_encode(HEADER_URL, encode(forged)))
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 400))
    rig.settle()
    assert link.provider.ctx.time < late
    link.provider.send("carol", msg)
    assert account(link.provider, "alice").collateral == 960
