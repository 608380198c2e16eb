"""Genesis documents: what a chain refuses to start from."""

from typing import Any

import msgspec
import pytest

from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage
from meshsec_core.runtime.genesis import Genesis
from meshsec_sdk.mesh_file import genesis_of, topology
from meshsec_sdk.models import load_models

GOOD = genesis_of(topology("pair"), "osmosis")
RICH = next(iter(GOOD.balances))


def start(genesis: Genesis) -> MemoryStorage:
    storage = MemoryStorage()
    Replica.open(genesis, {}, storage, verify=MemoVerifier(), models=load_models(genesis.models))
    return storage


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": ""}, "genesis/bad-value"),
        ({"chain_id": "osmosis"}, "genesis/bad-value"),
        ({"chain_id": "a/b-1"}, "genesis/bad-value"),
        ({"chain_id": "ö-1"}, "genesis/bad-value"),
        ({"chain_id": "a" * 60 + "-1"}, "genesis/bad-value"),
        ({"prefix": "OSMO"}, "genesis/bad-value"),
        ({"prefix": "é"}, "genesis/bad-value"),
        ({"prefix": "juno"}, "crypto/bad-address"),
        ({"denom": "u\n"}, "genesis/bad-value"),
        ({"denom": ""}, "genesis/bad-value"),
        ({"time": -1}, "genesis/bad-value"),
        ({"time": 2**64}, "genesis/bad-value"),
        ({"max_txs": 0}, "genesis/bad-value"),
        ({"max_bytes": -1}, "genesis/bad-value"),
        ({"version": "0"}, "genesis/version"),
        ({"models": {"mesh": "of another version"}}, "genesis/unknown-model"),
        ({"modules": {"stakin": {}}}, "genesis/unknown-module"),
        ({"modules": {"mint": {"colour": "red"}}}, "codec/malformed"),
        ({"modules": {"staking": {"evidence_age_blocks": "0"}}}, "staking/bad-params"),
        ({"modules": {"staking": {"unbonding_time": str(2**63)}}}, "staking/bad-params"),
        ({"balances": {RICH: {"é": "1"}}}, "genesis/bad-value"),
        ({"balances": {RICH: {"uosmo": "0"}}}, "bank/bad-amount"),
        ({"balances": {RICH: {"uosmo": str(2**128)}}}, "bank/bad-amount"),
        ({"balances": {"nobody": {"uosmo": "1"}}}, "crypto/bad-address"),
        ({"validators": []}, "validators/empty"),
        ({"validators": [codec.plain(GOOD.validators[0])] * 2}, "staking/validator-exists"),
    ],
)
def test_a_document_that_no_chain_can_start_from_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        start(codec.convert({**codec.plain(GOOD), **changes}, Genesis))
    assert refusal.value.code == code


def test_balances_may_be_larger_than_any_machine_word() -> None:
    assert start(msgspec.structs.replace(GOOD, balances={RICH: {GOOD.denom: 2**100}}))
