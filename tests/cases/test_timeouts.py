"""How long a validator waits: longer in every round, so that some round is long enough for any delay (L21, L35, L48)."""

import pytest

from meshsec_core.consensus.step import Timer
from meshsec_core.consensus.timeouts import LOCAL, MILLISECOND, Timeouts

WAITS = Timeouts(3_000, 1_000, 700, 500)


@pytest.mark.parametrize(
    ("timer", "first"), [(Timer.PROPOSE, 3_000), (Timer.PREVOTE, 1_000), (Timer.PRECOMMIT, 700)], ids=lambda value: str(value)
)
def test_each_timer_begins_at_its_own_length_and_grows_by_the_same_in_every_round(timer: Timer, first: int) -> None:
    assert [WAITS.of(timer, number) for number in range(4)] == [first, first + 500, first + 1_000, first + 1_500]


def test_validators_that_share_a_machine_wait_as_the_reference_does_in_its_tests() -> None:
    assert [LOCAL.of(timer, 0) for timer in Timer] == [40 * MILLISECOND, 10 * MILLISECOND, 10 * MILLISECOND]
    assert [LOCAL.of(timer, 7) - LOCAL.of(timer, 6) for timer in Timer] == [MILLISECOND] * 3


@pytest.mark.parametrize("timer", Timer)
def test_whatever_a_delay_is_some_round_waits_longer(timer: Timer) -> None:
    assert LOCAL.of(timer, 3_600_000) > 3_600_000 * MILLISECOND
