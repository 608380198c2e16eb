"""When a supervisor starts a process again: at once, unless it keeps dying."""

from pathlib import Path

import pytest

from meshsec import supervisor
from meshsec.supervisor import Child, front
from meshsec_core.kernel.errors import Rejected


def test_a_process_that_keeps_dying_rests_longer_each_time_and_one_that_lived_starts_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now)
    monkeypatch.setattr(supervisor.os, "fork", lambda: 4242)
    monkeypatch.setattr(supervisor.os, "waitpid", lambda pid, _: (pid, 0))
    child = Child("osmosis", lambda: 0, Path("osmosis.log"), told=-1)
    rests = []
    for _ in range(7):
        child.start([])
        assert child.has_ended()
        rests.append(round(child.due - now, 3))
    assert rests == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]

    child.start([])
    now += 1.0
    assert child.has_ended()
    assert (child.due, child.pid, child.starts) == (now, 0, 8)


def test_the_page_has_a_usual_port_and_takes_another_one_only_if_nobody_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with front("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        monkeypatch.setattr(supervisor, "USUAL_PORT", taken)
        with front("127.0.0.1", None) as other:
            assert other.getsockname()[1] not in (0, taken)
        with pytest.raises(Rejected) as refusal:
            front("127.0.0.1", taken)
    assert (refusal.value.code, refusal.value.facts["port"]) == ("process/port-in-use", taken)
    with front("127.0.0.1", None) as usual:
        assert usual.getsockname()[1] == taken
