"""Every fault of the catalogue, on running processes, one after the other: whatever it does, all laws hold once it is healed."""

import pytest

from meshsec import ProcessWorld, verbs
from meshsec.world.mishaps import MISHAPS
from meshsec_core.replica.faults import FAULTS
from meshsec_sdk import mesh_yaml

MESH = "chains: {osmosis: {params: {prices: {makers: [carol]}}}, juno: }\nlinks: [{provider: osmosis, consumer: juno}]\n"
PRICE = {"base": "uosmo", "quote": "ujuno"}
GIVEN: dict[str, dict[str, str]] = {
    "slow": {"delay": "50ms"},
    "reorder": {"within": "50ms"},
    "censor": {"address": "alice"},
    "clock-skew": {"shift": "5s"},
    "relayer-drop": {"id": "osmosis:transfer:channel-0:1000"},
    "relayer-delay": {"by": "2blocks"},
    "relayer-line": {"chain": "juno", "percent": "20", "twice": "20", "within": "100ms"},
    "relayer-forge": {"of": "osmosis"},
    "lunatic": {"validators": "val-0,val-1,val-2", "address": "erin", "amount": "7"},
    "oracle-lie": {**PRICE, "price": "4"},
    "price-shock": {**PRICE, "factor": "0.5"},
}
"""What kinds take that cannot do without, or should here."""
TARGETS = {"relayer-forge": "juno", "price-shock": "osmosis", "oracle-lie": "osmosis", "mass-unbond": "osmosis"}
SAID: dict[str, dict[str, str]] = {
    "lunatic": {"branch": "juno~lunatic"},
    "relayer-forge": {"refused": "proof/wrong-key"},
    "price-shock": {"price_e18": "2" + "0" * 18, "maker": "carol"},
}


@pytest.mark.slow
def test_every_fault_can_be_ordered_from_processes_and_survived() -> None:
    with ProcessWorld(mesh_yaml.loads(MESH)) as world:
        lent = {"from": "osmosis/alice", "consumer": "juno", "validator": "juno/val-0", "amount": "100uosmo"}
        verbs.perform(world, verbs.find("mesh/Bond"), {"from": "osmosis/alice", "amount": "100000uosmo"})
        for kind in (*FAULTS, "oracle-lie", *(kind for kind in MISHAPS if kind != "oracle-lie")):
            target = TARGETS.get(kind, "relayer" if kind.startswith("relayer") else "juno" if kind in MISHAPS else "juno/val-1")
            said = world.fault(kind, target, **GIVEN.get(kind, {}))
            assert SAID.get(kind, said) == said, kind
            verbs.perform(world, verbs.find("mesh/StakeRemote"), lent)
            world.heal()
            world.settle()
            assert [chain.get("/v1/status")["faults"] for chain in world.chains.values()] == [[], []], kind
            assert [each["faults"] for each in world.relayer("status").values()] == [[]], kind
            assert all(chain.get("/v1/status")["ready"] for chain in world.chains.values()), kind
