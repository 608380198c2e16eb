"""What a measurement gives; how fast it is, no test says."""

from math import isfinite
from pathlib import Path

import msgspec
import pytest

from meshsec import bench
from meshsec.bench import figure, ibc, mesh_security, sim, state
from meshsec.bench.figure import Figure
from meshsec_core.kernel.errors import Rejected


def test_a_figure_as_json_has_numbers_and_leaves_out_what_does_not_apply() -> None:
    bare = figure.figure("boot.help_ms", 85.64, "ms")
    bounded = figure.figure("tx.committed_per_s", 4_500.4, "transfers/s", limit=18_000.7)
    assert msgspec.json.decode(msgspec.json.encode([bare, bounded])) == [
        {"name": "boot.help_ms", "value": 85.6, "unit": "ms"},
        {"name": "tx.committed_per_s", "value": 4_500, "unit": "transfers/s", "limit": 18_001, "ratio": 0.25},
    ]


def test_simulated_workloads_give_their_figures_and_finite_numbers() -> None:
    found = [
        *sim.measure(tries=1, blocks=3),
        *state.measure(tries=1, accounts=100, writes=10, killed=0, blocks=20),
        *ibc.measure(tries=1, packets=5, headers=5, real=0),
        *mesh_security.measure(users=5, validators=3, epoch_validators=4, stakes=3),
    ]
    assert [measured.name for measured in found] == [
        "sim.blocks_per_s",
        "state.growth_mib",
        "state.load_s",
        "state.bytes_per_key",
        "state.write_us",
        "state.prove_us",
        "state.verify_us",
        "state.prove_absent_us",
        "state.verify_absent_us",
        "ibc.headers_per_s",
        "ibc.recv_per_s",
        "ibc.end_to_end_per_s",
        "mesh-security.slash_ms",
        "mesh-security.slash_block_ms",
        "mesh-security.epoch_ms",
        "mesh-security.cross_stakes_per_s",
    ]
    assert all(isfinite(measured.value) for measured in found)
    too_small_to_see = {"state.growth_mib", "state.bytes_per_key", "state.load_s"}
    assert {measured.name for measured in found if measured.value <= 0} <= too_small_to_see
    assert found[0].limit is not None


def test_a_suite_is_run_by_name_and_tells_what_it_does_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Figure("state.write_us", 1.0, "us")
    monkeypatch.setitem(bench.SUITES, "state", lambda: iter((said,)))  # type: ignore[arg-type]
    assert bench.run("state") == [said]
    out, err = capsys.readouterr()
    assert (out, "state.write_us" in err) == ("", True)


def test_an_unknown_suite_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Rejected) as refusal:
        bench.run("sums")
    assert (refusal.value.code, refusal.value.facts["known"]) == ("bench/unknown-suite", ", ".join(bench.SUITES))


def test_every_workload_has_its_suite() -> None:
    files = {
        path.stem.replace("_", "-") for path in Path(bench.__file__).parent.glob("*.py") if "def measure(" in path.read_text()
    }
    assert files == set(bench.SUITES)
