"""Meshes from topologies and files: what is derived, and how every mistake is answered with its place."""

import subprocess
import sys

import pytest

from meshsec.relays import relayer_config
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.genesis import Genesis
from meshsec_relayer.config import ChannelConfig
from meshsec_sdk import located, mesh_file, mesh_yaml, names
from meshsec_sdk.mesh_file import ChainSpec, ChannelSpec, LinkSpec, MeshSpec, ValidatorSpec
from meshsec_sdk.packet_filter import PacketFilter, Pattern

NATO = """\
seed: 7
chains:
  osmosis:
    validators: 3
    params: {staking: {unbonding_time: 21d, max_validators: 100}, slashing: {double_sign_slash_bps: 1_000}}
  juno:
    validators: [val-0, {name: big, tokens: 400ujuno}]
    balances: {alice: 5_000ujuno, bob: 0}
links:
  - {provider: osmosis, consumer: juno, max_cap: 90_000ujuno, price: 0.5, discount: 10%}
  - {provider: juno, consumer: osmosis, discount: 0.05}
relayers: [fast, slow]
"""


TALK = """\
chains: {osmosis: , juno: , axelar: }
links:
  - {provider: osmosis, consumer: juno}
channels:
  - {from: osmosis/echo, to: juno/echo, ordering: ordered, version: echo-1}
  - {from: juno/transfer, to: axelar/transfer}
"""


CHOOSY = """\
chains: {osmosis: , juno: }
links:
  - {provider: osmosis, consumer: juno}
relayers:
  - fast
  - name: slow
    filter: {allow: [{chain: osmosis, port: transfer}, {port: mesh-*}], deny: [{kind: slash}], max_memo_bytes: 64}
"""


def directed(mesh: MeshSpec) -> set[tuple[str, str]]:
    return {(link.provider, link.consumer) for link in mesh.links}


def test_the_topologies_join_their_chains_both_ways() -> None:
    assert directed(mesh_file.topology("pair")) == {("osmosis", "juno"), ("juno", "osmosis")}
    triangle = mesh_file.topology("triangle")
    assert [chain.name for chain in triangle.chains] == ["osmosis", "juno", "axelar"]
    assert len(directed(triangle)) == 6
    star = mesh_file.topology("star:4")
    assert star.pairs() == (("osmosis", "juno"), ("osmosis", "axelar"), ("osmosis", "akash"))
    assert len(directed(star)) == 6
    assert len(directed(mesh_file.topology("full:4"))) == 12


def test_a_default_chain_has_four_validators_and_five_users_with_coins() -> None:
    mesh = mesh_file.topology("pair")
    genesis = mesh_file.genesis_of(mesh, "juno")
    juno = names.chain_name("juno")
    assert (genesis.chain_id, genesis.prefix, genesis.denom, genesis.time) == ("juno-1", "juno", "ujuno", mesh_file.GENESIS_TIME)
    assert [validator.name for validator in genesis.validators] == ["val-0", "val-1", "val-2", "val-3"]
    assert {validator.tokens for validator in genesis.validators} == {mesh_file.SMALL_BOND}
    rich = {alias: genesis.balances[names.address(alias, juno)] for alias in (*names.USERS, "relayer/main")}
    assert set(rich) == {*names.USERS, "relayer/main"}
    assert all(coins == {"ujuno": mesh_file.USER_COINS} for coins in rich.values())
    assert genesis.balances[names.address("faucet", juno)] == {"ujuno": mesh_file.FAUCET_COINS}
    assert codec.decode(codec.encode(genesis), Genesis) == genesis


@pytest.mark.parametrize("text", ["", "square", "pair:2", "star", "star:1", "full:0", "star:x", "PAIR"])
def test_an_unknown_topology_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_file.topology(text)
    assert refusal.value.code == mesh_file.UNKNOWN_TOPOLOGY


def test_a_topology_larger_than_the_list_of_chains_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_file.topology("full:21")
    assert (refusal.value.code, refusal.value.facts) == (mesh_file.TOO_MANY_CHAINS, {"chains": 21, "limit": 20})


def test_a_file_says_what_differs_from_the_defaults() -> None:
    mesh = mesh_yaml.loads(NATO)
    assert mesh == MeshSpec(
        chains=(
            ChainSpec(
                names.chain_name("osmosis"),
                (ValidatorSpec("val-0"), ValidatorSpec("val-1"), ValidatorSpec("val-2")),
                params={
                    "staking": {"unbonding_time": 21 * 86_400 * 10**9, "max_validators": 100},
                    "slashing": {"double_sign_slash_bps": 1_000},
                },
            ),
            ChainSpec(
                names.chain_name("juno"), (ValidatorSpec("val-0"), ValidatorSpec("big", 400)), balances={"alice": 5_000, "bob": 0}
            ),
        ),
        links=(
            LinkSpec("osmosis", "juno", max_cap=90_000, price_e18=5 * 10**17, discount_bps=1_000),
            LinkSpec("juno", "osmosis", discount_bps=500),
        ),
        relayers=("fast", "slow"),
        seed=7,
    )
    genesis = mesh_file.genesis_of(mesh, "juno-1")
    assert genesis.balances[names.address("alice", mesh.chain("juno").names)] == {"ujuno": 5_000}
    assert names.address("bob", mesh.chain("juno").names) not in genesis.balances
    assert genesis.modules == {
        "mesh/consumer": {"links": {"osmosis-1": {"max_cap": "90000", "price_e18": "500000000000000000", "discount_bps": "1000"}}}
    }
    assert list(genesis.models) == ["mesh"]
    assert mesh_file.genesis_of(mesh, "osmosis").modules["slashing"] == {"double_sign_slash_bps": "1000"}


def test_a_file_lists_channels_and_they_join_chains_as_links_do() -> None:
    mesh = mesh_yaml.loads(TALK)
    assert mesh.channels == (
        ChannelSpec("osmosis", "echo", "juno", "echo", ordered=True, version="echo-1"),
        ChannelSpec("juno", "transfer", "axelar", "transfer"),
    )
    assert mesh.pairs() == (("osmosis", "juno"), ("juno", "axelar"))
    opened = {
        path.name: path.channels for path in relayer_config(mesh, "main", dict.fromkeys(("osmosis", "juno", "axelar"), "")).paths
    }
    coins = ChannelConfig("a", "transfer", "transfer", version="ics20-1")
    assert opened == {
        "osmosis-juno": (
            coins,
            ChannelConfig("b", "mesh-consumer", "mesh-provider"),
            ChannelConfig("a", "echo", "echo", "ORDER_ORDERED", "echo-1"),
        ),
        "juno-axelar": (coins,),
    }


def test_a_file_says_what_each_relayer_carries() -> None:
    mesh = mesh_yaml.loads(CHOOSY)
    assert mesh.relayers == ("fast", "slow")
    urls = dict.fromkeys(("osmosis", "juno"), "")
    assert relayer_config(mesh, "fast", urls).filter == PacketFilter()
    assert relayer_config(mesh, "slow", urls).filter == PacketFilter(
        allow=(Pattern(chain="osmosis", port="transfer"), Pattern(port="mesh-*")),
        deny=(Pattern(kind="slash"),),
        max_memo_bytes=64,
    )


FED = """
chains:
  osmosis: {params: {prices: {makers: [alice]}}}
  juno:
  axelar:
links:
  - {provider: axelar, consumer: juno, feed: {market: osmosis, base: uaxelar, quote: ujuno, window: 10m, ttl: 2h}}
  - {provider: osmosis, consumer: juno, feed: {market: osmosis, base: uosmo, quote: ujuno}}
"""


def test_a_link_may_take_its_price_from_a_market_and_relayers_open_one_channel_to_it() -> None:
    mesh = mesh_yaml.loads(FED)
    asked = ChannelSpec("juno", "mesh-price-feed", "osmosis", "prices")
    assert (mesh.channels, mesh.opened()) == ((), (asked,))
    assert mesh.pairs() == (("osmosis", "juno"), ("juno", "axelar"))
    (path, other) = relayer_config(mesh, "main", dict.fromkeys(("osmosis", "juno", "axelar"), "")).paths
    feeds = [channel for channel in path.channels if channel.port == "mesh-price-feed"]
    assert [(channel.proposer, channel.counterparty_port) for channel in feeds] == [("b", "prices")]
    assert not any(channel.port == "mesh-price-feed" for channel in other.channels)

    terms = {name: link["feed"] for name, link in mesh_file.genesis_of(mesh, "juno").modules["mesh/consumer"]["links"].items()}
    named = {"channel": "", "market": "osmosis-1", "quote": "ujuno"}
    assert terms["axelar-1"] == {**named, "base": "uaxelar", "window_seconds": "600", "ttl_seconds": "7200"}
    assert terms["osmosis-1"] == {**named, "base": "uosmo"}
    makers = mesh_file.genesis_of(mesh, "osmosis").modules["prices"]["makers"]
    assert makers == [names.address("alice", names.chain_name("osmosis"))]


def test_the_channel_of_a_price_feed_may_be_listed_where_the_model_runs() -> None:
    links = "links: [{provider: osmosis, consumer: juno}]\n"
    text = "chains: {juno: , osmosis: , akash: }\n" + links + "channels: [{from: %s/mesh-price-feed, to: akash/prices}]\n"
    mesh = mesh_yaml.loads(text % "juno")
    assert mesh.opened() == (ChannelSpec("juno", "mesh-price-feed", "akash", "prices"),)
    with pytest.raises(Rejected) as refusal:
        mesh_yaml.loads(text.replace("akash/prices", "osmosis/prices") % "akash")
    assert refusal.value.code == "yaml/bad-value"


@pytest.mark.parametrize(
    ("feed", "code"),
    [
        ("feed: {market: osmosis, base: uosmo, quote: ujuno}, price: 0.5", "yaml/bad-value"),
        ("feed: {market: osmosis, base: uosmo, quote: ujuno, ttl: 90ms}", "yaml/bad-value"),
        ("feed: {market: osmosis, base: uosmo}", "yaml/missing-key"),
        ("feed: {market: akash, base: uosmo, quote: ujuno}", "yaml/bad-value"),
        ("feed: {market: juno, base: uosmo, quote: ujuno}", "mesh-file/bad-link"),
    ],
)
def test_a_price_feed_that_cannot_be_is_refused(feed: str, code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_yaml.loads("chains: {juno: , osmosis: }\nlinks: [{provider: osmosis, consumer: juno, " + feed + "}]\n")
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "mesh",
    [*map(mesh_yaml.loads, (NATO, TALK, CHOOSY, FED)), mesh_file.topology("triangle")],
    ids=["file", "channels", "filters", "feeds", "triangle"],
)
def test_a_mesh_that_is_written_reads_back_as_the_same_mesh(mesh: MeshSpec) -> None:
    assert mesh_yaml.loads(mesh_yaml.dump(mesh)) == mesh


MISTAKES = {
    "an unknown key at the top": ("chains: {juno: }\nlinkz: []\n", located.UNKNOWN_KEY, 2, "links"),
    "an unknown key of a chain": ("chains:\n  juno:\n    validatrs: 4\n", located.UNKNOWN_KEY, 3, "validators"),
    "an unknown key of a link": (
        "chains: {juno: , osmosis: }\nlinks:\n  - provider: juno\n    consumer: osmosis\n    maxcap: 4\n",
        located.UNKNOWN_KEY,
        5,
        "max_cap",
    ),
    "a link to a chain that is not there": (
        "chains: {juno: , osmosis: }\nlinks: [{provider: juno, consumer: osmose}]\n",
        located.BAD_VALUE,
        2,
        "osmosis",
    ),
    "a link without consumer": ("chains: {juno: }\nlinks: [{provider: juno}]\n", located.MISSING_KEY, 2, None),
    "a key twice": ("chains:\n  juno:\n  juno:\n", located.DUPLICATE_KEY, 3, None),
    "no chains": ("seed: 1\n", located.MISSING_KEY, 1, None),
    "an empty file": ("", located.MALFORMED, 1, None),
    "a broken file": ("chains:\n  - [\n", located.MALFORMED, 3, None),
    "an alias": ("chains: &a {juno: }\nlinks: *a\n", located.MALFORMED, 2, None),
    "deep nesting": ("seed:\n  " + "[" * 20_000 + "]" * 20_000, located.MALFORMED, 2, None),
    "parameters of no module": ("chains:\n  juno:\n    params: {stakin: {}}\n", located.UNKNOWN_KEY, 3, "staking"),
    "a parameter that no module has": (
        "chains:\n  juno:\n    params:\n      mint: {inflation: 5}\n",
        located.UNKNOWN_KEY,
        4,
        "inflation_bps",
    ),
    "a parameter of another kind": ("chains:\n  juno:\n    params: {mint: {inflation_bps: much}}\n", located.BAD_VALUE, 3, None),
    "an amount in another coin": ("chains:\n  juno:\n    balances: {alice: 5uosmo}\n", located.BAD_VALUE, 3, None),
    "a negative amount": ("chains:\n  juno:\n    balances: {alice: -5}\n", located.BAD_VALUE, 3, None),
    "a balance of a stranger": ("chains:\n  juno:\n    balances: {mallory: 5}\n", names.UNKNOWN_NAME, 3, None),
    "a relayer twice": ("chains: {juno: }\nrelayers: [a, a]\n", located.BAD_VALUE, 2, None),
    "a filter of a chain that is not there": (
        "chains: {juno: }\nrelayers:\n  - name: a\n    filter: {deny: [{chain: jumo}]}\n",
        located.BAD_VALUE,
        4,
        "juno",
    ),
    "an unknown key of a filter": (
        "chains: {juno: }\nrelayers:\n  - name: a\n    filter: {denied: []}\n",
        located.UNKNOWN_KEY,
        4,
        "deny",
    ),
    "no validators": ("chains:\n  juno:\n    validators: []\n", located.BAD_VALUE, 3, None),
    "too many validators": ("chains:\n  juno:\n    validators: 151\n", located.BAD_VALUE, 3, None),
    "a validator twice": ("chains:\n  juno:\n    validators: [a, a]\n", located.BAD_VALUE, 3, None),
    "a price of zero": (
        "chains: {juno: , osmosis: }\nlinks: [{provider: juno, consumer: osmosis, price: 0}]\n",
        located.BAD_VALUE,
        2,
        None,
    ),
    "a discount of more than all": (
        "chains: {juno: , osmosis: }\nlinks: [{provider: juno, consumer: osmosis, discount: 101%}]\n",
        located.BAD_VALUE,
        2,
        None,
    ),
    "a discount finer than a basis point": (
        "chains: {juno: , osmosis: }\nlinks: [{provider: juno, consumer: osmosis, discount: 0.00001}]\n",
        located.BAD_VALUE,
        2,
        None,
    ),
    "a channel from a port that is not there": (
        "chains: {juno: , osmosis: }\nchannels:\n  - {from: juno/ecco, to: osmosis/echo}\n",
        located.BAD_VALUE,
        3,
        "juno/echo",
    ),
    "a channel from the port of a model": (
        "chains: {juno: , osmosis: }\nlinks: [{provider: juno, consumer: osmosis}]\nchannels:\n"
        "  - {from: juno/mesh-provider, to: osmosis/echo}\n",
        located.BAD_VALUE,
        4,
        "juno/mesh-price-feed",
    ),
    "a channel from the port of a model that the chain does not run": (
        "chains: {juno: , osmosis: }\nchannels:\n  - {from: juno/mesh-price-feed, to: osmosis/prices}\n",
        located.BAD_VALUE,
        3,
        "juno/prices",
    ),
    "parameters of a side that is none": (
        "chains:\n  juno:\n    params:\n      mesh/consume: {}\n",
        "yaml/unknown-key",
        4,
        "mesh/consumer",
    ),
    "parameters of a model that takes none": (
        "chains:\n  juno:\n    params:\n      none/consumer: {}\n",
        located.BAD_VALUE,
        4,
        None,
    ),
    "a channel of another ordering": (
        "chains: {juno: , osmosis: }\nchannels:\n  - {from: juno/echo, to: osmosis/echo, ordering: orderd}\n",
        located.BAD_VALUE,
        3,
        "ordered",
    ),
    "a channel with one end": ("chains: {juno: }\nchannels: [{from: juno/echo}]\n", located.MISSING_KEY, 2, None),
    "another engine": ("chains:\n  juno:\n    engine: embeded\n", located.BAD_VALUE, 3, "embedded"),
}


@pytest.mark.parametrize(("text", "code", "line", "meant"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_answered_with_its_line_and_a_suggestion(text: str, code: str, line: int, meant: str | None) -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_yaml.loads(text, "mesh.yaml")
    assert (refusal.value.code, refusal.value.facts["file"], refusal.value.facts["line"]) == (code, "mesh.yaml", line)
    assert (refusal.value.facts.get("suggestion") or None) == meant


def test_names_in_parameters_are_understood_where_the_type_says_whose_they_are() -> None:
    text = """
chains:
  juno: {params: {prices: {makers: [alice, juno1stranger]}, mesh/consumer: {links: {alice: {}}}}}
"""
    mesh = mesh_yaml.loads(text)
    sections = mesh_file.genesis_of(mesh, "juno").modules
    assert sections["prices"] == {"makers": [names.address("alice", names.chain_name("juno")), "juno1stranger"]}
    assert list(sections["mesh/consumer"]["links"]) == ["alice"]  # a chain's id, and nobody's address


def test_reading_a_mesh_loads_no_model_that_it_need_not() -> None:
    """Given a file whose links are of the usual model, with parameters of other modules
    When it is read in a fresh interpreter
    Then nothing of Mesh Security has been imported
    """
    program = (
        "import sys; from meshsec_sdk import mesh_yaml;"
        "mesh_yaml.loads('chains: {juno: {params: {mint: {inflation_bps: 1}}}, osmosis: }\\n"
        "links: [{provider: juno, consumer: osmosis}]\\nchannels: []');"
        "sys.exit(any(name.startswith('meshsec_core.security.mesh') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "links", ["[{provider: juno, consumer: juno}]", "[{provider: juno, consumer: akash}, {provider: juno, consumer: akash}]"]
)
def test_a_link_to_itself_or_listed_twice_is_refused(links: str) -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_yaml.loads(f"chains: {{juno: , akash: }}\nlinks: {links}\n")
    assert refusal.value.code == mesh_file.BAD_LINK


@pytest.mark.parametrize(
    "channels",
    [
        "[{from: juno/echo, to: juno/echo}]",
        "[{from: juno/echo, to: akash/echo}, {from: akash/echo, to: juno/echo}]",
    ],
)
def test_a_channel_to_itself_or_listed_twice_is_refused(channels: str) -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_yaml.loads(f"chains: {{juno: , akash: }}\nchannels: {channels}\n")
    assert refusal.value.code == mesh_file.BAD_CHANNEL


def test_a_file_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_yaml.load("no/such/mesh.yaml")
    assert (refusal.value.code, refusal.value.facts["file"]) == (located.UNREADABLE, "no/such/mesh.yaml")
