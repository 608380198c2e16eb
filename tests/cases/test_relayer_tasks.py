"""In what order conversations go on, and which of them are asked whether they can."""

from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.boundary import Image, Reply, Request
from meshsec_relayer.engine.controls import Controls
from meshsec_relayer.engine.docket import Docket
from meshsec_relayer.engine.tasks import Bell, Task, Tasks, Until, ask


class Door:
    """Something that opens, and counts who looks whether it has."""

    def __init__(self) -> None:
        self.opened = False
        self.looks = 0
        self.bell = Bell()

    def is_open(self) -> bool:
        self.looks += 1
        return self.opened

    def open(self) -> None:
        self.opened = True
        self.bell.ring()


def through(door: Door, name: str, went: list[str]) -> Task[None]:
    yield Until(door.is_open, "the door", bell=door.bell)
    went.append(name)


def opens(door: Door, name: str, went: list[str]) -> Task[None]:
    yield from ask(Request("juno", "/key"))
    went.append(name)
    door.open()


def test_a_condition_with_a_bell_is_asked_once_and_whenever_it_rings() -> None:
    tasks, door, went = Tasks(), Door(), list[str]()
    tasks.start("guest", through(door, "guest", went))
    for _ in range(3):
        tasks.run()
    assert (door.looks, went) == (1, [])

    door.bell.ring()
    for _ in range(3):
        tasks.run()
    assert (door.looks, went) == (2, [])

    door.open()
    tasks.run()
    assert (door.looks, went, tasks.names()) == (3, ["guest"], ())


def test_who_is_woken_goes_on_in_its_place_behind_whoever_woke_it_and_before_the_next_round() -> None:
    tasks, door, went = Tasks(), Door(), list[str]()
    tasks.start("before", through(door, "before", went))
    tasks.start("opens", opens(door, "opens", went))
    tasks.start("behind", through(door, "behind", went))
    tasks.run()
    tasks.answer(1, Reply(200, b""))
    tasks.run()
    assert went == ["opens", "behind", "before"]


def test_a_task_waits_for_all_its_replies() -> None:
    tasks, went = Tasks(), list[str]()

    def asks() -> Task[None]:
        one, other = yield from tasks.both("pair", ask(Request("juno", "/a")), ask(Request("juno", "/b")))
        went.append(f"{one.body!r} {other.body!r}")

    tasks.start("asks", asks())
    tasks.run()
    tasks.answer(2, Reply(200, b"b"))
    tasks.run()
    assert (went, tasks.asking) == ([], 1)
    tasks.answer(1, Reply(200, b"a"))
    tasks.run()
    assert went == ["b'a' b'b'"]


def test_a_case_that_is_opened_while_the_relayer_rests_is_taken_up_when_it_goes_on() -> None:
    tasks, controls, taken = Tasks(), Controls(Image()), list[str]()
    docket = Docket[str](tasks, controls)

    def attempt(about: str) -> Task[None]:
        taken.append(about)
        yield from ()

    def failed(refusal: Rejected, hopeless: bool) -> None:
        raise AssertionError(refusal, hopeless)

    tasks.start("docket", docket.run("a case", attempt, failed))
    tasks.run()
    controls.paused = True
    docket.open(1, "first")
    tasks.run()
    assert taken == []
    controls.paused = False
    tasks.run()
    assert (taken, docket.waiting) == (["first"], False)
    docket.open(2, "second")
    tasks.run()
    assert taken == ["first", "second"]
