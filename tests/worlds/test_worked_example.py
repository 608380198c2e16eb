"""The worked example of docs/mesh-security.md: the story in the page is played, and every number of its table is compared."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from meshsec.scenario.document import read
from meshsec.scenario.run import Played, play
from meshsec.world.sim import SimWorld
from support import TESTS

PAGE = (TESTS.parent / "docs" / "mesh-security.md").read_text()


def millions(low: Any, high: Any) -> str:
    """Spell an amount, or a range, in millions of base units."""
    texts = [f"{(Decimal(str(each)) / 10**6).normalize():f}" for each in (low, high)]
    return texts[0] if texts[0] == texts[1] else "–".join(texts)


def row(world: SimWorld, moment: str) -> tuple[str, ...]:
    """Say how things stand, as a row of the table does."""
    osmosis, juno = world.chain("osmosis"), world.chain("juno")
    vault = osmosis.query("mesh/provider", "vault", user="alice")
    stakes = osmosis.query("mesh/provider", "stakes", user="alice", consumer="juno")
    power = juno.find_validator("val-0")
    virtual = sum(int(each) for each in juno.query("mesh/measures", "power")["virtual"].values())
    single = [sum(int(each["rewards"]) for each in stakes), virtual, power["power"]]
    ranges = [vault[name] for name in ("max_lien", "free", "slashable")]
    return (
        moment,
        millions(vault["collateral"], vault["collateral"]),
        *(millions(each["low"], each["high"]) for each in ranges),
        *(millions(each, each) for each in single),
    )


def test_the_page_s_worked_example_comes_out_as_its_table_says(tmp_path: Path) -> None:
    (story,) = re.findall(r"```yaml\n(scenario: v1\n.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "example.yaml"
    file.write_text(story)
    table = PAGE.split("| Ann … |")[1].split("\n\n")[0].splitlines()[2:]
    wanted = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table]
    scenario = read(file)
    world = SimWorld(scenario.mesh, seed=scenario.seed)
    found: list[tuple[str, ...]] = []

    def look(played: Played) -> None:
        if played.note and played.verb != "expect":
            found.append(row(world, played.note))

    outcome = play(scenario, world, look)
    assert outcome.failed_step is None
    assert found == wanted
