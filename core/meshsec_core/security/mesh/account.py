"""A user's account in the vault: one collateral, and what each link may claim of it.

Laws, after every operation and while packets are in flight: a lien never exceeds the collateral; the sum of what can be
slashed never exceeds it. What can be slashed is computed from the liens each time, exactly: the sum of lien × ratio,
rounded up once, at the end.

Source: mesh-security contracts/provider/vault, docs/ibc/Slashing.md; rounding and propagation as this project decided.
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ceil_div
from meshsec_core.security.mesh.ranges import Range, max_range

CLAIMS_LOCKED = "mesh/claims-locked"
INSUFFICIENT_BALANCE = "mesh/insufficient-balance"
INSUFFICIENT_LIEN = "mesh/insufficient-lien"

LOCAL = "local"
"""The key of the lien that local staking holds; every other key is a link's channel."""


class Lien(msgspec.Struct, frozen=True):
    """What one link claims of one user's collateral."""

    range: Range
    ratio_bps: int
    """The largest part that one fault can cost, frozen when the lien is made; rounded up to full basis points."""


class Cut(msgspec.Struct, frozen=True):
    """What propagation takes from a lien beside the one that was slashed."""

    link: str
    pending: int
    """Taken from stake in flight: low does not move."""
    settled: int
    """Taken from both ends."""


class Account(msgspec.Struct, frozen=True):
    """One user's collateral and liens, in base units. Methods return the next account."""

    collateral: int = 0
    liens: dict[str, Lien] = {}

    @property
    def max_lien(self) -> Range:
        """The largest lien: links share collateral, so liens overlap."""
        return max_range(lien.range for lien in self.liens.values())

    @property
    def slashable(self) -> Range:
        """What one fault on every link at once would cost; each end is the exact sum, rounded up."""
        liens = self.liens.values()
        return Range(
            ceil_div(sum(lien.range.low * lien.ratio_bps for lien in liens), ONE_BPS),
            ceil_div(_exposure(liens), ONE_BPS),
        )

    @property
    def free(self) -> Range:
        """What no link claims and no fault can reach."""
        used = max_range((self.max_lien, self.slashable))
        return Range(self.collateral - used.high, self.collateral - used.low)

    def bond(self, amount: int) -> "Account":
        """Add collateral."""
        return replace(self, collateral=self.collateral + amount)

    def unbond(self, amount: int) -> "Account":
        """Withdraw free collateral.

        Raises:
            Rejected: `mesh/claims-locked` if some outcome of what is in flight needs it.
        """
        free = self.free
        if amount > free.low:
            raise Rejected(CLAIMS_LOCKED, low=free.low, high=free.high, amount=amount)
        return replace(self, collateral=self.collateral - amount)

    def lend(self, link: str, amount: int, ratio_bps: int) -> "Account":
        """Reserve a larger lien; a lien that exists keeps its ratio.

        Raises:
            Rejected: `mesh/insufficient-balance` if the lien or the sum of what can be slashed would exceed the collateral.
        """
        lien = self.liens.get(link, Lien(Range(), ratio_bps))
        raised = self._with(link, replace(lien, range=lien.range.prepare_add(amount)))
        if raised.liens[link].range.high > self.collateral or raised.slashable.high > self.collateral:
            raise Rejected(
                INSUFFICIENT_BALANCE,
                collateral=self.collateral,
                lien=raised.liens[link].range.high,
                slashable=raised.slashable.high,
            )
        return raised

    def commit(self, link: str, amount: int) -> "Account":
        """Make a reserved lien true; an amount that has been cut away meanwhile is not looked for."""
        lien = self.liens.get(link)
        return self if lien is None else self._with(link, replace(lien, range=lien.range.commit_add(amount)))

    def rollback(self, link: str, amount: int) -> "Account":
        """Drop a reserved lien."""
        lien = self.liens.get(link)
        return self if lien is None else self._with(link, replace(lien, range=lien.range.rollback_add(amount)))

    def release(self, link: str, amount: int) -> "Account":
        """Lower a lien at both ends.

        Raises:
            Rejected: `mesh/insufficient-lien`.
        """
        lien = self.liens.get(link)
        if lien is None or lien.range.low < amount:
            raise Rejected(INSUFFICIENT_LIEN, link=link, amount=amount)
        return self._with(link, replace(lien, range=lien.range.sub(amount)))

    def slash(self, link: str, settled: int, pending: int) -> tuple["Account", tuple[Cut, ...]]:
        """Take a loss on one link and restore every law by cutting liens.

        First the lien and the collateral fall; then every lien is clamped to the new collateral; then, while more could
        be slashed than there is, every lien falls by the same amount: the deficit over the sum of ratios, rounded up,
        which is the side that keeps the vault solvent.

        Args:
            link: Where the fault was.
            settled: Loss that lowers both ends of the lien.
            pending: Loss of stake in flight, which lowers the high end alone.
        """
        lien = self.liens[link]
        loss = settled + pending
        left = Range(lien.range.low - settled, lien.range.high - loss)
        liens = self.liens | {link: replace(lien, range=left)}
        collateral = self.collateral - loss
        shrunk = {key: replace(each, range=each.range.clamp(collateral)) for key, each in liens.items()}
        while (deficit := _exposure(shrunk.values()) - collateral * ONE_BPS) > 0:
            ratios = sum(each.ratio_bps for each in shrunk.values() if each.range.high)
            step = ceil_div(deficit, ratios)  # rounds up, against the liens
            shrunk = {key: replace(each, range=each.range.clamp(max(each.range.high - step, 0))) for key, each in shrunk.items()}
        cuts = tuple(
            Cut(key, pending=high - settled_cut, settled=settled_cut)
            for key in sorted(liens)
            if (high := liens[key].range.high - shrunk[key].range.high)
            for settled_cut in (liens[key].range.low - shrunk[key].range.low,)
        )
        kept = {key: each for key, each in shrunk.items() if each.range.high}
        return Account(collateral, kept), cuts

    def _with(self, link: str, lien: Lien) -> "Account":
        liens = self.liens | {link: lien}
        if lien.range.high == 0:
            del liens[link]
        return replace(self, liens=liens)


def _exposure(liens: Iterable[Lien]) -> int:
    """Sum lien × ratio at the high ends, in base units × 10^4: exact."""
    return sum(lien.range.high * lien.ratio_bps for lien in liens)
