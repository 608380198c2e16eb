"""A chain with the most validators that are promised: 150."""

import msgspec
import pytest

from meshsec_core.consensus import light
from meshsec_core.consensus.light import Rules, TrustedState, Untrusted
from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import FLAG_COMMIT
from meshsec_core.modules.staking.module import Delegate
from meshsec_sdk import names
from meshsec_sdk.mesh_file import MeshSpec, ValidatorSpec, topology
from one_chain import Rig

MANY = 150
MILLION = 1_000_000
RULES = Rules("osmosis-1", 14 * 86_400 * SECOND, 30 * SECOND)


def crowded() -> MeshSpec:
    """A chain where one more stands for election than can be elected; powers fall from 1,150 to 1,000 million."""
    first, second = topology("pair").chains
    members = tuple(ValidatorSpec(f"val-{index}", (1_150 - index) * MILLION) for index in range(MANY + 1))
    params = {**first.params, "staking": {"max_validators": MANY}}
    return msgspec.structs.replace(
        topology("pair"), chains=(msgspec.structs.replace(first, validators=members, params=params), second)
    )


def follow(rig: Rig, start: int, height: int) -> None:
    """Verify a header as a light client does that trusts an earlier one."""
    signed, trusted = rig.replica.commit(height), rig.replica.commit(start)
    members, following = rig.replica.validators_at(height), rig.replica.validators_at(start + 1)
    assert signed is not None
    assert trusted is not None
    assert members is not None
    assert following is not None
    state = TrustedState(start, trusted.header.time, trusted.header.next_validators_hash)
    light.verify(state, Untrusted(signed, members), following, RULES, rig.now + 20 * SECOND, MemoVerifier())


def test_a_chain_of_150_validators_changes_its_set_and_its_light_client_follows() -> None:
    """Given 151 candidates for 150 seats
    When somebody delegates 500 million to the one without a seat
    Then two heights later it has one at the very top and the weakest has none, everybody signs, and a client follows each header
    """
    rig = Rig(crowded())
    rig.blocks(2)
    rig.submit(Delegate(names.validator_id(rig.chain.spec.names, f"val-{MANY}"), 500 * MILLION), 0)
    rig.blocks(4)
    sets = [rig.replica.validators_at(height) for height in range(1, 7)]
    assert [len(members) for members in sets if members is not None] == [MANY] * 6
    signed = [rig.signed(height) for height in range(1, 7)]
    assert [set(flags.values()) for flags in signed] == [{FLAG_COMMIT}] * 6
    assert [f"val-{MANY}" in flags for flags in signed] == [False] * 4 + [True] * 2
    assert [f"val-{MANY - 1}" in flags for flags in signed] == [True] * 4 + [False] * 2
    assert next(iter(signed[4])) == f"val-{MANY}"
    for height in range(2, 7):
        follow(rig, height - 1, height)
    follow(rig, 1, 6)


def test_a_light_client_does_not_take_the_change_before_its_time() -> None:
    rig = Rig(crowded())
    rig.blocks(2)
    rig.submit(Delegate(names.validator_id(rig.chain.spec.names, f"val-{MANY}"), 500 * MILLION), 0)
    rig.blocks(3)
    signed, members = rig.replica.commit(4), rig.replica.validators_at(5)
    state, following = TrustedState(3, rig.now - 2 * SECOND, b""), rig.replica.validators_at(4)
    assert signed is not None
    assert members is not None
    assert following is not None
    with pytest.raises(Rejected) as refusal:
        light.verify(state, Untrusted(signed, members), following, RULES, rig.now, MemoVerifier())
    assert refusal.value.code == "light/wrong-validators"


def test_a_chain_of_150_validators_bears_any_number_that_is_down_below_a_third_of_the_power_and_not_a_third() -> None:
    rig = Rig(crowded())
    rig.blocks(1)
    weakest = [f"val-{index}" for index in range(MANY - 1, -1, -1)]
    total = sum(1_150 - index for index in range(MANY))
    down = 0
    while 3 * (down + 1_150 - int(weakest[0].removeprefix("val-"))) < total:
        name = weakest.pop(0)
        down += 1_150 - int(name.removeprefix("val-"))
        rig.replica.fault("down", name)
    rig.blocks(1)
    rig.replica.fault("down", weakest[0])
    assert rig.chain.reasons() != []
    assert not rig.chain.make_block(rig.now + SECOND)
    rig.chain.heal()
    rig.blocks(1)
