"""A chain under random faults of the registry on less than a third of its power: no fork, blocks all the time, everybody back."""

import os
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from meshsec import SimWorld
from meshsec.world.sim_chain import FallibleStorage
from meshsec_core.kernel.wire.tendermint import FLAG_COMMIT, PRECOMMIT, Vote
from meshsec_core.modules.bank import Send
from meshsec_core.replica.events import Deliver
from meshsec_core.replica.faults import FAULTS
from meshsec_core.replica.height import Height
from meshsec_core.replica.history import read_log
from meshsec_core.replica.storage import Table, Write
from meshsec_sdk.mesh_file import MeshSpec, ValidatorSpec, topology

SEEDS = int(os.environ.get("MESHSEC_SEEDS", "200")) // 40  # down
"""How many adversaries are tried; `make long` tries more."""

POWERS = (400, 300, 250, 200, 150, 100, 100)
"""In million base units; double signers among them are tombstoned and leave."""


def mesh() -> MeshSpec:
    """Two chains; the second one has seven unequal validators."""
    first, second = topology("pair").chains
    members = tuple(ValidatorSpec(f"val-{index}", power * 1_000_000) for index, power in enumerate(POWERS))
    return msgspec.structs.replace(topology("pair"), chains=(first, msgspec.structs.replace(second, validators=members)))


class Record:
    """Every vote that became durable anywhere, whoever heard it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.votes: list[Vote] = []
        apply = FallibleStorage.apply

        def recording(storage: FallibleStorage, writes: Sequence[Write]) -> None:
            apply(storage, writes)
            logged = [read_log(write.value) for write in writes if write.table is Table.WAL and write.value is not None]
            self.votes += [vote for wave in logged if isinstance(wave, Deliver) for vote in wave.votes]

        monkeypatch.setattr(FallibleStorage, "apply", recording)

    def double_voters(self) -> set[bytes]:
        """Who ever signed two different votes in one step."""
        cast: dict[tuple[bytes, int, int, int], set[bytes]] = {}
        for vote in self.votes:
            cast.setdefault((vote.address, vote.height, vote.kind, vote.round), set()).add(vote.block_id.hash)
        return {place[0] for place, blocks in cast.items() if len(blocks) > 1}

    def quorums(self, world: SimWorld) -> dict[int, set[bytes]]:
        """Height to the blocks for which more than two thirds precommitted in some round."""
        replica = world.nodes["juno"].replica
        own = [voter.address for voter in replica.voters]
        behind: dict[tuple[int, int, bytes], set[bytes]] = {}
        for vote in self.votes:
            if vote.kind == PRECOMMIT and vote.block_id.hash and vote.address in own:
                behind.setdefault((vote.height, vote.round, vote.block_id.hash), set()).add(vote.address)
        found: dict[int, set[bytes]] = {}
        for (height, _, block), voters in behind.items():
            members = replica.validators_at(height)
            assert members is not None
            power = sum(member.power for member in members.validators if member.address in voters)
            if 3 * power > 2 * members.total_power:
                found.setdefault(height, set()).add(block)
        return found


class Adversary:
    """Breaks validators of juno, never more than less than a third of the power at a time."""

    def __init__(self, world: SimWorld, seed: int) -> None:
        self.world = world
        self.random = Random(seed)
        self.faulty: set[str] = set()
        self.doubled: set[str] = set()

    def powers(self) -> dict[str, int]:
        """Name to power of the next set."""
        replica = self.world.nodes["juno"].replica
        by_address = {member.address: member.power for member in replica.tip.validators.validators}
        return {voter.name: by_address[voter.address] for voter in replica.voters if voter.address in by_address}

    def step(self) -> None:
        """Do something bad, or something good."""
        act = self.random.choice((self.fault,) * 6 + (self.partition, self.crash, self.heal, self.pay, self.pay))
        act()

    def fault(self) -> None:
        powers = self.powers()
        name = self.random.choice(sorted(powers))
        together = sum(powers.get(other, 0) for other in {*self.faulty, name})
        if 3 * together >= sum(powers.values()):
            return
        kind = self.random.choice(sorted(FAULTS))
        given: dict[str, Any] = {
            "flap": {"blocks": self.random.randint(1, 4)},
            "slow": {"delay": f"{self.random.choice((1, 15, 45, 300, 3000))}ms"},
            "double-sign": {"vote": self.random.choice(("precommit", "prevote", "proposal"))},
            "censor": {"address": "alice"},
            "clock-skew": {"shift": self.random.choice(("2h", "-2h"))},
            "drop": {"percent": self.random.choice((5, 50, 100))},
            "reorder": {"within": f"{self.random.choice((5, 80, 900))}ms"},
        }.get(kind, {})
        self.world.fault(kind, f"juno/{name}", **given)
        self.faulty.add(name)
        if kind == "double-sign":
            self.doubled.add(name)

    def partition(self) -> None:
        if self.faulty:
            self.world.partition("juno", [[name] for name in sorted(self.faulty) if self.random.random() < 0.7])

    def crash(self) -> None:
        """Power fails at some batch of the next block; who starts again is honest and in no group."""
        self.world.crash("juno", self.random.randint(1, 5))
        self.world.mine()
        self.world.nodes["juno"].storage.cut = None
        self.heal()

    def heal(self) -> None:
        self.world.heal()
        self.faulty.clear()

    def pay(self) -> None:
        bob = self.world.juno.user("bob").address
        self.world.juno.user("alice").send(Send(bob, self.world.juno.names.denom, self.random.randint(1, 1_000)))  # type: ignore[arg-type]


def suffer(seed: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let an adversary have its way; return the digest of what came of it."""
    with monkeypatch.context() as patch, SimWorld(mesh(), seed=seed) as world:
        record, adversary = Record(patch), Adversary(world, seed)
        addresses = {voter.name: voter.address for voter in world.nodes["juno"].replica.voters}
        for _ in range(steps):
            adversary.step()
            before = world.juno.height
            world.mine(2)
            assert world.juno.height == before + 2, (seed, world.nodes["juno"].reasons())
            assert world.nodes["juno"].replica.tip.time <= world.now
        adversary.heal()
        world.settle()
        signed = world.nodes["juno"].replica.commit(world.juno.height)
        assert signed is not None
        assert {signature.flag for signature in signed.commit.signatures} == {FLAG_COMMIT}
        decided = record.quorums(world)
        assert max(decided) >= 2 * steps
        assert {height: len(blocks) for height, blocks in decided.items() if len(blocks) > 1} == {}
        assert record.double_voters() <= {addresses[name] for name in adversary.doubled}
        return world.digest()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_less_than_a_third_of_any_faults_makes_no_fork_and_stops_no_block(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    suffer(seed, 60, monkeypatch)


def test_the_same_adversary_leaves_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert suffer(11, 20, monkeypatch) == suffer(11, 20, monkeypatch) != suffer(12, 20, monkeypatch)


def test_voters_who_share_no_step_leave_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, hear = suffer(3, 20, monkeypatch), Height._hear
    monkeypatch.setattr(Height, "_hear", lambda height, voter, numbers, _: hear(height, voter, numbers, {}))
    assert suffer(3, 20, monkeypatch) == shared
