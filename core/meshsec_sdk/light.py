"""A light client for programs: whoever trusts one header of a chain can check every answer about its state.

The node that answers is believed nothing. It may refuse, and may tell of the past, but of none before what it has shown.
"""

import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from meshsec_core.consensus.light import INSUFFICIENT_TRUST, Rules, TrustedState, Untrusted, verify, verify_whole
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel import codec, crypto
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle import ics23
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import FLAG_COMMIT, SignedHeader
from meshsec_core.kernel.wire.tendermint import ValidatorSet as WireValidatorSet
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage
from meshsec_core.runtime.genesis import Genesis
from meshsec_sdk.models import load_models

WRONG_ANCHOR = "light/wrong-anchor"
BELOW_ANCHOR = "light/below-anchor"
OTHER_ANSWER = "light/other-answer"
STALE = "light/stale"

FIRST = 1
"""The height of the first header."""
KEPT = 100
"""Verified headers that are remembered, the highest ones; with them what an answer about a little earlier is checked by."""


class Anchor(msgspec.Struct, frozen=True):
    """The one header that is trusted, from wherever: a friend, an explorer, several nodes that agree, or the genesis document."""

    chain_id: str
    height: int
    hash: str = ""
    """Of the header, lower hex."""
    validators_hash: str = ""
    """Of the set that signs it, lower hex, where the header itself is not known."""


class Trust(msgspec.Struct, frozen=True):
    """What a light client starts from, and how it judges."""

    anchor: Anchor
    trusting_period: int = 14 * 86_400 * SECOND
    """Nanoseconds for which a header is trusted; shorter than the chain's unbonding time."""
    max_clock_drift: int = 30 * SECOND
    now: Callable[[], int] = time.time_ns
    """Nanoseconds. A mesh whose clock was moved has a time of its own: give `world.logical_time`."""


class Proven(msgspec.Struct, frozen=True):
    """A value of the state after a height."""

    path: str
    height: int
    value: bytes | None
    proof: bytes | None
    """Two-level ICS-23 proof against the app hash in the header of `proof_height`."""
    proof_height: int


class Asks(Protocol):
    """A node that answers."""

    def get(self, path: str, **query: str | int) -> Any:
        """Return the parsed answer of a GET."""


class _Commit(msgspec.Struct, frozen=True):
    proto: bytes


class Verified(msgspec.Struct, frozen=True):
    """A header that was verified."""

    height: int
    time: int
    app_hash: bytes
    """Root of the state after the height before."""
    signed_by: int
    """Validators whose signatures for it came with it."""
    trusted: TrustedState


class LightClient:
    """Follows one chain through a node that need not be honest."""

    def __init__(self, node: Asks, trust: Trust) -> None:
        self._node = node
        self._trust = trust
        self._rules = Rules(trust.anchor.chain_id, trust.trusting_period, trust.max_clock_drift)
        self._known: list[Verified] = []
        """By height, ascending; the first is the anchor."""

    @property
    def latest(self) -> int:
        """The highest height that was verified; 0 before the first."""
        return self._known[-1].height if self._known else 0

    def header(self, height: int) -> Verified:
        """Verify the header of a height, and those in between that are needed.

        Raises:
            Rejected: `light/wrong-anchor`, `light/below-anchor`, any other `light/…` or `wire/…` code of a header that does not
                verify, or what the node refuses.
        """
        if not self._known:
            self._known.append(self._anchored())
        if height < self._known[0].height:
            raise Rejected(BELOW_ANCHOR, height=height, anchor=self._known[0].height)
        goals = [height]
        while True:
            base = self._known[bisect_right(self._known, goals[-1], key=lambda known: known.height) - 1]
            if base.height == goals[-1]:
                if goals.pop() == height:
                    return base
                continue
            try:
                self._learn(base, goals[-1])
            except Rejected as refusal:
                if refusal.code != INSUFFICIENT_TRUST:
                    raise
                goals.append((base.height + goals[-1]) // 2)

    def check(self, asked: str, height: int | None, found: Proven) -> None:
        """Check an answer of `/v1/state`: that it is about what was asked, and that its proof leads to a header that verifies.

        Args:
            asked: the path.
            height: the state that was asked for; None for the latest, which must not be older than what was verified before.
            found: what the node says, with its proof.

        Raises:
            Rejected: `light/other-answer`, `light/stale`, `proof/…`, or as `header`; the answer is not to be believed.
        """
        if found.path != asked or found.proof_height != found.height + 1 or (height is not None and found.height != height):
            raise Rejected(OTHER_ANSWER, asked=asked[:100], found=found.path[:100], height=found.height)
        if height is None and found.proof_height < self.latest:
            raise Rejected(STALE, height=found.proof_height, verified=self.latest)
        check_proof(self.header(found.proof_height).app_hash, asked, found.value, found.proof or b"")

    def _anchored(self) -> Verified:
        anchor = self._trust.anchor
        shown = self._shown(anchor.height)
        header = shown.signed_header.header
        wanted, found = anchor.hash or anchor.validators_hash, header_hash(header) if anchor.hash else header.validators_hash
        if found.hex() != wanted:
            raise Rejected(WRONG_ANCHOR, height=anchor.height, trusted=wanted)
        verify_whole(shown, anchor.chain_id, crypto.verify)
        return _verified(shown)

    def _learn(self, base: Verified, height: int) -> None:
        shown, announced = self._shown(height), self._voters(base.height + 1)
        verify(base.trusted, shown, announced, self._rules, self._trust.now(), crypto.verify)
        self._known.append(_verified(shown))
        self._known.sort(key=lambda known: known.height)
        del self._known[1 : max(1, len(self._known) - KEPT)]

    def _shown(self, height: int) -> Untrusted:
        raw = codec.convert(self._node.get(f"/v1/commits/{height}"), _Commit).proto
        signed = decode(SignedHeader, raw)
        if signed.header.height != height:
            raise Rejected(OTHER_ANSWER, asked=f"header {height}", height=signed.header.height)
        return Untrusted(signed, self._voters(height))

    def _voters(self, height: int) -> ValidatorSet:
        raw = codec.convert(self._node.get("/v1/validators", height=height), _Commit).proto
        return ValidatorSet.from_wire(decode(WireValidatorSet, raw))


def of_genesis(genesis: Genesis) -> Anchor:
    """Return what a genesis document says of the first header: who signs it.

    Raises:
        Rejected: as `Replica.open` for a document that no chain can start from.
    """
    begun = Replica.open(genesis, {}, MemoryStorage(), verify=crypto.verify, models=load_models(genesis.models))
    return Anchor(genesis.chain_id, FIRST, validators_hash=begun.tip.validators.hash.hex())


def check_proof(app_hash: bytes, path: str, value: bytes | None, proof: bytes) -> None:
    """Check a two-level proof of what lies at a path of the state, or that nothing does.

    Raises:
        Rejected: a `proof/…` or `wire/…` code.
    """
    store, _, key = path.partition("/")
    if value is None:
        ics23.verify_absence(app_hash, store, key.encode(), proof)
    else:
        ics23.verify_value(app_hash, store, key.encode(), value, proof)


def _verified(shown: Untrusted) -> Verified:
    header, signatures = shown.signed_header.header, shown.signed_header.commit.signatures
    signed_by = sum(signature.flag == FLAG_COMMIT for signature in signatures)
    trusted = TrustedState(header.height, header.time, header.next_validators_hash)
    return Verified(header.height, header.time, header.app_hash, signed_by, trusted)
