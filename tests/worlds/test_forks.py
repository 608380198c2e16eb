"""Forks on purpose: two validly signed futures of one chain, evidence of them, and what becomes of the guilty."""

from typing import Any

import pytest

from meshsec.world.sim_chain import SimChain
from meshsec_core.consensus.attack import Attack, kind_of, make_light_client_attack
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import evidence_id, header_hash
from meshsec_core.kernel.wire.tendermint import LightBlock, LightClientAttackEvidence, encode_evidence
from meshsec_core.modules.bank import Send
from meshsec_core.modules.staking.state import Validator, get_validator
from meshsec_core.runtime.law import hold_alone
from meshsec_core.runtime.tx import make_tx
from meshsec_node.views import LocalTransport
from meshsec_sdk import names
from meshsec_sdk.mesh_file import genesis_of, topology

PAIR = topology("pair")
JUNO = PAIR.chain("juno")
START = genesis_of(PAIR, "juno").time
BYZANTINE = ("val-0", "val-1", "val-2")


class Fork:
    """juno at a height, and a branch of it that three of its four equal validators make."""

    def __init__(self, validators: tuple[str, ...] = BYZANTINE, height: int = 3, *, late: bool = False) -> None:
        self.main = SimChain(JUNO, genesis_of(PAIR, "juno"), PAIR)
        self.now = START
        for _ in range(height):
            self.block(self.main)
        self.main.fork("fork", validators, late=late)
        self.branch = self.main.branches["fork"]

    def block(self, *chains: SimChain) -> None:
        self.now += SECOND
        for chain in chains:
            assert chain.make_block(self.now), chain.reasons()

    def send(self, chain: SimChain, receiver: str, amount: int) -> None:
        genesis = chain.replica.genesis
        sender = names.address("alice", JUNO.names)
        msg = Send(names.address(receiver, JUNO.names), genesis.denom, amount)
        key = names.key_of("alice", "juno")
        chain.submit(make_tx(key, genesis.prefix, genesis.chain_id, chain.replica.next_sequence(sender), (msg,)))

    def evidence(self, height: int, common: int) -> LightClientAttackEvidence:
        return make_light_client_attack(
            light(self.branch, height), light(self.main, min(height, self.main.replica.height)), light(self.main, common)
        )

    def validator(self, name: str) -> Validator:
        return get_validator(self.main.replica.state, names.validator_id(JUNO.names, name))

    def post(self, evidence: LightClientAttackEvidence) -> tuple[int, Any]:
        return LocalTransport(self.main).post("/v1/evidence", {"evidence": encode_evidence(evidence)})


def light(chain: SimChain, height: int) -> LightBlock:
    signed, validators = chain.replica.commit(height), chain.replica.validators_at(height)
    assert signed is not None
    assert validators is not None
    return LightBlock(signed, validators.to_wire())


def equivocation() -> Fork:
    """Both sides decide height 4 in round 0, with different transactions."""
    fork = Fork()
    fork.send(fork.main, "bob", 5)
    fork.send(fork.branch, "carol", 5)
    fork.block(fork.main, fork.branch)
    return fork


def test_two_thirds_make_two_validly_signed_blocks_of_one_height() -> None:
    fork = equivocation()
    main, branch = light(fork.main, 4), light(fork.branch, 4)

    assert header_hash(main.signed_header.header) != header_hash(branch.signed_header.header)
    assert main.validators == branch.validators
    assert [len([sig for sig in side.signed_header.commit.signatures if sig.signature]) for side in (main, branch)] == [4, 3]
    assert kind_of(branch.signed_header, main.signed_header) is Attack.EQUIVOCATION


def test_less_than_two_thirds_make_no_branch() -> None:
    """Two of four equal validators wait for ever: nothing on their side is signed by enough of them."""
    fork = Fork(("val-0", "val-1"))

    assert fork.branch.make_block(fork.now + SECOND) is False
    assert fork.branch.replica.height == 3
    assert fork.branch.reasons() != []


def test_what_is_signed_on_a_branch_binds_nobody_on_the_chain() -> None:
    """The branch is far ahead; the guards of the chain's validators know nothing of it, also after a crash."""
    fork = Fork()
    for _ in range(5):
        fork.block(fork.branch)
    fork.main.restart()
    fork.block(fork.main)

    assert (fork.main.replica.height, fork.branch.replica.height) == (4, 8)
    assert [sig.flag for sig in light(fork.main, 4).signed_header.commit.signatures] == [2, 2, 2, 2]


def test_the_guilty_of_an_equivocation_are_slashed_jailed_and_tombstoned_once() -> None:
    """Given val-0 to val-2 have signed two blocks of height 4 in one round, with 100 million each
    When somebody shows both to the chain, twice
    Then a block carries it, each of the three has lost 5 % and is out for good, and val-3 is untouched
    """
    fork = equivocation()
    evidence = fork.evidence(4, 3)
    status, answer = fork.post(evidence)
    assert (status, answer["hash"]) == (202, evidence_id(evidence).hex())
    assert fork.post(evidence) == (202, answer)
    fork.block(fork.main)

    block = LocalTransport(fork.main).get("/v1/blocks/5")[1]
    assert len(block["evidence"]) == 1
    assert fork.post(evidence)[0] == 202
    fork.block(fork.main)
    assert fork.main.replica.block(6).evidence == ()
    for name in BYZANTINE:
        found = fork.validator(name)
        assert (found.tokens, found.jailed, found.tombstoned) == (95_000_000, True, True)
    assert fork.validator("val-3").tokens == 100_000_000
    fork.block(fork.main)
    assert fork.main.replica.voting_power() == (100_000_000, 100_000_000)


def test_a_lunatic_header_is_told_from_the_last_common_height() -> None:
    """The branch's height 5 rests on another state; three signed it, and three are punished."""
    fork = equivocation()
    fork.block(fork.main, fork.branch)
    evidence = fork.evidence(5, 3)

    assert kind_of(light(fork.branch, 5).signed_header, light(fork.main, 5).signed_header) is Attack.LUNATIC
    assert (evidence.common_height, len(evidence.byzantine_validators)) == (3, 3)
    assert fork.post(evidence)[0] == 202
    fork.block(fork.main)
    assert [fork.validator(name).tombstoned for name in (*BYZANTINE, "val-3")] == [True, True, True, False]


def test_nobody_is_punished_for_amnesia() -> None:
    """The branch decides height 4 in a later round than the chain: somebody broke a lock, and no signature says who."""
    fork = Fork(late=True)
    fork.block(fork.main, fork.branch)
    evidence = fork.evidence(4, 3)

    main, branch = light(fork.main, 4).signed_header, light(fork.branch, 4).signed_header
    assert main.commit.round == 0 < branch.commit.round
    assert kind_of(branch, main) is Attack.AMNESIA
    assert evidence.byzantine_validators == ()
    assert fork.post(evidence)[0] == 202
    fork.block(fork.main)
    assert len(fork.main.replica.block(5).evidence) == 1
    assert [fork.validator(name).tokens for name in (*BYZANTINE, "val-3")] == [100_000_000] * 4


def test_a_late_branch_is_late_though_everybody_takes_part() -> None:
    fork = Fork((*BYZANTINE, "val-3"), late=True)
    fork.block(fork.branch)
    fork.block(fork.branch)

    assert [light(fork.branch, height).signed_header.commit.round for height in (4, 5)] == [1, 0]


def test_what_is_signed_for_a_height_in_progress_does_not_bind_the_branch() -> None:
    """Given two of four are silent, so that the chain cannot decide a height for which the others have signed votes
    When all four begin a branch there
    Then it decides another block of that height at once, in round 0
    """
    fork = Fork()
    for name in ("val-2", "val-3"):
        fork.main.fault("down", name, {})
    fork.main.make_block(fork.now + SECOND)
    assert fork.main.replica.deciding
    fork.main.fork("other", [*BYZANTINE, "val-3"])
    fork.branch = fork.main.branches["other"]
    fork.send(fork.branch, "carol", 5)
    fork.block(fork.branch)

    assert light(fork.branch, 4).signed_header.commit.round == 0
    fork.main.heal()
    fork.block(fork.main)
    assert light(fork.main, 4) != light(fork.branch, 4)


def test_a_late_branch_is_decided_also_if_its_round_0_has_no_proposer_at_all() -> None:
    """val-3 takes no part; with every height one of four it would have proposed, and then it is silent anyway."""
    for height in range(1, 6):
        fork = Fork(height=height, late=True)
        fork.block(fork.branch)
        assert light(fork.branch, height + 1).signed_header.commit.round > 0


def test_a_chain_whose_whole_set_is_guilty_goes_on_with_it() -> None:
    """Given all four have signed both sides
    When all are tombstoned by one piece of evidence
    Then the last set stays, for there is nobody else; every law holds, and whoever comes next can take over
    """
    fork = Fork((*BYZANTINE, "val-3"))
    fork.send(fork.main, "bob", 5)
    fork.send(fork.branch, "carol", 5)
    fork.block(fork.main, fork.branch)
    assert fork.post(fork.evidence(4, 3))[0] == 202
    for _ in range(5):
        fork.block(fork.main)

    for name in (*BYZANTINE, "val-3"):
        found = fork.validator(name)
        assert (found.tokens, found.jailed, found.tombstoned) == (95_000_000, True, True)
    assert len(fork.main.replica.tip.validators) == 4
    assert fork.main.reasons() == []
    hold_alone(fork.main.replica.view())


def test_two_proofs_of_one_fault_slash_once() -> None:
    """A lunatic and an equivocal header of one fork: both are carried, the second changes nothing."""
    fork = equivocation()
    fork.block(fork.main, fork.branch)
    fork.post(fork.evidence(4, 3))
    fork.post(fork.evidence(5, 3))
    fork.block(fork.main)

    assert len(fork.main.replica.block(6).evidence) == 2
    assert [fork.validator(name).tokens for name in (*BYZANTINE, "val-3")] == [95_000_000] * 3 + [100_000_000]
    ignored = [event for event in fork.main.replica.results(6).begin_events if event.type == "slashing/ignored"]
    assert len(ignored) == 3


@pytest.mark.parametrize(
    ("height", "common", "code"), [(4, 3, "evidence/same-block"), (3, 2, "evidence/same-block"), (99, 3, None)]
)
def test_what_is_no_attack_is_refused_and_waits_for_no_block(height: int, common: int, code: str | None) -> None:
    """A branch that does the same as the chain makes the same block; a block that neither has cannot be shown."""
    fork = Fork()
    fork.block(fork.main, fork.branch)
    if code is None:
        forged = fork.evidence(4, 3)
        status, answer = fork.post(LightClientAttackEvidence(forged.conflicting_block, height, (), 1, 1))
        assert (status, answer["code"]) == (422, "evidence/unknown-height")
    else:
        status, answer = fork.post(fork.evidence(height, common))
        assert (status, answer["code"]) == (422, code)
    assert fork.main.replica.has_work is False


def test_evidence_survives_a_crash() -> None:
    fork = equivocation()
    fork.post(fork.evidence(4, 3))
    fork.main.restart()
    fork.block(fork.main)

    assert len(fork.main.replica.block(5).evidence) == 1


def test_a_strange_validator_cannot_make_a_branch() -> None:
    with pytest.raises(Rejected) as refusal:
        Fork(("val-0", "nobody"))
    assert refusal.value.code == "dev/unknown-validator"
