"""The manual of faults says what the registries say: one page for each kind, with the same parts, and commands that exist."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer

from fault_pages import HEADINGS, OVERVIEW, PAGES, blocks, commands, sections, session, text
from meshsec import Scenario, SimWorld, verbs
from meshsec.cli.app import build
from meshsec.scenario.library import ours
from meshsec.world.mishaps import MISHAPS
from meshsec_core.replica.faults import FAULTS, parameters
from meshsec_sdk import mesh_yaml

(MARKET,) = {blocks(text(kind), "yaml")[0] for kind in ("price-shock", "oracle-lie")}
"""The mesh that two pages boot."""
KINDS = [*FAULTS, "partition", "fork", *MISHAPS]
WHOM = {**dict.fromkeys(FAULTS, "a validator, or a chain for all of its own"), "partition": "a chain", "fork": "a chain"}


def test_the_overview_lists_every_kind_with_whom_it_strikes_and_what_the_registry_says_of_it() -> None:
    rows = re.findall(r"^\| \[`([a-z-]+)`\]\(faults/([a-z-]+)\.md\) \| (.*?) \| (.*?) \|$", OVERVIEW.read_text(), re.MULTILINE)
    expected = [
        (kind, kind, MISHAPS[kind].target if kind in MISHAPS else WHOM[kind], verbs.find(f"fault.{kind}").help) for kind in KINDS
    ]
    assert rows == expected


def test_every_kind_has_a_page_and_nothing_else_has() -> None:
    assert sorted(file.stem for file in PAGES.iterdir()) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_the_parts_of_all_pages_and_says_what_the_registry_says(kind: str) -> None:
    page, verb = text(kind), verbs.find(f"fault.{kind}")
    parts = sections(page)
    assert list(parts) == HEADINGS
    assert all(part.strip() for part in parts.values())
    does = " ".join(parts["What it does"].split())
    assert verb.help in does
    if kind in FAULTS:
        assert " ".join((inspect.getdoc(FAULTS[kind]) or "").split()) in does
        takes = [f"`{item.name}` ({item.kind}; {item.default or 'needed'}): {item.help}" for item in parameters(kind)]
    else:
        takes = [f"`{item.name}` ({'needed' if item.required else 'optional'}): {item.help}" for item in verb.params[1:]]
    assert re.findall(r"^- (`.*)$", parts["What it does"].replace("\n  ", " "), re.MULTILINE) == takes
    assert ("It takes nothing." in does) == (not takes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_orders_its_fault_in_a_session_from_up_to_down_and_in_a_story(kind: str) -> None:
    page = text(kind)
    lines = [command.line for command in session(page)]
    assert (lines[0].startswith("meshsec up "), lines[-1]) == (True, "meshsec down")
    assert any(line.startswith(f"meshsec fault {kind} ") for line in lines)
    story = sections(page)["In a story"]
    (steps,) = blocks(story, "yaml")
    assert f"fault.{kind}: " in steps
    written = Scenario.parse("scenario: v1\nmesh: triangle\nsteps:\n" + "".join(f"  {line}\n" for line in steps.splitlines()))
    assert any(step.verb == f"fault.{kind}" for step in written.story.steps)
    assert all(name in ours() for name in re.findall(r"`([a-z_0-9]+)\.yaml`", story))


@pytest.mark.parametrize("page", [OVERVIEW, *sorted(PAGES.iterdir())], ids=lambda page: page.stem)
def test_every_command_of_a_page_is_one_and_every_fault_is_one_that_the_registry_takes(page: Path) -> None:
    for line in commands(page):
        words = shlex.split(line.partition(" | ")[0])[1:]
        command, rest = typer.main.get_command(build()), words
        while hasattr(command, "get_command"):
            command, rest = command.get_command(command.make_context("meshsec", [], resilient_parsing=True), rest[0]), rest[1:]
        assert command is not None, line
        command.make_context(line, list(rest))
        if words[0] == "fault":
            verb = verbs.find(f"fault.{words[1]}")
            assert verbs.arguments(verb, verbs.in_order(verb, words[2:])), line


def test_every_question_of_a_page_is_one_that_a_chain_answers() -> None:
    asked = {line.partition(" | ")[0] for page in PAGES.iterdir() for line in commands(page) if line.startswith("meshsec query ")}
    with SimWorld(mesh_yaml.loads(MARKET)) as world:
        world.axelar.send("carol", {"@type": "prices/Quote", "base": "uosmo", "quote": "ujuno", "price_e18": "1"})
        for chain, path, *pairs in (shlex.split(line)[2:] for line in sorted(asked) if "~" not in line):
            module, _, name = path.rpartition("/")
            found = (
                world.chain(chain).get(path)
                if path.startswith("/")
                else world.chain(chain).query(module, name, **dict(pair.split("=") for pair in pairs))
            )
            assert found is not None
    assert len(asked) > 20
