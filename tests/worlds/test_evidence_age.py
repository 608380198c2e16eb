"""Evidence is too old once it is so both in time and in blocks: then no block may carry it, and nobody keeps it."""

import pytest

from meshsec_core.consensus.evidence import DuplicateVoteEvidence
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.replica import pool
from meshsec_core.replica.pool import EvidencePool
from meshsec_core.replica.storage import MemoryStorage
from one_chain import Rig

DAY = 86_400 * SECOND


def aged(monkeypatch: pytest.MonkeyPatch, blocks: int, time: int) -> tuple[Rig, EvidencePool, DuplicateVoteEvidence]:
    """A chain some blocks and some time behind a double vote at height 3, and a pool that has not seen it yet.

    Evidence may be 10 blocks or two days old.
    """
    monkeypatch.setattr(pool, "MAX_AGE_BLOCKS", 10)
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("double-sign", "val-2")
    rig.blocks(2)
    block = rig.replica.block(4)
    assert block is not None
    (evidence,) = block.evidence
    assert isinstance(evidence, DuplicateVoteEvidence)
    rig.now += time
    rig.blocks(blocks)
    times = {height: found.time for height in range(1, rig.replica.height + 1) if (found := rig.replica.results(height))}
    fresh = EvidencePool(MemoryStorage(), rig.replica.machine.verify, rig.replica.validators_at, times.get, rig.replica.commit)
    return rig, fresh, evidence


@pytest.mark.parametrize(("blocks", "time"), [(4, 0), (20, 0), (4, 3 * DAY)])
def test_evidence_that_is_old_in_time_or_in_blocks_alone_is_accepted(
    monkeypatch: pytest.MonkeyPatch, blocks: int, time: int
) -> None:
    rig, fresh, evidence = aged(monkeypatch, blocks, time)
    fresh.check((evidence,), rig.replica.tip)
    assert len(fresh.accuse(evidence, rig.replica.tip)) == 1
    fresh.commit((), rig.replica.tip)
    assert fresh.waiting() == (evidence,)


def test_evidence_that_is_old_in_both_is_accepted_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, fresh, evidence = aged(monkeypatch, 20, 3 * DAY)
    for take in (lambda: fresh.check((evidence,), rig.replica.tip), lambda: fresh.accuse(evidence, rig.replica.tip)):
        with pytest.raises(Rejected) as refusal:
            take()
        assert refusal.value.code == "evidence/too-old"
    assert fresh.waiting() == ()


def test_evidence_that_grows_old_while_it_waits_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, fresh, evidence = aged(monkeypatch, 4, 3 * DAY)
    fresh.accuse(evidence, rig.replica.tip)
    rig.blocks(16)
    fresh.commit((), rig.replica.tip)
    assert fresh.waiting() == ()
