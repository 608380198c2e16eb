"""What a chain process is told at its start."""

from enum import StrEnum
from pathlib import Path

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.replica.pruning import KEEP, Keep
from meshsec_core.runtime.genesis import Genesis
from meshsec_sdk.settings import Serving, read_settings

BAD_SETTINGS = "node/bad-settings"


class BlockMode(StrEnum):
    """When a block is made."""

    INTERVAL = "interval"
    """One every `block_time`."""
    AUTO = "auto"
    """When there is something to include or to prove, and now and then while idle."""
    MANUAL = "manual"
    """When somebody asks for one."""


class Settings(Serving, frozen=True, forbid_unknown_fields=True):
    """Settings of one process; times are nanoseconds."""

    genesis: str
    """Path of the genesis document, JSON."""
    home: str
    """Directory of the chain's database."""
    mesh: dict[str, str] = msgspec.field(default_factory=dict)
    """Short name to bech32 prefix of every chain of the mesh: what names such as `juno/val-0` mean."""
    block_mode: BlockMode = BlockMode.INTERVAL
    block_time: int = SECOND
    heartbeat: int = 5 * SECOND
    """Longest pause between blocks in auto mode."""
    development: bool = False
    """Sign with development keys and take orders under `/v1/dev`."""
    keep_states: int = KEEP.states
    """How many past states can be proven."""
    keep_blocks: int = KEEP.blocks
    """How many blocks stay, at least as many as states; 0 keeps all."""
    clock_offset: int = 0
    """Logical time minus wall time at the first start; later the stored one holds."""
    body_limit: int = 8 * 1_048_576
    """Largest request body in bytes."""
    verifiers: int = 2
    """Threads that verify the signatures of batches."""

    @property
    def keep(self) -> Keep:
        """How much of its past the chain keeps.

        Raises:
            Rejected: `node/bad-settings` if blocks would go before the states whose proofs need them.
        """
        if self.keep_states < 1 or 0 < self.keep_blocks < self.keep_states or self.keep_blocks < 0:
            raise Rejected(BAD_SETTINGS, keep_blocks=self.keep_blocks, keep_states=self.keep_states)
        return Keep(self.keep_states, self.keep_blocks)

    @property
    def database(self) -> Path:
        """File of the chain's rows."""
        return Path(self.home) / "chain.db"


def read_genesis(path: Path) -> Genesis:
    """Read a genesis document; any spelling of JSON will do.

    Raises:
        Rejected: `node/bad-settings`.
    """
    return read_settings(path, Genesis, BAD_SETTINGS)
