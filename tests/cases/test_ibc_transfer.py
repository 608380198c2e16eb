"""Coins that cross and come back: what leaves home waits in escrow, and a refused or late transfer is undone exactly."""

from typing import Any

import pytest
from msgspec.structs import replace

from harness import GENESIS_TIME
from ibc_events import attributes, refused, sent, supply
from ibc_rig import DAY, SECOND, Rig
from meshsec_core.ibc.packet import send_packet
from meshsec_core.ibc.transfer import (
    ESCROWS,
    SUCCESS,
    TRACES,
    TokenPacket,
    Transfer,
    escrow,
    on_acknowledge,
    on_receive,
    read_tokens,
)
from meshsec_core.kernel.crypto import bech32_decode
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import Denom
from meshsec_core.kernel.wire.ibc import Height, Packet, voucher_denom
from meshsec_core.modules import bank

CHANNEL = "channel-0"
VOUCHER = voucher_denom(f"transfer/{CHANNEL}/uosmo")


@pytest.fixture
def rig() -> Rig:
    """Two chains with a transfer channel; alice and bob hold 1,000,000 of each chain's coin."""
    rig = Rig()
    rig.open("transfer")
    return rig


def transfer(rig: Rig, amount: int = 100, denom: str = "uosmo", sender: str = "alice", home: Any = None, **more: Any) -> Packet:
    """Send coins to bob on the other chain."""
    home = home or rig.a
    receiver = more.pop("receiver", rig.other(home).address("bob"))
    return sent(home.send(sender, Transfer(CHANNEL, Denom(denom), amount, receiver, **more)))


def held(rig: Rig, chain: Any, denom: str = "uosmo") -> int:
    return bank.balance(chain.state, escrow(chain.prefix, CHANNEL), Denom(denom))


def test_coins_cross_as_vouchers_and_come_home(rig: Rig) -> None:
    there = transfer(rig, 100)
    assert rig.a.balance("alice") == 999_900
    assert held(rig, rig.a) == 100

    assert rig.relay(there, rig.a) == b'{"result":"AQ=="}'
    assert rig.b.balance("bob", VOUCHER) == supply(rig.b, VOUCHER) == 100

    back = transfer(rig, 40, VOUCHER, "bob", rig.b, receiver=rig.a.address("carol"))
    assert read_tokens(back.data)[0].denom == f"transfer/{CHANNEL}/uosmo"
    assert rig.b.balance("bob", VOUCHER) == supply(rig.b, VOUCHER) == 60
    rig.relay(back, rig.b)

    assert rig.a.balance("carol") == 40
    assert held(rig, rig.a) == ESCROWS.get(rig.a.state, CHANNEL, "uosmo") == 60
    assert supply(rig.a, "uosmo") == 2_000_000
    rig.a.check_laws()
    rig.b.check_laws()


def test_the_last_coin_that_comes_home_leaves_no_row_behind(rig: Rig) -> None:
    rig.relay(transfer(rig, 100), rig.a)
    rig.relay(transfer(rig, 100, VOUCHER, "bob", rig.b), rig.b)
    assert not ESCROWS.has(rig.a.state, CHANNEL, "uosmo")
    assert supply(rig.b, VOUCHER) == 0
    assert rig.a.balance("bob") == 1_000_100


def test_the_packet_speaks_ics_20(rig: Rig) -> None:
    packet = transfer(rig, 100, memo="for tea")
    alice, bob = rig.a.address("alice"), rig.b.address("bob")
    said = f'{{"amount":"100","denom":"uosmo","memo":"for tea","receiver":"{bob}","sender":"{alice}"}}'
    assert packet.data == said.encode()
    assert b"memo" not in transfer(rig).data
    assert (packet.source_port, packet.destination_port) == ("transfer", "transfer")


def test_published_escrow_addresses_and_voucher_names_hold(rig: Rig) -> None:
    assert bech32_decode("osmo", escrow("osmo", CHANNEL)).hex() == "ed23c6f4443f49c4b08f856350a5d2c65a203235"
    assert voucher_denom("transfer/channel-0/uatom") == "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2"


def test_events_tell_indexers_what_moved(rig: Rig) -> None:
    events = rig.a.send("alice", Transfer(CHANNEL, Denom("uosmo"), 5, rig.b.address("bob")))
    assert attributes(events, "ibc_transfer")["amount"] == "5"
    packet = sent(events)
    received = rig.b.send("relayer", rig.receiving(packet, rig.b))
    assert attributes(received, "denomination_trace") == {"denom": VOUCHER, "path": f"transfer/{CHANNEL}/uosmo"}
    assert attributes(received, "fungible_token_packet")["success"] == "true"


def test_a_transfer_without_a_timeout_gets_ten_minutes(rig: Rig) -> None:
    assert transfer(rig).timeout_timestamp == rig.a.ctx.time + 600 * SECOND


@pytest.mark.parametrize(
    ("named", "height", "wait"),
    [
        ({"timeout": 30 * SECOND}, Height(), 30 * SECOND),
        ({"timeout": 30 * SECOND, "timeout_height": Height(1, 9_000)}, Height(1, 9_000), 30 * SECOND),
        ({"timeout_height": Height(1, 9_000)}, Height(1, 9_000), None),
    ],
)
def test_a_timeout_may_be_named_as_a_wait_from_now(rig: Rig, named: dict[str, Any], height: Height, wait: int | None) -> None:
    packet = transfer(rig, **named)
    assert packet.timeout_height == height
    assert packet.timeout_timestamp == (0 if wait is None else rig.a.ctx.time + wait)
    assert transfer(rig, timeout_height=Height(1, 900)).timeout_timestamp == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 1_000_001}, "bank/insufficient-funds"),
        ({"amount": 0}, "bank/bad-amount"),
        ({"amount": -5}, "bank/bad-amount"),
        ({"denom": "ujuno"}, "bank/insufficient-funds"),
        ({"denom": ""}, "transfer/unknown-denom"),
        ({"denom": "ibc/00"}, "transfer/unknown-denom"),
        ({"denom": "transfer/channel-0/uosmo"}, "transfer/unknown-denom"),
        ({"channel": "channel-7"}, "ibc/unknown-channel"),
        ({"receiver": "x" * 2049}, "transfer/too-long"),
        ({"memo": "x" * 32_769}, "transfer/too-long"),
        ({"timeout_timestamp": GENESIS_TIME}, "ibc/timeout-elapsed"),
        ({"timeout_timestamp": -1}, "ibc/bad-packet"),
    ],
)
def test_a_transfer_that_cannot_be_sent_moves_nothing(rig: Rig, changes: dict[str, Any], code: str) -> None:
    with refused(rig.a, code):
        rig.a.send("alice", replace(Transfer(CHANNEL, Denom("uosmo"), 100, rig.b.address("bob")), **changes))


@pytest.mark.parametrize(
    ("receiver", "code"),
    [("nobody", "crypto/bad-address"), ("osmo1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqmcn030", "crypto/bad-address")],
)
def test_a_refused_transfer_is_undone(rig: Rig, receiver: str, code: str) -> None:
    packet = transfer(rig, 100, receiver=receiver)
    before = rig.b.snapshot()
    assert rig.relay(packet, rig.a) == b'{"error":"%s"}' % code.encode()
    assert rig.a.balance("alice") == 1_000_000
    assert held(rig, rig.a) == 0
    changed = {path for path in rig.b.snapshot() if before.get(path) != rig.b.snapshot()[path]}
    assert not any(path.startswith(("bank/", "transfer/")) for path in changed)


def test_a_late_transfer_is_undone(rig: Rig) -> None:
    packet = transfer(rig, 100, timeout_timestamp=rig.b.ctx.time + 5 * SECOND)
    rig.b.block(time_step=5 * SECOND)
    rig.a.block(time_step=5 * SECOND)
    events = rig.a.send("relayer", rig.timing_out(packet, rig.a))
    assert attributes(events, "timeout") == {
        "refund_receiver": rig.a.address("alice"),
        "refund_denom": "uosmo",
        "refund_amount": "100",
    }
    assert rig.a.balance("alice") == 1_000_000
    assert not ESCROWS.has(rig.a.state, CHANNEL, "uosmo")


def test_vouchers_that_could_not_go_home_are_made_again(rig: Rig) -> None:
    rig.relay(transfer(rig, 100), rig.a)
    packet = transfer(rig, 100, VOUCHER, "bob", rig.b, receiver="nobody")
    assert supply(rig.b, VOUCHER) == 0
    rig.relay(packet, rig.b)
    assert rig.b.balance("bob", VOUCHER) == 100
    assert held(rig, rig.a) == 100


def test_a_voucher_that_goes_on_remembers_its_whole_way(rig: Rig) -> None:
    """Given uosmo that crossed to juno over channel-0
    When it goes back to osmosis over a second channel, where it is a stranger
    Then it arrives as a voucher of two hops, and comes back hop by hop
    """
    rig.relay(transfer(rig, 100), rig.a)
    rig.open("transfer")
    second = rig.end(rig.b).channel
    assert second == "channel-1"
    onward = sent(rig.b.send("bob", Transfer(second, Denom(VOUCHER), 30, rig.a.address("carol"))))
    rig.relay(onward, rig.b)

    path = f"transfer/channel-1/transfer/{CHANNEL}/uosmo"
    twice = voucher_denom(path)
    assert rig.a.balance("carol", twice) == 30
    assert TRACES.get(rig.a.state, twice.removeprefix("ibc/")).path == path
    assert [view.base for view in rig.a.query("transfer/denoms")] == ["uosmo"]
    assert ESCROWS.get(rig.b.state, second, VOUCHER) == 30

    home = sent(rig.a.send("carol", Transfer("channel-1", Denom(twice), 30, rig.b.address("bob"))))
    rig.relay(home, rig.a)
    assert rig.b.balance("bob", VOUCHER) == 100
    assert supply(rig.a, twice) == 0
    assert [view.amount for view in rig.a.query("transfer/escrows")] == [100]


def received(rig: Rig, data: bytes) -> bytes:
    """Let b receive transfer data that a chain with other rules might send."""
    sequence = send_packet(rig.a.ctx, "transfer", CHANNEL, data, Height(), GENESIS_TIME + DAY)
    packet = Packet(sequence, "transfer", CHANNEL, "transfer", CHANNEL, data, Height(), GENESIS_TIME + DAY)
    return rig.deliver(packet, rig.b)


def forged(rig: Rig, **changes: str) -> bytes:
    fields = {"amount": "5", "denom": "uosmo", "receiver": rig.b.address("bob"), "sender": "x", **changes}
    inner = ", ".join(f'"{name}" : "{value}"' for name, value in fields.items())
    return f"{{ {inner} }}".encode()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "0"}, "transfer/bad-amount"),
        ({"amount": "-5"}, "transfer/bad-amount"),
        ({"amount": "+5"}, "transfer/bad-amount"),
        ({"amount": "05"}, "transfer/bad-amount"),
        ({"amount": "٥"}, "transfer/bad-amount"),
        ({"amount": "5\\n"}, "transfer/bad-amount"),
        ({"amount": "9" * 79}, "transfer/bad-amount"),
        ({"amount": "9" * 78}, "bank/bad-amount"),
        ({"denom": ""}, "transfer/bad-data"),
        ({"denom": "x" * 1_025}, "transfer/bad-data"),
        ({"denom": f"transfer/{CHANNEL}/"}, "transfer/bad-data"),
        ({"denom": f"transfer/{CHANNEL}/ujuno"}, "transfer/escrow-too-small"),
        ({"denom": f"transfer/{CHANNEL}/ñ"}, "transfer/escrow-too-small"),
        ({"extra": "1"}, "transfer/bad-data"),
    ],
)
def test_a_chain_that_sends_nonsense_gets_a_refusal(rig: Rig, changes: dict[str, str], code: str) -> None:
    assert received(rig, forged(rig, **changes)) == b'{"error":"%s"}' % code.encode()


@pytest.mark.parametrize("data", [b"{}", b"\xff", b"null", b'{"amount":5}', b"[" * 50_000])
def test_data_that_is_no_transfer_gets_a_refusal(rig: Rig, data: bytes) -> None:
    assert received(rig, data) == b'{"error":"transfer/bad-data"}'


def test_json_of_another_spelling_is_understood(rig: Rig) -> None:
    assert received(rig, forged(rig, denom="uosmo")) == SUCCESS
    assert rig.b.balance("bob", VOUCHER) == 5


def test_a_dishonest_chain_gets_out_no_more_than_was_sent_over_its_channel(rig: Rig) -> None:
    """Given 100 ujuno that went to osmosis, and a gift of 50 to the escrow account
    When osmosis claims that 101 come home
    Then it is refused, and 100 are released
    """
    rig.relay(transfer(rig, 100, "ujuno", home=rig.b, receiver=rig.a.address("bob")), rig.b)
    bank.send(rig.b.ctx, rig.b.address("alice"), escrow("juno", CHANNEL), Denom("ujuno"), 50)
    home = f"transfer/{CHANNEL}/ujuno"
    assert received(rig, forged(rig, denom=home, amount="101")) == b'{"error":"transfer/escrow-too-small"}'
    assert received(rig, forged(rig, denom=home, amount="100")) == SUCCESS
    assert rig.b.balance("bob") == 1_000_100
    rig.b.check_laws()


def test_a_module_account_receives_nothing(rig: Rig) -> None:
    reserved = bank.reserve(rig.b.ctx, "staking/pool")
    assert rig.relay(transfer(rig, receiver=reserved), rig.a) == b'{"error":"bank/reserved-account"}'


def test_an_answer_that_cannot_be_read_gives_the_coins_back(rig: Rig) -> None:
    packet = transfer(rig, 100)
    on_acknowledge(rig.a.ctx, packet, b"?")
    assert rig.a.balance("alice") == 1_000_000


def test_the_law_notices_coins_that_left_the_escrow(rig: Rig) -> None:
    transfer(rig, 100)
    rig.a.check_laws()
    bank.send(rig.a.ctx, escrow("osmo", CHANNEL), rig.a.address("mallory"), Denom("uosmo"), 1)
    with pytest.raises(InvariantViolated):
        rig.a.check_laws()


def test_a_voucher_of_one_channel_does_not_open_the_escrow_of_another(rig: Rig) -> None:
    rig.relay(transfer(rig, 100), rig.a)
    rig.open("transfer")
    tokens = TokenPacket("100", f"transfer/{CHANNEL}/uosmo", rig.a.address("mallory"), "x")
    data = b'{"amount":"%s","denom":"%s","receiver":"%s","sender":"x"}' % (
        tokens.amount.encode(),
        tokens.denom.encode(),
        tokens.receiver.encode(),
    )
    packet = Packet(1, "transfer", CHANNEL, "transfer", "channel-1", data, Height(), 1)
    with rig.a.ctx.branch() as branch, pytest.raises(Rejected) as refusal:
        on_receive(branch, packet)
    assert refusal.value.code == "transfer/escrow-too-small"
