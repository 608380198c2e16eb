"""What a chain process is told at its start."""

from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.runtime.genesis import Genesis

T = TypeVar("T")

BAD_SETTINGS = "node/bad-settings"


class BlockMode(StrEnum):
    """When a block is made."""

    INTERVAL = "interval"
    """One every `block_time`."""
    AUTO = "auto"
    """When there is something to include or to prove, and now and then while idle."""
    MANUAL = "manual"
    """When somebody asks for one."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of one process; times are nanoseconds."""

    genesis: str
    """Path of the genesis document, JSON."""
    home: str
    """Directory of the chain's database."""
    mesh: dict[str, str] = {}
    """Short name to bech32 prefix of every chain of the mesh: what names such as `juno/val-0` mean."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    block_mode: BlockMode = BlockMode.INTERVAL
    block_time: int = SECOND
    heartbeat: int = 5 * SECOND
    """Longest pause between blocks in auto mode."""
    development: bool = False
    """Sign with development keys and take orders under `/v1/dev`."""
    keep: int = 1_000
    """How many past states can be proven."""
    clock_offset: int = 0
    """Logical time minus wall time at the first start; later the stored one holds."""
    body_limit: int = 8 * 1_048_576
    """Largest request body in bytes."""
    verifiers: int = 2
    """Threads that verify the signatures of batches."""
    log_level: str = "info"
    parent: int | None = None
    """File descriptor that closes when the supervisor ends."""

    @property
    def database(self) -> Path:
        """File of the chain's rows."""
        return Path(self.home) / "chain.db"


def read_settings(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        Rejected: `node/bad-settings`.
    """
    return _read(path, Settings)


def read_genesis(path: Path) -> Genesis:
    """Read a genesis document; any spelling of JSON will do.

    Raises:
        Rejected: `node/bad-settings`.
    """
    return _read(path, Genesis)


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, strict=False)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected(BAD_SETTINGS, path=str(path), reason=str(error)[:200]) from None
