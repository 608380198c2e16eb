"""A chain of ours, followed by CometBFT's own light client in Go, which is shown forks and lies as well.

Its first build is long, so these tests run only where `MESHSEC_CONFORMANCE=1` is set.
"""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from followed import CHAIN, PERIOD, Followed, changed, followed, honest_steps, lies, resigned

from meshsec_core.consensus.attack import make_light_client_attack, verify_light_client_attack
from meshsec_core.consensus.evidence import verify_duplicate_vote
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import sha256, verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire import tendermint as wire
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import decode_evidence, encode_evidence

PROGRAM = Path(__file__).parent / "light_go"
FORKED = 45
"""Height at which forks begin; the set has changed before it and changes after it."""

Blocks = tuple[wire.LightBlock, ...]
Run = Callable[[str, list[str]], list[str]]


@pytest.fixture(scope="module")
def run() -> Run:
    """The program, built once: its answers to lines of one kind."""
    if os.environ.get("MESHSEC_CONFORMANCE") != "1":
        pytest.skip("the Go light client takes one to three minutes to build from cold; set MESHSEC_CONFORMANCE=1 to run it")
    if shutil.which("go") is None:
        pytest.skip("go is not on PATH, so CometBFT's light client cannot be built")
    fetched = subprocess.run(["go", "list", "-deps", "."], cwd=PROGRAM, capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"CometBFT cannot be fetched: {fetched.stderr.strip()[-200:]}")
    subprocess.run(["go", "build", "-o", "target/judge-and-follow", "."], cwd=PROGRAM, check=True)

    def ask(kind: str, lines: list[str]) -> list[str]:
        program = [PROGRAM / "target" / "judge-and-follow", kind]
        said = subprocess.run(program, input="\n".join(lines), capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(said) == len(lines)
        return said

    return ask


@dataclass
class Traveller:
    """Sends the client on journeys along chains that are written to files."""

    run: Run
    folder: Path

    def go(self, primary: Blocks, *witnesses: Blocks, sequential: bool = False, target: int | None = None) -> dict[str, Any]:
        chain = followed()
        paths = [self._written(f"{at}.jsonl", blocks) for at, blocks in enumerate((primary, *witnesses))]
        journey = {
            "chain_id": CHAIN,
            "primary": paths[0],
            "witnesses": paths[1:],
            "hash": header_hash(chain.block(1).signed_header.header).hex(),
            "target": target or len(chain.blocks),
            "sequential": sequential,
            "now": str(chain.now),
            "period": str(PERIOD),
        }
        found: dict[str, Any] = json.loads(self.run("follow", [json.dumps(journey)])[0])
        return found

    def _written(self, name: str, blocks: Blocks) -> str:
        path = self.folder / name
        lines = (
            json.dumps({"header": encode(block.signed_header).hex(), "validators": encode(block.validators).hex()})
            for block in blocks
        )
        path.write_text("\n".join(lines))
        return str(path)


@pytest.fixture
def traveller(run: Run, tmp_path: Path) -> Traveller:
    return Traveller(run, tmp_path)


def honest_hash(chain: Followed, height: int | None = None) -> str:
    return header_hash(chain.block(height or len(chain.blocks)).signed_header.header).hex()


def fork(chain: Followed, **fields: object) -> Blocks:
    """The chain with other headers from some height on, all signed by everybody who signed the honest ones."""
    return tuple(
        block if height < FORKED else resigned(block, chain.keys, **fields) for height, block in enumerate(chain.blocks, start=1)
    )


def test_the_light_client_in_go_follows_our_chain_and_distrusts_what_ours_distrusts(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = honest_steps(followed())

    verdicts = run("judge", [one.line() for one in steps])

    assert [(one.what, said) for one, said in zip(steps, verdicts, strict=True) if said != one.our_verdict()] == []
    count = Counter(verdicts)
    assert count.keys() == {"accepted", "distrusted"}
    with capsys.disabled():
        print(f"\nGo's light client accepted {count['accepted']} updates and distrusted {count['distrusted']}, as ours does")


def test_no_lie_about_our_chain_is_accepted_by_the_light_client_in_go(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    chain = followed()
    told = lies(chain, honest_steps(chain), 40)

    verdicts = run("judge", [one.line() for one in told])

    assert [one.what for one, said in zip(told, verdicts, strict=True) if said == "accepted"] == []
    assert len(told) >= 2_000
    with capsys.disabled():
        print(f"\nGo's light client refused {len(told)} lies in headers, commits, sets and times")


def test_the_client_walks_every_header_of_our_chain_with_two_witnesses(traveller: Traveller) -> None:
    chain = followed()

    found = traveller.go(chain.blocks, chain.blocks, chain.blocks, sequential=True)

    assert (found["error"], found["hash"]) == ("", honest_hash(chain))
    assert found["asked"] >= len(chain.blocks)
    assert found["witnesses"] == 2
    assert found["evidence"] == [[], [], []]


def test_the_client_skips_along_our_chain_and_bisects_where_too_few_of_the_trusted_set_signed(traveller: Traveller) -> None:
    chain = followed()
    distrusted = next(one for one in honest_steps(chain) if one.trusted.header.height == 1 and one.our_verdict() == "distrusted")
    alone = distrusted.block.signed_header.header.height

    far = traveller.go(chain.blocks, chain.blocks)
    bisected = traveller.go(chain.blocks, chain.blocks, target=alone)

    assert (far["error"], far["hash"]) == ("", honest_hash(chain))
    assert (bisected["error"], bisected["hash"]) == ("", honest_hash(chain, alone))
    assert bisected["asked"] > far["asked"]
    assert bisected["evidence"] == [[], []]


FORKS = {
    "lunatic": {"app_hash": b"f" * 32},
    "equivocation": {"data_hash": b"f" * 32},
    "amnesia": {"data_hash": b"f" * 32, "round": 1},
}


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("liar", ["primary", "witness"])
@pytest.mark.parametrize("kind", FORKS)
def test_the_client_detects_a_fork_and_tells_both_sides(traveller: Traveller, kind: str, liar: str, sequential: bool) -> None:
    """Given a fork of our chain that two thirds signed
    When one of primary and witness shows it and the other shows the chain
    Then the client trusts neither, calls it an attack and gives each side evidence of the other's header
    And what it gives the chain is what we would make of the same blocks, and what the chain takes as proof
    """
    chain = followed()
    forked = fork(chain, **FORKS[kind])
    shown = (forked, chain.blocks) if liar == "primary" else (chain.blocks, forked)

    found = traveller.go(*shown, sequential=sequential)

    assert found["attack"] is True
    assert found["hash"] == ""
    accused = [decode_evidence(bytes.fromhex(raw)) for [raw] in found["evidence"]]
    for evidence, other in zip(accused, reversed(shown), strict=True):
        assert isinstance(evidence, wire.LightClientAttackEvidence)
        height = evidence.conflicting_block.signed_header.header.height
        assert height >= FORKED
        assert evidence.conflicting_block.signed_header == other[height - 1].signed_header
        assert evidence.common_height <= height

    told = accused[shown.index(chain.blocks)]
    assert isinstance(told, wire.LightClientAttackEvidence)
    height = told.conflicting_block.signed_header.header.height
    common, trusted = chain.blocks[told.common_height - 1], chain.blocks[height - 1]
    assert told == make_light_client_attack(told.conflicting_block, trusted, common)
    common_set = ValidatorSet.from_wire(common.validators)
    verify_light_client_attack(told, common.signed_header.header, common_set, trusted.signed_header, verify)


def charge(chain: Followed, evidence: wire.Evidence) -> str:
    """What a full node of our chain knows when it judges evidence."""
    if isinstance(evidence, wire.DuplicateVoteEvidence):
        common = trusted = evidence.vote_a.height
    else:
        common, trusted = evidence.common_height, evidence.conflicting_block.signed_header.header.height
    return json.dumps(
        {
            "chain_id": CHAIN,
            "evidence": encode_evidence(evidence).hex(),
            "set": encode(chain.block(common).validators).hex(),
            "common": encode(chain.block(common).signed_header).hex(),
            "trusted": encode(chain.block(trusted).signed_header).hex(),
            "now": str(chain.now),
            "period": str(PERIOD),
        }
    )


def bent_evidence(honest: wire.DuplicateVoteEvidence) -> list[wire.DuplicateVoteEvidence]:
    first, second = honest.vote_a, honest.vote_b
    return [
        changed(honest, vote_a=second, vote_b=first),
        changed(honest, vote_b=first),
        changed(honest, validator_power=honest.validator_power + 1),
        changed(honest, total_power=honest.total_power - 1),
        *(changed(honest, vote_a=changed(first, **{name: getattr(first, name) + 1})) for name in ("height", "round", "time")),
        changed(honest, vote_a=changed(first, signature=second.signature)),
        changed(honest, vote_a=changed(first, kind=wire.PREVOTE)),
        changed(honest, vote_a=changed(first, address=bytes(20))),
        changed(honest, vote_a=changed(first, block_id=changed(first.block_id, hash=bytes(32)))),
    ]


def ours_accepts(chain: Followed, evidence: wire.DuplicateVoteEvidence) -> bool:
    honest_height = min(evidence.vote_a.height, evidence.vote_b.height)
    block = chain.block(honest_height)
    members = ValidatorSet.from_wire(block.validators)
    try:
        verify_duplicate_vote(evidence, CHAIN, members, block.signed_header.header.time, verify)
    except Rejected:
        return False
    return True


def test_nodes_in_go_convict_whom_our_blocks_convict_and_nobody_else(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    chain = followed()
    found = [one for one in chain.evidence if isinstance(one, wire.DuplicateVoteEvidence)]
    assert len(found) == 2

    assert run("convict", [charge(chain, one) for one in found]) == [f"accepted {sha256(encode(one)).hex()}" for one in found]
    assert all(ours_accepts(chain, one) for one in found)
    bent = [lie for one in found for lie in bent_evidence(one)]
    assert [said for said in run("convict", [charge(chain, lie) for lie in bent]) if not said.startswith("refused")] == []
    assert [lie for lie in bent if ours_accepts(chain, lie)] == []
    with capsys.disabled():
        print(f"\nGo's nodes convicted {len(found)} double signers of our chain and refused {len(bent)} bent charges, as we do")


@pytest.mark.parametrize("kind", FORKS)
def test_an_attack_on_light_clients_that_was_detected_is_proven_to_nodes_in_go_by_our_bytes(
    traveller: Traveller, kind: str
) -> None:
    chain = followed()
    found = traveller.go(chain.blocks, fork(chain, **FORKS[kind]))
    [raw] = found["evidence"][0]
    attack = decode_evidence(bytes.fromhex(raw))
    assert isinstance(attack, wire.LightClientAttackEvidence)
    assert encode_evidence(attack).hex() == raw

    [verdict] = traveller.run("convict", [charge(chain, attack)])
    assert verdict.startswith("accepted ")
    guilty = attack.byzantine_validators
    bent = [
        changed(attack, total_power=attack.total_power + 1),
        changed(attack, byzantine_validators=guilty[1:] if guilty else (chain.blocks[0].validators.validators[0],)),
        changed(attack, conflicting_block=chain.block(attack.conflicting_block.signed_header.header.height)),
    ]
    verdicts = traveller.run("convict", [charge(chain, lie) for lie in bent])
    assert [said for said in verdicts if not said.startswith("refused")] == []


def unsigned_fork(chain: Followed) -> Blocks:
    """A fork under the signatures for the honest headers."""
    blocks = []
    for block, forged in zip(chain.blocks, fork(chain, app_hash=b"f" * 32), strict=True):
        commit = changed(forged.signed_header.commit, signatures=block.signed_header.commit.signatures)
        blocks.append(changed(forged, signed_header=changed(forged.signed_header, commit=commit)))
    return tuple(blocks)


@pytest.mark.parametrize("sequential", [False, True])
def test_a_witness_whose_fork_nobody_signed_is_dismissed(traveller: Traveller, sequential: bool) -> None:
    chain = followed()

    found = traveller.go(chain.blocks, unsigned_fork(chain), chain.blocks, sequential=sequential)

    assert (found["error"], found["hash"]) == ("", honest_hash(chain))
    assert found["witnesses"] == 1
    assert found["evidence"] == [[], [], []]


@pytest.mark.parametrize("sequential", [False, True])
def test_a_primary_whose_fork_nobody_signed_is_not_believed(traveller: Traveller, sequential: bool) -> None:
    chain = followed()

    found = traveller.go(unsigned_fork(chain), chain.blocks, chain.blocks, sequential=sequential)

    assert "wrong signature" in found["error"]
    assert (found["hash"], found["attack"]) == ("", False)
    assert found["evidence"] == [[], [], []]


def test_a_witness_with_other_proposer_priorities_stops_the_client(traveller: Traveller) -> None:
    """Priorities are in no header, but providers must agree on them; this version compares that of the last member only."""
    chain = followed()
    last = chain.blocks[-1]
    *others, member = last.validators.validators
    bent = changed(last.validators, validators=(*others, changed(member, priority=member.priority + 1)))

    found = traveller.go(chain.blocks, (*chain.blocks[:-1], changed(last, validators=bent)))

    assert "proposer priority hashes do not match" in found["error"]
    assert found["hash"] == ""
