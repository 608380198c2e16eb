"""Runs the processes of a mesh: forks them from one warm parent, starts those that die again, ends them all.

Everything that children need is imported once and bound before the first fork; no thread and no event loop runs here.
"""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from meshsec.gateway import main as gateway
from meshsec.gateway.settings import GatewaySettings
from meshsec.home import Endpoints, Home, Running, write
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_node import main as node
from meshsec_node.settings import BlockMode, Settings
from meshsec_relayer import main as relayer
from meshsec_relayer.config import RelayerConfig
from meshsec_sdk.mesh_file import MeshSpec, genesis_of, relayer_config

PORT_IN_USE = "up/port-in-use"
LOOPBACK = "127.0.0.1"

RESTART_DELAY = 0.2
"""Seconds before a process that died is started again, doubled each time up to `MAX_DELAY`."""
MAX_DELAY = 5.0
GRACE = 5.0
"""Seconds that processes may take to end when asked."""


class Options(msgspec.Struct, frozen=True):
    """How a mesh is run."""

    port: int = 0
    """The gateway's; 0 takes a free one."""
    block_mode: BlockMode = BlockMode.AUTO
    block_time: int = SECOND
    """Nanoseconds between blocks in interval mode."""
    host: str = LOOPBACK


class Child:
    """One process of the mesh and how to start it."""

    def __init__(self, name: str, work: Callable[[], int], log: Path) -> None:
        self.name = name
        self.pid = 0
        self.due = 0.0
        """Monotonic time of the next start, if it is not running."""
        self._work = work
        self._log = log
        self._delay = RESTART_DELAY
        self._started = 0.0

    def start(self, close: list[int]) -> None:
        """Fork the process.

        Args:
            close: descriptors that only the supervisor may hold.
        """
        self._started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(close)

    def _run(self, close: list[int]) -> None:
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            for descriptor in close:
                os.close(descriptor)
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = self._work()
        except Rejected as refusal:
            sys.stderr.write(f"{refusal}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def died(self) -> None:
        """Note the end of the process and when to start it again."""
        lived = time.monotonic() - self._started
        self._delay = RESTART_DELAY if lived > 10 * MAX_DELAY else min(2 * self._delay, MAX_DELAY)
        self.pid, self.due = 0, time.monotonic() + (self._delay if lived < MAX_DELAY else 0)


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket that children serve on; connections wait in it while a child is away.

    Raises:
        Rejected: `up/port-in-use`.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Rejected(PORT_IN_USE, port=port, reason=str(error.strerror), hint="choose another with --port") from None
    listener.listen(128)
    return listener


class Supervisor:
    """The processes of one mesh directory. The directory must be locked by this process."""

    def __init__(self, home: Home, mesh: MeshSpec, options: Options, genesis_time: int) -> None:
        """Bind every address and describe every process; nothing is started yet.

        Raises:
            Rejected: `up/port-in-use`.
        """
        self.home = home
        self.started = time.monotonic()
        reading, self._pipe = os.pipe()
        listeners = {chain.name: listen(LOOPBACK, 0) for chain in mesh.chains}
        relays = {name: listen(LOOPBACK, 0) for name in mesh.relayers}
        front = listen(options.host, options.port)
        self.endpoints = Endpoints(
            _url(front),
            {name: _url(found) for name, found in listeners.items()},
            {name: _url(found) for name, found in relays.items()},
        )
        self.children = [
            *(self._chain(mesh, name, listener, options, genesis_time, reading) for name, listener in listeners.items()),
            *(self._relayer(mesh, name, listener, reading) for name, listener in relays.items()),
            self._gateway(mesh, front, reading),
        ]

    def _chain(
        self, mesh: MeshSpec, name: str, listener: socket.socket, options: Options, genesis_time: int, parent: int
    ) -> Child:
        genesis = self.home.chain(name) / "genesis.json"
        write(genesis, codec.encode(genesis_of(mesh, name, genesis_time)))
        settings = Settings(
            genesis=str(genesis),
            home=str(self.home.chain(name)),
            mesh={chain.name: chain.names.prefix for chain in mesh.chains},
            block_mode=options.block_mode,
            block_time=options.block_time,
            development=True,
            parent=parent,
        )
        return Child(name, lambda: node.run(settings, listener), self.home.log(name))

    def _relayer(self, mesh: MeshSpec, name: str, listener: socket.socket, parent: int) -> Child:
        config: RelayerConfig = msgspec.structs.replace(
            relayer_config(mesh, name, self.endpoints.chains), store=str(self.home.relayer(name) / "cursor"), parent_pipe=parent
        )
        self.home.relayer(name).mkdir(parents=True, exist_ok=True)
        return Child(f"relayer-{name}", lambda: relayer.run(config, listener), self.home.log(f"relayer-{name}"))

    def _gateway(self, mesh: MeshSpec, listener: socket.socket, parent: int) -> Child:
        settings = GatewaySettings(mesh=mesh, chains=self.endpoints.chains, relayers=self.endpoints.relayers, parent=parent)
        return Child("gateway", lambda: gateway.run(settings, listener), self.home.log("gateway"))

    def start(self) -> None:
        """Start every process and write where they listen."""
        for child in self.children:
            child.start([self._pipe, *self.home.held()])
        write(self.home.running_file, codec.encode(Running(os.getpid(), self.endpoints)))

    def ready(self) -> int:
        """Write that the mesh is ready; return how long that took, in milliseconds rounded down."""
        took = int((time.monotonic() - self.started) * 1000)
        write(self.home.running_file, codec.encode(Running(os.getpid(), self.endpoints, took)))
        return took

    def run(self, tick: Callable[[], None], pause: float = 0.1) -> None:
        """Look after the processes until SIGTERM or SIGINT; then end them.

        Args:
            tick: called every `pause` seconds.
        """
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        asked: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda found, _: asked.append(found))
        signal.signal(signal.SIGCHLD, lambda _, __: None)
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ)
            while not asked:
                if selector.select(pause):
                    os.read(reading, 64)
                self._reap()
                tick()
        self.stop()

    def _reap(self) -> None:
        for child in self.children:
            if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                child.died()
            if not child.pid and time.monotonic() >= child.due:
                child.start([self._pipe, *self.home.held()])

    def stop(self) -> None:
        """End every process: politely, then at once."""
        for child in self.children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while any(child.pid for child in self.children):
            for child in self.children:
                if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                    child.pid = 0
                elif child.pid and time.monotonic() > deadline:
                    os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.01)
        self.home.running_file.unlink(missing_ok=True)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"
