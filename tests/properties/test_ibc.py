"""Random histories of transfers, and random damage to what relayers carry."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ibc_events import sent, supply
from ibc_probe import Say
from ibc_rig import SECOND, IbcChain, Rig, update_client
from meshsec_core.ibc.client import UpdateClient
from meshsec_core.ibc.packet import RecvPacket
from meshsec_core.ibc.transfer import ESCROWS, Transfer, read_tokens
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Overlay
from meshsec_core.kernel.types import Denom
from meshsec_core.kernel.wire.ibc import Packet, voucher_denom
from meshsec_core.runtime.module import Ctx

CHANNEL = "channel-0"
WINDOW = 8 * SECOND


@dataclass
class Journey:
    """A transfer that is not settled yet."""

    packet: Packet
    source: IbcChain
    native: bool
    amount: int
    answer: bytes = b""

    @property
    def denom(self) -> str:
        """The coin's name on the chain where it is at home."""
        return read_tokens(self.packet.data)[0].denom.rpartition("/")[2]

    @property
    def adrift(self) -> bool:
        """Whether the coins are in escrow but nobody holds a voucher for them."""
        return not self.answer.startswith(b'{"result"')


@dataclass
class Bridge:
    """Two chains, a transfer channel, and a model of what is on its way."""

    rig: Rig = field(default_factory=Rig)
    journeys: list[Journey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rig.open("transfer")
        for first in (True, False):
            self.send(first, True, 500, True)
            for _ in ("there", "answered"):
                self.advance(self.journeys[0])

    def chain(self, first: bool) -> IbcChain:
        return self.rig.a if first else self.rig.b

    def send(self, first: bool, native: bool, amount: int, good: bool) -> None:
        """Send the chain's own coin, or as much of the other's voucher as there is."""
        source = self.chain(first)
        other = self.rig.other(source)
        denom = str(source.machine.denom) if native else voucher_denom(f"transfer/{CHANNEL}/{other.machine.denom}")
        amount = amount if native else min(amount, source.balance("bob", denom))
        if not amount:
            return
        receiver = other.address("bob") if good else "nobody"
        timeout = other.ctx.time + WINDOW
        sending = Transfer(CHANNEL, Denom(denom), amount, receiver, timeout_timestamp=timeout)
        self.journeys.append(Journey(sent(source.send("bob", sending)), source, native, amount))

    def advance(self, journey: Journey) -> None:
        """Deliver a packet, bring its answer home, or give it back if it is late."""
        source, target = journey.source, self.rig.other(journey.source)
        if journey.answer:
            source.send("relayer", self.rig.acknowledging(journey.packet, journey.answer, source))
            self.journeys.remove(journey)
            return
        message = self.rig.receiving(journey.packet, target)
        try:
            written = [event for event in target.send("relayer", message) if event.type == "write_acknowledgement"]
            journey.answer = bytes.fromhex(dict(written[0].attributes)["packet_ack_hex"])
        except Rejected as refusal:
            if refusal.code != "ibc/timeout-elapsed":
                raise
            source.send("relayer", self.rig.timing_out(journey.packet, source))
            self.journeys.remove(journey)

    def check(self) -> None:
        """Check every coin: escrow is vouchers and what is adrift, and nothing was made or lost."""
        for home in (self.rig.a, self.rig.b):
            denom = str(home.machine.denom)
            away = supply(self.rig.other(home), voucher_denom(f"transfer/{CHANNEL}/{denom}"))
            adrift = sum(j.amount for j in self.journeys if j.denom == denom and j.adrift)
            assert ESCROWS.get(home.state, CHANNEL, denom) == away + adrift
            assert supply(home, denom) == 2_000_000
            home.check_laws()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.booleans(), st.booleans(), st.integers(1, 1_000), st.booleans()),
        st.tuples(st.just("advance"), st.integers(0, 20)),
        st.tuples(st.just("wait")),
    ),
    min_size=8,
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_escrow_is_always_the_vouchers_abroad_and_what_is_on_its_way(steps: list[tuple[object, ...]]) -> None:
    bridge = Bridge()
    for step in steps:
        match step:
            case ("send", bool(first), bool(native), int(amount), bool(good)):
                bridge.send(first, native, amount, good)
            case ("advance", int(which)) if bridge.journeys:
                bridge.advance(bridge.journeys[which % len(bridge.journeys)])
            case ("wait",):
                bridge.rig.a.block(time_step=WINDOW)
                bridge.rig.b.block(time_step=WINDOW)
        bridge.check()
    while bridge.journeys:
        bridge.advance(bridge.journeys[0])
        bridge.check()


def _damaged(raw: bytes, where: int, how: str, what: int) -> bytes:
    where %= len(raw)
    match how:
        case "change":
            return raw[:where] + bytes([raw[where] ^ (what or 1)]) + raw[where + 1 :]
        case "insert":
            return raw[:where] + bytes([what]) + raw[where:]
        case _:
            return raw[:where] + raw[where + 1 :]


DAMAGE = (st.integers(0, 4_000), st.sampled_from(["change", "insert", "remove"]), st.integers(0, 255))


@pytest.fixture(scope="module")
def packet_in_flight() -> tuple[Rig, RecvPacket]:
    rig = Rig()
    rig.open("probe")
    for number in range(9):
        packet = sent(rig.a.send("alice", Say(CHANNEL, b"%d" % number, timeout_timestamp=2 * rig.a.ctx.time)))
    return rig, rig.receiving(packet, rig.b)


@settings(max_examples=150, deadline=None)
@given(*DAMAGE)
def test_no_damaged_proof_is_believed(packet_in_flight: tuple[Rig, RecvPacket], where: int, how: str, what: int) -> None:
    rig, message = packet_in_flight
    proof = _damaged(message.proof_commitment, where, how, what)
    if proof == message.proof_commitment:
        return
    before = rig.b.snapshot()
    with pytest.raises(Rejected) as refusal:
        rig.b.send("relayer", replace(message, proof_commitment=proof))
    assert refusal.value.code.startswith(("proof/", "wire/"))
    assert rig.b.snapshot() == before


def _tried(rig: Rig, message: UpdateClient) -> dict[str, bytes | None]:
    """Return what a message would write on chain a."""
    overlay = Overlay(rig.a.state)
    Ctx(overlay, rig.a.ctx.block, rig.a.machine).handle(message, rig.a.address("relayer"))
    return overlay.changes


@pytest.fixture(scope="module")
def header_to_show() -> tuple[Rig, UpdateClient]:
    """A chain whose client is three blocks behind, and an honest update."""
    rig = Rig()
    rig.create_client(rig.a)
    rig.b.blocks(3)
    return rig, update_client("07-tendermint-0", rig.b.client_header(rig.latest(rig.a)))


@settings(max_examples=150, deadline=None)
@given(*DAMAGE)
def test_a_damaged_header_teaches_nothing_else_than_the_honest_one(
    header_to_show: tuple[Rig, UpdateClient], where: int, how: str, what: int
) -> None:
    rig, honest = header_to_show
    damaged = replace(honest, client_message=_damaged(honest.client_message, where, how, what))
    try:
        taught = _tried(rig, damaged)
    except Rejected:
        return
    assert taught == _tried(rig, honest)
