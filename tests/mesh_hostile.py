"""A partner that lies: one end of a link whose application says and answers whatever a test wants.

    juno = Stranger(rig, link, link.consumer)
    juno.says({"@type": "distribute", ...})      # a packet that its application would never send
    juno.answers("stake", b"nonsense")           # to a packet that it has not looked at

Channels, commitments and receipts are the real ones; a chain can prove whatever its own application has written. After
every step all laws of the honest end are checked, and nothing that a relayer brings it may be refused.
"""

import json
from dataclasses import dataclass
from typing import Any

from harness import Chain
from mesh_rig import Flight, Link, MeshRig, pair
from meshsec_core.ibc.packet import result_acknowledgement, send_packet
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import Height
from meshsec_core.security.mesh.packets import CONSUMER_PORT, PROVIDER_PORT, ValsetUpdate, read_answer
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.vault import Bond

WEEK = 7 * 86_400 * SECOND


@dataclass
class Stranger:
    """One end of a link, in the hands of somebody who knows the protocol and does not follow it."""

    rig: MeshRig
    link: Link
    chain: Chain

    @property
    def honest(self) -> Chain:
        """The other end."""
        return self.link.provider if self.chain is self.link.consumer else self.link.consumer

    def says(self, packet: Any) -> bytes:
        """Send a packet, forged or garbage, deliver it, and return what the honest end answers."""
        flight = self.sends(packet)
        answer = self.rig.receive(flight)
        self.rig.flights.remove(flight)
        self.check()
        return answer

    def sends(self, packet: Any) -> Flight:
        """Commit to a packet and leave it on its way."""
        at_consumer = self.chain is self.link.consumer
        port, channel = (CONSUMER_PORT, self.link.link) if at_consumer else (PROVIDER_PORT, self.link.lent)
        data = packet if isinstance(packet, bytes) else codec.encode(packet)
        self.rig.collect()
        with self.chain.ctx.branch() as branch:
            send_packet(branch, port, channel, data, Height(0, 0), self.chain.ctx.time + WEEK)
        self.chain.events.extend(branch.events)
        return self.rig.collect()[-1]

    def repeats(self, flight: Flight) -> None:
        """Deliver a packet again that has been delivered."""
        self.rig.receive(flight)
        self.check()

    def answers(self, kind: str, acknowledgement: Any) -> Flight:
        """Answer the oldest packet of a kind without having looked at it."""
        flight = next(each for each in self.rig.collect() if each.source is self.honest and each.kind == kind)
        if isinstance(acknowledgement, bytes):
            flight.answer = acknowledgement
        else:
            said = raw(acknowledgement) if isinstance(acknowledgement, dict) else codec.encode(acknowledgement)
            flight.answer = result_acknowledgement(said)
        self.rig.acknowledge(flight)
        self.check()
        return flight

    def stays_silent(self, kind: str) -> None:
        """Let every packet of a kind that the honest end has sent time out."""
        self.check()
        self.rig.advance(86_401)
        for flight in self.rig.expired():
            if flight.source is self.honest and flight.kind == kind:
                self.rig.time_out(flight)
                self.check()

    def check(self) -> None:
        """Check every law of the honest end."""
        self.honest.check_laws()


def lent(amount: int = 100, **of_pair: Any) -> tuple[MeshRig, Link, Stranger]:
    """Let alice lend to validator 0 of a consumer that says what a test wants from now on."""
    rig, link = pair(alice=1_000, bob=1_000, **of_pair)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, link, Stranger(rig, link, link.consumer)


def report(link: Link, **changes: Any) -> dict[str, Any]:
    """Spell a report of the consumer's, true but for what is changed."""
    packet = ValsetUpdate(
        height=link.consumer.ctx.height,
        time=link.consumer.ctx.time,
        denom=link.consumer.ctx.denom,
        double_sign_bps=1_000,
        downtime_bps=1_000,
        unbonding_time=100 * SECOND,
    )
    told: dict[str, Any] = codec.plain(packet)
    return told | changes


def slashed(link: Link, validator: str, amount: int, **changes: Any) -> dict[str, Any]:
    """Spell a slash as a report has it."""
    entry = {
        "validator": validator,
        "infraction_height": link.consumer.ctx.height,
        "infraction_time": link.consumer.ctx.time,
        "power": 1,
        "slash_amount": {"denom": "provider", "amount": amount},
        "slash_ratio_bps": 1_000,
        "reason": "downtime",
    }
    return entry | changes


def understood(answer: bytes, kind: type[Any]) -> Any:
    """Read an answer that must be a success."""
    found = read_answer(answer, kind)
    assert found is not None, answer
    return found


def raw(packet: Any) -> bytes:
    """Spell a packet in JSON that need not be canonical: numbers as they are, whatever their size."""
    return json.dumps(packet).encode()


GARBAGE = (
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b'{"@type":"nothing"}',
    b'{"@type":7}',
    b'{"@type":"stake"}',
    b'{"@type":"burn","denom":"x","rows":[{}]}',
    b'{"@type":"valset_update","height":"1e9"}',
    b'{"@type":"distribute","validator":"\\ud800","rewards":{"denom":"d","amount":"1"}}',
    b'{"result":"!!"}',
    b'{"result":[]}',
    b'{"error":7}',
    b"[" * 100_000,
    b'{"a":' * 40_000,
    b"9" * 5_000,
    b'{"result":"' + b"A" * 200_000 + b'"}',
)
"""What is no packet of a link, and no answer that says anything."""
