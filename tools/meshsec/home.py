"""The directory of a mesh: everything it is, and who runs it. Deleting the directory deletes the mesh."""

import fcntl
import os
from pathlib import Path

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import MeshSpec

ALREADY_RUNNING = "up/already-running"
OTHER_MESH = "up/other-mesh"
OTHER_VERSION = "up/other-version"
NOT_RUNNING = "mesh/not-running"

VERSION = "1"
"""Version of the directory's layout."""


class Endpoints(msgspec.Struct, frozen=True):
    """Where a running mesh listens."""

    gateway: str
    chains: dict[str, str]
    relayers: dict[str, str]


class Running(msgspec.Struct, frozen=True):
    """What a supervisor writes once everything listens."""

    pid: int
    endpoints: Endpoints
    ready_ms: int = 0
    """From the start to open channels; 0 while it is still starting."""


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
    def lock_file(self) -> Path:
        """Held by the supervisor for as long as it lives; the kernel lets it go however the supervisor dies."""
        return self.path / "lock"

    def chain(self, name: str) -> Path:
        """Directory of one chain."""
        return self.path / "chains" / name

    def relayer(self, name: str) -> Path:
        """Directory of one relayer."""
        return self.path / "relayers" / name

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
            if found.mesh != mesh:
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
        except FileNotFoundError:
            raise Rejected(NOT_RUNNING, dir=str(self.path), hint="start one with: meshsec up") from None
        version = codec.load(raw, dict).get("version")
        if version != VERSION:
            raise Rejected(OTHER_VERSION, found=str(version), expected=VERSION, hint=f"delete {self.path}")
        return codec.load(raw, Manifest)

    def lock(self) -> None:
        """Take the directory for the life of this process.

        Raises:
            Rejected: `up/already-running`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Rejected(ALREADY_RUNNING, dir=str(self.path), hint="meshsec down, or choose another --dir") from None
        self._lock = descriptor

    def held(self) -> list[int]:
        """Return the descriptors that hold the lock; children close them, or the lock would outlive the supervisor."""
        return [] if self._lock is None else [self._lock]

    def is_locked(self) -> bool:
        """Tell whether a supervisor holds the directory."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def running(self) -> Running:
        """Read who runs the mesh.

        Raises:
            Rejected: `mesh/not-running`.
        """
        if self.is_locked() and self.running_file.exists():
            return codec.load(self.running_file.read_bytes(), Running)
        raise Rejected(NOT_RUNNING, dir=str(self.path), hint="start it with: meshsec up")


def write(path: Path, content: bytes) -> None:
    """Replace a file as a whole: readers see the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)
