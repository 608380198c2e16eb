"""What a gateway is told at its start."""

from pathlib import Path

from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import MeshSpec
from meshsec_sdk.settings import Serving, check_url, read_settings

BAD_SETTINGS = "gateway/bad-settings"


class GatewaySettings(Serving, frozen=True, forbid_unknown_fields=True):
    """Settings of one process."""

    mesh: MeshSpec
    chains: dict[str, str]
    """Short name of every chain to the URL of its HTTP interface."""
    relayers: dict[str, str]
    """Id of every relayer to the URL of its HTTP interface."""
    home: str = ""
    """Directory of the mesh's snapshots; without one there are none."""
    body_limit: int = 8 * 1_048_576
    """Largest request body in bytes."""


def read_gateway_settings(path: Path) -> GatewaySettings:
    """Read and check a settings file.

    Raises:
        Rejected: `gateway/bad-settings`.
    """
    settings = read_settings(path, GatewaySettings, BAD_SETTINGS)
    check(settings)
    return settings


def check(settings: GatewaySettings) -> None:
    """Refuse a gateway that knows other chains or relayers than its mesh has, or cannot reach them by what it was told.

    Raises:
        Rejected: `gateway/bad-settings`.
    """
    for url in (*settings.chains.values(), *settings.relayers.values()):
        check_url(url, BAD_SETTINGS)
    chains = [chain.name for chain in settings.mesh.chains]
    if sorted(settings.chains) != sorted(chains):
        raise Rejected(BAD_SETTINGS, chains=", ".join(settings.chains), expected=", ".join(chains))
    if sorted(settings.relayers) != sorted(settings.mesh.relayers):
        raise Rejected(BAD_SETTINGS, relayers=", ".join(settings.relayers), expected=", ".join(settings.mesh.relayers))
