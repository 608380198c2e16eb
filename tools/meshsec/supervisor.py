"""Runs the processes of a mesh: forks them from one warm parent, starts those that die again, ends them all.

`python -m meshsec.supervisor` reads one `Launch` from its input and answers with a line of JSON, `Told`: it listens, or why not.
Everything that children need is imported once before the first fork; no thread and no event loop runs here.
Orders reach it as files and signals: SIGTERM ends the mesh, a file under `away/` keeps a process away, SIGUSR1 makes it look.
"""

import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from meshsec.gateway import main as gateway
from meshsec.gateway.settings import GatewaySettings
from meshsec.home import Endpoints, Home, Manifest, Running, write
from meshsec.launch import Launch, Told
from meshsec.relays import relayer_config
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_node import main as node
from meshsec_node.settings import BlockMode, Settings
from meshsec_relayer import main as relayer
from meshsec_sdk import mesh_yaml
from meshsec_sdk.mesh_file import MeshSpec, genesis_of, topology
from meshsec_sdk.serving import listen
from meshsec_sdk.settings import LOOPBACK

PROCESS_FAILED = "up/process-failed"
DEFAULT_TOPOLOGY = "triangle"
USUAL_PORT = 8080
"""The gateway's port if none is asked for and this one is free."""

SHORT_LIFE = 1.0
"""Seconds; a process that lived shorter rests before it is started again."""
FIRST_REST = 0.2
LONGEST_REST = 5.0
"""Seconds of rest, doubled from the first to the longest."""
GRACE = 5.0
"""Seconds that processes may take to end when asked."""
LOOK = 0.2
"""Seconds between two looks at what no signal tells."""


class Child:
    """One process of the mesh and how to start it.

    Args:
        name: of the process.
        work: what it does; returns its exit code.
        log: file that takes its output.
        told: descriptor to which it writes why it refuses to start.
    """

    def __init__(self, name: str, work: Callable[[], int], log: Path, told: int) -> None:
        self.name = name
        self.pid = 0
        self.due = 0.0
        """Monotonic time of the next start, if it is not running."""
        self.starts = 0
        self._work = work
        self._log = log
        self._told = told
        self._rest = 0.0
        self._started = 0.0

    def start(self, close: list[int]) -> None:
        """Fork the process.

        Args:
            close: descriptors that only the supervisor may hold.
        """
        self._started = time.monotonic()
        self.starts += 1
        self.pid = os.fork()
        if self.pid == 0:
            self._run(close)

    def _run(self, close: list[int]) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            for descriptor in close:
                os.close(descriptor)
            code = self._work()
        except Rejected as refusal:
            self._refuse(refusal)
        except Exception as bug:
            sys.excepthook(*sys.exc_info())
            self._refuse(Rejected(PROCESS_FAILED, reason=f"{type(bug).__name__}: {bug}"[:300], log=str(self._log)))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _refuse(self, refusal: Rejected) -> None:
        os.write(self._told, codec.encode(spell(refusal, self.name)) + b"\n")

    def has_ended(self) -> bool:
        """Tell whether the process has ended since it was started; note when to start it again."""
        if not self.pid or not os.waitpid(self.pid, os.WNOHANG)[0]:
            return False
        lived = time.monotonic() - self._started
        self._rest = min(max(FIRST_REST, 2 * self._rest), LONGEST_REST) if lived < SHORT_LIFE else 0.0
        self.pid, self.due = 0, time.monotonic() + self._rest
        return True


def front(host: str, port: int | None) -> socket.socket:
    """Bind the gateway's socket: at the port that is asked for, or at the usual one, or at a free one.

    Raises:
        Rejected: `process/port-in-use` for a port that was asked for.
    """
    if port is not None:
        return listen(host, port)
    try:
        return listen(host, USUAL_PORT)
    except Rejected:
        return listen(host, 0)


def url(listener: socket.socket) -> str:
    """Return where a socket of this machine is reached."""
    host, port = listener.getsockname()
    return f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"


class Supervisor:
    """The processes of one mesh directory. The directory must be locked by this process."""

    def __init__(self, home: Home, mesh: MeshSpec, launch: Launch, genesis_time: int) -> None:
        """Bind every address and describe every process; nothing is started yet.

        Raises:
            Rejected: `process/port-in-use`.
        """
        self.home = home
        self._launch = launch
        self._parent, self._pipe = os.pipe()
        self._refusals, self._told = os.pipe()
        entrance = front(launch.host, launch.port)
        listeners = {chain.name: listen(LOOPBACK, 0) for chain in mesh.chains}
        relays = {name: listen(LOOPBACK, 0) for name in mesh.relayers}
        self.endpoints = Endpoints(
            url(entrance),
            {name: url(found) for name, found in listeners.items()},
            {name: url(found) for name, found in relays.items()},
        )
        self.children = [
            *(self._chain(mesh, name, listener, genesis_time) for name, listener in listeners.items()),
            *(self._relayer(mesh, name, listener) for name, listener in relays.items()),
            self._gateway(mesh, entrance),
        ]

    def _child(self, name: str, work: Callable[[], int]) -> Child:
        return Child(name, work, self.home.log(name), self._told)

    def _chain(self, mesh: MeshSpec, name: str, listener: socket.socket, genesis_time: int) -> Child:
        genesis = self.home.chain(name) / "genesis.json"
        write(genesis, codec.encode(genesis_of(mesh, name, genesis_time)))
        settings = Settings(
            genesis=str(genesis),
            home=str(self.home.chain(name)),
            mesh={chain.name: chain.names.prefix for chain in mesh.chains},
            block_mode=BlockMode(self._launch.block_mode),
            block_time=self._launch.block_time,
            keep_blocks=self._launch.keep_blocks,
            development=True,
            parent=self._parent,
        )
        return self._child(name, lambda: node.run(settings, listener))

    def _relayer(self, mesh: MeshSpec, name: str, listener: socket.socket) -> Child:
        self.home.relayer(name).mkdir(parents=True, exist_ok=True)
        config = msgspec.structs.replace(
            relayer_config(mesh, name, self.endpoints.chains),
            store=str(self.home.relayer(name) / "cursor"),
            parent=self._parent,
        )
        return self._child(f"relayer-{name}", lambda: relayer.run(config, listener))

    def _gateway(self, mesh: MeshSpec, listener: socket.socket) -> Child:
        settings = GatewaySettings(
            mesh=mesh,
            chains=self.endpoints.chains,
            relayers=self.endpoints.relayers,
            home=str(self.home.snapshots),
            parent=self._parent,
        )
        return self._child("gateway", lambda: gateway.run(settings, listener))

    def run(self) -> None:
        """Start all processes and look after them until SIGTERM, or until the starter ends if the mesh is tied to it.

        Raises:
            Rejected: what a process refused with at its first start; all of them have ended.
        """
        asked: list[int] = []
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda found, _: asked.append(found))
        for number in (signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)
        gc.collect()
        gc.freeze()
        try:
            self._watch(reading, asked)
        finally:
            self.stop()

    def _watch(self, reading: int, asked: list[int]) -> None:
        """Look after the processes until something is asked.

        Args:
            reading: descriptor that says that a signal came.
            asked: signals that end the mesh.
        """
        self._look_after()
        tell(Told())
        with selectors.DefaultSelector() as selector:
            for descriptor in (reading, self._refusals, *([0] if self._launch.tied else [])):
                selector.register(descriptor, selectors.EVENT_READ)
            while not asked:
                for key, _ in selector.select(LOOK):
                    raw = os.read(key.fd, 65_536)
                    if key.fd == self._refusals:
                        self._refused(raw)
                    elif key.fd == 0 and not raw:
                        asked.append(0)
                self._look_after()

    def _refused(self, raw: bytes) -> None:
        """Hear why a process refuses to start; at its first start that ends everything.

        Raises:
            Rejected: what it refused with.
        """
        for line in raw.splitlines():
            told = codec.load(line, Told)
            with suppress(OSError):  # a disk may be full, which is what this is about
                os.write(2, f"{told.process}: {told.code} {told.facts}\n".encode())
            if any(child.name == told.process and child.starts == 1 for child in self.children):
                raise Rejected(told.code, process=told.process, **told.facts)

    def _look_after(self) -> None:
        """Start what is due and note what has ended or is to be away."""
        changed = False
        for child in self.children:
            away = self.home.away(child.name).exists()
            if child.pid and away:
                os.kill(child.pid, signal.SIGKILL)
            if child.has_ended():
                changed = True
            if not child.pid and not away and time.monotonic() >= child.due:
                child.start([self._pipe, *self.home.held()])
                changed = True
        if changed:
            write(self.home.running_file, codec.encode(self._running()))

    def _running(self) -> Running:
        return Running(os.getpid(), self.endpoints, {child.name: child.pid for child in self.children})

    def stop(self) -> None:
        """End every process: politely, then at once."""
        for child in self.children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        left = [child for child in self.children if child.pid]
        while left:
            left = [child for child in left if not child.has_ended()]
            if time.monotonic() > deadline:
                for child in left:
                    os.kill(child.pid, signal.SIGKILL)
            if left:
                time.sleep(0.005)
        self.home.running_file.unlink(missing_ok=True)


def spell(refusal: Rejected, process: str = "") -> Told:
    """Spell a refusal for whoever started the mesh."""
    return Told(refusal.code, refusal.texts, process)


def tell(told: Told) -> None:
    """Write a line to whoever started the mesh; it may have gone."""
    with suppress(BrokenPipeError):
        os.write(1, codec.encode(told) + b"\n")


def named(launch: Launch) -> MeshSpec | None:
    """Return the mesh that is asked for by name, file or description.

    Raises:
        Rejected: `mesh-file/…`, `yaml/…`.
    """
    if launch.mesh:
        return codec.load(launch.mesh.encode(), MeshSpec)
    return mesh_yaml.load(launch.source) if launch.source else None


def settle_in(home: Home, launch: Launch) -> Manifest:
    """Take the directory, and write down which mesh it holds if it is new.

    Raises:
        Rejected: `mesh-file/…` or `yaml/…` before anything is touched; `up/already-running`, `up/other-mesh`, `up/other-version`,
            `up/bad-directory`.
    """
    mesh = named(launch)
    home.lock()
    if mesh is None:
        mesh = home.manifest().mesh if home.manifest_file.exists() else topology(DEFAULT_TOPOLOGY)
    if launch.seed is not None:
        mesh = msgspec.structs.replace(mesh, seed=launch.seed)
    return home.create(mesh, time.time_ns())


def main() -> int:
    """Run a mesh as the first line of the input says; return the exit code."""
    launch = codec.load(sys.stdin.buffer.readline(), Launch)
    home = Home(Path(launch.dir))
    try:
        manifest = settle_in(home, launch)
        os.dup2(os.open(home.log("supervisor"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
        for mark in home.away("").glob("*"):
            mark.unlink()
        Supervisor(home, manifest.mesh, launch, manifest.genesis_time).run()
    except Rejected as refusal:
        tell(spell(refusal))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
