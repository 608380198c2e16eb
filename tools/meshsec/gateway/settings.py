"""What a gateway is told at its start."""

from pathlib import Path

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import MeshSpec

BAD_SETTINGS = "gateway/bad-settings"


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of one process."""

    mesh: MeshSpec
    chains: dict[str, str]
    """Short name of every chain to the URL of its HTTP interface."""
    relayers: dict[str, str]
    """Id of every relayer to the URL of its HTTP interface."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    body_limit: int = 8 * 1_048_576
    """Largest request body in bytes."""
    log_level: str = "info"
    parent: int | None = None
    """File descriptor that closes when the supervisor ends."""


def read_settings(path: Path) -> GatewaySettings:
    """Read a settings file.

    Raises:
        Rejected: `gateway/bad-settings`.
    """
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=GatewaySettings, strict=False)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected(BAD_SETTINGS, path=str(path), reason=str(error)[:200]) from None
    check(settings)
    return settings


def check(settings: GatewaySettings) -> None:
    """Refuse a gateway that knows other chains or relayers than its mesh has.

    Raises:
        Rejected: `gateway/bad-settings`.
    """
    chains = [chain.name for chain in settings.mesh.chains]
    if sorted(settings.chains) != sorted(chains):
        raise Rejected(BAD_SETTINGS, chains=", ".join(settings.chains), expected=", ".join(chains))
    if sorted(settings.relayers) != sorted(settings.mesh.relayers):
        raise Rejected(BAD_SETTINGS, relayers=", ".join(settings.relayers), expected=", ".join(settings.mesh.relayers))
