"""Development names: the same keys everywhere, and nobody answers to a name that was not given."""

import pytest

from meshsec_core.kernel.crypto import bech32_decode
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import names


def test_the_chains_of_a_topology_are_taken_in_a_fixed_order_with_prefix_and_coin() -> None:
    first = [(chain.name, chain.chain_id, chain.prefix, chain.denom) for chain in names.CHAINS[:5]]
    assert first == [
        ("osmosis", "osmosis-1", "osmo", "uosmo"),
        ("juno", "juno-1", "juno", "ujuno"),
        ("axelar", "axelar-1", "axelar", "uaxl"),
        ("akash", "akash-1", "akash", "uakt"),
        ("stargaze", "stargaze-1", "stars", "ustars"),
    ]
    assert len({chain.prefix for chain in names.CHAINS}) == len({chain.denom for chain in names.CHAINS}) == len(names.CHAINS)


def test_a_development_key_is_the_hash_of_a_public_text() -> None:
    assert (
        names.development_key("user/alice").public_key.hex() == "057df06f34acf17b2965f12eb60296bf775001bd9da3b7f1836591d163df139c"
    )
    assert names.address("alice", names.chain_name("osmosis")) == "osmo16e22xuq2amum2220qscr7hps5ngnafcggycagk"


def test_a_user_has_one_key_and_a_spelling_of_its_address_per_chain() -> None:
    osmosis, juno = names.chain_name("osmosis"), names.chain_name("juno")
    assert bech32_decode("osmo", names.address("alice", osmosis)) == bech32_decode("juno", names.address("alice", juno))


def test_a_validator_is_named_with_its_chain_or_alone_on_its_own_chain() -> None:
    assert names.key_path("juno/val-0", "osmosis") == "validator/juno/val-0/operator"
    assert names.key_path("val-0", "osmosis") == "validator/osmosis/val-0/operator"
    assert names.key_path("relayer/main", "osmosis") == "relayer/main"


def test_the_operator_address_is_spelled_over_the_operators_account() -> None:
    juno = names.chain_name("juno")
    assert bech32_decode("junovaloper", names.validator_id(juno, "val-2")) == bech32_decode(
        "juno", names.address("juno/val-2", juno)
    )


@pytest.mark.parametrize(
    "alias", ["", "mallory", "Alice", "alice ", "juno/", "/val-0", "juno/val 0", "user/alice/x", "../faucet"]
)
def test_a_name_that_nobody_has_is_refused(alias: str) -> None:
    with pytest.raises(Rejected) as refusal:
        names.key_of(alias, "osmosis")
    assert refusal.value.code == names.UNKNOWN_NAME


def test_a_chain_outside_the_list_gets_its_own_letters_as_prefix() -> None:
    assert names.chain_name("zone7") == names.ChainName("zone7", "zone", "uzone7")


@pytest.mark.parametrize("name", ["relayer", "Osmosis", "7up", "a", "", "os-mosis", "x" * 31])
def test_what_cannot_name_a_chain(name: str) -> None:
    assert not names.is_chain_name(name)
