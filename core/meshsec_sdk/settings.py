"""What every process of ours is told at its start, and how a settings file is read."""

import re
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from meshsec_core.kernel.errors import Rejected

T = TypeVar("T")

_URL = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[!-~]*)?")

LOOPBACK = "127.0.0.1"


class Serving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every process of ours is told."""

    host: str = LOOPBACK
    port: int = 0
    """0 takes a free one."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    parent: int | None = None
    """File descriptor that closes when the supervisor ends; the process ends with it."""


def read_settings(path: Path, kind: type[T], code: str) -> T:
    """Read a JSON document of any spelling that a process is started with.

    Raises:
        Rejected: `code`, with the path and what is wrong.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, strict=False)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(code, path=str(path), reason=str(error)[:300]) from None


def check_url(url: str, code: str) -> None:
    """Refuse what is no address of an HTTP interface.

    Raises:
        Rejected: `code`.
    """
    if _URL.fullmatch(url) is None:
        raise Rejected(code, url=url[:200], expected="such as http://127.0.0.1:8000")
