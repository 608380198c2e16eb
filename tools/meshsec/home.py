"""The directory of a mesh: everything it is, and who runs it. Deleting the directory deletes the mesh.

Two locks, both let go by the kernel however their holders die: `lock` is the supervisor's; `alive` is shared by the
supervisor and all its children, so that a new supervisor knows when the last child of a killed one has gone.
"""

import fcntl
import os
import signal
import time
from pathlib import Path

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import MeshSpec

ALREADY_RUNNING = "up/already-running"
OTHER_MESH = "up/other-mesh"
OTHER_VERSION = "up/other-version"
BAD_DIRECTORY = "up/bad-directory"
LEFTOVER = "up/leftover"
NOT_RUNNING = "mesh/not-running"
STILL_RUNNING = "up/still-running"
UNKNOWN_PROCESS = "logs/unknown-process"

VERSION = "1"
"""Version of the directory's layout."""


LOCK_SECONDS = 0.3
"""How long to try for the lock: whoever asks whether a mesh runs holds it for a moment."""
LEFTOVER_SECONDS = 10.0
"""How long the children of a killed supervisor may take to end; they end by themselves."""
END_SECONDS = 20.0
"""How long a supervisor may take to end its children."""
LOOK_SECONDS = 0.01


class Endpoints(msgspec.Struct, frozen=True):
    """Where a running mesh listens."""

    gateway: str
    chains: dict[str, str]
    relayers: dict[str, str]


class Running(msgspec.Struct, frozen=True):
    """What a supervisor writes once everything listens, and whenever a process ends or starts."""

    pid: int
    endpoints: Endpoints
    children: dict[str, int]
    """Process name (`osmosis`, `relayer-main`, `gateway`) to its id; 0 while it is away."""


class Manifest(msgspec.Struct, frozen=True):
    """What a directory holds."""

    mesh: MeshSpec
    genesis_time: int
    """Nanoseconds."""
    version: str = VERSION


class Home:
    """Paths of one mesh's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: int | None = None

    @property
    def manifest_file(self) -> Path:
        """The mesh's description."""
        return self.path / "mesh.json"

    @property
    def running_file(self) -> Path:
        """Who runs it, and where it listens."""
        return self.path / "running.json"

    @property
    def alive_file(self) -> Path:
        """Held by the supervisor and every child."""
        return self.path / "alive"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor for as long as it lives; the kernel lets it go however the supervisor dies."""
        return self.path / "lock"

    def chain(self, name: str) -> Path:
        """Directory of one chain."""
        return self.path / "chains" / name

    def relayer(self, name: str) -> Path:
        """Directory of one relayer."""
        return self.path / "relayers" / name

    @property
    def snapshots(self) -> Path:
        """What the mesh keeps of its snapshots; the rows are with the chains."""
        return self.path / "snapshots"

    def away(self, process: str) -> Path:
        """While this file exists the supervisor keeps a process away."""
        return self.path / "away" / process

    def log(self, name: str) -> Path:
        """Log of one process: JSON lines."""
        return self.path / "logs" / f"{name}.log"

    def create(self, mesh: MeshSpec, genesis_time: int) -> Manifest:
        """Write the description of a new mesh, or check that the directory holds this very one.

        Raises:
            Rejected: `up/other-mesh`, `up/other-version`; nothing is written.
        """
        if self.manifest_file.exists():
            found = self.manifest()
            if codec.encode(found.mesh) != codec.encode(mesh):
                chains = ", ".join(chain.name for chain in found.mesh.chains)
                raise Rejected(OTHER_MESH, dir=str(self.path), holds=chains, hint="choose another --dir, or delete this one")
            return found
        manifest = Manifest(mesh, genesis_time)
        for folder in ("chains", "relayers", "logs"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        write(self.manifest_file, codec.encode(manifest))
        return manifest

    def manifest(self) -> Manifest:
        """Read the description.

        Raises:
            Rejected: `mesh/not-running` if there is no mesh here, `up/other-version`.
        """
        try:
            raw = self.manifest_file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise Rejected(NOT_RUNNING, dir=str(self.path), hint="start one with: meshsec up") from None
        try:
            version = codec.load(raw, dict).get("version")
            if version == VERSION:
                return codec.load(raw, Manifest)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Rejected(BAD_DIRECTORY, file=str(self.manifest_file), reason=str(error)[:200]) from None
        raise Rejected(OTHER_VERSION, found=str(version)[:50], expected=VERSION, hint=f"delete {self.path}")

    def lock(self) -> None:
        """Take the directory for the life of this process, once the last child of an earlier supervisor has gone.

        Raises:
            Rejected: `up/already-running`, `up/leftover`, `up/bad-directory`.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            alive = os.open(self.alive_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Rejected(BAD_DIRECTORY, dir=str(self.path), reason=str(error.strerror), hint="choose another --dir") from None
        if not _locked(self._lock, LOCK_SECONDS):
            raise Rejected(ALREADY_RUNNING, dir=str(self.path), hint="meshsec down, or choose another --dir")
        left = self._read_running().children.values() if self.running_file.exists() else ()
        self.running_file.unlink(missing_ok=True)
        if not _locked(alive, LEFTOVER_SECONDS):
            raise Rejected(LEFTOVER, dir=str(self.path), processes=" ".join(map(str, left)), hint="end these processes")

    def held(self) -> list[int]:
        """Return the descriptors that hold the lock; children close them, or the lock would outlive the supervisor."""
        return [] if self._lock is None else [self._lock]

    def is_locked(self) -> bool:
        """Tell whether a supervisor holds the directory."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return not _locked(descriptor, 0)
        finally:
            os.close(descriptor)

    def running(self) -> Running:
        """Read who runs the mesh.

        Raises:
            Rejected: `mesh/not-running`.
        """
        if self.is_locked() and self.running_file.exists():
            return self._read_running()
        raise Rejected(NOT_RUNNING, dir=str(self.path), hint="start it with: meshsec up")

    def logs(self, process: str = "") -> list[Path]:
        """Return the log of one process, or those of all.

        Raises:
            Rejected: `mesh/not-running` if nothing has run here, `logs/unknown-process`.
        """
        found = sorted(self.log("").parent.glob("*.log"))
        if not found:
            raise Rejected(NOT_RUNNING, dir=str(self.path), hint="start one with: meshsec up")
        if process and self.log(process) not in found:
            raise Rejected(UNKNOWN_PROCESS, process=process[:100], known=", ".join(path.stem for path in found))
        return [self.log(process)] if process else found

    def _read_running(self) -> Running:
        return codec.load(self.running_file.read_bytes(), Running)


def end(home: Home) -> bool:
    """End the mesh of a directory and wait until its last process has gone; tell whether one was running.

    Raises:
        Rejected: `up/still-running` if it does not end.
    """
    deadline = time.monotonic() + END_SECONDS
    asked = False
    while home.is_locked():
        if not asked and home.running_file.exists():
            os.kill(home.running().pid, signal.SIGTERM)
            asked = True
        if time.monotonic() > deadline:
            raise Rejected(STILL_RUNNING, dir=str(home.path), hint="look at the logs, or end the processes by hand")
        time.sleep(LOOK_SECONDS)
    return asked


def _locked(descriptor: int, seconds: float) -> bool:
    """Try to take a lock for so long; tell whether it is held now."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_SECONDS)
        else:
            return True


def write(path: Path, content: bytes) -> None:
    """Replace a file as a whole: readers see the old or the new content.

    Raises:
        Rejected: `up/bad-directory`.
    """
    beside = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise Rejected(BAD_DIRECTORY, dir=str(path.parent), reason=str(error.strerror), hint="make room there") from None
