"""Where a relayer keeps the little that must survive it: one value, replaced whole."""

import os
from pathlib import Path
from typing import Protocol

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.boundary import Image

BAD_STORE = "relayer/bad-store"
NOT_STORED = "relayer/store-failed"


class Store(Protocol):
    """Keeps an image."""

    def load(self) -> Image | None:
        """Return what was saved last, or None."""

    def save(self, image: Image) -> None:
        """Make an image durable before returning."""


class MemoryStore:
    """Keeps an image as bytes, so that nothing alive is shared with the engine that saved it."""

    def __init__(self, raw: bytes = b"") -> None:
        self.raw = raw
        """The canonical JSON of the image; empty if there is none."""

    def load(self) -> Image | None:
        """Return what was saved last, or None."""
        return codec.load(self.raw, Image) if self.raw else None

    def save(self, image: Image) -> None:
        """Keep an image."""
        self.raw = codec.encode(image)


def reborn(image: Image, generation: int) -> Image:
    """Return an image for chains that are where they were when it was saved, but in another generation."""
    return msgspec.structs.replace(image, generations=dict.fromkeys(image.generations, str(generation)))


class FileStore:
    """Keeps an image in a file that is always whole: written beside, flushed, renamed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Image | None:
        """Return what was saved last, or None.

        Raises:
            Rejected: `relayer/bad-store` if the file is not one of ours, or cannot be read.
        """
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Rejected(BAD_STORE, file=str(self._path), reason=str(error.strerror)) from None
        try:
            return codec.decode(raw, Image)
        except Rejected as refusal:
            raise Rejected(BAD_STORE, file=str(self._path), reason=refusal.code) from None

    def save(self, image: Image) -> None:
        """Make an image durable before returning.

        Raises:
            Rejected: `relayer/store-failed`; the file holds the image before.
        """
        try:
            self._save(image)
        except OSError as error:
            raise Rejected(NOT_STORED, file=str(self._path), reason=str(error.strerror)) from None

    def _save(self, image: Image) -> None:
        beside = self._path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(codec.encode(image))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
