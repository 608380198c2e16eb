"""Cases that must be told, whatever else goes on: each is tried again, ever more rarely, until it is closed or hopeless."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.controls import Controls
from meshsec_relayer.engine.tasks import MOST_ATTEMPTS, Bell, Task, Tasks, Until, rest

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Case(Generic[T]):
    """Something that was seen in a block."""

    seen_at: int
    about: T
    retry_at: int = 0
    """Time before which it is not tried again."""
    attempts: int = 0


class Docket(Generic[T]):
    """The open cases of one kind on one chain, oldest first.

    Args:
        patience: nanoseconds to leave a case to somebody else.
    """

    def __init__(self, tasks: Tasks, controls: Controls, patience: int = 0) -> None:
        self._tasks = tasks
        self._controls = controls
        self._patience = patience
        self._cases: list[Case[T]] = []
        self._opened = Bell()

    def open(self, seen_at: int, about: T) -> None:
        """Take a case that a block of this height tells of."""
        self._cases.append(Case(seen_at, about))
        self._opened.ring()

    def leave_to_others(self) -> Task[None]:
        """Wait as long as somebody else would need to close a case."""
        if self._patience:
            yield from self._tasks.rest(self._patience, "another relayer to tell")

    @property
    def waiting(self) -> bool:
        """Tell whether a case is open."""
        return bool(self._cases)

    @property
    def lowest(self) -> int | None:
        """Return the lowest block that tells of an open case, or None."""
        return min((case.seen_at for case in self._cases), default=None)

    def run(self, why: str, attempt: Callable[[T], Task[None]], failed: Callable[[Rejected, bool], None]) -> Task[None]:
        """Work for ever.

        Args:
            why: what is waited for while no case is open.
            attempt: closes a case by returning, leaves it open by raising `Rejected`.
            failed: is told of every refusal, and whether the case has been given up.
        """
        while True:
            if not self._cases:
                yield Until(lambda: self.waiting, why, bell=self._opened)
            case = self._due()
            if case is None:
                retry_at = None if self._controls.paused else min(case.retry_at for case in self._cases)
                yield Until(lambda: self._due() is not None, why, at=retry_at)
                continue
            try:
                yield from attempt(case.about)
            except Rejected as refusal:
                case.attempts += 1
                case.retry_at = self._tasks.now + rest(case.attempts)
                hopeless = case.attempts >= MOST_ATTEMPTS
                failed(refusal, hopeless)
                if not hopeless:
                    continue
            self._cases.remove(case)

    def _due(self) -> Case[T] | None:
        if self._controls.paused:
            return None
        return next((case for case in self._cases if case.retry_at <= self._tasks.now), None)
