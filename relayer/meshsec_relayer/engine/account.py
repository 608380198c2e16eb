"""The relayer's account on one chain: one signing queue, so that sequences never race.

Transactions are signed one after another and may wait for their blocks together. A transaction whose fate is unknown is offered
again in the same bytes, which can never execute twice; only when the chain is known not to have it is its content signed anew.
"""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import PrivateKey, account, address_of, sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, ChainId
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import make_tx
from meshsec_relayer.engine.answers import AcceptedAnswer, AccountAnswer, EventAnswer, ReceiptAnswer
from meshsec_relayer.engine.boundary import Request
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.tasks import BAD_ANSWER, UNREACHABLE, Problem, Task, Tasks, Until, ask, get, problem, read

LOST = "relayer/transaction-lost"
"""The chain does not know the transaction, and its sequence is used up: sign again."""

WRONG_SEQUENCE = "auth/wrong-sequence"
KNOWN = "mempool/known"
BUSY = ("mempool/full", "node/halted", UNREACHABLE, BAD_ANSWER)
"""Refusals that pass by themselves."""

MOST_WAITING = 16
"""Transactions that wait for a block at the same time."""
OVERDUE = 5 * SECOND
"""After this long without a receipt a transaction is offered again."""
OVERDUE_BLOCKS = 4
"""Or once so many blocks have been read since it was taken: a busy chain makes several between two looks."""
PAUSE = SECOND // 2
"""Rest before the same bytes are offered to a busy chain again; exact."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of messages: `code` is empty if all took effect."""

    code: str
    facts: dict[str, str] = {}
    height: int = 0
    """The block that holds the transaction; 0 if none does."""
    hash: str = ""
    events: tuple[EventAnswer, ...] = ()
    """What has happened."""


class Account:
    """Signs and submits for one relayer on one chain."""

    def __init__(self, chain: Chain, key: PrivateKey, tasks: Tasks, submitted: Callable[[int], None]) -> None:
        self.chain = chain
        self.address = account(chain.prefix, address_of(key.public_key))
        self.balances: dict[str, int] = {}
        """Coins by denomination, base units, when the chain was last asked."""
        self._key = key
        self._tasks = tasks
        self._submitted = submitted
        self._sequence: int | None = None
        self._tickets = 0
        self._serving = 0

    @property
    def busy(self) -> bool:
        """Tell whether a transaction is being signed or waits for its block."""
        return self._serving < self._tickets or bool(self.chain.awaited)

    def ticket(self) -> int:
        """Take a place in the signing queue; it must be handed to `submit`."""
        self._tickets += 1
        return self._tickets - 1

    def quiet(self) -> Task[None]:
        """Wait until no transaction of an earlier life waits for a block any more, and its effect has been seen; not for ever.

        Raises:
            Rejected: the chain does not answer.
        """
        end = self._tasks.now + OVERDUE
        while True:
            found = yield from get(self.chain.name, f"/v1/accounts/{self.address}", AccountAnswer)
            self.balances = found.balances
            waiting = found.next_sequence > found.sequence
            yield self._another_look(waiting, end)
            if not waiting or self._tasks.now >= end:
                return

    def submit(
        self, msgs: tuple[Msg, ...], ticket: int | None = None, sent: Callable[[str], None] = lambda _: None
    ) -> Task[Outcome]:
        """Sign messages as one transaction, see it into a block, and say what became of it.

        Args:
            msgs: in order; all take effect or none does.
            ticket: a place in the queue that was taken before; its end by default.
            sent: is told the transaction's hash once the chain has accepted it for a block.
        """
        ticket = self.ticket() if ticket is None else ticket
        yield Until(lambda: self._serving == ticket, f"its turn to sign on {self.chain.name}")
        yield Until(lambda: len(self.chain.awaited) < MOST_WAITING, f"a block of {self.chain.name}", block_of=self.chain.name)
        try:
            offered = yield from self._offer(msgs)
        finally:
            self._serving += 1
        if isinstance(offered, Outcome):
            return offered
        key, raw = offered
        sent(key)
        try:
            outcome = yield from self._see_through(key, raw)
        finally:
            self.chain.awaited.pop(key, None)
            self.chain.receipts.pop(key, None)
        return outcome

    def _offer(self, msgs: tuple[Msg, ...]) -> Task[tuple[str, bytes] | Outcome]:
        """Sign and post until the chain has accepted or refused; return what it accepted with its hash, or the refusal."""
        refused = Problem(LOST)
        for _ in range(4):
            sequence = yield from self._next_sequence()
            raw = make_tx(self._key, self.chain.prefix, ChainId(self.chain.chain_id), sequence, msgs)
            key = sha256(raw).hex()
            self.chain.awaited[key] = self.chain.height
            self._submitted(len(msgs))
            said = yield from self._post(key, raw)
            if said is None:
                self._sequence = sequence + 1
                return key, raw
            del self.chain.awaited[key]
            refused = said
            if refused.code != WRONG_SEQUENCE:
                break
            self._sequence = None
        return Outcome(refused.code, refused.facts)

    def _next_sequence(self) -> Task[int]:
        while self._sequence is None:
            found = yield from get(self.chain.name, f"/v1/accounts/{self.address}", AccountAnswer)
            self._sequence, self.balances = found.next_sequence, found.balances
        return self._sequence

    def _post(self, key: str, raw: bytes) -> Task[Problem | None]:
        """Post the same bytes until the chain says yes or no; return why not, or None.

        A wrong sequence is no refusal if an earlier post of these bytes, whose answer was lost, has used it up.
        """
        uncertain = False
        while True:
            said = yield from self._ask(key, raw)
            if said is None:
                return None
            if said.code in BUSY:
                uncertain = uncertain or said.code in (UNREACHABLE, BAD_ANSWER)
                yield from self._tasks.rest(PAUSE, f"{self.chain.name} to take transactions again")
            elif said.code == WRONG_SEQUENCE and uncertain and (yield from self._included(key)):
                return None
            else:
                return said

    def _ask(self, key: str, raw: bytes) -> Task[Problem | None]:
        """Post once; return why the chain does not let it wait for a block, or None, and note at which height it took it."""
        reply = yield from ask(Request(self.chain.name, "/v1/txs", raw))
        if reply.status in (200, 202):
            with suppress(Rejected):
                self.chain.awaited[key] = max(self.chain.height, codec.convert(reply.body, AcceptedAnswer).height)
            return None
        said = problem(reply)
        return None if said.code == KNOWN else said

    def _included(self, key: str) -> Task[bool]:
        """Ask until the chain says whether a block holds a transaction; keep its receipt."""
        while key not in self.chain.receipts:
            found = yield from ask(Request(self.chain.name, f"/v1/txs/{key}"))
            if found.status == 404:
                return False
            if found.status == 200:
                self.chain.receipts[key] = read(found, ReceiptAnswer, self.chain.name)
            else:
                yield from self._tasks.rest(PAUSE, f"{self.chain.name} to answer")
        return True

    def _see_through(self, key: str, raw: bytes) -> Task[Outcome]:
        chain = self.chain
        while True:
            yield self._receipt(key)
            if key in chain.receipts:
                return _outcome(chain.receipts[key])
            said = yield from self._ask(key, raw)
            if said is None or said.code in BUSY or (yield from self._included(key)):
                continue
            return Outcome(LOST if said.code == WRONG_SEQUENCE else said.code, hash=key)

    def _another_look(self, waiting: bool, end: int) -> Until:
        chain, looks = self.chain, self.chain.looks
        why = f"earlier transactions in a block of {chain.name}" if waiting else f"a look at {chain.name}"
        block_of = chain.name if waiting else ""
        return Until(lambda: chain.looks > looks or self._tasks.now >= end, why, block_of=block_of, at=end)

    def _receipt(self, key: str) -> Until:
        chain, tasks = self.chain, self._tasks
        overdue_at, overdue_height = tasks.now + OVERDUE, max(chain.height, chain.awaited[key]) + OVERDUE_BLOCKS
        return Until(
            lambda: key in chain.receipts or tasks.now >= overdue_at or chain.scanned >= overdue_height,
            f"transaction {key[:8]} in a block of {chain.name}",
            block_of=chain.name,
            at=overdue_at,
        )


def _outcome(receipt: ReceiptAnswer) -> Outcome:
    try:
        events = codec.convert(receipt.events, tuple[EventAnswer, ...])
    except Rejected:
        events = ()  # it took effect, whatever the node says of it
    return Outcome(receipt.code, receipt.facts, receipt.height, receipt.hash, events)
