"""What a measurement gives; how fast it is, no test says."""

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from statistics import median

import msgspec
import pytest

from meshsec import bench
from meshsec.bench import aims, baseline, block, clock, figure, growth, ibc, limits, mesh_security, scale, sim, state
from meshsec.bench.aims import Aim
from meshsec.bench.baseline import Baseline
from meshsec.bench.curves import Point, fit
from meshsec.bench.figure import Figure, Limit
from meshsec.cli.app import main
from meshsec_core.kernel.errors import Rejected


def test_a_figure_as_json_has_numbers_and_leaves_out_what_does_not_apply() -> None:
    bare = figure.figure("boot.help_ms", [85.64], "ms")
    bounded = figure.figure("tx.committed_per_s", [4_000, 4_500.4, 3_900], "transfers/s", Limit.of([18_000.7]))
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
        *state.measure(tries=1, accounts=100, writes=10, killed=0),
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
    too_small_to_see = {"state.bytes_per_key", "state.load_s"}
    assert {measured.name for measured in found if measured.value <= 0} <= too_small_to_see
    assert found[0].limit is not None


def test_what_a_process_grows_by_is_counted_from_a_block_on() -> None:
    assert abs(growth.mib(blocks=6, warm=6)) < 1
    assert 10 < growth.mib(blocks=6, warm=7) < 200, "all that it holds, where nothing is warm before the end"


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
    assert list(bench.run("state")) == [said]
    out, err = capsys.readouterr()
    assert (out, "state.write_us" in err) == ("", True)


def test_an_unknown_suite_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Rejected) as refusal:
        list(bench.run("sums"))
    assert (refusal.value.code, refusal.value.facts["known"]) == ("bench/unknown-suite", ", ".join((*bench.SUITES, "scale")))


def test_the_documentation_tells_of_every_suite() -> None:
    page = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8")
    assert [name for name in bench.SUITES if f"\n| `{name}` |" not in page] == []


def test_aims_are_of_figures_that_are_measured_and_are_met_by_rates_from_below_and_by_costs_from_above() -> None:
    texts = "".join(path.read_text() for path in Path(bench.__file__).parent.glob("*.py") if path.stem != "aims")
    assert [name for name in aims.AIMS if name.rpartition("_")[0].rpartition(".")[2] not in texts] == []
    rate, cost = Figure("tx.committed_per_s", 4_000, "transfers/s", 20_000, 0.2), Figure("boot.help_ms", 200, "ms")
    assert [Aim(4_000).met_by(rate), Aim(4_001).met_by(rate), Aim(4_000, 0.22).met_by(rate), Aim(ratio=0.2).met_by(rate)] == [
        True,
        False,
        False,
        True,
    ]
    assert [Aim(200).met_by(cost), Aim(199).met_by(cost), Aim(ratio=0.5).met_by(cost)] == [True, False, False]
    assert (Aim(4_000, 0.22).spelled(rate), Aim(200).spelled(cost)) == ("≥ 4,000, ≥ 22%", "≤ 200")


def changed(before: Figure, now: Figure) -> tuple[str, float, float, str]:
    (change,) = baseline.compare([before], [now])
    return change.by, change.slower, change.noise, change.verdict.value


def test_what_has_a_limit_is_compared_by_its_part_of_it_so_that_a_slow_machine_is_no_regression() -> None:
    then = figure.figure("tx.committed_per_s", [8_000, 8_000], "transfers/s", Limit.of([20_000]))
    slow_machine = figure.figure("tx.committed_per_s", [4_000, 4_000], "transfers/s", Limit.of([10_000]))
    slow_code = figure.figure("tx.committed_per_s", [4_000, 4_000], "transfers/s", Limit.of([20_000]))
    assert changed(then, slow_machine) == ("ratio", 0.0, 0.1, "same")
    assert changed(then, slow_code) == ("ratio", 1.0, 0.1, "slower")
    assert changed(slow_code, then) == ("ratio", -0.5, 0.1, "faster")


def test_figures_differ_if_they_are_further_apart_than_the_tries_of_both_runs() -> None:
    calm, wild = ([20.0, 20.0, 20.0], [20.0, 23.0, 26.0])
    worse = figure.figure("state.write_us", [25.0, 25.0, 25.0], "us")
    assert changed(figure.figure("state.write_us", calm, "us"), worse) == ("value", 0.25, 0.1, "slower")
    assert changed(figure.figure("state.write_us", wild, "us"), worse) == ("value", 0.25, 0.15, "slower")
    once = figure.figure("state.write_us", [20.0], "us")
    assert changed(once, worse) == ("value", 0.25, 0.25, "same")
    assert changed(worse, once) == ("value", -0.2, 0.25, "same")
    assert changed(worse, figure.figure("state.write_us", calm, "us")) == ("value", -0.2, 0.1, "faster")


def test_a_limit_that_wavers_makes_the_ratio_waver() -> None:
    limit = Limit.of([20_000, 16_000, 12_000])
    assert (limit.value, limit.spread) == (20_000, 0.2)
    assert figure.figure("tx.committed_per_s", [4_000, 3_000, 2_000], "transfers/s", limit).spread == 0.45


def test_only_what_both_runs_have_what_has_a_ratio_and_what_is_not_of_the_machine_is_compared() -> None:
    figures = [
        Figure("limits.fsync_per_s", 900, "syncs/s"),
        Figure("growth.chain_mib", 0.0, "MiB"),
        Figure("boot.help_ms", 100, "ms"),
        Figure("boot.sim_ms", 100, "ms"),
    ]
    assert [change.name for change in baseline.compare(figures[:3], figures)] == ["boot.help_ms"]


def test_a_baseline_is_kept_under_its_name_and_a_second_run_replaces_only_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    first, second = Figure("boot.help_ms", 100, "ms"), Figure("boot.sim_ms", 120, "ms", spread=0.05)
    baseline.save(baseline.place("quiet"), [first, second], 0.5)
    again = Figure("boot.help_ms", 90, "ms")
    baseline.save(baseline.place("quiet"), [again], 0.5)
    assert baseline.place("quiet") == tmp_path / "meshsec" / "bench" / "quiet.json"
    assert baseline.load("quiet").figures == (again, second)
    assert baseline.load(str(baseline.place("quiet"))).cores >= 1


def test_a_comparison_is_doubted_if_either_run_began_on_a_machine_with_more_to_do_than_cores() -> None:
    calm, busy = (Baseline((), "3.11", "x86_64", 2, load) for load in (2.0, 5.4))
    assert (calm.doubt(0.0), "5.4 on 2 cores then" in busy.doubt(0.0), "10000.0" in calm.doubt(10_000.0)) == ("", True, True)


def test_the_command_compares_with_a_baseline_and_fails_only_above_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "before.json")
    measured = [figure.figure("boot.help_ms", [100.0, 100.0], "ms")]
    monkeypatch.setitem(bench.SUITES, "boot", lambda: iter(measured))  # type: ignore[arg-type]
    assert main(["bench", "boot", "--save", file]) == 0
    out = capsys.readouterr().out
    assert ("boot.help_ms" in out, "met" in out, "slower" in out) == (True, True, False)
    measured[:] = [figure.figure("boot.help_ms", [150.0, 150.0], "ms")]
    assert main(["bench", "boot", "--compare", file]) == 0
    assert "+50%" in capsys.readouterr().out
    assert main(["bench", "boot", "--compare", file, "--fail-above", "60%"]) == 0
    capsys.readouterr()
    assert main(["bench", "boot", "--compare", file, "--fail-above", "20%", "--json"]) == 1
    answer = msgspec.json.decode(capsys.readouterr().out)
    assert answer == {
        "figures": [{"name": "boot.help_ms", "value": 150.0, "unit": "ms", "spread": 0.0}],
        "changes": [
            {
                "name": "boot.help_ms",
                "before": 100.0,
                "now": 150.0,
                "by": "value",
                "slower": 0.5,
                "noise": 0.1,
                "verdict": "slower",
            }
        ],
    }


def test_what_was_measured_is_saved_even_if_a_later_suite_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Iterator[Figure]:
        yield Figure("boot.help_ms", 100.0, "ms")
        raise Rejected("supervisor/no-answer")

    file = tmp_path / "kept.json"
    monkeypatch.setattr(bench, "SUITES", {"boot": fails})
    assert main(["bench", "--save", str(file)]) != 0
    assert [found.name for found in baseline.load(str(file)).figures] == ["boot.help_ms"]


BAD_INPUT = {
    "a baseline that nobody saved": (["sim", "--compare", "nowhere.json"], "bench/unknown-baseline"),
    "a name that is a path": (["sim", "--save", "../etc"], "bench/bad-name"),
    "a part that is none": (["sim", "--compare", "nowhere.json", "--fail-above", "much"], "bench/bad-part"),
    "a limit for no comparison": (["sim", "--fail-above", "20%"], "bench/misplaced-option"),
    "a picture of a suite": (["sim", "--quick"], "bench/misplaced-option"),
    "a baseline of curves": (["scale", "--save", "x"], "bench/misplaced-option"),
    "a suite that is none": (["sums"], "bench/unknown-suite"),
}


@pytest.mark.parametrize(("arguments", "code"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_refused_before_anything_is_measured(
    arguments: list[str], code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(bench.SUITES, "sim", lambda: pytest.fail("something is measured"))
    assert main(["bench", *arguments, "--json"]) == 2
    assert msgspec.json.decode(capsys.readouterr().out)["code"] == code


def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text('{"figures": [')
    with pytest.raises(Rejected) as refusal:
        baseline.load(str(tmp_path / "torn.json"))
    assert refusal.value.code == baseline.UNREADABLE


def test_a_power_law_is_found_again_and_is_linear_up_to_an_exponent_of_one_and_a_little() -> None:
    square = fit("a block", "validators", "ms", [Point(size, 0.5 * size**2) for size in (4, 10, 100)])
    assert (square.exponent, square.factor, square.r2, square.steepness, square.linear) == (2.0, 0.5, 1.0, 2.0, False)
    root = fit("a proof", "keys", "us", [Point(size, 3 * size**0.5) for size in (4, 16, 64)])
    assert (root.exponent, root.factor, root.linear) == (0.5, 3.0, True)
    flat = fit("a proof", "keys", "us", [Point(4, 2.0), Point(8, 2.0)])
    assert (flat.exponent, flat.r2, flat.linear) == (0.0, 1.0, True)
    late = fit("a block", "validators", "ms", [Point(1, 10.0), Point(10, 10.0), Point(100, 1_000.0)])
    assert (late.exponent, late.steepness, late.linear) == (1.0, 2.0, True)


def test_scale_gives_a_curve_for_each_growing_thing_as_json_and_as_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "curves.html"
    assert main(["bench", "scale", "--quick", "--json", "--html", str(page)]) == 0
    curves = msgspec.json.decode(capsys.readouterr().out)
    assert [(curve["name"], curve["unit"], curve["of"], [point["size"] for point in curve["points"]]) for curve in curves] == [
        ("a block", "ms", "validators", [4, 7]),
        ("open all channels", "ms", "links", [1, 2, 3]),
        ("a block of every chain", "ms", "chains", [2, 3, 4]),
        ("write a key", "us", "keys", [200, 400]),
        ("prove a key", "us", "keys", [200, 400]),
        ("slash all who lend", "ms", "users", [5, 10]),
    ]
    assert all(isfinite(curve["exponent"]) and point["cost"] > 0 for curve in curves for point in curve["points"])
    text = page.read_text(encoding="utf-8")
    assert (text.count("<figure>"), "http" in text, "src=" in text) == (len(curves), False, False)
    assert set(scale.SMALL) == set(scale.SIZES)


def test_every_workload_has_its_suite() -> None:
    files = {
        path.stem.replace("_", "-") for path in Path(bench.__file__).parent.glob("*.py") if "def measure(" in path.read_text()
    }
    assert files == set(bench.SUITES)
