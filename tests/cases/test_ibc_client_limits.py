"""Where a client's trust begins and ends: trust levels at their bounds, and accusations that rest on what is too old."""

from typing import Any

import pytest
from msgspec.structs import replace

from ibc_events import refused
from ibc_rig import TRUSTING_PERIOD, Rig, update_client
from meshsec_core.ibc.client import CLIENTS, UpdateClient
from meshsec_core.ibc.tendermint import FROZEN
from meshsec_core.kernel.wire.ibc import MISBEHAVIOUR_URL, ClientHeader, ClientMisbehaviour, Fraction, Height, any_encode
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import Header

ID = "07-tendermint-0"


def at(height: int) -> Height:
    return Height(1, height)


def show(rig: Rig, header: ClientHeader) -> Any:
    return rig.a.send("relayer", update_client(ID, header))


def accuse(rig: Rig, first: ClientHeader, second: ClientHeader) -> Any:
    return rig.a.send("relayer", UpdateClient(ID, any_encode(MISBEHAVIOUR_URL, encode(ClientMisbehaviour(first, second)))))


def other_block(header: Header) -> Header:
    return replace(header, app_hash=b"f" * 32)


@pytest.mark.parametrize(
    ("level", "allowed"),
    [
        (Fraction(1, 3), True),
        (Fraction(333_333, 1_000_000), False),
        (Fraction(2, 3), True),
        (Fraction(1, 1), True),
        (Fraction(1_000_001, 1_000_000), False),
        (Fraction(0, 1), False),
    ],
)
def test_a_trust_level_lies_between_a_third_and_all_both_included(level: Fraction, allowed: bool) -> None:
    rig = Rig()
    if allowed:
        rig.create_client(rig.a, trust_level=level)
        assert rig.a.query("ibc/client", client_id=ID).trust_level == f"{level.numerator}/{level.denominator}"
    else:
        with refused(rig.a, "light/bad-trust-level"):
            rig.create_client(rig.a, trust_level=level)


@pytest.mark.parametrize(
    ("level", "moved", "believed"), [((1, 3), 2, True), ((1, 2), 2, False), ((1, 2), 1, True), ((1, 1), 0, False)]
)
def test_more_than_the_trust_level_of_the_known_set_must_have_signed_a_header_that_is_skipped_to(
    level: tuple[int, int], moved: int, believed: bool
) -> None:
    """Given four validators of equal power, of whom some have given way to others of equal power by height 6
    When a client that knows height 1 is shown height 6
    Then those of the four that still sign must hold strictly more than the trust level; with the level 1 nothing is skipped
    """
    rig = Rig()
    rig.create_client(rig.a, trust_level=Fraction(*level))
    rig.b.set_powers(*((index, 0) for index in range(moved)), *((4 + index, 10) for index in range(moved)))
    rig.b.blocks(5)
    rig.a.blocks(5)
    if believed:
        show(rig, rig.b.client_header(at(1)))
        assert rig.latest(rig.a) == at(6)
    else:
        with refused(rig.a, "light/insufficient-trust"):
            show(rig, rig.b.client_header(at(1)))
        show(rig, rig.b.client_header(at(1), height=2))
        assert rig.latest(rig.a) == at(2)


def test_an_accusation_rests_on_what_the_client_still_trusts_and_on_a_client_that_lives() -> None:
    """Given a client that knows heights 1 and 6, of which the first is just too old
    When two blocks of one height are shown that rest on the first, and then two that rest on the second
    Then only the latter freeze it, and nothing can be shown to it any more
    """
    rig = Rig()
    rig.create_client(rig.a)
    rig.b.blocks(5)
    rig.a.blocks(5)
    show(rig, rig.b.client_header(at(1)))
    rig.b.block()
    rig.a.block(time_step=rig.b.consensus_state(1).timestamp + TRUSTING_PERIOD - rig.a.ctx.time)
    with refused(rig.a, "light/expired"):
        accuse(rig, rig.b.client_header(at(1), height=3), rig.b.client_header(at(1), height=3, change=other_block))
    guilty = rig.b.client_header(at(6), height=7), rig.b.client_header(at(6), height=7, change=other_block)
    accuse(rig, *guilty)
    assert CLIENTS.get(rig.a.state, ID).frozen_height == FROZEN
    with refused(rig.a, "ibc/client-not-active"):
        accuse(rig, *guilty)


def test_an_expired_client_hears_no_accusation() -> None:
    rig = Rig()
    rig.create_client(rig.a)
    rig.b.blocks(2)
    rig.a.block(time_step=TRUSTING_PERIOD)
    with refused(rig.a, "ibc/client-not-active"):
        accuse(rig, rig.b.client_header(at(1)), rig.b.client_header(at(1), change=other_block))


def test_operators_see_what_a_client_knows_height_by_height_and_what_rests_on_it() -> None:
    rig = Rig()
    rig.connect()
    known = rig.a.query("ibc/heights", client_id=ID)
    assert [each.height for each in known] == sorted(each.height for each in known)
    assert known[-1].height == rig.latest(rig.a)
    state = rig.b.consensus_state(known[-1].height.height)
    assert (known[-1].time, known[-1].root, known[-1].next_validators_hash) == (
        state.timestamp,
        state.root,
        state.next_validators_hash,
    )
    assert rig.a.query("ibc/heights", client_id=ID, after=str(known[0].height)) == known[1:]
    with refused(rig.a, "wire/bad-height"):
        rig.a.query("ibc/heights", client_id=ID, after="7")
    connection = rig.a.query("ibc/connection", connection_id="connection-0")
    assert rig.a.query("ibc/connections") == (connection,)
    assert (connection.state, connection.orderings, connection.counterparty_connection_id) == (
        "OPEN",
        ("ORDER_ORDERED", "ORDER_UNORDERED"),
        "connection-0",
    )
    with refused(rig.a, "ibc/unknown-connection"):
        rig.a.query("ibc/connection", connection_id="connection-9")
    assert rig.a.query("ibc/client", client_id=ID).expires == state.timestamp + TRUSTING_PERIOD
