"""The heist that `meshsec demo` tells: every figure, computed before the theft and counted after it."""

import json
from io import StringIO
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from meshsec.cli.app import main
from meshsec.demo import figures
from meshsec.demo.figures import Amounts, Security
from meshsec.demo.heist import Act, Heist, cost, play, profit
from meshsec.demo.telling import STEPS, Teller, ledger, verdict
from meshsec.world.sim import SimWorld

MILLION = 1_000_000
ALONE = Amounts(40 * MILLION, 15 * MILLION, 0, 0, 15 * MILLION, 0)
SECURED = Amounts(40 * MILLION, 15 * MILLION, 3 * MILLION, 30 * MILLION, 18 * MILLION, 30 * MILLION)


@pytest.fixture(scope="module")
def told() -> tuple[Heist, str]:
    """What the story comes to, and what a terminal of 100 columns shows of it."""
    console = Console(record=True, width=100, file=StringIO())
    with SimWorld("pair") as world:
        heist = play(world, Teller(world, console, 0).tell)
    console.print(ledger(heist))
    return heist, console.export_text()


def test_robbing_a_cheap_chain_s_neighbour_pays_until_the_neighbour_secures_it(told: tuple[Heist, str]) -> None:
    """Given 40 million in escrow
    When three of four validators with 100 million each forge their chain, each losing 5 %
    Then they gain 25 million; with 20 million more of carol's and 200 of dave's behind each of them the same costs 48
    """
    assert told[0] == Heist(
        (
            Act("Act 1, alone", Security(400 * MILLION, 200 * MILLION, 800 * MILLION), ALONE, ALONE),
            Act("Act 2, secured", Security(1_260 * MILLION, 630 * MILLION, 2_520 * MILLION), SECURED, SECURED),
        )
    )
    assert told[0].agrees
    assert [(cost(act.measured), profit(act.measured)) for act in told[0].acts] == [
        (15 * MILLION, 25 * MILLION),
        (48 * MILLION, -8 * MILLION),
    ]


def test_all_that_burned_is_somebody_s_loss(told: tuple[Heist, str]) -> None:
    """The supplies fall by exactly what the named people lost, so nobody else has paid."""
    for act in told[0].acts:
        assert act.measured.burned_juno == act.measured.own_stake + act.measured.backed
        assert act.measured.burned_osmosis == act.measured.lent


def test_a_newcomer_sees_every_step_with_both_chains_and_one_table(told: tuple[Heist, str]) -> None:
    text = told[1]
    assert [number for number in range(1, STEPS + 2) if f" {number}/{STEPS}" in text] == list(range(1, STEPS + 1))
    assert text.count("light client of juno: frozen") == 2
    assert text.count("slashed, out for ever") == 6
    assert all(f"{figure * MILLION:,}" in text for figure in (15, 25, 30, 40, 48, -8))


@pytest.mark.parametrize("name", Amounts.__struct_fields__)
def test_a_figure_that_is_a_unit_off_is_told_and_fails_the_command(
    name: str, told: tuple[Heist, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = told[0].acts[-1]
    wrong = replace(last, measured=replace(last.measured, **{name: getattr(last.measured, name) + 1}))
    spoiled = Heist((told[0].acts[0], wrong))
    assert not spoiled.agrees
    assert "differs" in verdict(spoiled)
    monkeypatch.setattr("meshsec.demo.heist.play", lambda world, tell: spoiled)
    assert main(["demo", "--sim", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["agrees"] is False


def test_a_chain_that_takes_less_than_its_measures_say_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a measure that says a unit more than what a fault will cost; then the acts do not agree."""
    asked = figures.forecast

    def optimist(world: Any) -> Amounts:
        found = asked(world)
        return replace(found, lent=found.lent + 1)

    monkeypatch.setattr(figures, "forecast", optimist)
    with SimWorld("pair") as world:
        assert [act.agrees for act in play(world, lambda *_: None).acts] == [False, False]
