"""A relayer without a process: the engine's effects carried out one by one over transports that are handed in. The simulation
runs this.

Nothing happens by itself: whoever drives the courier says what time it is and makes the blocks it waits for.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from meshsec_core.kernel.crypto import PrivateKey
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.config import RelayerConfig
from meshsec_relayer.engine.boundary import Answer, Ask, Command, Event, Log, Poll, Reply, Request, Save
from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.store import Store
from meshsec_sdk.models import load_models
from meshsec_sdk.names import development_key

STUCK = "relayer/stuck"

PATIENCE = 400
"""Rounds of blocks after which a relayer that is not idle is called stuck."""


class Transport(Protocol):
    """A chain's HTTP interface, without sockets."""

    def get(self, path: str) -> tuple[int, object]:
        """Return (status, parsed JSON); status 0 stands for no answer."""

    def post(self, path: str, body: bytes) -> tuple[int, object]:
        """Send canonical JSON; return (status, parsed JSON)."""


class Courier:
    """One relayer in the hands of its caller.

    Args:
        config: what to serve.
        transports: chain name to its interface.
        store: what survives this object; a new courier with the same store goes on.
        key: signs; the development key that the config names by default.
        log: is told what is worth telling.

    Raises:
        Rejected: `relayer/store-version`, `relayer/foreign-store`.
    """

    def __init__(
        self,
        config: RelayerConfig,
        transports: Mapping[str, Transport],
        store: Store,
        *,
        key: PrivateKey | None = None,
        log: Callable[[Log], None] = lambda _: None,
    ) -> None:
        self.engine = Engine(
            config, key or development_key(config.key_path), store.load(), tuple(load_models(config.models).values())
        )
        self._transports = transports
        self._store = store
        self._log = log

    def run_once(self, now: int) -> None:
        """Look at every chain and do everything that can be done without another block."""
        self._feed(Poll(now))
        if not self.engine.idle and not self.engine.waits_for():
            self._feed(Poll(now))  # what has been learnt may only need another look

    def run_until_idle(self, now: Callable[[], int], tick: Callable[[tuple[str, ...]], None], patience: int = PATIENCE) -> None:
        """Work until nothing is left to do.

        Args:
            now: tells the time, nanoseconds.
            tick: is asked to make a block on these chains and to let time pass; with none given, time alone is waited for.
            patience: rounds before giving up.

        Raises:
            Rejected: `relayer/stuck` with what it waits for.
        """
        for _ in range(patience):
            self.run_once(now())
            if self.engine.idle:
                return
            tick(self.engine.waits_for())
        waits = "; ".join(f"{name}: {wait.why}" for name, wait in self.engine.tasks.waits())
        raise Rejected(STUCK, waits=waits[:2_000])

    def order(self, command: Command) -> None:
        """Give an operator's order."""
        self._feed(command)

    def _feed(self, event: Event) -> None:
        events: deque[Event] = deque((event,))
        while events:
            for effect in self.engine.handle(events.popleft()):
                match effect:
                    case Save(image):
                        self._store.save(image)
                    case Log():
                        self._log(effect)
                    case Ask(number, request):
                        events.append(Answer(number, self._ask(request)))

    def _ask(self, request: Request) -> Reply:
        transport = self._transports[request.chain]
        try:
            if request.body is None:
                return Reply(*transport.get(request.path))
            return Reply(*transport.post(request.path, request.body))
        except ConnectionError:
            return Reply(0, None)
