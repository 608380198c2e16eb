"""Which way a unit goes that does not divide, where no case about something else would notice."""

from mesh_rig import account, pair
from meshsec_core.security.mesh.account import Account, Cut, Lien
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range


def test_what_liens_can_cost_rounds_up_once_at_either_end() -> None:
    """A tenth of 5 and of 6 is 0.5 and 0.6: together 1.1, so 2; of 15 and 16 it is 3.1, so 4."""
    liens = {"a": Lien(Range(5, 15), 1_000), "b": Lien(Range(6, 16), 1_000)}
    assert Account(100, liens).slashable == Range(2, 4)
    assert Account(100, liens).free == Range(84, 94)


def test_liens_give_way_by_a_whole_unit_for_a_part_of_one() -> None:
    """Of 100 are 90 left. 80 and 90 at a half each and 10 at a whole can cost 95: that is 5 too many, and each unit by which all
    give way frees 2; so 3, for 2 would leave 91.
    """
    liens = {"a": Lien(Range.of(90), 5_000), "b": Lien(Range.of(90), 5_000), "c": Lien(Range.of(10), 10_000)}
    after, cuts = Account(100, liens).slash("a", 10, 0)
    assert after.collateral == 90
    assert {key: lien.range for key, lien in after.liens.items()} == {"a": Range.of(77), "b": Range.of(87), "c": Range.of(7)}
    assert cuts == tuple(Cut(key, pending=0, settled=3) for key in ("a", "b", "c"))


def test_collateral_that_a_part_of_a_unit_could_claim_is_not_free() -> None:
    """A tenth of 11 lent is 1.1: of a collateral of 11 nothing is free, and of 12 one, as the lien itself is the larger claim."""
    _, link = pair(alice=100)
    link.provider.send("alice", Bond(12), StakeRemote(link.lent, link.validator(0), 11))
    held = account(link.provider, "alice")
    assert (held.slashable, held.free) == (Range(0, 2), Range(1, 12))
