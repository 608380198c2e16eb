"""Our state proofs, judged by the official ICS-23 libraries in Rust and Go.

The one in Go is asked only where `MESHSEC_CONFORMANCE=1` is set: it takes half a minute to build from cold.
"""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec
import pytest
from followed import live

from meshsec.world.sim import SimWorld
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle.ics23 import verify_absence, verify_value
from meshsec_core.kernel.store.state import State
from meshsec_core.kernel.wire.ics23 import CommitmentProof, ExistenceProof, InnerOp, MerkleProof, NonExistenceProof
from meshsec_core.kernel.wire.proto import decode, encode
from toolchains import rust_environment

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Claim:
    """What a proof is said to show. A value of None says that the key is absent."""

    root: bytes
    store: str
    key: bytes
    value: bytes | None
    proof: bytes

    def line(self) -> str:
        value = None if self.value is None else self.value.hex()
        return json.dumps(
            {"root": self.root.hex(), "store": self.store, "key": self.key.hex(), "value": value, "proof": self.proof.hex()}
        )

    def accepted_by_us(self) -> bool:
        try:
            if self.value is None:
                verify_absence(self.root, self.store, self.key, self.proof)
            else:
                verify_value(self.root, self.store, self.key, self.value, self.proof)
        except Rejected:
            return False
        return True


def in_rust() -> Path:
    """Build the library for Rust once; return the program around it."""
    folder, env = HERE / "ics23", rust_environment()
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not on PATH, so the official ICS-23 library for Rust cannot be built")
    fetched = subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=folder, env=env, capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the official ICS-23 library for Rust cannot be fetched: {fetched.stderr.strip()[-200:]}")
    subprocess.run(["cargo", "build", "--locked", "--offline", "--quiet"], cwd=folder, env=env, check=True)
    return folder / "target" / "debug" / "verify-state-proofs"


def in_go() -> Path:
    """Build the library for Go once; return the program around it."""
    folder = HERE / "ics23_go"
    if os.environ.get("MESHSEC_CONFORMANCE") != "1":
        pytest.skip("the ICS-23 library for Go takes half a minute to build from cold; set MESHSEC_CONFORMANCE=1 to ask it")
    if shutil.which("go") is None:
        pytest.skip("go is not on PATH, so the official ICS-23 library for Go cannot be built")
    fetched = subprocess.run(["go", "list", "-deps", "."], cwd=folder, capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the official ICS-23 library for Go cannot be fetched: {fetched.stderr.strip()[-200:]}")
    subprocess.run(["go", "build", "-o", "target/verify-state-proofs", "."], cwd=folder, check=True)
    return folder / "target" / "verify-state-proofs"


@dataclass(frozen=True)
class Judge:
    """An official library behind a program of ours."""

    language: str
    program: Path

    def __call__(self, claims: list[Claim]) -> list[bool]:
        lines = "".join(claim.line() + "\n" for claim in claims)
        answers = subprocess.run([self.program], input=lines, capture_output=True, text=True, check=True).stdout.split()
        assert len(answers) == len(claims)
        return [{"accepted": True, "refused": False}[answer] for answer in answers]


@pytest.fixture(scope="module", params=[in_rust, in_go], ids=["rust", "go"])
def judge(request: pytest.FixtureRequest) -> Judge:
    """The official library of each language."""
    return Judge({in_rust: "Rust", in_go: "Go"}[request.param], request.param())


def random_paths(dice: random.Random, store: str, count: int) -> list[str]:
    """Paths as chains have them: hashes, sequences, and paths that begin other paths."""
    shapes: list[Callable[[int], str]] = [
        lambda _: f"{store}/balances/osmo1{dice.randbytes(19).hex()}/uosmo",
        lambda at: f"{store}/acks/ports/transfer/channels/channel-{at % 3}/sequences/{at}",
        lambda at: f"{store}/n/" + "1" * (at % 40 + 1),
        lambda _: f"{store}/" + "".join(dice.choices("_ab~", k=dice.randint(1, 6))) + "x",
    ]
    return [dice.choice(shapes)(at) for at in range(count)]


def random_states() -> Iterator[tuple[random.Random, State]]:
    """States of one to nine stores with up to some thousand keys each, after several heights of writes and removals."""
    for seed in range(12):
        dice = random.Random(seed)
        stores = ["ibc", "bank", "auth", "mesh", "staking", "mint", "gov", "transfer", "a"][: 1 + seed % 9]
        state = State(stores)
        state.commit(0, state.preview({}))
        written: list[str] = []
        for height in range(1, 4):
            changes: dict[str, bytes | None] = {}
            for store in stores[1:] or stores:
                size = dice.choice((1, 2, 30, 400))
                changes |= {path: dice.randbytes(dice.randint(1, 200)) for path in random_paths(dice, store, size)}
            changes |= dict.fromkeys(dice.sample(written, len(written) // 3))
            written += changes
            state.commit(height, state.preview(changes))
        yield dice, state


def claims_of(dice: random.Random, state: State) -> list[Claim]:
    """True claims about a state: its sentinels, some of its keys, keys next to them, and keys before and behind all others."""
    rows = [path for path, _ in state.rows()]
    paths = {path for path in rows if path.endswith("/_")} | set(dice.sample(rows, min(60, len(rows))))
    near = {path + suffix for path in paths for suffix in ("/", "!", "~")} | {path[:-1] + "!" for path in paths}
    edges = {path.partition("/")[0] + edge for path in paths for edge in ("/!", "/~~~~~~~~", "/^", "/`")}
    claims = []
    for path in sorted(paths | near | edges):
        height = dice.choice((1, 3, 3))
        value, proof = state.prove(path, height)
        store, _, key = path.partition("/")
        claims.append(Claim(state.app_hash(height), store, key.encode(), value, proof))
    return claims


def test_every_proof_of_random_states_is_accepted_by_the_official_library(
    judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = [claim for dice, state in random_states() for claim in claims_of(dice, state)]
    alone = State(["ibc"])
    alone.commit(0, alone.preview({}))
    for path in ("ibc/_", "ibc/!", "ibc/clients", "ibc/_x"):
        value, proof = alone.prove(path, 0)
        claims.append(Claim(alone.app_hash(0), "ibc", path[4:].encode(), value, proof))

    verdicts = judge(claims)

    assert [claim for claim, accepted in zip(claims, verdicts, strict=True) if not accepted] == []
    assert all(claim.accepted_by_us() for claim in claims)
    absent = sum(claim.value is None for claim in claims)
    assert absent >= 1000
    assert len(claims) - absent >= 500
    with capsys.disabled():
        print(f"\nICS-23 in {judge.language} accepted {len(claims) - absent} proofs of existence and {absent} of absence")


@cache
def lived() -> list[Claim]:
    """True claims about a chain through changes of its validator set: random keys at random heights, by its own headers."""
    dice, claims = random.Random(9), []
    with SimWorld("pair") as world:
        live(world)
        replica = world.nodes["juno"].replica
        for _ in range(300):
            height = dice.randrange(1, replica.height)
            header = replica.commit(height + 1)
            assert header is not None
            path = dice.choice([path for path, _ in replica.state.at(height).scan("")]) + dice.choice(("", "", "x", "/"))
            value, proof = replica.state.prove(path, height)
            store, _, key = path.partition("/")
            claims.append(Claim(header.header.app_hash, store, key.encode(), value, proof))
    return claims


def test_proofs_from_a_chain_hold_by_the_header_after_their_height_and_by_no_other(
    judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = lived()
    roots = sorted({claim.root for claim in claims})
    elsewhere = [replace(claim, root=roots[roots.index(claim.root) - 1]) for claim in claims]

    assert judge(claims) == [True] * len(claims)
    assert judge(elsewhere) == [False] * len(claims)
    assert [claim for claim in claims if not claim.accepted_by_us()] == []
    assert [claim for claim in elsewhere if claim.accepted_by_us()] == []
    absent = sum(claim.value is None for claim in claims)
    assert 50 <= absent <= 250
    with capsys.disabled():
        print(f"\nICS-23 in {judge.language}: {len(claims)} proofs, {absent} of absence, hold by {len(roots)} headers of a chain")


def bent_paths(dice: random.Random, path: tuple[InnerOp, ...]) -> Iterator[tuple[InnerOp, ...]]:
    """Paths with one step changed, left out, doubled or exchanged."""
    for at in dice.sample(range(len(path)), min(3, len(path))):
        step = path[at]
        prefix, suffix = bytearray(step.prefix), bytearray(step.suffix)
        changed = suffix or prefix
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
        yield (*path[:at], InnerOp(step.hash, bytes(prefix), bytes(suffix)), *path[at + 1 :])
        yield path[:at] + path[at + 1 :]
        yield (*path[: at + 1], *path[at:])
        if at and path[at - 1] != step:
            yield (*path[: at - 1], step, path[at - 1], *path[at + 1 :])


def bent_proofs(dice: random.Random, proof: CommitmentProof) -> Iterator[CommitmentProof]:
    """Proofs that show something else or nothing."""
    changed = msgspec.structs.replace
    if isinstance(proof, ExistenceProof):
        for path in bent_paths(dice, proof.path):
            yield changed(proof, path=path)
        yield changed(proof, key=proof.key + b"x")
        yield changed(proof, value=proof.value + b"x")
        yield changed(proof, leaf=changed(proof.leaf, prehash_value=0))
        yield changed(proof, leaf=changed(proof.leaf, prefix=b"\x01"))
        return
    for side in ("left", "right"):
        neighbour: ExistenceProof | None = getattr(proof, side)
        if neighbour is not None:
            yield changed(proof, **{side: None})
            for bent in bent_proofs(dice, neighbour):
                yield changed(proof, **{side: bent})
    yield NonExistenceProof(proof.key, proof.right, proof.left)


def lies_about(dice: random.Random, claim: Claim, others: list[Claim]) -> Iterator[Claim]:
    """Claims that a proof of this one does not show."""
    inner, outer = decode(MerkleProof, claim.proof).proofs
    for bent in bent_proofs(dice, inner):
        yield replace(claim, proof=encode(MerkleProof((bent, outer))))
    for bent in bent_proofs(dice, outer):
        yield replace(claim, proof=encode(MerkleProof((inner, bent))))
    yield replace(claim, proof=encode(MerkleProof((outer, inner))))
    yield replace(claim, proof=encode(MerkleProof((inner,))))
    yield replace(claim, root=bytes(32))
    yield replace(claim, store=claim.store + "x")
    yield replace(claim, value=b"other" if claim.value is None else None)
    present = [other for other in others if other.value is not None and other.key != claim.key]
    yield replace(claim, proof=dice.choice(present).proof)


def test_no_bent_proof_is_accepted_by_the_official_library_or_by_us(judge: Judge, capsys: pytest.CaptureFixture[str]) -> None:
    lies: list[Claim] = []
    for dice, state in random_states():
        claims = claims_of(dice, state)
        for claim in dice.sample(claims, 12):
            lies += lies_about(dice, claim, claims)

    verdicts = judge(lies)

    assert [lie for lie, accepted in zip(lies, verdicts, strict=True) if accepted] == []
    assert [lie for lie in lies if lie.accepted_by_us()] == []
    assert len(lies) >= 1000
    with capsys.disabled():
        print(f"\nICS-23 in {judge.language} refused {len(lies)} bent proofs, and so did we")


def test_bytes_that_we_accept_are_accepted_by_the_official_library(judge: Judge, capsys: pytest.CaptureFixture[str]) -> None:
    """Our decoder refuses more spellings; where it refuses fewer, two chains would disagree about a packet."""
    spoiled = []
    for dice, state in random_states():
        for claim in dice.sample(claims_of(dice, state), 100):
            raw = bytearray(claim.proof)
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
            spoiled.append(replace(claim, proof=bytes(raw)))
    ours = [claim.accepted_by_us() for claim in spoiled]

    verdicts = judge(spoiled)

    assert [claim for claim, us, them in zip(spoiled, ours, verdicts, strict=True) if us and not them] == []
    with capsys.disabled():
        print(f"\nof {len(spoiled)} proofs with a bit turned, {judge.language} accepted {sum(verdicts)} and we {sum(ours)}")
