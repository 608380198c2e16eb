"""Shared-security models come from whatever is installed, ours among them, and each brings only what carries its name."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from distributions import install
from meshsec import verbs
from meshsec.cli.app import main
from meshsec_core.app import build_machine, fingerprint
from meshsec_core.kernel.crypto import verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.module import Ctx, Module, Msg, View
from meshsec_core.security.mesh import MESH
from meshsec_core.security.model import Offer, Sections, SecurityModel, check
from meshsec_core.security.none import NONE
from meshsec_sdk import mesh_yaml
from meshsec_sdk.mesh_file import LinkSpec, MeshSpec, genesis_of, topology
from meshsec_sdk.models import load_model, load_models, model_names

GREETING = """
from meshsec_core.runtime.module import Module, Msg
from meshsec_core.security.model import Sections, SecurityModel


class Greet(Msg, frozen=True, tag="greeting/Greet"):
    \"\"\"Say hello.\"\"\"

    words: str
    \"\"\"What is said.\"\"\"


def greet(ctx, msg):
    ctx.emit("greeting/said", words=msg.words)


GREETING = SecurityModel(
    name="greeting",
    source="a test",
    provider=Module("greeting/provider", handlers={Greet: greet}),
    consumer=Module("greeting/consumer"),
)
OTHER = "no model"
"""


@pytest.fixture
def greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "greetings", {"greetings.py": GREETING}, greeting="greetings:GREETING")


def code_of(name: str) -> str:
    with pytest.raises(Rejected) as refusal:
        load_model(name)
    return refusal.value.code


def test_our_own_models_are_registered_like_anybody_elses() -> None:
    assert load_models(("mesh", "none")) == {"mesh": MESH, "none": NONE}


@pytest.mark.usefixtures("greeting")
def test_an_installed_model_is_a_verb_with_help_and_a_choice_of_mesh_files() -> None:
    assert "greeting" in model_names()
    verb = verbs.find("Greet")
    assert (verb.name, verb.help) == ("greeting/Greet", "Say hello.")
    assert [(param.name, param.help) for param in verb.params if param.name not in ("from", "fee")] == [
        ("words", "What is said.")
    ]
    mesh = mesh_yaml.loads(
        "chains: {osmosis: {}, juno: {}}\nlinks: [{provider: osmosis, consumer: juno, model: greeting}]",
    )
    assert genesis_of(mesh, "juno").models == {"greeting": fingerprint(load_model("greeting"))}


def test_what_is_not_installed_is_no_verb_and_no_choice() -> None:
    with pytest.raises(Rejected) as verb:
        verbs.find("Greet")
    assert verb.value.code == "verbs/unknown"
    with pytest.raises(Rejected) as choice:
        mesh_yaml.loads("chains: {osmosis: {}, juno: {}}\nlinks: [{provider: osmosis, consumer: juno, model: mash}]")
    assert (choice.value.code, choice.value.facts["suggestion"]) == ("yaml/bad-value", "mesh")
    with pytest.raises(Rejected) as missing:
        genesis_of(MeshSpec(topology("pair").chains, (LinkSpec("osmosis", "juno", "greeting"),)), "juno")
    assert (missing.value.code, missing.value.facts["model"]) == ("genesis/unknown-model", "greeting")


@pytest.mark.usefixtures("greeting")
def test_an_installed_model_changes_nothing_on_chains_that_do_not_run_it() -> None:
    assert genesis_of(topology("pair"), "juno").models == {"mesh": fingerprint(MESH)}


def test_a_name_that_two_distributions_register_is_refused_and_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        install(tmp_path / name, monkeypatch, name, {f"{name}.py": GREETING}, greeting=f"{name}:GREETING")
    assert code_of("greeting") == "model/ambiguous"


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("broken:GREETING", "raise OSError('no disk')"),
        ("broken:MISSING", GREETING),
        ("broken:OTHER", GREETING),
        ("absent:GREETING", GREETING),
    ],
)
def test_a_model_that_cannot_be_loaded_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, source: str
) -> None:
    monkeypatch.delitem(__import__("sys").modules, "broken", raising=False)
    install(tmp_path, monkeypatch, "brokens", {"broken.py": source}, greeting=place)
    with pytest.raises(Rejected) as refusal:
        load_model("greeting")
    assert (refusal.value.code, refusal.value.facts["entry"]) == ("model/broken", place)
    assert load_model("mesh") == MESH


@pytest.mark.usefixtures("greeting")
def test_the_command_line_lists_models_their_packages_and_what_is_wrong_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["greeting", "mesh", "none"]
    assert found["greeting"] == {
        "packages": ["greetings 1.0, greetings:GREETING"],
        "source": "a test",
        "messages": ["greeting/Greet"],
        "queries": [],
        "measures": [],
        "laws": [],
        "channel": False,
        "impure": [],
    }
    assert "mesh/measures/corruption" in found["mesh"]["measures"]
    install(tmp_path / "more", monkeypatch, "broken", {"broken_file.py": "1 // 0"}, wrong="broken_file:MODEL")
    assert main(["models", "--json"]) == 1
    broken = json.loads(capsys.readouterr().out)["wrong"]
    assert broken["packages"] == ["broken 1.0, broken_file:MODEL"]
    assert broken["broken"].startswith("model/broken: ZeroDivisionError")
    assert (found["mesh"]["impure"], found["none"]["impure"]) == ([], [])
    assert main(["tx", "osmosis", "list", "--json"]) == 2  # said, and not passed over
    assert json.loads(capsys.readouterr().out)["code"] == "model/broken"


def test_the_command_line_tells_where_validators_of_a_model_could_disagree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, monkeypatch, "greetings", {"halved.py": GREETING + "HALF = 1 / 2\n"}, greeting="halved:GREETING")
    assert main(["models", "--json"]) == 1
    lines = GREETING.count("\n") + 1
    assert json.loads(capsys.readouterr().out)["greeting"]["impure"] == [f"halved.py:{lines} true division"]


class Foreign(Msg, frozen=True, tag="bank/Take"):
    """Take what belongs to another module."""


class Unsaid(msgspec.Struct):
    """A section that a mesh file would have to write."""

    share: int


def _take(ctx: Ctx, msg: Foreign) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Trick/s"},
        {"provider": Module("trick")},
        {"provider": Module("trick/consumer")},
        {"consumer": Module("trick/consumer", handlers={Foreign: _take})},
        {"consumer": Module("trick/consumer", stores=("bank",))},
        {"consumer": Module("trick/consumer", stores=("trickster",))},
        {"consumer": Module("trick/consumer", genesis=Unsaid)},
        {"feed_port": "trick-feed"},
        {"provider": Module("trick/provider", ports=MESH.provider.ports)},
    ],
)
def test_a_model_that_reaches_into_what_is_not_its_own_is_refused(changes: dict[str, object]) -> None:
    model = SecurityModel("trick", "a test", Module("trick/provider", stores=("trick", "trick-b")), Module("trick/consumer"))
    check(model)
    with pytest.raises(Rejected) as refusal:
        check(replace(model, **changes))  # type: ignore[arg-type]
    assert refusal.value.code == "model/bad"


@pytest.mark.parametrize("name", ["bank", "staking", "ibc", "transfer"])
def test_a_model_that_is_called_like_a_part_of_every_chain_does_not_come_to_lie_in_its_store(name: str) -> None:
    model = SecurityModel(name, "a test", Module(f"{name}/provider", stores=(name,)), Module(f"{name}/consumer"))
    check(model)
    genesis = msgspec.structs.replace(genesis_of(topology("pair"), "osmosis"), models={name: fingerprint(model)})
    with pytest.raises(Rejected) as refusal:
        build_machine(genesis, {name: model}, verify)
    assert (refusal.value.code, refusal.value.facts["model"]) == ("model/bad", name)


def _asks_for_a_list(view: View, users: list[str]) -> None:
    raise AssertionError


@pytest.mark.parametrize("place", ["provider", "consumer", "measures"])
def test_a_query_that_nobody_could_ask_is_refused_with_the_model(place: str) -> None:
    asked = {"many": _asks_for_a_list}
    model = SecurityModel("trick", "a test", Module("trick/provider"), Module("trick/consumer"))
    with pytest.raises(Rejected) as refusal:
        check(replace(model, **{place: asked if place == "measures" else Module(f"trick/{place}", queries=asked)}))  # type: ignore[arg-type]
    assert (refusal.value.code, refusal.value.facts["found"]) == ("model/bad", "_asks_for_a_list(users: list)")


def test_a_link_of_another_model_follows_no_market() -> None:
    feed = "{market: juno, base: uosmo, quote: ujuno}"
    with pytest.raises(Rejected) as refusal:
        mesh_yaml.loads(
            f"chains: {{osmosis: {{}}, juno: {{}}}}\nlinks: [{{provider: juno, consumer: osmosis, model: none, feed: {feed}}}]"
        )
    assert refusal.value.code == "mesh-file/bad-link"


def test_a_link_writes_its_terms_into_the_chains_of_its_model_and_what_params_say_goes_before() -> None:
    offer = Offer("osmosis-1", "juno-1", 7, 10**18, 0)  # type: ignore[arg-type]
    assert MESH.sections(offer) == Sections(
        consumer={"links": {"osmosis-1": {"max_cap": 7, "price_e18": 10**18, "discount_bps": 0}}}
    )
    assert NONE.sections(offer) == Sections()
    mesh = mesh_yaml.loads(
        """
chains:
  osmosis: {}
  juno: {params: {mesh/consumer: {local_floor_bps: 5, links: {osmosis-1: {max_cap: 3}}}}}
links: [{provider: osmosis, consumer: juno, max_cap: 7}]
"""
    )
    assert genesis_of(mesh, "juno").modules["mesh/consumer"] == {
        "local_floor_bps": "5",
        "links": {"osmosis-1": {"max_cap": "3", "price_e18": str(10**18), "discount_bps": "0"}},
    }
    assert "mesh/consumer" not in genesis_of(mesh, "osmosis").modules
