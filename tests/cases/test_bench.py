"""What a measurement gives; how fast it is, no test says."""

from math import isfinite
from pathlib import Path
from statistics import median

import msgspec
import pytest

from meshsec import bench
from meshsec.bench import block, clock, figure, ibc, limits, mesh_security, sim, state
from meshsec.bench.figure import Figure, Limit
from meshsec_core.kernel.errors import Rejected


def test_a_figure_as_json_has_numbers_and_leaves_out_what_does_not_apply() -> None:
    bare = figure.figure("boot.help_ms", [85.64], "ms")
    bounded = figure.figure("tx.committed_per_s", [4_000, 4_500.4, 3_900], "transfers/s", Limit(18_000.7))
    more = {"limited_by": "signatures alone", "spread": 0.111}
    assert msgspec.json.decode(msgspec.json.encode([bare, bounded])) == [
        {"name": "boot.help_ms", "value": 85.6, "unit": "ms"},
        {"name": "tx.committed_per_s", "value": 4_500, "unit": "transfers/s", "limit": 18_001, "ratio": 0.25, **more},
    ]


def test_of_rates_the_highest_try_counts_of_all_else_the_lowest_and_the_spread_is_how_far_the_median_is_from_it() -> None:
    rate = figure.figure("limits.fsync_per_s", [80.0, 100.0, 90.0], "syncs/s")
    cost = figure.figure("state.write_us", [30.0, 25.0, 20.0], "us")
    middle = figure.figure("mesh.remote_stake_ms", [30.0, 25.0, 20.0], "ms", pick=median)
    assert [(each.value, each.spread, each.rises) for each in (rate, cost, middle)] == [
        (100.0, 0.1, True),
        (20.0, 0.25, False),
        (25.0, 0.2, False),
    ]


def test_simulated_workloads_give_their_figures_and_finite_numbers() -> None:
    found = [
        *sim.measure(tries=1, blocks=3),
        *limits.measure(tries=1, count=20, mebibytes=1, syncs=3),
        *clock.measure(tries=1, mesh="pair", processes=False),
        *state.measure(tries=1, accounts=100, writes=10, killed=0, blocks=20),
        *ibc.measure(tries=1, packets=5, headers=5, real=0),
        *mesh_security.measure(users=5, validators=3, epoch_validators=4, stakes=3),
    ]
    assert [measured.name for measured in found] == [
        "sim.blocks_per_s",
        "limits.ed25519_per_s",
        "limits.ed25519_all_cores_per_s",
        "limits.sha256_mib_per_s",
        "limits.fsync_per_s",
        "limits.http_per_s",
        "clock.sim_advance_21d_s",
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


def test_blocks_of_a_process_are_held_against_what_limits_them() -> None:
    found = list(block.measure(tries=1, blocks=3, transfers=20, requests=3))
    assert [(measured.name, measured.unit, measured.limited_by) for measured in found] == [
        ("block.empty_per_s", "blocks/s", "the disk, one sync a block"),
        ("block.full_ms", "ms", ""),
        ("block.interval_per_s", "blocks/s", "a block every 50 ms"),
        ("block.status_per_s", "requests/s", "plain uvicorn"),
    ]


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
    assert (refusal.value.code, refusal.value.facts["known"]) == ("bench/unknown-suite", ", ".join((*bench.SUITES, "scale")))


def test_every_workload_has_its_suite() -> None:
    files = {
        path.stem.replace("_", "-") for path in Path(bench.__file__).parent.glob("*.py") if "def measure(" in path.read_text()
    }
    assert files == set(bench.SUITES)
