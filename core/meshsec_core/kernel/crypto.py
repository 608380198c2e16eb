"""SHA-256, Ed25519 and bech32, each by a well-kept library."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256 as _sha256

import bech32
from nacl import bindings
from nacl.exceptions import CryptoError

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, ValidatorId

Verify = Callable[[bytes, bytes, bytes], bool]
"""Asks whether (public key, message, signature) is a valid Ed25519 signature; the shell decides how it is computed."""

ADDRESS_BYTES = 20
ADDRESSES_REMEMBERED = 16_384
"""Spellings that are kept in each direction; checksums in pure Python cost as much as a signature."""
BAD_ADDRESS = "crypto/bad-address"


def sha256(data: bytes) -> bytes:
    """Hash once with SHA-256."""
    return _sha256(data).digest()


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Check an Ed25519 signature; malformed keys and signatures are simply not valid."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except (CryptoError, ValueError):
        return False
    return True


class MemoVerifier:
    """Remembers the verdict of every (key, message, signature), so that one process verifies each signature once.

    The memo is keyed by a digest of the full input, so messages of any length cost the same, and is bounded; its oldest half is
    forgotten when it is full.
    """

    def __init__(self, capacity: int = 200_000, check: Verify = verify) -> None:
        self._capacity = capacity
        self._check = check
        self._verdicts: dict[bytes, bool] = {}

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Answer from the memo, or verify and remember."""
        digest = _digest(public_key, message, signature)
        verdict = self._verdicts.get(digest)
        if verdict is None:
            verdict = self._check(public_key, message, signature)
            self._keep(digest, verdict)
        return verdict

    def remember(self, question: tuple[bytes, bytes, bytes], verdict: bool) -> None:
        """Take over a verdict that was found elsewhere, such as on another thread, for the full question."""
        self._keep(_digest(*question), verdict)

    def _keep(self, digest: bytes, verdict: bool) -> None:
        if len(self._verdicts) >= self._capacity:
            for old in list(self._verdicts)[: self._capacity // 2]:
                del self._verdicts[old]
        self._verdicts[digest] = verdict


def _digest(public_key: bytes, message: bytes, signature: bytes) -> bytes:
    """Return what stands for a question; the lengths keep what cannot be valid apart from what can."""
    return sha256(b"%d,%d;" % (len(public_key), len(signature)) + public_key + signature + message)


class PrivateKey:
    """An Ed25519 key made from a 32-byte seed."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret = bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature; Ed25519 is deterministic."""
        return bindings.crypto_sign(message, self._secret)[:64]


def address_of(public_key: bytes) -> bytes:
    """Return the 20-byte address of a public key, as CometBFT and our accounts define it."""
    return sha256(public_key)[:ADDRESS_BYTES]


@lru_cache(ADDRESSES_REMEMBERED)
def bech32_encode(prefix: str, raw: bytes) -> str:
    """Spell raw bytes in bech32 under a prefix."""
    words: list[int] = bech32.convertbits(raw, 8, 5) or []
    text: str = bech32.bech32_encode(prefix, words)
    return text


def account(prefix: str, raw: bytes) -> Address:
    """Spell a 20-byte account address."""
    return Address(bech32_encode(prefix, raw))


def operator(prefix: str, raw: bytes) -> ValidatorId:
    """Spell a 20-byte validator operator address."""
    return ValidatorId(bech32_encode(prefix + "valoper", raw))


def module_account(prefix: str, name: str) -> Address:
    """Return the address of an account that no key controls: the hash of its name."""
    return account(prefix, sha256(b"module/" + name.encode())[:ADDRESS_BYTES])


@lru_cache(ADDRESSES_REMEMBERED)
def bech32_decode(prefix: str, text: str) -> bytes:
    """Read a bech32 address of the given prefix.

    Raises:
        Rejected: `crypto/bad-address` if the checksum, prefix or length is wrong.
    """
    found, words = bech32.bech32_decode(text)
    raw = bech32.convertbits(words, 5, 8, False) if words is not None and found == prefix else None
    if raw is None or len(raw) != ADDRESS_BYTES or text != text.lower():
        raise Rejected(BAD_ADDRESS, address=text[:100], prefix=prefix)
    return bytes(raw)
