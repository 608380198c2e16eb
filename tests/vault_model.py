"""An independent model of the vault: plain rational arithmetic from the published rules, sharing no code with the vault.

A user has a collateral and liens: link to [low, high, ratio]. Slashes follow the text: the lien and the collateral fall by
the loss, every lien is clamped to the collateral, then while Σ high × ratio exceeds it every lien that is not zero falls by
the deficit over the sum of ratios, rounded up. What falls comes out of the pending part (high − low) first.
"""

from fractions import Fraction
from math import ceil


class Refused(Exception):
    """The rules do not allow it."""


class Model:
    """One user's account."""

    def __init__(self) -> None:
        self.collateral = 0
        self.liens: dict[str, list[Fraction]] = {}

    def exposure(self, end: int) -> Fraction:
        """Σ lien × ratio, exact; end 0 is low, 1 is high."""
        return sum((lien[end] * lien[2] for lien in self.liens.values()), Fraction(0))

    def free(self) -> tuple[int, int]:
        """What no outcome claims, and what the best outcome leaves."""
        highs, lows = [lien[1] for lien in self.liens.values()], [lien[0] for lien in self.liens.values()]
        worst = max([*highs, Fraction(ceil(self.exposure(1)))], default=Fraction(0))
        best = max([*lows, Fraction(ceil(self.exposure(0)))], default=Fraction(0))
        return self.collateral - int(worst), self.collateral - int(best)

    def bond(self, amount: int) -> None:
        self.collateral += amount

    def unbond(self, amount: int) -> None:
        if amount > self.free()[0]:
            raise Refused
        self.collateral -= amount

    def lend(self, link: str, amount: int, ratio: Fraction) -> None:
        known = self.liens.get(link)
        lien = [Fraction(0), Fraction(0), ratio] if known is None else list(known)
        lien[1] += amount
        others = self.exposure(1) - (known[1] * known[2] if known is not None else 0)
        if lien[1] > self.collateral or others + lien[1] * lien[2] > self.collateral:
            raise Refused
        self.liens[link] = lien

    def commit(self, link: str, amount: int) -> None:
        if link in self.liens:
            lien = self.liens[link]
            lien[0] = min(lien[0] + amount, lien[1])
            self.tidy()

    def rollback(self, link: str, amount: int) -> None:
        if link in self.liens:
            lien = self.liens[link]
            lien[1] = max(lien[1] - amount, lien[0])
            self.tidy()

    def release(self, link: str, amount: int) -> None:
        if link not in self.liens or self.liens[link][0] < amount:
            raise Refused
        self.liens[link][0] -= amount
        self.liens[link][1] -= amount
        self.tidy()

    def slash(self, link: str, settled: int, pending: int) -> dict[str, int]:
        """Take a loss; return what every lien lost beside it."""
        lien = self.liens[link]
        lien[0] -= settled
        lien[1] -= settled + pending
        self.collateral -= settled + pending
        before = {name: each[1] for name, each in self.liens.items()}
        for each in self.liens.values():
            self.lower(each, Fraction(self.collateral))
        while self.exposure(1) > self.collateral:
            ratios = sum(each[2] for each in self.liens.values() if each[1] > 0)
            step = ceil((self.exposure(1) - self.collateral) / ratios)
            for each in self.liens.values():
                self.lower(each, max(each[1] - step, Fraction(0)))
        cuts = {name: int(high - self.liens[name][1]) for name, high in before.items() if high > self.liens[name][1]}
        self.tidy()
        return cuts

    @staticmethod
    def lower(lien: list[Fraction], most: Fraction) -> None:
        lien[0], lien[1] = min(lien[0], most), min(lien[1], most)

    def tidy(self) -> None:
        self.liens = {name: lien for name, lien in self.liens.items() if lien[1] > 0}
