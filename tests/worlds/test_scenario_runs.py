"""A run of a story: what it sees of every step, what it checks on the way, what it leaves behind, what it says if it fails."""

import json
import re
import shutil
from pathlib import Path

import pytest

from meshsec import Scenario, SimWorld
from meshsec.scenario.chronicle import Loss
from meshsec.scenario.scenario import Run
from meshsec.scenario.sight import Change
from meshsec_core.kernel.errors import InvariantViolated
from support import TESTS

STORIES = TESTS.parent / "tools" / "scenarios"

HEAD = "scenario: v1\nmesh: pair\nactors: {ann: osmosis/alice}\nsteps:\n"
BOND = "  - mesh/Bond: {from: ann, amount: 100uosmo}\n"
LEND = "  - mesh/StakeRemote: {from: ann, consumer: juno, validator: juno/val-0, amount: 80uosmo}\n"


def told(story: str) -> Run:
    return Scenario.read(STORIES / f"{story}.yaml").run()


@pytest.fixture(scope="module")
def nato() -> Run:
    return told("nato")


@pytest.fixture(scope="module")
def heist() -> Run:
    return told("heist")


@pytest.fixture(scope="module")
def broken() -> Run:
    text = (STORIES / "nato.yaml").read_text()
    wrong = text.replace("vault: {alice: {collateral: 196_000_000}}", "vault: {alice: {collateral: 196_000_001}}")
    assert wrong != text
    return Scenario.parse(wrong).run()


def test_every_step_tells_what_it_changed_on_each_chain_by_names_that_people_know() -> None:
    run = Scenario.parse(HEAD + BOND + LEND + "  - settle\n").run()
    assert run.passed
    bond, lend, settle, end = run.moments[1:]
    assert bond.changes == (
        Change("osmosis", "balance of alice in uosmo", "1000000000", "999999900"),
        Change("osmosis", "balance of mesh/vault in uosmo", "", "100"),
        Change("osmosis", "vault of alice › collateral", "", "100"),
    )
    assert Change("osmosis", "vault of alice › lent › to juno", "", "0–80") in lend.changes
    assert Change("osmosis", "vault of alice › lent › to juno", "0–80", "80") in settle.changes
    assert Change("juno", "validator val-0 › lent by osmosis", "", "80") in settle.changes
    assert Change("juno", "validator val-0 › power", "100000000", "100000080") in settle.changes
    assert end.changes == ()
    assert [len(moment.packets) for moment in run.moments] == [0, 0, 1, 1, 0]
    assert [moment.figures["osmosis"].in_flight for moment in run.moments] == [0, 0, 1, 0, 0]
    assert settle.figures["juno"].virtual == {"osmosis": 80}
    assert settle.figures["osmosis"].liens == {"juno": 80}


def test_a_slash_is_told_by_whom_it_cost_and_whose_fault_it_was(nato: Run) -> None:
    """The validator's 10.5 million are 5 of its operator's, 1.5 of bob's and 4 that alice lent and loses on her own chain."""
    assert [(moment.index, loss) for moment in nato.moments for loss in moment.losses] == [
        (21, Loss("juno", "juno/val-0 and its delegators", 5_000_000, "ujuno", "juno/val-0")),
        (21, Loss("juno", "bob", 1_500_000, "ujuno", "juno/val-0")),
        (21, Loss("osmosis", "alice", 4_000_000, "uosmo", "juno/val-0")),
    ]
    assert [loss.elsewhere for loss in nato.moments[21].losses] == [False, False, True]
    assert nato.moments[21].figures["osmosis"].rewards == {"juno": 720_000}


def test_a_revert_shows_as_what_it_is_and_both_futures_stay_told(heist: Run) -> None:
    steps = {step.index: step.verb for step in heist.outcome.steps}
    back = next(index for index, verb in steps.items() if verb == "revert")
    start, after = heist.moments[back - 12].figures["juno"], heist.moments[back].figures["juno"]
    assert after == start
    assert Change("osmosis", "balance of erin in uosmo", "1040000000", "1000000000") in heist.moments[back].changes
    by_act = [
        sum(loss.amount for moment in part for loss in moment.losses) for part in (heist.moments[:back], heist.moments[back:])
    ]
    assert by_act == [15_000_000, 48_000_000]


def test_laws_hold_at_every_block_and_those_that_a_lie_breaks_are_named(nato: Run, heist: Run) -> None:
    assert int(nato.outcome.laws.blocks) == nato.moments[-1].heights["osmosis"] - nato.moments[0].heights["osmosis"]
    assert nato.outcome.laws.left_out == ()
    assert {"bank: supply is the sum of balances", "across chains: escrow equals vouchers"} <= set(nato.outcome.laws.names)
    assert "escrow equals vouchers" in heist.outcome.laws.left_out


def test_laws_of_a_mesh_at_rest_are_not_asked_for_while_a_packet_is_held() -> None:
    run = Scenario.parse(HEAD + BOND + "  - relayer.stop: {}\n" + LEND).run()
    assert run.passed
    assert "requests equal stake" in run.outcome.laws.left_out
    assert "escrow equals vouchers" not in run.outcome.laws.left_out


def test_a_law_that_breaks_in_a_block_ends_the_story_in_the_step_that_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario.parse(HEAD + BOND + "  - mine: 5\n  - mine: 5\n")
    with SimWorld("pair") as world:
        bad, check = world.osmosis.height + 4, world.check_laws

        def check_laws(*given: object) -> None:
            check()
            if world.osmosis.height == bad:
                raise InvariantViolated("coins from nowhere")

        monkeypatch.setattr(world, "check_laws", check_laws)
        run = scenario.run(world)
        assert world.osmosis.height == bad
    assert run.failed_step is not None
    assert (run.failed_step.index, run.failed_step.code) == (2, "scenario/law-broken")
    sparing = Scenario.parse(HEAD + BOND + "  - mine: 5\ninvariants: settle\n").run()
    assert (sparing.passed, sparing.outcome.laws.blocks) == (True, "0")


def test_a_world_that_is_open_can_be_told_a_story_and_stays_open() -> None:
    with SimWorld("pair", seed=3) as world:
        world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "5"})
        heard: list[str] = []
        run = Scenario.parse(HEAD + BOND + "expect: {osmosis: {vault: {alice: {collateral: 105}}}}\n").run(
            world, told=lambda step: heard.append(step.verb), begun=lambda index, _: heard.append(str(index))
        )
        assert run.passed
        assert heard == ["1", "mesh/Bond", "2", "end", "3", "expect"]
        world.mine()
        assert run.digest != world.digest()


def test_a_failed_run_says_which_step_what_differs_what_had_changed_and_which_packets(broken: Run) -> None:
    lines = broken.explain().splitlines()
    assert lines[0] == "first failing step: 22 expect"
    assert "  osmosis: vault of alice › collateral: expected 196,000,001, found 196,000,000" in lines
    assert "  step 21 osmosis: vault of alice › collateral: 200,000,000 → 196,000,000" in lines
    packets = lines[lines.index("packets involved") + 1 : -1]
    assert [line.split()[2].rpartition(":")[0] for line in packets] == [
        "juno:mesh-consumer:channel-0",
        "osmosis:mesh-provider:channel-2",
    ]
    assert lines[-1].startswith("repeat with: meshsec scenario run ")
    assert not any("step 8 " in line for line in lines)  # what an expectation has seen is no news


def test_a_run_that_passes_has_nothing_to_explain(nato: Run) -> None:
    assert nato.explain() == ""


@pytest.mark.parametrize("name", ["nato", "heist", "broken"])
def test_a_run_leaves_a_directory_with_a_page_that_needs_nothing_else(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: Run = request.getfixturevalue(name)
    left = run.leave(tmp_path / "run")
    assert sorted(file.name for file in left.iterdir()) == [
        "history.jsonl",
        "replay.sh",
        "report.html",
        "results.json",
        "scenario.json",
    ]
    history = [json.loads(line) for line in (left / "history.jsonl").read_text().splitlines()]
    assert [entry["step"]["verb"] for entry in history] == [step.verb for step in run.outcome.steps]
    assert json.loads((left / "results.json").read_text())["passed"] is run.passed
    assert run.replay in (left / "replay.sh").read_text()
    page = (left / "report.html").read_text()
    assert re.findall(r"(?:src|href|url|@import|<script|<link)\b", page) == []
    assert f"<title>{'passed' if run.passed else 'failed'}: " in page
    assert page.count("<li>") + page.count("<li class=failed>") >= len(run.outcome.steps)
    assert ('class="failure"' in page) is not run.passed
    assert "NaN" not in page


def test_a_text_that_looks_like_a_tag_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    text = HEAD.replace("mesh: pair", "mesh: pair\ntitle: '<script>alert(1)</script>'") + BOND + "    note: <b onclick=x>\n"
    page = (Scenario.parse(text).run().leave(tmp_path / "run") / "report.html").read_text()
    assert "<script" not in page
    assert "<b " not in page
    assert "&lt;b onclick=x&gt;" in page


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
def test_a_browser_shows_the_page_without_errors_on_any_screen(heist: Run, broken: Run, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--no-first-run"])
        for number, run in enumerate((heist, broken)):
            file = run.leave(tmp_path / str(number)) / "report.html"
            for width, scheme in ((360, "dark"), (1280, "light")):
                page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                asked: list[str] = []
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                page.on("pageerror", lambda error, asked=asked: asked.append(str(error)))
                page.goto(file.as_uri())
                assert asked == [file.as_uri()]
                page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert page.locator(".verdict").inner_text() == ("passed" if run.passed else "failed")
                assert page.locator("figure svg").count() >= 5
        browser.close()
