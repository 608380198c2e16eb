"""Random conversations over ordered and unordered channels: laws hold after every step, and in the end every word is settled."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from ibc_events import sent
from ibc_rig import IbcChain, Rig, channel_path, unreceived_path
from meshsec_core.ibc.channel import NEXT_RECEIVE, ChannelCloseConfirm, ChannelCloseInit
from meshsec_core.ibc.connection import ORDERED, UNORDERED
from meshsec_core.ibc.echo import CONVERSATIONS, Answer, Conversation, Say
from meshsec_core.ibc.packet import COMMITMENTS, RECEIPTS
from meshsec_core.ibc.timeout import TimeoutOnClose
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import Packet

END = ("echo", "channel-0")
WINDOW = 8 * SECOND
HARMLESS = ("ibc/out-of-order", "ibc/timeout-elapsed", "ibc/timeout-not-reached", "ibc/channel-not-open", "ibc/packet-received")
"""How a relayer that tries at the wrong moment may be refused; anything else is a bug. A proof of absence fails by `proof/…`."""


@dataclass(eq=False)
class Word:
    """A packet that is not settled yet."""

    packet: Packet
    source: IbcChain
    answer: bytes = b""


@dataclass
class Talk:
    """Two echoes, a channel, and a relayer that does what it likes."""

    ordering: str
    rig: Rig = field(default_factory=Rig)
    words: list[Word] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rig.open("echo", self.ordering)

    def chain(self, first: bool) -> IbcChain:
        return self.rig.a if first else self.rig.b

    def closed(self, chain: IbcChain) -> bool:
        return bool(chain.query("ibc/channel", port_id="echo", channel_id="channel-0").state == "CLOSED")

    def say(self, first: bool, text: str, short: bool) -> None:
        source = self.chain(first)
        timeout = self.rig.other(source).ctx.time + (WINDOW if short else 1_000 * WINDOW)
        if not self.closed(source):
            packet = sent(source.send("alice", Say("channel-0", text, timeout_timestamp=timeout)))
            self.words.append(Word(packet, source))

    def attempt(self, word: Word, how: str) -> None:
        """Try one leg of a packet; it is taken off the list once its sender has settled it."""
        target = self.rig.other(word.source)
        try:
            if how == "receive":
                word.answer = self.rig.deliver(word.packet, target) or word.answer
            elif how == "answer" and word.answer:
                word.source.send("relayer", self.rig.acknowledging(word.packet, word.answer, word.source))
            elif how == "time out":
                following = NEXT_RECEIVE.get(target.state, *END)
                ordered = self.ordering == ORDERED
                word.source.send("relayer", self.rig.timing_out(word.packet, word.source, following, ordered))
            elif how == "give back" and self.closed(target):
                self.give_back(word)
        except Rejected as refusal:
            unproven = how in ("time out", "give back") and refusal.code.startswith("proof/")
            if refusal.code not in HARMLESS and not unproven:
                raise
        if not COMMITMENTS.has(word.source.state, *END, word.packet.sequence):
            self.words.remove(word)

    def give_back(self, word: Word) -> None:
        target = self.rig.other(word.source)
        height = self.rig.sync(word.source)
        unreceived = target.prove(unreceived_path(word.packet, self.ordering == ORDERED))
        closed = target.prove(channel_path(self.rig.end(target)))
        following = NEXT_RECEIVE.get(target.state, *END)
        word.source.send("relayer", TimeoutOnClose(word.packet, unreceived, closed, height, following))

    def close(self, first: bool) -> None:
        chain, other = self.chain(first), self.chain(not first)
        if not self.closed(chain):
            if self.closed(other):
                height = self.rig.sync(chain)
                chain.send("relayer", ChannelCloseConfirm(*END, other.prove(channel_path(self.rig.end(other))), height))
            else:
                chain.send("relayer", ChannelCloseInit(*END))

    def answer_late(self, first: bool) -> None:
        """Let a chain answer what waits, and the relayer hear of it."""
        chain = self.chain(first)
        for number in () if self.closed(chain) else chain.query("echo/conversations")[0].unanswered:
            events = chain.send("carol", Answer("channel-0", number))
            (written,) = [dict(event.attributes)["packet_ack_hex"] for event in events if event.type == "write_acknowledgement"]
            for word in self.words:
                if word.source is not chain and word.packet.sequence == number:
                    word.answer = bytes.fromhex(written)

    def received(self, word: Word) -> bool:
        target = self.rig.other(word.source)
        if self.ordering == ORDERED:
            return word.packet.sequence < NEXT_RECEIVE.get(target.state, *END)
        return RECEIPTS.has(target.state, *END, word.packet.sequence)

    def check(self) -> None:
        for chain in (self.rig.a, self.rig.b):
            chain.check_laws()

    def finish(self) -> None:
        """Settle what can be settled; only what a closed channel had received without an answer that came home stays."""
        if self.closed(self.rig.a) or self.closed(self.rig.b):
            self.close(True)
            self.close(False)
        for how in ("receive", "answer", "time out", "give back"):
            self.answer_late(True)
            self.answer_late(False)
            for word in sorted(self.words, key=lambda word: word.packet.sequence):
                self.attempt(word, how)
                self.check()
            if self.closed(self.rig.a) or self.closed(self.rig.b):
                self.close(True)
                self.close(False)
        assert all(self.received(word) and self.closed(word.source) for word in self.words), self.words


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.booleans(), st.sampled_from(["hello", "refuse", "later"]), st.booleans()),
        st.tuples(st.sampled_from(["receive", "answer", "time out", "give back"]), st.integers(0, 20)),
        st.tuples(st.just("receive"), st.integers(0, 20)),
        st.tuples(st.just("answer late"), st.booleans()),
        st.tuples(st.just("wait")),
        st.tuples(st.just("close"), st.booleans()),
    ),
    min_size=6,
    max_size=18,
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([ORDERED, UNORDERED]), STEPS)
def test_every_word_is_answered_or_comes_back_in_whatever_order_it_is_relayed(
    ordering: str, steps: list[tuple[object, ...]]
) -> None:
    talk = Talk(ordering)
    for step in steps:
        match step:
            case ("say", bool(first), str(text), bool(short)):
                talk.say(first, text, short)
            case ("answer late", bool(first)):
                talk.answer_late(first)
            case ("close", bool(first)):
                talk.close(first)
            case ("wait",):
                talk.rig.a.block(time_step=WINDOW)
                talk.rig.b.block(time_step=WINDOW)
            case (str(how), int(which)) if talk.words:
                talk.attempt(talk.words[which % len(talk.words)], how)
        talk.check()
    talk.finish()
    if not talk.words:
        for chain in (talk.rig.a, talk.rig.b):
            count: Conversation = CONVERSATIONS.get(chain.state, "channel-0")
            assert count.said == count.answered + count.refused + count.timed_out
