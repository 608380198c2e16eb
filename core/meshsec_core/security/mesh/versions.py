"""The version that two ends of a link agree on when the channel opens.

Source: mesh-security packages/apis/src/ibc/version.rs.
"""

import re

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected

PROTOCOL = "mesh-security"
SUPPORTED = "1.0.0"
MINIMUM = "1.0.0"

INVALID_PROTOCOL = "mesh/invalid-protocol"
INVALID_VERSION = "mesh/invalid-version"
VERSION_TOO_OLD = "mesh/version-too-old"
VERSION_TOO_NEW = "mesh/version-too-new"

LENGTH = 100
"""Most characters of a version."""

_NUMBER = "(0|[1-9][0-9]{0,9})"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?")

Order = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


class Version(msgspec.Struct, frozen=True):
    """What travels as the channel's version."""

    protocol: str
    version: str

    def spell(self) -> str:
        """Return the text that the handshake carries."""
        return msgspec.json.encode(self).decode()


def order(version: str) -> Order:
    """Return a sort key that follows semantic versioning: a pre-release sorts before its release.

    Raises:
        Rejected: `mesh/invalid-version`.
    """
    found = _SEMVER.fullmatch(version)
    if found is None or len(version) > LENGTH:
        raise Rejected(INVALID_VERSION, version=version[:50])
    major, minor, patch, suffix = found.groups()
    parts = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in (suffix or "").split(".") if part)
    return int(major), int(minor), int(patch), suffix is None, parts


def parse(text: str) -> Version:
    """Read a channel's version; unknown fields are let pass.

    Raises:
        Rejected: `mesh/invalid-protocol`, `mesh/invalid-version`.
    """
    try:
        version = codec.read(text.encode(), Version)
    except Rejected:
        raise Rejected(INVALID_VERSION, version=text[:100]) from None
    if version.protocol != PROTOCOL:
        raise Rejected(INVALID_PROTOCOL, protocol=version.protocol[:50])
    order(version.version)
    return version


def negotiate(proposed: Version, supported: str = SUPPORTED, minimum: str = MINIMUM) -> Version:
    """Return the older of what is proposed and what we support.

    Raises:
        Rejected: `mesh/version-too-old`, `mesh/version-too-new` (a newer major version).
    """
    asked = order(proposed.version)
    if asked < order(minimum):
        raise Rejected(VERSION_TOO_OLD, proposed=proposed.version, minimum=minimum)
    if asked[0] > order(supported)[0]:
        raise Rejected(VERSION_TOO_NEW, proposed=proposed.version, supported=supported)
    return Version(PROTOCOL, min(proposed.version, supported, key=order))


def check_answer(answered: Version, supported: str = SUPPORTED, minimum: str = MINIMUM) -> None:
    """Accept the other end's choice.

    Raises:
        Rejected: `mesh/version-too-old`, `mesh/version-too-new` (anything above what we support).
    """
    if order(answered.version) < order(minimum):
        raise Rejected(VERSION_TOO_OLD, proposed=answered.version, minimum=minimum)
    if order(answered.version) > order(supported):
        raise Rejected(VERSION_TOO_NEW, proposed=answered.version, supported=supported)


OURS = Version(PROTOCOL, SUPPORTED)
