"""The loop of a relayer process: polls, sends what the engine asks for, hands answers back, keeps its image durable.

Blocks are pulled; a chain's event stream is only listened to in order to look sooner, so that an idle relayer can look rarely.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine

import httpx
import msgspec
import structlog

from meshsec_relayer.config import RelayerConfig
from meshsec_relayer.engine.boundary import Answer, Ask, Command, Event, Image, Log, Poll, Reply, Request, Restore, Save
from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.store import Store
from meshsec_sdk.token import bearer

BUSY_SECONDS = 0.04
"""Between looks while something is under way."""
IDLE_SECONDS = 1.0
"""Between looks while nothing is, and every chain's stream is listened to."""
BLIND_SECONDS = 0.2
"""Between looks while nothing is under way, but a chain's stream is silent."""
AT_ONCE = 16
"""Requests to one chain at the same time."""
TIMEOUT_SECONDS = 10.0
"""After so long a request counts as unanswered."""
SILENCE_SECONDS = 60.0
"""After so long without a word, not even a keep-alive, a stream counts as dead."""
LISTEN_AGAIN_SECONDS = 1.0


class Runner:
    """Runs one relayer.

    Args:
        config: where the chains are.
        engine: what to do.
        store: keeps the engine's image.
    """

    def __init__(self, config: RelayerConfig, engine: Engine, store: Store) -> None:
        self.engine = engine
        self.stopping = asyncio.Event()
        self._config = config
        self._store = store
        self._wake = asyncio.Event()
        self._gates = {name: asyncio.Semaphore(AT_ONCE) for name in config.chains}
        self._listening: dict[str, bool] = dict.fromkeys(config.chains, False)
        self._spoke: dict[str, None] = {}
        self._group = asyncio.TaskGroup()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._frozen_until = 0.0
        self._kept_back: list[Ask] = []
        self._under_way = 0
        self._answered = asyncio.Event()
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Relay until `stop`; a bug of ours, or a disk that takes nothing any more, ends it by an exception."""
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with contextlib.AsyncExitStack() as stack:
            for name, chain in self._config.chains.items():
                client = _client(chain.url, httpx.Timeout(TIMEOUT_SECONDS), limits)
                self._clients[name] = await stack.enter_async_context(client)
            async with self._group:
                for name, chain in self._config.chains.items():
                    self._start(self._listen(name, chain.url))
                await self._poll()
                for task in list(self._tasks):
                    task.cancel()

    def stop(self) -> None:
        """End `run`."""
        self.stopping.set()
        self._wake.set()

    def order(self, command: Command) -> None:
        """Take an operator's order; it works from the next look, which is now."""
        self._feed(command)
        self._wake.set()

    async def freeze(self, seconds: float) -> Image:
        """Send nothing more for so long, and return once every request is answered what a new life needs to know."""
        self._frozen_until = time.monotonic() + seconds
        while self._under_way and time.monotonic() < self._frozen_until:
            self._answered.clear()
            await self._answered.wait()
        self._wake.set()
        return self._store.load() or Image()

    def restore(self, image: Image) -> None:
        """Begin a life from an image; nothing is frozen any more.

        Raises:
            Rejected: `relayer/store-version`, `relayer/foreign-store`; nothing has changed.
        """
        self._feed(Restore(image))
        self._kept_back.clear()
        self._frozen_until = 0.0
        self._wake.set()

    async def _poll(self) -> None:
        while not self.stopping.is_set():
            self._wake.clear()
            if (left := self._frozen_until - time.monotonic()) > 0:
                await self._woken(left)
                continue
            kept_back, self._kept_back = self._kept_back, []
            for ask in kept_back:
                self._send(ask)
            spoke, self._spoke = tuple(self._spoke), {}
            self._feed(Poll(time.monotonic_ns(), spoke if all(self._listening.values()) else ()))
            if not await self._woken(BUSY_SECONDS) and self.engine.idle:
                await self._woken(IDLE_SECONDS if all(self._listening.values()) else BLIND_SECONDS)

    async def _woken(self, seconds: float) -> bool:
        """Wait until something says "look now", at most so long; tell whether it did."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        return self._wake.is_set()

    def _feed(self, event: Event) -> None:
        for effect in self.engine.handle(event):
            match effect:
                case Save(image):
                    self._store.save(image)
                case Log(level, said, facts):
                    getattr(self._log, level)(said, **facts)
                case Ask():
                    self._send(effect)

    def _send(self, ask: Ask) -> None:
        if time.monotonic() < self._frozen_until:
            self._kept_back.append(ask)
        else:
            self._under_way += 1
            self._start(self._answer(ask))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._group.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    async def _answer(self, ask: Ask) -> None:
        try:
            async with self._gates[ask.request.chain]:
                reply = await _send(self._clients[ask.request.chain], ask.request)
        finally:
            self._under_way -= 1
            self._answered.set()
        self._feed(Answer(ask.number, reply))

    async def _listen(self, name: str, url: str) -> None:
        """Look at a chain at once whenever its event stream says anything."""
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
        async with _client(url, timeout, httpx.Limits()) as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    async with client.stream("GET", "/v1/events?only=block") as stream:
                        self._listening[name] = stream.status_code == 200
                        async for _ in stream.aiter_raw():
                            self._spoke[name] = None
                            self._wake.set()
                self._listening[name] = False
                self._wake.set()
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)


def _client(url: str, timeout: httpx.Timeout, limits: httpx.Limits) -> httpx.AsyncClient:
    """Prepare to talk to a chain. To load the certificates of authorities takes 40 ms, so it is done for `https:` only."""
    verify = url.startswith("https:")
    return httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, trust_env=False, verify=verify, headers=bearer())


async def _send(client: httpx.AsyncClient, request: Request) -> Reply:
    """Ask a chain; anything but an HTTP answer with JSON counts as no answer."""
    try:
        if request.body is None:
            response = await client.get(request.path)
        else:
            response = await client.post(request.path, content=request.body, headers={"content-type": "application/json"})
        return Reply(response.status_code, msgspec.json.decode(response.content))
    except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reply(0, None)
