"""The vault agrees, step by step on random histories, with a model that shares no code with it."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsec_core.kernel.errors import Rejected
from meshsec_core.security.mesh.account import Account
from vault_model import Model, Refused

RATIOS = {"a": 1_000, "b": 6_000, "c": 3_333, "d": 1, "local": 500}
"""Basis points."""

STEP = st.tuples(
    st.sampled_from(("bond", "unbond", "lend", "lend", "lend", "commit", "commit", "rollback", "release", "slash", "slash")),
    st.sampled_from(sorted(RATIOS)),
    st.one_of(st.integers(1, 40), st.integers(1, 3_000)),
    st.integers(0, 10_000),
)


class Both:
    """The vault and the model, and what has been asked of both."""

    def __init__(self) -> None:
        self.account, self.model = Account(), Model()

    def do(self, what: str, link: str, amount: int, part_bps: int) -> None:
        if what == "slash":
            self.slash(link, amount, part_bps)
            return
        arguments = {
            "bond": (amount,),
            "unbond": (amount,),
            "lend": (link, amount),
            "commit": (link, amount),
            "rollback": (link, amount),
            "release": (link, amount),
        }[what]
        ratio_bps = (RATIOS[link],) if what == "lend" else ()
        ratio = (Fraction(RATIOS[link], 10_000),) if what == "lend" else ()
        try:
            after = getattr(self.account, what)(*arguments, *ratio_bps)
        except Rejected:
            after = None
        try:
            getattr(self.model, what)(*arguments, *ratio)
            allowed = True
        except Refused:
            allowed = False
        assert (after is not None) == allowed, (what, link, amount)
        if after is not None:
            self.account = after

    def slash(self, link: str, amount: int, part_bps: int) -> None:
        """Slash no more than the lien's ratio, a part of it from what is in flight."""
        lien = self.account.liens.get(link)
        if lien is None:
            return
        loss = min(amount, lien.range.high * lien.ratio_bps // 10_000)
        pending = min(loss * part_bps // 10_000, lien.range.high - lien.range.low)
        settled = min(loss - pending, lien.range.low)
        self.account, cuts = self.account.slash(link, settled, pending)
        assert {cut.link: cut.settled + cut.pending for cut in cuts} == self.model.slash(link, settled, pending)

    def compare(self) -> None:
        found = {name: (lien.range.low, lien.range.high) for name, lien in self.account.liens.items()}
        assert found == {name: (lien[0], lien[1]) for name, lien in self.model.liens.items()}
        assert self.account.collateral == self.model.collateral
        assert (self.account.free.low, self.account.free.high) == self.model.free()
        assert self.account.collateral >= 0
        assert self.model.exposure(1) <= self.model.collateral
        assert all(lien[1] <= self.model.collateral for lien in self.model.liens.values())


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_the_vault_agrees_with_an_independent_model(steps: list[tuple[str, str, int, int]]) -> None:
    both = Both()
    both.do("bond", "a", 2_000, 0)
    for step in steps:
        both.do(*step)
        both.compare()
