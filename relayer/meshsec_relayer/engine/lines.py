"""Bad lines between the relayer and chains: requests that get lost, with or without having been heard, or that leave late.

What is lost is answered with the next look, as a timeout would be: by nothing, so nobody knows whether it was heard.
"""

from collections.abc import Callable, Sequence

from meshsec_core.kernel.crypto import sha256
from meshsec_relayer.engine.boundary import Ask, Line, Reply

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

    def send(self, asks: Sequence[Ask], now: int) -> list[Ask]:
        """Return what leaves now, of new requests and of those that wait."""
        leaving = [ask for due, ask in self._late if due <= now]
        self._late = [(due, ask) for due, ask in self._late if due > now]
        for ask in asks:
            line = self._bad.get(ask.request.chain)
            drawn = 100 if line is None else _draw(line, ask.number)
            if line is not None and drawn < line.percent:
                if drawn % 2:
                    self._lost.append(ask.number)
                    continue
                self._deaf[ask.number] = None
            if line is not None and line.nanoseconds:
                self._late.append((now + line.nanoseconds, ask))
            else:
                leaving.append(ask)
        return leaving

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


def _draw(line: Line, number: int) -> int:
    """Return a number below 100 that the line's seed and the request's number decide."""
    return int.from_bytes(sha256(f"{line.seed}/{line.chain}/{number}".encode())[:8]) % 100
