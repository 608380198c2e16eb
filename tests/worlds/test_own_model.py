"""A security model of another distribution runs in the simulation and is known to every face; nothing of it lies in our tree."""

import json
from pathlib import Path

import pytest

from architecture import ROOT
from distributions import install
from meshsec import verbs
from meshsec.scenario.document import read
from meshsec.scenario.run import play
from meshsec.world.laws import laws_across
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import Denom
from meshsec_core.runtime.module import Machine
from meshsec_node.openapi import document
from meshsec_sdk.mesh_file import topology
from meshsec_sdk.mesh_yaml import load
from meshsec_sdk.models import load_model

EXAMPLE = ROOT / "examples" / "surety"


@pytest.fixture(autouse=True)
def surety(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"surety.py": (EXAMPLE / "surety.py").read_text()}
    install(tmp_path, monkeypatch, "meshsec-surety", source, surety="surety:SURETY")


def test_its_story_is_told_as_ours_are() -> None:
    story = read(EXAMPLE / "betrayal.yaml")
    with SimWorld(story.mesh, seed=story.seed) as world:
        outcome = play(story, world, lambda _: None)
    assert outcome.passed, outcome.steps[-1]


def test_its_queries_are_served_as_ours_are_from_what_it_declares() -> None:
    world = SimWorld(load(str(EXAMPLE / "mesh.yaml")))
    world.osmosis.send("alice", {"@type": "surety/Pledge", "consumer": "juno", "validator": "juno/val-0", "amount": "1000"})
    whole = world.osmosis.get("/v1/surety/provider/sureties?user=alice")
    assert [held["standing"] for held in whole.values()] == ["1000"]
    assert whole == world.osmosis.get("/v1/surety/sureties?user=alice") == world.osmosis.query("surety", "sureties", user="alice")
    at_stake = world.osmosis.get("/v1/surety/measures/at-stake?consumer=juno&validator=juno/val-0")
    assert at_stake == {"standing": "1000", "loss": "100"}
    listed = world.osmosis.get("/v1/query")
    assert listed["surety/provider/sureties"] == {
        "help": "Show a user's coins by link and validator.",
        "takes": {"user": {"kind": "Address", "required": True}},
    }
    assert [name for name in listed if name.startswith("mesh/")] == []
    with pytest.raises(Rejected) as unknown:
        world.osmosis.query("mesh", "vault", user="alice")
    assert (unknown.value.code, "surety" in unknown.value.facts["known"]) == ("query/unknown", True)
    with pytest.raises(Rejected) as no_route:
        world.osmosis.get("/v1/mesh/vault?user=alice")
    assert no_route.value.code == "http/not-found"


def test_its_queries_are_in_the_published_document_with_what_they_take_and_answer() -> None:
    surety = load_model("surety")
    machine = Machine((surety.provider, surety.consumer), prefix="osmo", denom=Denom("uosmo"), verify=lambda *_: True)
    paths = document("a chain", machine)["paths"]
    asked = paths["/v1/surety/provider/sureties"]["get"]
    assert [(each["name"], each["required"]) for each in asked["parameters"]] == [("user", True), ("height", False)]
    answer = asked["responses"]["2XX"]["content"]["application/json"]["schema"]
    assert answer == {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/query.Surety"}}
    shape = document("a chain", machine)["components"]["schemas"]["query.Surety"]
    assert shape["properties"]["standing"] == {"type": "string", "pattern": "^-?[0-9]+$"}
    assert [path for path in paths if path.startswith("/v1/mesh")] == []


def test_whoever_breaks_its_laws_is_found_when_the_world_settles() -> None:
    world = SimWorld(load(str(EXAMPLE / "mesh.yaml")))
    pledge = {"@type": "surety/Pledge", "consumer": "juno", "validator": "juno/val-0", "amount": "1000"}
    world.osmosis.send("alice", pledge)
    assert "both ends agree" in [law.name for law in laws_across(world.spec)]
    with pytest.raises(InvariantViolated):
        world.check_laws()
    world.settle()
    assert world.osmosis.query("surety/measures", "at-stake", consumer="juno", validator="juno/val-0") == {
        "standing": "1000",
        "loss": "100",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("    if found != owed:", "    if found == owed:"),
            "the law `the pot is full` does not hold: the pot holds 1000 and owes 1000",
        ),
        (("    if found != owed:", "    if found // 0:"), "the law `the pot is full` cannot be checked: ZeroDivisionError"),
    ],
)
def test_a_law_that_does_not_hold_or_cannot_be_checked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], said: str
) -> None:
    monkeypatch.undo()
    name = f"surety_{len(said)}"
    source = (EXAMPLE / "surety.py").read_text().replace(*change)
    install(tmp_path / "changed", monkeypatch, "meshsec-surety", {f"{name}.py": source}, surety=f"{name}:SURETY")
    world = SimWorld(load(str(EXAMPLE / "mesh.yaml")))
    world.osmosis.send("alice", {"@type": "surety/Pledge", "consumer": "juno", "validator": "juno/val-0", "amount": "1000"})
    with pytest.raises(InvariantViolated) as broken:
        world.check_laws(lambda _: False)
    assert str(broken.value).startswith(said)


ACCUSED = """

class Tell(Msg, frozen=True, tag="surety/Tell"):
    link: LinkId
    evidence: bytes
    header: bytes


def hear(ctx: Ctx, msg: Tell) -> None:
    if CHARGED.has(ctx.store, "told", "once"):
        raise Rejected("surety/told")
    CHARGED.put(ctx.store, "told", "once", True)
    ctx.emit("surety/told", link=msg.link, bytes=len(msg.evidence))


from dataclasses import replace
from meshsec_core.security.model import Accusation

TOLD = replace(
    SURETY,
    provider=replace(SURETY.provider, handlers={**SURETY.provider.handlers, Tell: hear}),
    accusation=Accusation(Tell, frozenset({"surety/told"})),
)
"""


def test_relayers_tell_its_lender_who_has_signed_twice_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (EXAMPLE / "surety.py").read_text() + ACCUSED
    monkeypatch.undo()
    install(tmp_path / "told", monkeypatch, "meshsec-surety", {"surety_told.py": source}, surety="surety_told:TOLD")
    world = SimWorld(load(str(EXAMPLE / "mesh.yaml")))
    for name in ("val-0", "val-1"):
        world.fault("double-sign", f"juno/{name}")
        world.settle()
    blocks = [world.osmosis.get(f"/v1/blocks/{height}") for height in range(1, world.osmosis.height + 1)]
    told = [event for block in blocks for event in block["events"] if event["type"] == "surety/told"]
    assert len(told) == 1
    assert int(told[0]["attributes"]["bytes"]) > 100


def test_a_link_of_it_and_a_link_of_ours_add_up_in_one_validator_set(tmp_path: Path) -> None:
    text = (EXAMPLE / "mesh.yaml").read_text() + "  - {provider: osmosis, consumer: juno}\n"
    (tmp_path / "both.yaml").write_text(text)
    world = SimWorld(load(str(tmp_path / "both.yaml")))
    world.osmosis.send("alice", {"@type": "surety/Pledge", "consumer": "juno", "validator": "juno/val-0", "amount": "1000"})
    world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "300"})
    world.osmosis.send("alice", {"@type": "mesh/StakeRemote", "consumer": "juno", "validator": "juno/val-0", "amount": "300"})
    world.settle()
    found = world.juno.find_validator("val-0")
    assert (found["native"], sorted(found["virtual"].values()), found["power"]) == ("100000000", ["300", "450"], "100000750")


def test_meshes_that_do_not_use_it_are_the_same_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest() -> str:
        world = SimWorld(topology("pair"), seed=3)
        world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "300"})
        world.settle()
        return world.digest()

    verbs.registry()
    beside = digest()
    monkeypatch.undo()
    assert digest() == beside


def test_a_chain_that_lacks_the_model_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load(str(EXAMPLE / "mesh.yaml"))
    monkeypatch.undo()
    with pytest.raises(Rejected) as refusal:
        SimWorld(spec)
    assert (refusal.value.code, refusal.value.facts["model"]) == ("genesis/unknown-model", "surety")
    assert json.dumps(refusal.value.texts)
