"""Bad lines between the relayer and chains: requests that get lost, with or without having been heard, or that leave late, twice,
or in another order.

What is lost is answered with the next look, as a timeout would be: by nothing, so nobody knows whether it was heard.
"""

from collections.abc import Callable, Sequence

from meshsec_core.kernel.crypto import sha256
from meshsec_relayer.engine.boundary import Ask, Line, Reply
from meshsec_sdk.quantities import spelled

SILENCE = Reply(0, None)


class Lines:
    """The lines that operators have made bad, and what is under way on them."""

    def __init__(self) -> None:
        self._bad: dict[str, Line] = {}
        self._late: list[tuple[int, Ask]] = []
        """When each is due, and what waits to be sent."""
        self._lost: list[int] = []
        """Numbers of requests that were never sent."""
        self._deaf: dict[int, None] = {}
        """Numbers of requests whose answers get lost."""

    def worsen(self, line: Line) -> None:
        """Make the line to a chain bad, in place of what it was."""
        self._bad[line.chain] = line

    def mend(self) -> None:
        """Make all lines good; what waits is due."""
        self._bad.clear()
        self._deaf.clear()
        self._late = [(0, ask) for _, ask in self._late]

    @property
    def bad(self) -> tuple[str, ...]:
        """The chains to which lines are bad, and what is wrong with each: `juno (30 % lost, late by 2s)`."""
        return tuple(f"{chain} ({_wrongs(line)})" for chain, line in self._bad.items())

    def send(self, asks: Sequence[Ask], now: int) -> list[Ask]:
        """Return what leaves now, of new requests and of those that wait."""
        leaving = [ask for due, ask in self._late if due <= now]
        self._late = [(due, ask) for due, ask in self._late if due > now]
        for ask in asks:
            line = self._bad.get(ask.request.chain)
            if line is None:
                leaving.append(ask)
            elif not self._loses(line, ask.number):
                self._leave(line, ask, now, leaving)
                if _draw(line, ask.number, "twice/") < line.twice:
                    self._leave(line, Ask(~ask.number, ask.request), now, leaving)
        self._late.sort(key=lambda found: found[0])
        return leaving

    def _loses(self, line: Line, number: int) -> bool:
        """Tell whether a request is never heard; of others that get lost, note that nobody will hear the answer."""
        drawn = _draw(line, number)
        if drawn >= line.percent:
            return False
        if drawn % 2:
            self._lost.append(number)
            return True
        self._deaf[number] = None
        return False

    def _leave(self, line: Line, ask: Ask, now: int, leaving: list[Ask]) -> None:
        """Send a request, now or later; a number below 0 is of one whose answer nobody waits for."""
        wait = line.nanoseconds + line.within * _draw(line, ask.number, "within/") // 100  # rounds down
        if wait:
            self._late.append((now + wait, ask))
        else:
            leaving.append(ask)

    def hear(self, number: int, reply: Reply) -> Reply:
        """Return what arrives of an answer."""
        if number in self._deaf:
            del self._deaf[number]
            return SILENCE
        return reply

    def give_up(self, answer: Callable[[int, Reply], None]) -> None:
        """Answer every request that was lost by silence; nobody else will."""
        lost, self._lost = self._lost, []
        for number in lost:
            answer(number, SILENCE)


def _wrongs(line: Line) -> str:
    said = [f"{line.percent} % lost"] if line.percent else []
    said += [f"{line.twice} % twice"] if line.twice else []
    said += [f"late by {spelled(line.nanoseconds)}"] if line.nanoseconds else []
    said += [f"out of order within {spelled(line.within)}"] if line.within else []
    return ", ".join(said) or "good"


def _draw(line: Line, number: int, what: str = "") -> int:
    """Return a number below 100 that the line's seed, the request's number and what is drawn decide."""
    return int.from_bytes(sha256(f"{line.seed}/{line.chain}/{what}{number}".encode())[:8]) % 100
