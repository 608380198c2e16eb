"""How the clock's way is cut."""

from meshsec.world.jumps import LONGEST, jumps

DAY = LONGEST // 7  # exact


def test_a_way_is_cut_into_weeks_and_what_is_left() -> None:
    assert list(jumps(17 * DAY, keep_alive=True)) == [7 * DAY, 7 * DAY, 3 * DAY]
    assert list(jumps(7 * DAY, keep_alive=True)) == [7 * DAY]
    assert list(jumps(1, keep_alive=True)) == [1]


def test_a_way_on_which_clients_may_expire_is_one_jump() -> None:
    assert list(jumps(17 * DAY, keep_alive=False)) == [17 * DAY]


def test_no_way_takes_no_jump() -> None:
    assert list(jumps(0, keep_alive=True)) == list(jumps(0, keep_alive=False)) == []
