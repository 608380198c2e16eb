"""Bad lines of a relayer: what gets lost is either never sent, or heard and answered in vain; what is late comes in order."""

from meshsec_relayer.engine.boundary import Ask, Line, Reply, Request
from meshsec_relayer.engine.lines import SILENCE, Lines

ANSWER = Reply(200, {"height": "7"})


def asks(count: int, chain: str = "juno") -> list[Ask]:
    return [Ask(number, Request(chain, "/v1/status")) for number in range(count)]


def silenced(lines: Lines) -> list[int]:
    found: list[int] = []
    lines.give_up(lambda number, reply: found.append(number) if reply == SILENCE else None)
    return found


def test_a_cut_line_loses_half_of_what_it_loses_on_the_way_there_and_half_on_the_way_back() -> None:
    lines = Lines()
    lines.worsen(Line("juno", percent=100, seed=7))
    heard = [ask.number for ask in lines.send(asks(400), 0)]
    never_sent = silenced(lines)
    assert sorted(heard + never_sent) == list(range(400))
    assert 150 < len(heard) < 250
    assert [lines.hear(number, ANSWER) for number in heard] == [SILENCE] * len(heard)
    assert silenced(lines) == []


def test_a_line_loses_about_the_part_that_was_asked_for_and_the_same_requests_again_for_the_same_seed() -> None:
    arrived = []
    for seed in (1, 1, 2):
        lines = Lines()
        lines.worsen(Line("juno", percent=30, seed=seed))
        arrived.append([ask.number for ask in lines.send(asks(1_000), 0) if lines.hear(ask.number, ANSWER) == ANSWER])
    assert arrived[0] == arrived[1] != arrived[2]
    assert all(640 < len(numbers) < 760 for numbers in arrived)


def test_other_chains_are_heard_and_so_is_everybody_once_lines_are_mended() -> None:
    lines = Lines()
    lines.worsen(Line("juno", percent=100))
    others = lines.send(asks(50, "osmosis"), 0)
    assert [lines.hear(ask.number, ANSWER) for ask in others] == [ANSWER] * 50
    under_way = lines.send(asks(50), 0)
    lines.mend()
    assert [lines.hear(ask.number, ANSWER) for ask in under_way] == [ANSWER] * len(under_way)
    assert lines.send(asks(50), 0) == asks(50)


def test_late_requests_leave_in_order_when_they_are_due_and_at_once_when_the_line_is_mended() -> None:
    lines = Lines()
    lines.worsen(Line("juno", nanoseconds=10))
    first, second, third = asks(3)
    assert lines.send([first], 0) == []
    assert lines.send([second], 5) == []
    assert lines.send([], 9) == []
    assert lines.send([], 10) == [first]
    lines.mend()
    assert lines.send([third], 11) == [second, third]


def test_a_line_that_doubles_requests_sends_the_copy_under_a_number_that_nobody_waits_for() -> None:
    lines = Lines()
    lines.worsen(Line("juno", twice=100))
    numbers = [ask.number for ask in lines.send(asks(3), 0)]
    assert numbers == [0, -1, 1, -2, 2, -3]
    assert [lines.hear(number, ANSWER) for number in numbers] == [ANSWER] * 6
    lines.worsen(Line("juno", twice=30, seed=1))
    copies = [ask for ask in lines.send(asks(1_000), 0) if ask.number < 0]
    assert 250 < len(copies) < 350
    assert all(copy.request == Request("juno", "/v1/status") for copy in copies)


def test_requests_leave_within_a_time_in_an_order_of_their_own_and_each_once() -> None:
    lines = Lines()
    lines.worsen(Line("juno", within=100, seed=3))
    left = [ask.number for ask in lines.send(asks(50), 0)]
    for now in range(1, 100):
        left += [ask.number for ask in lines.send([], now)]
    assert left != sorted(left)
    assert sorted(left) == list(range(50))
    assert lines.send([], 1_000) == []


def test_what_leaves_late_leaves_in_the_order_in_which_it_is_due() -> None:
    lines = Lines()
    lines.worsen(Line("juno", nanoseconds=50))
    lines.send(asks(1), 0)
    lines.worsen(Line("juno", nanoseconds=10))
    assert lines.send([Ask(7, Request("juno", "/v1/status"))], 0) == []
    assert [ask.number for ask in lines.send([], 50)] == [7, 0]


def test_the_chains_behind_bad_lines_are_told_until_they_are_mended() -> None:
    lines = Lines()
    assert lines.bad == ()
    lines.worsen(Line("juno", percent=1))
    lines.worsen(Line("axelar", twice=1))
    lines.worsen(Line("osmosis", nanoseconds=1_500_000_000, within=120_000_000_000))
    assert lines.bad == ("juno (1 % lost)", "axelar (1 % twice)", "osmosis (late by 1500ms, out of order within 2m)")
    lines.mend()
    assert lines.bad == ()
