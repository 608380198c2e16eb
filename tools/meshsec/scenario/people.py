"""Names for the addresses, links and coins of a mesh's states, so that people can read what changed."""

from collections.abc import Mapping
from functools import cache

from bech32 import bech32_decode, convertbits

from meshsec.world.base import World
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import address_of
from meshsec_sdk import names

Rows = Mapping[str, bytes]
"""A chain's state: path to value."""

SHORT = 12
"""Characters of an address that has no name."""


class People:
    """Names addresses as a story does."""

    def __init__(self, world: World) -> None:
        self._known: dict[bytes, str] = {}
        for relayer in world.spec.relayers:
            self._add(names.relayer_path(relayer), f"relayer/{relayer}")
        for chain in world.spec.chains:
            for validator in chain.validators:
                self._add(names.operator_path(chain.name, validator.name), f"{chain.name}/{validator.name}")
        for user in names.USERS:
            self._add(f"user/{user}", user)
        self._add(names.FAUCET, names.FAUCET)

    def _add(self, path: str, name: str) -> None:
        self._known[_address(path)] = name

    def name(self, text: str) -> str:
        """Return the name behind an address of any chain; a stranger's is cut short, and what is no address stays as it is."""
        if len(text) < 30 or "1" not in text:
            return text
        raw = _raw(text)
        return text if raw is None else self._known.get(raw, f"{text[:SHORT]}…")

    def know_modules(self, rows: Rows) -> None:
        """Learn which addresses belong to modules, as the bank reserves them."""
        for path, value in rows.items():
            if path.startswith("bank/reserved/") and (raw := _raw(path.rpartition("/")[2])) is not None:
                owner = str(codec.load(value, str))
                self._known[raw] = "/".join(map(self.name, owner.split("/")))


def links(rows: Rows) -> dict[str, str]:
    """Return channel to what it is: a link to a borrower, or from a lender."""
    found = {}
    for path, value in rows.items():
        if path.startswith("mesh/links/"):
            found[path.rpartition("/")[2]] = _short(codec.load(value, dict)["consumer"])
        elif path.startswith("mesh/borrow-of-provider/"):
            found[codec.load(value, str)] = _short(path.rpartition("/")[2])
    return found


def coins(rows: Rows) -> dict[str, str]:
    """Return denomination to what it is called: vouchers by the way that they came."""
    prefix = "transfer/denoms/"
    return {
        f"ibc/{path.removeprefix(prefix)}": f"voucher {codec.load(value, dict)['path'].removeprefix('transfer/')}"
        for path, value in rows.items()
        if path.startswith(prefix)
    }


def _short(chain_id: str) -> str:
    return str(chain_id).removesuffix("-1")


@cache
def _address(path: str) -> bytes:
    return bytes(address_of(names.development_key(path).public_key))


@cache
def _raw(text: str) -> bytes | None:
    prefix, data = bech32_decode(text)
    if prefix is None or data is None:
        return None
    raw = convertbits(data, 5, 8, False)
    return None if raw is None else bytes(raw)
