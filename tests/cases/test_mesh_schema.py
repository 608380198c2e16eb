"""The published schema of mesh files says of a file what reading it says, as far as a schema can."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from command_line import run
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import mesh_file, mesh_yaml
from meshsec_sdk.mesh_schema import mesh_schema

EVERYTHING = """\
seed: 7
chains:
  osmosis:
    validators: 3
    params: {staking: {unbonding_time: 21d}, slashing: {double_sign_slash_bps: 1_000}, prices: {makers: [alice]}}
  juno: {prefix: juno, denom: ujuno, validators: [val-0, {name: big, tokens: 400ujuno}], balances: {alice: 5_000ujuno, bob: 0}}
  axelar:
links:
  - {provider: osmosis, consumer: juno, model: mesh, max_cap: 90_000ujuno, price: 0.5, discount: 10%}
  - {provider: axelar, consumer: juno, feed: {market: osmosis, base: uaxelar, quote: ujuno, window: 10m, ttl: 2h}}
channels: [{from: osmosis/echo, to: juno/echo, ordering: ordered, version: echo-1}]
relayers: [one, {name: two, filter: {allow: [{chain: osmosis, port: transfer}], deny: [{kind: slash}], max_memo_bytes: 64}}]
"""

MISTAKES = {
    "no chains": "seed: 1\n",
    "nothing in chains": "chains: {}\n",
    "an unknown key at the top": "chains: {juno: }\nlinkz: []\n",
    "an unknown key of a chain": "chains: {juno: {validatrs: 4}}\n",
    "an unknown key of a link": "chains: {juno: , osmosis: }\nlinks: [{provider: juno, consumer: osmosis, maxcap: 4}]\n",
    "a link without consumer": "chains: {juno: }\nlinks: [{provider: juno}]\n",
    "a model that is not installed": "chains: {juno: , osmosis: }\nlinks: [{provider: juno, consumer: osmosis, model: mash}]\n",
    "parameters of no module": "chains: {juno: {params: {stakin: {}}}}\n",
    "a parameter that no module has": "chains: {juno: {params: {mint: {inflation: 5}}}}\n",
    "too many validators": "chains: {juno: {validators: 151}}\n",
    "no validators": "chains: {juno: {validators: []}}\n",
    "a balance of a stranger": "chains: {juno: {balances: {mallory: 5}}}\n",
    "a chain with a dash": "chains: {ju-no: }\n",
    "an unknown engine": "chains: {juno: {engine: steam}}\n",
    "an unknown ordering": "chains: {juno: , osmosis: }\nchannels: [{from: juno/echo, to: osmosis/echo, ordering: random}]\n",
    "a channel without port": "chains: {juno: , osmosis: }\nchannels: [{from: juno, to: osmosis/echo}]\n",
    "an unknown key of a filter": "chains: {juno: }\nrelayers: [{name: a, filter: {denied: []}}]\n",
    "a relayer without name": "chains: {juno: }\nrelayers: [{filter: {}}]\n",
    "a price feed without market": "chains: {juno: , axelar: }\nlinks: [{provider: axelar, consumer: juno, feed: {base: a}}]\n",
}


def mistakes(text: str) -> list[str]:
    found: Any = yaml.safe_load(text)
    return [error.message for error in Draft202012Validator(mesh_schema()).iter_errors(found)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(mesh_schema())


@pytest.mark.parametrize(
    "text", [EVERYTHING, *(mesh_yaml.dump(mesh_file.topology(name)) for name in ("pair", "triangle", "star:4", "full:5"))]
)
def test_what_can_be_read_keeps_to_the_schema(text: str) -> None:
    mesh_yaml.loads(text)
    assert mistakes(text) == []


@pytest.mark.parametrize("text", MISTAKES.values(), ids=MISTAKES)
def test_what_the_schema_refuses_cannot_be_read(text: str) -> None:
    assert mistakes(text) != []
    with pytest.raises(Rejected):
        mesh_yaml.loads(text)


def test_init_prints_the_schema() -> None:
    assert run("init", "--schema").value == mesh_schema()
