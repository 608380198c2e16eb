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
