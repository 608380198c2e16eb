"""A client that is frozen or expired lives again if governance names a substitute, and all that rested on it goes on."""

from typing import Any

import pytest
from msgspec.structs import replace

from ibc_events import attributes, refused, sent
from ibc_probe import Say
from ibc_rig import TRUSTING_PERIOD, IbcChain, Rig
from meshsec_core.ibc import client
from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES, UpdateClient
from meshsec_core.ibc.recovery import RecoverClient
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import MISBEHAVIOUR_URL, ClientMisbehaviour, Fraction, Height, any_encode
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import Header

SUBJECT = "07-tendermint-0"
SUBSTITUTE = "07-tendermint-1"


def recover(on: IbcChain, subject: str = SUBJECT, substitute: str = SUBSTITUTE) -> Any:
    return on.send(on.ctx.module_account("gov"), RecoverClient(subject, substitute))


def other_block(header: Header) -> Header:
    return replace(header, data_hash=b"\1" * 32)


def freeze(rig: Rig) -> None:
    """Show chain a two blocks that its counterparty made of its newest height."""
    of, trusted = rig.b.client_header, rig.latest(rig.a)
    rig.b.block()
    rig.a.block()
    accusation = ClientMisbehaviour(of(trusted), of(trusted, change=other_block))
    rig.a.send("relayer", UpdateClient(SUBJECT, any_encode(MISBEHAVIOUR_URL, encode(accusation))))


def sleep(rig: Rig) -> None:
    """Let both chains live on until neither client knows anything that is recent enough."""
    for chain in (rig.a, rig.b):
        chain.block(TRUSTING_PERIOD)


def substitute(rig: Rig, on: IbcChain, **changes: Any) -> str:
    """Create another client of the other chain's newest header, and leave the rig with the first one."""
    first = rig.end(on).client
    rig.other(on).block()
    on.block()
    made = rig.create_client(on, **changes)
    rig.end(on).client = first
    return made


@pytest.fixture
def rig() -> Rig:
    """An open channel between two chains."""
    rig = Rig()
    rig.open("probe")
    return rig


def test_a_frozen_client_takes_over_what_its_substitute_knows_and_packets_flow_again(rig: Rig) -> None:
    """Given a packet that chain a has sent, and a client on chain a that misbehaviour has frozen
    When governance recovers the client with a substitute
    Then it keeps its rules, knows the substitute's newest height, and the acknowledgement arrives
    """
    packet = sent(rig.a.send("alice", Say("channel-0", b"hello", timeout_timestamp=rig.b.ctx.time + 600 * SECOND)))
    written = rig.deliver(packet, rig.b)
    freeze(rig)
    before = CLIENTS.get(rig.a.state, SUBJECT)
    assert substitute(rig, rig.a) == SUBSTITUTE
    height = rig.b.height

    events = recover(rig.a)

    assert CLIENTS.get(rig.a.state, SUBJECT) == replace(before, frozen_height=Height(), latest_height=height)
    assert CONSENSUS_STATES.get(rig.a.state, SUBJECT, height) == rig.b.consensus_state()
    assert [known for known, _ in client.known_heights(rig.a.state, SUBJECT)][-1] == height
    assert attributes(events, "recover_client") == {
        "subject_client_id": SUBJECT,
        "client_type": "07-tendermint",
        "substitute_client_id": SUBSTITUTE,
    }
    assert attributes(events, "message") == {"module": "ibc_client"}
    rig.a.send("relayer", rig.acknowledging(packet, written, rig.a))
    assert rig.a.query("ibc/packets", port_id="probe", channel_id="channel-0").sequences == ()


def test_expired_clients_of_both_chains_are_recovered_and_the_packet_times_out(rig: Rig) -> None:
    packet = sent(rig.a.send("alice", Say("channel-0", b"hello", timeout_timestamp=rig.b.ctx.time + 600 * SECOND)))
    sleep(rig)
    for chain in (rig.a, rig.b):
        assert chain.query("ibc/client", client_id=SUBJECT).status == "expired"
        substitute(rig, chain)
        recover(chain)
        assert chain.query("ibc/client", client_id=SUBJECT).status == "active"

    rig.a.send("relayer", rig.timing_out(packet, rig.a))
    assert rig.a.snapshot()["probe/timed-out"] == b"1:hello "
    again = sent(rig.a.send("alice", Say("channel-0", b"again", timeout_timestamp=rig.b.ctx.time + 600 * SECOND)))
    assert rig.relay(again, rig.a) == b"ok:again"


def test_a_substitute_may_bring_another_trusting_period_and_chain_id(rig: Rig) -> None:
    """The chain id changes when a chain starts over with a new revision; the substitute follows the new one."""
    sleep(rig)
    made = substitute(rig, rig.a, trusting_period=TRUSTING_PERIOD - SECOND)
    state = CLIENTS.get(rig.a.state, made)
    renamed = replace(state, chain_id="juno-2", latest_height=Height(2, 1))
    CLIENTS.put(rig.a.state, made, renamed)
    client.remember(rig.a.ctx, made, Height(2, 1), rig.b.consensus_state())

    recover(rig.a)

    assert CLIENTS.get(rig.a.state, SUBJECT) == renamed


@pytest.mark.parametrize("signer", ["alice", "relayer"])
def test_nobody_but_governance_recovers_a_client(rig: Rig, signer: str) -> None:
    freeze(rig)
    substitute(rig, rig.a)
    with refused(rig.a, "gov/unauthorized"):
        rig.a.send(signer, RecoverClient(SUBJECT, SUBSTITUTE))


def test_a_client_that_lives_needs_no_substitute(rig: Rig) -> None:
    substitute(rig, rig.a)
    with refused(rig.a, "ibc/client-active"):
        recover(rig.a)


def test_subject_and_substitute_must_exist_and_the_substitute_must_live(rig: Rig) -> None:
    substitute(rig, rig.a)
    sleep(rig)
    with refused(rig.a, "ibc/client-not-active"):
        recover(rig.a)
    with refused(rig.a, "ibc/client-not-active"):
        recover(rig.a, SUBJECT, SUBJECT)
    with refused(rig.a, "ibc/unknown-client"):
        recover(rig.a, SUBJECT, "07-tendermint-9")
    with refused(rig.a, "ibc/unknown-client"):
        recover(rig.a, "07-tendermint-9", SUBSTITUTE)


@pytest.mark.parametrize(
    "changes",
    [
        {"trust_level": Fraction(2, 3)},
        {"unbonding_period": TRUSTING_PERIOD + SECOND},
        {"max_clock_drift": SECOND},
        {"upgrade_path": ()},
    ],
)
def test_a_substitute_with_other_rules_is_refused(rig: Rig, changes: dict[str, Any]) -> None:
    freeze(rig)
    substitute(rig, rig.a, **changes)
    with refused(rig.a, "ibc/substitute-differs"):
        recover(rig.a)


def test_a_substitute_must_be_further_ahead_than_its_subject(rig: Rig) -> None:
    """Given a subject that knows the newest header of all, and is then frozen
    When a substitute knows the same height, and later one more
    Then only the later one recovers it
    """
    rig.sync(rig.a)
    latest = rig.latest(rig.a)
    CLIENTS.put(rig.a.state, SUBJECT, replace(CLIENTS.get(rig.a.state, SUBJECT), frozen_height=Height(0, 1)))
    level = rig.create_client(rig.a)
    rig.end(rig.a).client = SUBJECT
    assert CLIENTS.get(rig.a.state, level).latest_height == latest
    with refused(rig.a, "ibc/substitute-not-ahead"):
        recover(rig.a, SUBJECT, level)
    recover(rig.a, SUBJECT, substitute(rig, rig.a))
    assert rig.latest(rig.a) > latest
