"""Chance: a stream for every name, so that a draw more in one place shifts nothing elsewhere, and snapshots that hold them."""

import ast
from pathlib import Path

import pytest

from meshsec import SimWorld, mesh
from support import TESTS

ROOT = TESTS.parent

SOURCES = {"random", "secrets", "uuid", "numpy"}

DRAWS = {
    "tools/meshsec/world/chance.py": "the one place where streams are made",
    "tools/meshsec/world/base.py": "the type of a stream, in a signature",
    "tools/meshsec/gateway/rewind.py": "ids of snapshots' files, which nobody else reads",
}
"""What may import a source of chance, and why."""


def importers() -> set[str]:
    """Files of the product that import a source of chance, or ask the system for it."""
    found = set()
    for file in (file for folder in ("core", "node", "relayer", "tools") for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            urandom = isinstance(node, ast.Attribute) and node.attr == "urandom"
            if urandom or any(name.partition(".")[0] in SOURCES for name in named):
                found.add(str(file.relative_to(ROOT)))
    return found


def a_day_at_random(world: SimWorld, more: int) -> list[tuple[str, int]]:
    """Let somebody bond a random amount, three times, and draw some more for something else in between."""
    done = []
    for _ in range(3):
        for _ in range(more):
            world.chance("weather").random()
        who = world.chance("who").choice(("alice", "bob", "carol"))
        amount = world.chance("how much").randrange(1, 1_000)
        world.osmosis.user(who).send(mesh.Bond(amount))
        done.append((who, amount))
    return done


def test_nothing_draws_but_from_a_named_stream() -> None:
    assert importers() == set(DRAWS)


def test_a_draw_more_in_one_stream_shifts_nothing_elsewhere() -> None:
    few, many, other = SimWorld("pair", seed=7), SimWorld("pair", seed=7), SimWorld("pair", seed=8)
    done = a_day_at_random(few, 0)
    assert a_day_at_random(many, 5) == done
    assert many.digest() == few.digest()
    assert a_day_at_random(other, 0) != done


def test_streams_of_two_names_are_not_the_same() -> None:
    world = SimWorld("pair", seed=7, connect=False)
    assert world.chance("one").getrandbits(64) != world.chance("two").getrandbits(64)


def test_a_revert_brings_streams_back_too_and_one_that_was_not_yet_drawn_from_begins_anew() -> None:
    world = SimWorld("pair", seed=7)
    a_day_at_random(world, 1)
    world.snapshot("noon")
    evening, news = a_day_at_random(world, 0), world.chance("news").random()
    after = world.digest()
    for _ in range(2):
        world.revert("noon")
        assert a_day_at_random(world, 0) == evening
        assert world.chance("news").random() == news
    assert world.digest() == after
    elsewhere = SimWorld("pair", seed=7, start=world.snapshot("now"))
    assert elsewhere.chance("who").random() == world.chance("who").random()


@pytest.mark.parametrize("file", DRAWS)
def test_every_exception_is_still_one(file: str) -> None:
    assert Path(ROOT / file).is_file()
