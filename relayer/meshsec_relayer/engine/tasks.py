"""Conversations with chains, side by side and without threads: each is a generator that yields what it waits for.

A task waits either for replies (`Fetch`) or until a condition on what the engine knows holds (`Until`). Tasks run in the order
in which they were started, so the same answers in the same order always give the same requests.

Whenever something has happened, conditions are asked again, but for those with a `Bell` that has not rung.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import TypeVar

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_relayer.engine.boundary import Ask, Reply, Request

UNREACHABLE = "relayer/unreachable"
BAD_ANSWER = "relayer/bad-answer"

RESTART_AFTER = SECOND
"""How long a task that was refused something rests before it starts over; nanoseconds."""

MOST_ATTEMPTS = 8
"""After so many refusals in a row something is left alone."""
FIRST_REST = SECOND // 2
LONGEST_REST = 30 * SECOND
"""Rests between attempts double from the first to the longest; nanoseconds."""

T = TypeVar("T")
Replies = tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Wait for the replies to all of these requests, in their order."""

    requests: tuple[Request, ...]


class Bell:
    """Is rung whenever a condition may have come true."""

    def __init__(self) -> None:
        self._sleepers: list[Callable[[], None]] = []

    def wait(self, wake: Callable[[], None]) -> None:
        """Do something when it rings for the next time."""
        self._sleepers.append(wake)

    def ring(self) -> None:
        """Wake whoever waits."""
        sleepers, self._sleepers = self._sleepers, []
        for wake in sleepers:
            wake()


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until a condition holds."""

    ready: Callable[[], bool]
    why: str
    """What is waited for, in words an operator understands."""
    block_of: str = ""
    """The chain whose next block would help."""
    at: int | None = None
    """The time (as told by polls) at which the condition holds at the latest."""
    bell: Bell | None = None
    """Rings before the condition holds, so that nobody has to ask until then."""


Wait = Fetch | Until
Task = Generator[Wait, Replies, T]


@dataclass(slots=True)
class _Running:
    place: int
    name: str
    task: Task[None]
    wait: Wait | None = None
    replies: list[Reply | None] = field(default_factory=list)
    missing: int = 0


class Tasks:
    """All conversations of one engine."""

    def __init__(self, now: int = 0, numbers: int = 0) -> None:
        self.now = now
        self.asked: list[Ask] = []
        """Requests that have not been handed out yet."""
        self._started = 0
        self._running: dict[int, _Running] = {}
        """By place: how many were started before."""
        self._awake: dict[int, _Running] = {}
        """Those that may be able to go on."""
        self._turns: list[int] = []
        """A heap of places whose turn is still to come."""
        self._turn: int | None = None
        """The place whose turn it is, while `run` is under way."""
        self._pending: dict[int, tuple[_Running, int]] = {}
        self.numbers = numbers
        """The last number that was given to a request."""

    def start(self, name: str, task: Task[None]) -> None:
        """Start a task; it runs with the next `run`."""
        running = _Running(self._started, name, task)
        self._started += 1
        self._running[running.place] = self._awake[running.place] = running

    def keep(self, name: str, make: Callable[[], Task[None]], failed: Callable[[Rejected], None]) -> None:
        """Start a task that starts over, after a rest, whenever it is refused something."""
        self.start(name, self._keep(make, failed))

    def _keep(self, make: Callable[[], Task[None]], failed: Callable[[Rejected], None]) -> Task[None]:
        while True:
            try:
                yield from make()
                return
            except Rejected as refusal:
                failed(refusal)
            yield from self.rest(RESTART_AFTER, "a rest after a failure")

    def rest(self, time: int, why: str) -> Task[None]:
        """Wait for so many nanoseconds."""
        end = self.now + time
        yield Until(lambda: self.now >= end, why, at=end)

    def both(self, name: str, first: Task[T], second: Task[T]) -> Task[tuple[T, T]]:
        """Run two tasks side by side and return both results.

        Raises:
            Rejected: what the first of them to fail was refused; after both have ended.
        """
        results: dict[int, T | Rejected] = {}
        bell = Bell()
        for index, task in enumerate((first, second)):
            self.start(f"{name}/{index}", _into(results, index, task, bell))
        yield Until(lambda: len(results) == 2, "both sides", bell=bell)
        one, other = results[0], results[1]
        if isinstance(one, Rejected):
            raise one
        if isinstance(other, Rejected):
            raise other
        return one, other

    def answer(self, number: int, reply: Reply) -> None:
        """Take in a reply; one that nobody waits for is ignored."""
        found = self._pending.pop(number, None)
        if found is None:
            return
        running, index = found
        running.replies[index] = reply
        running.missing -= 1
        if not running.missing:
            self._wake(running)

    def run(self) -> None:
        """Let every task go on until all of them wait."""
        going = True
        while going:
            going = False
            self._turns = sorted(self._awake)
            while self._turns:
                self._turn = heappop(self._turns)
                running = self._awake[self._turn]
                if self._can_go(running):
                    going = True
                    self._advance(running)
                elif isinstance(running.wait, Until) and running.wait.bell is not None:
                    del self._awake[running.place]
                    running.wait.bell.wait(partial(self._wake, running))
        self._turn = None

    def _wake(self, running: _Running) -> None:
        """Ask a task again: in this round if its turn is still to come."""
        self._awake[running.place] = running
        if self._turn is not None and running.place > self._turn:
            heappush(self._turns, running.place)

    @property
    def asking(self) -> int:
        """Requests without an answer."""
        return len(self._pending)

    def waits(self) -> tuple[tuple[str, Until], ...]:
        """Return the conditions that tasks wait for, by task name."""
        return tuple((running.name, running.wait) for running in self._running.values() if isinstance(running.wait, Until))

    def names(self) -> tuple[str, ...]:
        """Return the names of the tasks that are under way."""
        return tuple(running.name for running in self._running.values())

    def _can_go(self, running: _Running) -> bool:
        match running.wait:
            case None:
                return True
            case Fetch():
                return running.missing == 0
            case Until():
                return running.wait.ready()

    def _advance(self, running: _Running) -> None:
        replies = tuple(reply for reply in running.replies if reply is not None)
        running.replies = []
        try:
            running.wait = next(running.task) if running.wait is None else running.task.send(replies)
        except StopIteration:
            del self._running[running.place], self._awake[running.place]
            return
        if isinstance(running.wait, Fetch) and running.wait.requests:
            del self._awake[running.place]
            running.missing = len(running.wait.requests)
            running.replies = [None] * running.missing
            for index, request in enumerate(running.wait.requests):
                self.numbers += 1
                self._pending[self.numbers] = (running, index)
                self.asked.append(Ask(self.numbers, request))


def _into(results: dict[int, T | Rejected], index: int, task: Task[T], bell: Bell) -> Task[None]:
    try:
        results[index] = yield from task
    except Rejected as refusal:
        results[index] = refusal
    bell.ring()


def rest(failures: int) -> int:
    """Return how long to rest after so many failures in a row, nanoseconds."""
    return min(FIRST_REST << min(failures - 1, 16), LONGEST_REST)


def ask(request: Request) -> Task[Reply]:
    """Send one request and return the reply."""
    (reply,) = yield Fetch((request,))
    return reply


def ask_all(requests: tuple[Request, ...]) -> Task[Replies]:
    """Send several requests at once and return the replies in order."""
    replies = yield Fetch(requests)
    return replies


class Problem(msgspec.Struct, frozen=True):
    """A chain's refusal, as its HTTP interface spells it."""

    code: str
    facts: dict[str, str] = {}


def problem(reply: Reply) -> Problem:
    """Read why a chain refused; no answer at all is `relayer/unreachable`."""
    if reply.status == 0:
        return Problem(UNREACHABLE)
    try:
        return codec.convert(reply.body, Problem)
    except Rejected:
        return Problem(BAD_ANSWER, {"status": str(reply.status)})


def read(reply: Reply, kind: type[T], chain: str) -> T:
    """Read the body of a successful reply.

    Raises:
        Rejected: the chain's own code if it refused, `relayer/unreachable`, or `relayer/bad-answer` for a body of another shape.
    """
    if reply.status != 200:
        refused = problem(reply)
        raise Rejected(refused.code, chain=chain, **{name: value for name, value in refused.facts.items() if name != "chain"})
    try:
        return codec.convert(reply.body, kind)
    except Rejected as refusal:
        raise Rejected(BAD_ANSWER, chain=chain, detail=str(refusal.facts.get("detail", ""))) from None


def get(chain: str, path: str, kind: type[T]) -> Task[T]:
    """Fetch and read one value.

    Raises:
        Rejected: see `read`.
    """
    reply = yield from ask(Request(chain, path))
    return read(reply, kind, chain)
