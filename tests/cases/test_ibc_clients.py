"""Light clients on a chain: what they believe, what they refuse, and what stops them for good."""

from typing import Any

import pytest
from msgspec.structs import replace

from harness import key_of
from ibc_events import attributes, refused
from ibc_rig import DRIFT, SECOND, TRUSTING_PERIOD, IbcChain, Rig, create_client, update_client
from meshsec_core.ibc import client, tendermint
from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES, CreateClient, UpdateClient
from meshsec_core.ibc.tendermint import FROZEN, PROOF_SPECS
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.ibc import (
    CLIENT_STATE_URL,
    HEADER_URL,
    MISBEHAVIOUR_URL,
    ClientHeader,
    ClientMisbehaviour,
    Fraction,
    Height,
    any_encode,
)
from meshsec_core.kernel.wire.ics23 import TENDERMINT_SPEC
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import FLAG_COMMIT, CommitSig, Header, ValidatorSet

ID = "07-tendermint-0"


@pytest.fixture
def rig() -> Rig:
    """Chain a has a client of chain b, made at height 1; b is at height 6."""
    rig = Rig()
    rig.create_client(rig.a)
    rig.b.blocks(5)
    rig.a.blocks(5)
    return rig


def at(height: int) -> Height:
    return Height(1, height)


def heights(rig: Rig) -> list[Height]:
    return [height for height, _ in client.known_heights(rig.a.state, ID)]


def show(rig: Rig, header: ClientHeader) -> Any:
    return rig.a.send("relayer", update_client(ID, header))


def accuse(rig: Rig, first: ClientHeader, second: ClientHeader) -> Any:
    accusation = ClientMisbehaviour(first, second)
    return rig.a.send("relayer", UpdateClient(ID, any_encode(MISBEHAVIOUR_URL, encode(accusation))))


def is_frozen(rig: Rig) -> bool:
    return CLIENTS.get(rig.a.state, ID).frozen_height == FROZEN


def test_a_new_client_knows_the_state_it_was_made_with() -> None:
    rig = Rig()
    state, consensus = rig.b.client_state(), rig.b.consensus_state()

    events = rig.a.send("relayer", create_client(state, consensus))

    assert CLIENTS.get(rig.a.state, ID) == state
    assert CONSENSUS_STATES.get(rig.a.state, ID, at(1)) == consensus
    assert attributes(events, "create_client") == {
        "client_id": ID,
        "client_type": "07-tendermint",
        "consensus_height": "1-1",
    }
    assert attributes(events, "message") == {"module": "ibc_client"}
    assert client.client_chain_id(rig.a.state, ID) == "juno-1"
    assert client.latest_height(rig.a.state, ID) == at(1)


def test_clients_are_numbered_in_the_order_in_which_they_are_made() -> None:
    rig = Rig()
    assert [rig.create_client(rig.a) for _ in range(3)] == ["07-tendermint-0", "07-tendermint-1", "07-tendermint-2"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": "  "}, "ibc/bad-client-state"),
        ({"chain_id": "  ", "latest_height": Height(0, 1)}, "ibc/bad-client-state"),
        ({"chain_id": "x" * 49 + "-1"}, "ibc/bad-client-state"),
        ({"trust_level": Fraction(1, 4)}, "light/bad-trust-level"),
        ({"trust_level": Fraction(4, 3)}, "light/bad-trust-level"),
        ({"trust_level": Fraction(1, 0)}, "light/bad-trust-level"),
        ({"trusting_period": 0}, "ibc/bad-client-state"),
        ({"trusting_period": -SECOND}, "ibc/bad-client-state"),
        ({"unbonding_period": TRUSTING_PERIOD}, "ibc/bad-client-state"),
        ({"max_clock_drift": 0}, "ibc/bad-client-state"),
        ({"latest_height": Height(1, 0)}, "ibc/bad-client-state"),
        ({"latest_height": Height(2, 1)}, "ibc/bad-client-state"),
        ({"proof_specs": ()}, "ibc/unsupported-proof-specs"),
        ({"proof_specs": (TENDERMINT_SPEC,)}, "ibc/unsupported-proof-specs"),
        ({"proof_specs": (*PROOF_SPECS, TENDERMINT_SPEC)}, "ibc/unsupported-proof-specs"),
        ({"proof_specs": (replace(TENDERMINT_SPEC, max_depth=512), TENDERMINT_SPEC)}, "ibc/unsupported-proof-specs"),
        ({"frozen_height": Height(0, 1)}, "ibc/client-not-active"),
    ],
)
def test_a_client_with_unsafe_rules_is_refused(changes: dict[str, Any], code: str) -> None:
    rig = Rig()
    with refused(rig.a, code):
        rig.create_client(rig.a, **changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"timestamp": 0}, "ibc/bad-consensus-state"),
        ({"timestamp": -SECOND}, "ibc/bad-consensus-state"),
        ({"timestamp": 2**64}, "ibc/bad-consensus-state"),
        ({"timestamp": 1}, "ibc/client-not-active"),
        ({"root": b""}, "ibc/bad-consensus-state"),
        ({"root": b"x" * 31}, "ibc/bad-consensus-state"),
        ({"next_validators_hash": b""}, "ibc/bad-consensus-state"),
        ({"timestamp": 1_700_000_001 * SECOND - TRUSTING_PERIOD}, "ibc/client-not-active"),
    ],
)
def test_a_client_with_an_impossible_or_expired_start_is_refused(changes: dict[str, Any], code: str) -> None:
    rig = Rig()
    with refused(rig.a, code):
        rig.a.send("relayer", create_client(rig.b.client_state(), replace(rig.b.consensus_state(), **changes)))


def test_rules_and_starts_at_their_limits_make_a_client() -> None:
    rig = Rig()
    for changes in ({"chain_id": "x" * 48 + "-1"}, {"max_clock_drift": 1}, {"trusting_period": 1, "unbonding_period": 2}):
        latest = replace(rig.b.consensus_state(), timestamp=2**64 - 1)
        rig.a.send("relayer", create_client(replace(rig.b.client_state(), **changes), latest))
    assert [found.status for found in rig.a.query("ibc/clients")] == ["active"] * 3


def test_a_client_that_has_lost_its_latest_state_is_expired() -> None:
    state = Rig().b.client_state()
    assert tendermint.status(state, None, 0) is tendermint.Status.EXPIRED
    assert tendermint.status(replace(state, frozen_height=FROZEN), None, 0) is tendermint.Status.FROZEN


def test_values_of_another_type_and_bytes_that_are_no_protobuf_are_refused() -> None:
    rig = Rig()
    rig.create_client(rig.a)
    good = create_client(rig.b.client_state(), rig.b.consensus_state())
    with refused(rig.a, "ibc/unknown-type"):
        rig.a.send("relayer", CreateClient(good.consensus_state, good.client_state))
    with refused(rig.a, "wire/truncated"):
        rig.a.send("relayer", CreateClient(good.client_state[:-1], good.consensus_state))
    with refused(rig.a, "ibc/unknown-type"):
        rig.a.send("relayer", UpdateClient(ID, any_encode(CLIENT_STATE_URL, encode(rig.b.client_state()))))
    with refused(rig.a, "ibc/unknown-client"):
        rig.a.send("relayer", UpdateClient("07-tendermint-7", any_encode(HEADER_URL, b"")))


def test_a_client_learns_the_next_header_a_later_one_and_one_in_between(rig: Rig) -> None:
    show(rig, rig.b.client_header(at(1), height=2))
    events = show(rig, rig.b.client_header(at(2), height=6))
    show(rig, rig.b.client_header(at(2), height=4))

    assert heights(rig) == [at(1), at(2), at(4), at(6)]
    assert client.latest_height(rig.a.state, ID) == at(6)
    for height in (2, 4, 6):
        assert CONSENSUS_STATES.get(rig.a.state, ID, at(height)) == rig.b.consensus_state(height)
    assert attributes(events, "update_client") == {
        "client_id": ID,
        "client_type": "07-tendermint",
        "consensus_height": "1-6",
        "consensus_heights": "1-6",
        "header_hash": header_hash(rig.b.client_header(at(2), height=6).signed_header.header).hex(),
    }


def test_a_client_follows_a_validator_set_that_changes_step_by_step() -> None:
    rig = Rig()
    rig.create_client(rig.a)
    rig.b.set_powers((0, 0), (1, 0), (2, 0), (4, 30), (5, 30))
    rig.b.blocks(4)
    rig.a.blocks(4)
    with refused(rig.a, "light/insufficient-trust"):
        show(rig, rig.b.client_header(at(1), height=5))

    show(rig, rig.b.client_header(at(1), height=2))
    show(rig, rig.b.client_header(at(2), height=5))

    assert client.latest_height(rig.a.state, ID) == at(5)


def test_a_known_header_changes_nothing_and_is_not_even_verified(rig: Rig) -> None:
    header = rig.b.client_header(at(1))
    show(rig, header)
    before = rig.a.snapshot()
    forged = replace(header, signed_header=rig.b.sign(header.signed_header.header, signers=()))

    assert show(rig, header) == []
    assert show(rig, forged) == []
    assert rig.a.snapshot() == before


@pytest.mark.parametrize(
    ("signers", "code"),
    [((), "light/insufficient-trust"), ((0,), "light/insufficient-trust"), ((0, 1), "light/insufficient-power")],
)
def test_a_header_with_too_little_power_is_refused(rig: Rig, signers: tuple[int, ...], code: str) -> None:
    with refused(rig.a, code):
        show(rig, rig.b.client_header(at(1), signers=signers))


def test_three_of_four_equal_validators_are_enough_also_for_the_next_header(rig: Rig) -> None:
    with refused(rig.a, "light/insufficient-power"):
        show(rig, rig.b.client_header(at(1), height=2, signers=(1, 3)))
    show(rig, rig.b.client_header(at(1), height=2, signers=(0, 1, 3)))
    assert client.latest_height(rig.a.state, ID) == at(2)


def test_a_header_that_was_changed_after_it_was_signed_is_refused(rig: Rig) -> None:
    header = rig.b.client_header(at(1))
    signed = header.signed_header
    stranger = replace(signed, header=replace(signed.header, app_hash=b"x" * 32))
    with refused(rig.a, "light/wrong-commit"):
        show(rig, replace(header, signed_header=stranger))


def test_a_signature_of_another_key_is_refused(rig: Rig) -> None:
    header = rig.b.client_header(at(1))
    commit = header.signed_header.commit
    first = commit.signatures[0]
    forged = CommitSig(FLAG_COMMIT, first.address, first.time, key_of("mallory").sign(b"anything"))
    commit = replace(commit, signatures=(forged, *commit.signatures[1:]))
    with refused(rig.a, "light/bad-signature"):
        show(rig, replace(header, signed_header=replace(header.signed_header, commit=commit)))


def test_headers_of_another_chain_or_revision_are_refused(rig: Rig) -> None:
    with refused(rig.a, "light/wrong-chain"):
        show(rig, rig.b.client_header(at(1), change=lambda header: replace(header, chain_id="axelar-1")))
    with refused(rig.a, "ibc/wrong-revision"):
        show(rig, rig.b.client_header(at(1), change=lambda header: replace(header, chain_id="juno-2")))


def test_a_header_must_rest_on_a_height_below_it_that_the_client_knows(rig: Rig) -> None:
    with refused(rig.a, "ibc/unknown-consensus-state"):
        show(rig, rig.b.client_header(at(2)))
    show(rig, rig.b.client_header(at(1)))
    with refused(rig.a, "ibc/header-not-above-trusted"):
        show(rig, replace(rig.b.client_header(at(1), height=4), trusted_height=at(6)))


def test_a_header_that_rests_on_its_own_height_accuses_nobody(rig: Rig) -> None:
    show(rig, rig.b.client_header(at(1)))
    itself = replace(rig.b.client_header(at(1)), trusted_height=at(6))
    with refused(rig.a, "ibc/header-not-above-trusted"):
        accuse(rig, rig.b.client_header(at(1), change=_other_block), itself)


def test_a_signed_header_whose_state_root_is_no_hash_is_refused(rig: Rig) -> None:
    with refused(rig.a, "ibc/bad-consensus-state"):
        show(rig, rig.b.client_header(at(1), change=lambda header: replace(header, app_hash=b"f" * 20)))


def test_trusted_validators_must_be_the_ones_that_were_announced(rig: Rig) -> None:
    header, adjacent = rig.b.client_header(at(1)), rig.b.client_header(at(1), height=2)
    others = IbcChain("juno", "ujuno", (10, 10, 10, 11)).sets[1].to_wire()
    with refused(rig.a, "light/wrong-trusted-validators"):
        show(rig, replace(header, trusted_validators=others))
    with refused(rig.a, "light/wrong-trusted-validators"):
        show(rig, replace(adjacent, trusted_validators=others))
    with refused(rig.a, "light/wrong-validators"):
        show(rig, replace(header, validator_set=others))


def test_a_set_must_name_its_proposer_and_the_true_addresses_of_its_keys(rig: Rig) -> None:
    header = rig.b.client_header(at(1))
    members = header.validator_set.validators
    with refused(rig.a, "validators/wrong-proposer"):
        show(rig, replace(header, validator_set=replace(header.validator_set, proposer=None)))
    swapped = (replace(members[0], address=members[1].address), *members[1:])
    with refused(rig.a, "validators/wrong-address"):
        show(rig, replace(header, trusted_validators=ValidatorSet(swapped, members[0], 40)))


def test_a_header_ahead_of_this_chains_clock_by_the_drift_is_refused(rig: Rig) -> None:
    limit = rig.a.ctx.time + DRIFT

    def timed(time: int) -> ClientHeader:
        return rig.b.client_header(at(1), change=lambda header: replace(header, time=time))

    with refused(rig.a, "light/from-the-future"):
        show(rig, timed(limit))
    show(rig, timed(limit - 1))
    assert client.latest_height(rig.a.state, ID) == at(6)


def test_a_second_block_of_a_known_height_freezes_the_client_for_good(rig: Rig) -> None:
    show(rig, rig.b.client_header(at(1)))

    events = show(rig, rig.b.client_header(at(1), change=lambda header: replace(header, app_hash=b"f" * 32)))

    assert is_frozen(rig)
    assert attributes(events, "client_misbehaviour")["client_id"] == ID
    assert CONSENSUS_STATES.get(rig.a.state, ID, at(6)) == rig.b.consensus_state(6)
    rig.b.block()
    with refused(rig.a, "ibc/client-not-active"):
        show(rig, rig.b.client_header(at(6)))
    assert rig.a.query("ibc/client", client_id=ID).status == "frozen"


def _later(seconds: int) -> Any:
    return lambda header: replace(header, time=header.time + seconds * SECOND)


@pytest.mark.parametrize(
    ("height", "shift", "broken"),
    [(6, -1, False), (6, -2, True), (6, -3, True), (3, 1, False), (3, 2, True), (4, 0, False), (4, -1, True), (4, 1, True)],
)
def test_times_that_do_not_rise_with_heights_freeze_the_client(height: int, shift: int, broken: bool) -> None:
    """Given a client that knows heights 1, 3 (or not) and 5, whose times are one second apart per block
    When it is shown a header between or above them with a shifted time
    Then it freezes unless the time lies strictly between its neighbours'
    """
    rig = Rig()
    rig.create_client(rig.a)
    rig.b.blocks(5, time_step=SECOND)
    rig.a.blocks(5)
    known = {6: (4,), 3: (5,), 4: (3, 5)}[height]
    for other in known:
        show(rig, rig.b.client_header(at(1), height=other))

    show(rig, rig.b.client_header(at(1), height=height, change=_later(shift)))

    assert is_frozen(rig) is broken
    assert (at(height) in heights(rig)) is not broken


def _other_block(header: Header) -> Header:
    return replace(header, app_hash=b"f" * 32)


def test_two_blocks_of_one_height_that_the_client_has_not_seen_freeze_it(rig: Rig) -> None:
    first = rig.b.client_header(at(1), height=4)
    second = rig.b.client_header(at(1), height=4, change=_other_block)

    events = accuse(rig, first, second)

    assert is_frozen(rig)
    assert attributes(events, "message") == {"module": "ibc_client"}


def test_a_higher_header_that_is_not_later_freezes_the_client(rig: Rig) -> None:
    with refused(rig.a, "ibc/not-misbehaviour"):
        accuse(rig, rig.b.client_header(at(1), height=4, change=_later(0)), rig.b.client_header(at(1), height=3))
    accuse(rig, rig.b.client_header(at(1), height=4, change=_later(-1)), rig.b.client_header(at(1), height=3))
    assert is_frozen(rig)


def test_an_accusation_that_does_not_hold_is_refused(rig: Rig) -> None:
    good = rig.b.client_header(at(1), height=4)
    other = rig.b.client_header(at(1), height=4, change=_other_block)
    with refused(rig.a, "ibc/not-misbehaviour"):
        accuse(rig, good, good)
    with refused(rig.a, "ibc/bad-misbehaviour"):
        accuse(rig, rig.b.client_header(at(1), height=3), other)
    with refused(rig.a, "light/insufficient-trust"):
        accuse(rig, good, rig.b.client_header(at(1), height=4, change=_other_block, signers=(0,)))
    with refused(rig.a, "light/insufficient-power"):
        accuse(rig, good, rig.b.client_header(at(1), height=4, change=_other_block, signers=(0, 1)))
    with refused(rig.a, "ibc/unknown-consensus-state"):
        accuse(rig, good, replace(other, trusted_height=at(3)))
    with refused(rig.a, "light/wrong-chain"):
        accuse(rig, good, rig.b.client_header(at(1), height=4, change=lambda said: replace(said, chain_id="axelar-1")))


def test_misbehaviour_may_be_shown_for_heights_below_the_latest(rig: Rig) -> None:
    show(rig, rig.b.client_header(at(1)))
    accuse(rig, rig.b.client_header(at(1), height=3), rig.b.client_header(at(1), height=3, change=_other_block))
    assert is_frozen(rig)


def test_a_client_expires_when_its_trusting_period_has_passed_to_the_nanosecond() -> None:
    rig = Rig()
    rig.create_client(rig.a)
    start = rig.b.ctx.time
    expires = rig.a.query("ibc/client", client_id=ID).expires
    assert expires == start + TRUSTING_PERIOD

    rig.a.block(time_step=expires - 1 - rig.a.ctx.time)
    rig.b.block(time_step=expires - 2 - rig.b.ctx.time)
    assert rig.a.query("ibc/client", client_id=ID).status == "active"
    rig.a.block(time_step=1)
    assert rig.a.query("ibc/client", client_id=ID).status == "expired"
    with refused(rig.a, "ibc/client-not-active"):
        show(rig, rig.b.client_header(at(1)))


def test_a_header_cannot_rest_on_a_state_that_is_too_old_though_the_client_lives(rig: Rig) -> None:
    show(rig, rig.b.client_header(at(1)))
    expires = rig.b.consensus_state(1).timestamp + TRUSTING_PERIOD
    rig.a.block(time_step=expires - rig.a.ctx.time)
    rig.b.block()
    with refused(rig.a, "light/expired"):
        show(rig, rig.b.client_header(at(1)))
    show(rig, rig.b.client_header(at(6)))


def test_each_update_forgets_at_most_the_oldest_state_and_only_if_it_has_expired(rig: Rig) -> None:
    for height in (2, 3, 4):
        show(rig, rig.b.client_header(at(height - 1), height=height))
    expires = rig.b.consensus_state(2).timestamp + TRUSTING_PERIOD
    rig.a.block(time_step=expires - rig.a.ctx.time)
    rig.b.block(time_step=SECOND)

    show(rig, rig.b.client_header(at(4), height=5))
    assert heights(rig) == [at(2), at(3), at(4), at(5)]
    show(rig, rig.b.client_header(at(5), height=6))
    assert heights(rig) == [at(3), at(4), at(5), at(6)]
    show(rig, rig.b.client_header(at(6), height=7))
    assert heights(rig) == [at(3), at(4), at(5), at(6), at(7)]
    assert not CONSENSUS_STATES.has(rig.a.state, ID, at(2))
    assert rig.a.query("ibc/clients")[0].oldest_height == at(3)


def test_a_header_can_be_verified_without_being_kept(rig: Rig) -> None:
    with refused(rig.a, "light/insufficient-power"):
        client.verify_header(rig.a.ctx, ID, rig.b.client_header(at(1)))
        client.verify_header(rig.a.ctx, ID, rig.b.client_header(at(1), signers=(0, 1)))


def test_what_a_chain_signed_is_verified_by_a_frozen_client_too_but_by_no_expired_one(rig: Rig) -> None:
    header = rig.b.client_header(at(1))
    alive = CLIENTS.get(rig.a.state, ID)
    CLIENTS.put(rig.a.state, ID, tendermint.frozen(alive))

    client.verify_signed(rig.a.ctx, ID, header)
    for spoiled, code in (
        (rig.b.client_header(at(1), signers=(0, 1)), "light/insufficient-power"),
        (rig.b.client_header(at(2)), "ibc/unknown-consensus-state"),
    ):
        with refused(rig.a, code):
            client.verify_signed(rig.a.ctx, ID, spoiled)
    rig.a.block(time_step=TRUSTING_PERIOD)
    for state, code in ((tendermint.frozen(alive), "light/expired"), (alive, "ibc/client-not-active")):
        CLIENTS.put(rig.a.state, ID, state)
        with refused(rig.a, code):
            client.verify_signed(rig.a.ctx, ID, header)
