"""`meshsec demo` as a stranger runs it: on processes of its own, with a page, and nothing left behind."""

import json
import subprocess
import sys

import pytest

PATIENCE_SECONDS = 180


@pytest.mark.slow
def test_the_demo_agrees_to_the_unit_on_processes_and_leaves_nothing_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "meshsec", "demo", "--json"], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["agrees"] is True
    assert said["page"].startswith("http://127.0.0.1:")
    assert [act["computed"] == act["measured"] for act in said["acts"]] == [True, True]
    assert [act["measured"]["lent"] for act in said["acts"]] == ["0", "30000000"]
