"""One signing queue per account: whatever gets lost, no message is signed twice while its first signature may still count."""

from collections.abc import Iterator

import msgspec
import pytest

from harness import key_of
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules.bank import Send
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import Tx
from meshsec_relayer.engine.account import LOST, Account, Outcome
from meshsec_relayer.engine.answers import ReceiptAnswer
from meshsec_relayer.engine.boundary import Reply, Request
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.tasks import Task, Tasks
from scripted import SILENCE, ok, refused


class Mempool:
    """What a node does with transactions, as far as a relayer can tell."""

    def __init__(self) -> None:
        self.committed = 0
        self.waiting: dict[str, bytes] = {}
        self.blocks: dict[str, int] = {}
        self.height = 1
        self.posts: list[int] = []
        """Sequences, in the order in which they came."""
        self.moods: Iterator[str] = iter(())
        """What to do with the next posts: `silent` hears without answering, `deaf` does not hear, `full` and any code refuse."""

    def __call__(self, request: Request) -> Reply:
        if request.body is not None:
            return self._post(request.body)
        if request.path.startswith("/v1/accounts/"):
            return ok({"sequence": self.committed, "next_sequence": self.committed + len(self.waiting)})
        key = request.path.removeprefix("/v1/txs/")
        return ok(self.receipt(key)) if key in self.blocks else refused("tx/not-found", 404)

    def _post(self, raw: bytes) -> Reply:
        mood = next(self.moods, "")
        if mood == "deaf":
            return SILENCE
        if mood not in ("", "silent"):
            return refused(mood)
        sequence, key = int(msgspec.json.decode(raw)["sequence"]), sha256(raw).hex()
        self.posts.append(sequence)
        if key in self.waiting:
            return refused("mempool/known", 409)
        if sequence != self.committed + len(self.waiting):
            return refused("auth/wrong-sequence")
        self.waiting[key] = raw
        return SILENCE if mood == "silent" else ok({"hash": key, "height": self.height}, 202)

    def commit(self) -> None:
        self.height += 1
        self.blocks |= dict.fromkeys(self.waiting, self.height)
        self.committed += len(self.waiting)
        self.waiting.clear()

    def receipt(self, key: str) -> ReceiptAnswer:
        return ReceiptAnswer(key, self.blocks[key], "")


class Desk:
    """An account at work before a made-up node."""

    def __init__(self) -> None:
        self.node = Mempool()
        self.tasks = Tasks(now=1)
        self.chain = Chain("juno", "juno-1", "juno")
        self.chain.height = self.chain.scanned = 1
        self.account = Account(self.chain, key_of("relayer"), self.tasks, lambda _messages: None)
        self.outcomes: dict[str, Outcome] = {}

    def submit(self, name: str, *msgs: Msg) -> None:
        def work() -> Task[None]:
            self.outcomes[name] = yield from self.account.submit(msgs or (Send(self.account.address, "ujuno", 1),))

        self.tasks.start(name, work())
        self.run()

    def run(self) -> None:
        self.tasks.run()
        while self.tasks.asked:
            ask = self.tasks.asked.pop(0)
            self.tasks.answer(ask.number, self.node(ask.request))
            self.tasks.run()

    def block(self) -> None:
        """Make a block, and let the relayer read it."""
        before = dict(self.node.blocks)
        self.node.commit()
        for key in self.node.blocks:
            if key in self.chain.awaited and key not in before:
                self.chain.receipts[key] = self.node.receipt(key)
        self.chain.height = self.chain.scanned = self.node.height
        self.run()

    def wait(self, seconds: int = 1) -> None:
        self.tasks.now += seconds * SECOND
        self.run()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_transactions_wait_for_their_blocks_together_under_consecutive_sequences(desk: Desk) -> None:
    for name in ("first", "second", "third"):
        desk.submit(name)
    assert (desk.node.posts, desk.outcomes) == ([0, 1, 2], {})
    desk.block()
    assert [outcome.code for outcome in desk.outcomes.values()] == ["", "", ""]
    assert not desk.account.busy
    assert (desk.chain.awaited, desk.chain.receipts) == ({}, {})


def test_a_sequence_that_somebody_else_has_used_is_asked_for_again(desk: Desk) -> None:
    desk.submit("first")
    desk.block()
    desk.node.committed = 7
    desk.submit("second")
    assert desk.node.posts == [0, 1, 7]
    desk.block()
    assert desk.outcomes["second"].code == ""


@pytest.mark.parametrize("mood", ["deaf", "silent", "mempool/full", "node/halted"])
def test_a_post_without_a_clear_answer_is_repeated_in_the_same_bytes(desk: Desk, mood: str) -> None:
    desk.node.moods = iter((mood,))
    desk.submit("only")
    assert desk.outcomes == {}
    desk.wait()
    assert len(desk.node.waiting) == 1
    desk.block()
    assert desk.outcomes["only"].code == ""
    assert set(desk.node.posts) == {0}


def test_a_transaction_that_was_heard_and_included_while_its_answer_was_lost_is_not_signed_again(desk: Desk) -> None:
    desk.node.moods = iter(("silent",))
    desk.submit("only")
    desk.node.commit()
    desk.chain.height = desk.node.height
    desk.wait()
    assert (desk.node.posts, desk.outcomes["only"].code, desk.outcomes["only"].height) == ([0, 0], "", 2)
    desk.submit("next")
    assert desk.node.posts[-1] == 1


def test_a_transaction_that_a_crash_has_wiped_out_is_offered_again_in_the_same_bytes(desk: Desk) -> None:
    desk.submit("only")
    desk.node.waiting.clear()
    desk.wait(6)
    assert desk.node.posts == [0, 0]
    desk.block()
    assert desk.outcomes["only"].code == ""


def test_a_transaction_whose_sequence_went_to_another_is_said_to_be_lost(desk: Desk) -> None:
    desk.submit("only")
    desk.node.waiting.clear()
    desk.node.committed = 1
    desk.wait(6)
    assert desk.outcomes["only"].code == LOST
    desk.submit("again")
    desk.block()
    assert desk.outcomes["again"].code == ""


def test_blocks_without_the_transaction_make_it_overdue_too(desk: Desk) -> None:
    desk.submit("only")
    desk.node.waiting.clear()
    for _ in range(4):
        desk.block()
    desk.block()
    assert desk.outcomes["only"].code == ""
    assert desk.node.posts == [0, 0]


def test_blocks_made_before_the_chain_took_it_do_not_make_it_overdue(desk: Desk) -> None:
    desk.node.height = 9
    desk.submit("only")
    for desk.chain.height in range(2, 10):
        desk.chain.scanned = desk.chain.height
        desk.run()
    desk.chain.height = 30  # a look has shown the tip; the blocks are still to be read
    desk.run()
    assert desk.node.posts == [0]
    desk.chain.height = 9
    desk.block()
    assert (desk.outcomes["only"].code, desk.node.posts) == ("", [0])


def test_a_refusal_is_reported_with_its_code_and_uses_no_sequence(desk: Desk) -> None:
    desk.node.moods = iter(("codec/malformed",))
    desk.submit("bad")
    assert desk.outcomes["bad"] == Outcome("codec/malformed")
    desk.submit("good")
    desk.block()
    assert (desk.outcomes["good"].code, desk.node.posts) == ("", [0])


def test_a_chain_that_is_away_stops_its_own_queue_until_it_is_back(desk: Desk) -> None:
    desk.node.moods = iter(["deaf"] * 5)
    desk.submit("first")
    desk.submit("second")
    for _ in range(5):
        desk.wait()
    desk.block()
    assert [desk.outcomes[name].code for name in ("first", "second")] == ["", ""]


def test_at_most_sixteen_transactions_wait_at_once(desk: Desk) -> None:
    for number in range(20):
        desk.submit(str(number))
    assert len(desk.node.waiting) == 16
    desk.block()
    assert len(desk.node.waiting) == 4
    desk.block()
    assert len(desk.outcomes) == 20


def test_what_is_posted_is_signed_by_the_relayer_for_this_chain(desk: Desk) -> None:
    desk.submit("only")
    (raw,) = desk.node.waiting.values()
    spelled = msgspec.json.decode(raw)
    assert (spelled["chain_id"], spelled["signer"], spelled["fee"]) == ("juno-1", desk.account.address, "0")
    assert sorted(spelled) == sorted(Tx.__struct_fields__)


def test_a_new_life_waits_until_what_the_last_one_left_is_in_a_block(desk: Desk) -> None:
    ended: list[str] = []

    def life() -> Task[None]:
        yield from desk.account.quiet()
        ended.append("quiet")

    desk.node.waiting["left"] = b""
    desk.tasks.start("life", life())
    desk.run()
    desk.chain.looks += 1
    desk.run()
    assert ended == []
    desk.node.commit()
    for _ in range(2):
        desk.chain.looks += 1
        desk.run()
    assert ended == ["quiet"]
