"""A snapshot of a mesh as one file: every chain's rows with all its blocks, the relayers' images, and which mesh it is of.

It is a zip archive: `label.json`, and `<chain>.db` for every chain. Whoever imports it has the same mesh, down to the genesis
time; a directory that holds none becomes it.
"""

import hashlib
import zipfile
from pathlib import Path

import msgspec

from meshsec.home import Home, Manifest
from meshsec.kept import Kept, Shelf
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_node import storage
from meshsec_node.storage import flush

NO_BUNDLE = "bundle/not-readable"
CANNOT_WRITE_BUNDLE = "bundle/cannot-write"
OTHER_BUNDLE = "bundle/other-version"
FOREIGN = "bundle/foreign-mesh"
DAMAGED = "bundle/damaged"

VERSION = "1"
LABEL = "label.json"
LONGEST_LABEL = 16 * 1_048_576
"""Bytes; a longer one is not read."""


class Label(msgspec.Struct, frozen=True):
    """What a bundle says of itself."""

    manifest: Manifest
    kept: Kept
    digests: dict[str, str]
    """SHA-256 of every chain's file, lower hex."""
    storage: str = storage.VERSION
    version: str = VERSION


def pack(home: Home, name: str, file: Path) -> Label:
    """Write a snapshot of a directory's mesh into one file.

    Raises:
        Rejected: `snapshot/not-found`, `mesh/not-running` if the directory holds no mesh, `bundle/cannot-write`.
    """
    manifest, kept = home.manifest(), Shelf(home.snapshots).get(name)
    try:
        found = {chain.name: _rows(home, chain.name, kept).read_bytes() for chain in manifest.mesh.chains}
        digests = {chain: hashlib.sha256(raw).hexdigest() for chain, raw in found.items()}
        label = Label(manifest, kept, digests)
        with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(LABEL, codec.encode(label))
            for chain, raw in found.items():
                archive.writestr(f"{chain}.db", raw)
    except OSError as error:
        raise Rejected(CANNOT_WRITE_BUNDLE, file=str(file), reason=str(error.strerror or error)) from None
    return label


def unpack(home: Home, file: Path) -> Label:
    """Put a bundle's snapshot on the shelf of a mesh, running or not, in place of one of that name.

    Raises:
        Rejected: `bundle/not-readable`, `bundle/other-version`, `bundle/foreign-mesh`, `bundle/damaged`: nothing is written.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            label = _label(archive)
            _check_mesh(home, label.manifest)
            found = {chain.name: archive.read(f"{chain.name}.db") for chain in label.manifest.mesh.chains}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise Rejected(NO_BUNDLE, file=str(file), reason=str(error)[:200]) from None
    for chain, raw in found.items():
        if hashlib.sha256(raw).hexdigest() != label.digests.get(chain):
            raise Rejected(DAMAGED, file=str(file), chain=chain)
    home.create(label.manifest.mesh, label.manifest.genesis_time)
    for chain, raw in found.items():
        path = _rows(home, chain, label.kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        flush(path)
        flush(path.parent)
    Shelf(home.snapshots).put(label.kept)
    return label


def _rows(home: Home, chain: str, kept: Kept) -> Path:
    return home.chain(chain) / "snapshots" / f"{kept.on_chains}.db"


def _label(archive: zipfile.ZipFile) -> Label:
    if archive.getinfo(LABEL).file_size > LONGEST_LABEL:
        raise Rejected(NO_BUNDLE, reason="the label is too long")
    raw = archive.read(LABEL)
    try:
        said = codec.load(raw, dict)
        found = (str(said.get("version"))[:50], str(said.get("storage"))[:50])
        if found == (VERSION, storage.VERSION):
            return codec.load(raw, Label)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(NO_BUNDLE, reason=str(error)[:200]) from None
    raise Rejected(OTHER_BUNDLE, found=" ".join(found), expected=f"{VERSION} {storage.VERSION}")


def _check_mesh(home: Home, manifest: Manifest) -> None:
    if home.manifest_file.exists():
        here = home.manifest()
        if codec.encode(here) != codec.encode(manifest):
            differs = "genesis time" if codec.encode(here.mesh) == codec.encode(manifest.mesh) else "mesh"
            raise Rejected(FOREIGN, dir=str(home.path), differs=differs, hint="import into a new --dir, and boot that one")
