"""Ranges, burns, versions, prices and caps of Mesh Security: the published numbers. Ids are those of the case list."""

import pytest

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_E18
from meshsec_core.security.mesh.burn import distribute_burn
from meshsec_core.security.mesh.caps import Caps, Move, plan, scale, within_chain_caps, within_link_caps
from meshsec_core.security.mesh.converter import Rate
from meshsec_core.security.mesh.ranges import Range, max_range, min_range, spread, total
from meshsec_core.security.mesh.versions import PROTOCOL, Version, check_answer, negotiate, parse


def code_of(act: object, *arguments: object) -> str:
    with pytest.raises(Rejected) as refusal:
        act(*arguments)  # type: ignore[operator]
    return refusal.value.code


# ranges


def test_rg_cmp_a_range_is_compared_at_the_end_that_could_break_the_limit() -> None:
    still = Range.of(50)
    assert [still.is_under_max(limit) for limit in (49, 50, 51)] == [False, True, True]
    assert [still.is_over_min(limit) for limit in (49, 50, 51)] == [True, True, False]
    moving = still.prepare_add(30)
    assert moving == Range(50, 80)
    assert [moving.is_under_max(limit) for limit in (49, 60, 81)] == [False, False, True]
    assert [moving.is_over_min(limit) for limit in (49, 60, 81)] == [True, False, False]


def test_rg_add_prepared_additions_and_subtractions_open_a_range() -> None:
    left, right = Range.of(80).prepare_add(40), Range.of(200).prepare_sub(100)
    assert (left, right, left + right) == (Range(80, 120), Range(100, 200), Range(180, 320))


def test_rg_cadd_committed_changes_move_both_ends() -> None:
    left, right = Range(80, 120).add(40), Range(100, 200).sub(10)
    assert (left, right, left + right) == (Range(120, 160), Range(90, 190), Range(210, 350))


def test_rg_val_only_a_closed_range_has_a_value() -> None:
    assert (Range.of(80).value, Range(200, 200).value) == (80, 200)
    assert code_of(lambda: Range(190, 200).value) == "mesh/not-one-value"


def test_rg_sum_ranges_add_up_end_by_end() -> None:
    assert total((Range.of(100), Range(0, 250), Range.of(200), Range(170, 380))) == Range(470, 930)


def test_rg_mm_extremes_are_taken_end_by_end() -> None:
    ranges = (Range.of(100), Range(40, 250), Range.of(200), Range(170, 380))
    assert (max_range(ranges), min_range(ranges), spread(ranges)) == (Range(200, 380), Range(40, 100), Range(40, 380))
    assert (max_range(()), min_range(())) == (Range(), Range())


def test_rg_use_reservations_keep_room_for_every_outcome() -> None:
    lien = Range().prepare_add(2_000, 10_000).prepare_add(5_000, 10_000)
    assert code_of(lien.prepare_add, 3_500, 10_000) == "mesh/overflow"
    lien = lien.commit_add(5_000)
    assert (lien, lien.is_under_max(6_000), lien.is_under_max(8_000)) == (Range(5_000, 7_000), False, True)
    lien = lien.prepare_sub(3_000)
    assert lien == Range(2_000, 7_000)
    assert code_of(lien.prepare_add, 1_500, 8_000) == "mesh/overflow"
    lien = lien.rollback_add(2_000)
    assert lien == Range(2_000, 5_000)
    assert lien.prepare_add(1_500, 8_000) == Range(2_000, 6_500)


def test_rg_inv_limits_hold_for_the_largest_outcome_of_all_liens() -> None:
    liens = (Range(5_000, 7_000), Range(2_000, 8_000), Range(3_000, 12_000))
    largest = max_range(liens)
    slashable = Range(sum(lien.low for lien in liens) // 10, sum(lien.high for lien in liens) // 10)
    assert (largest, slashable, spread(liens)) == (Range(5_000, 12_000), Range(1_000, 2_700), Range(2_000, 12_000))
    assert [largest.is_under_max(limit) for limit in (15_000, 12_000, 11_900)] == [True, True, False]
    assert [slashable.is_under_max(limit) for limit in (5_000, 2_600)] == [True, False]
    assert [slashable.is_over_min(limit) for limit in (1_000, 1_100)] == [True, False]


def test_rg_map_a_subtraction_below_the_floor_is_refused() -> None:
    assert code_of(Range(0, 2_000).prepare_sub, 1_000) == "mesh/underflow"
    assert Range.of(3_000).prepare_sub(2_000) == Range(1_000, 3_000)


def test_each_answer_moves_one_end() -> None:
    assert Range(100, 140).commit_add(10) == Range(110, 140)
    assert Range(100, 140).rollback_add(10) == Range(100, 130)
    assert Range(100, 140).commit_sub(10) == Range(100, 130)
    assert Range(100, 140).rollback_sub(10) == Range(110, 140)


def test_answers_stop_where_the_ends_meet_instead_of_failing() -> None:
    assert Range(100, 140).commit_add(100) == Range.of(140)
    assert Range(100, 140).rollback_add(100) == Range.of(100)
    assert Range(100, 140).commit_sub(100) == Range.of(100)
    assert Range(100, 140).rollback_sub(100) == Range.of(140)


# burns


@pytest.mark.parametrize(
    ("stakes", "amount", "burns"),
    [
        pytest.param((100, 200, 300), 100, (34, 33, 33), id="BURN-1"),
        pytest.param((100,), 100, (100,), id="BURN-3"),
        pytest.param((100, 1), 101, (100, 1), id="BURN-4"),
        pytest.param((1, 100, 100), 100, (1, 66, 33), id="the remainder goes to the first that can take it"),
        pytest.param((4, 5, 100), 14, (4, 4, 6), id="the remainder skips who cannot take all of it"),
        pytest.param((3, 3, 3), 8, (3, 3, 2), id="no single stake can take the remainder"),
        pytest.param((0, 10, 10), 5, (0, 3, 2), id="stakes of zero take no share"),
    ],
)
def test_burn_1_burn_3_burn_4_a_burn_is_spread_in_equal_shares(
    stakes: tuple[int, ...], amount: int, burns: tuple[int, ...]
) -> None:
    keyed = [(f"v{index}", stake) for index, stake in enumerate(stakes)]
    found = distribute_burn(keyed, amount)
    assert tuple(found.get(key, 0) for key, _ in keyed) == burns


def test_burn_2_burn_5_more_than_there_is_is_refused() -> None:
    assert code_of(distribute_burn, (), 100) == "mesh/insufficient-delegations"
    assert code_of(distribute_burn, (("a", 100), ("b", 1)), 102) == "mesh/insufficient-delegations"
    assert distribute_burn((("a", 100),), 0) == {}


# versions


def test_ver_versions_are_read_strictly() -> None:
    assert parse('{"protocol":"mesh-security","version":"1.3.2-alpha.1"}') == Version(PROTOCOL, "1.3.2-alpha.1")
    assert Version(PROTOCOL, "1.2.3").spell() == '{"protocol":"mesh-security","version":"1.2.3"}'
    assert code_of(parse, '{"protocol":"mesh-security","version":"1.2.3a"}') == "mesh/invalid-version"
    assert code_of(parse, '{"protocol":"mashup-security","version":"1.2.3"}') == "mesh/invalid-protocol"
    assert code_of(parse, "ics20-1") == "mesh/invalid-version"
    for version in ("1.0.0-" + "9" * 5_000, "1\u0663.0.0", "1.0.0-\u00b2", "1.0." + "9" * 11):
        assert code_of(parse, f'{{"protocol":"mesh-security","version":"{version}"}}') == "mesh/invalid-version"
    deep = "[" * 2_000 + "]" * 2_000
    assert code_of(parse, f'{{"protocol":"mesh-security","version":"1.0.0","more":{deep}}}') == "mesh/invalid-version"


@pytest.mark.parametrize(
    ("proposed", "verdict"),
    [
        ("1.2.3", "1.2.3"),
        ("1.3.0", "1.2.3"),
        ("1.0.7", "1.0.7"),
        ("2.0.0-alpha.1", "mesh/version-too-new"),
        ("1.0.0", "mesh/version-too-old"),
        ("1.2.3-rc.1", "1.2.3-rc.1"),
    ],
)
def test_ver_the_older_version_is_agreed(proposed: str, verdict: str) -> None:
    try:
        found = negotiate(Version(PROTOCOL, proposed), "1.2.3", "1.0.2").version
    except Rejected as refusal:
        found = refusal.code
    assert found == verdict


@pytest.mark.parametrize(
    ("answered", "verdict"),
    [
        ("1.2.3", ""),
        ("1.0.7", ""),
        ("1.3.0", "mesh/version-too-new"),
        ("2.0.0-alpha.1", "mesh/version-too-new"),
        ("1.0.0", "mesh/version-too-old"),
    ],
)
def test_ver_an_answer_must_lie_between_what_we_know(answered: str, verdict: str) -> None:
    try:
        check_answer(Version(PROTOCOL, answered), "1.2.3", "1.0.2")
        found = ""
    except Rejected as refusal:
        found = refusal.code
    assert found == verdict


# prices


def test_c_inst_the_discount_is_an_adjustment() -> None:
    assert Rate(ONE_E18, 4_000).adjustment_e18 == 6 * 10**17


def test_c_doc_and_c_stake_provider_tokens_are_valued_by_price_then_discount() -> None:
    assert Rate(18 * ONE_E18, 4_000).normalize(100) == 1_080
    assert [Rate(ONE_E18 // 2, 4_000).normalize(amount) for amount in (1_000, 2_000)] == [300, 600]
    assert Rate(ONE_E18 // 2, 1_000).normalize(80_000_000) == 36_000_000


def test_conversion_rounds_down_after_the_price_and_after_the_discount() -> None:
    assert Rate(ONE_E18 * 5 // 2, 2_000).normalize(3) == 5  # 7.5 is 7, and 5.6 is 5; one step would give 6
    assert Rate(ONE_E18, 1_000).normalize(19) == 17  # 17.1


def test_inversion_truncates_its_reciprocals() -> None:
    assert Rate(ONE_E18 // 2, 1_000).invert(4_500_000) == 9_999_999
    assert Rate(3 * ONE_E18, 0).invert(3) == 0
    assert Rate(3 * ONE_E18, 0).invert(4) == 1


@pytest.mark.parametrize(
    ("rate", "code"),
    [
        (Rate(0, 0), "mesh/invalid-price"),
        (Rate(-1, 0), "mesh/invalid-price"),
        (Rate(1, 10_000), "mesh/invalid-discount"),
        (Rate(1, -1), "mesh/invalid-discount"),
    ],
)
def test_a_rate_that_cannot_be_inverted_is_refused(rate: Rate, code: str) -> None:
    assert code_of(rate.check) == code


# caps


@pytest.mark.parametrize(
    ("cap", "asked", "given"),
    [
        pytest.param(5, (10, 40), (1, 4), id="VS-4"),
        pytest.param(100, (80, 120), (40, 60), id="VS-DOC"),
        pytest.param(1_000, (500, 1_000, 1_000), (200, 400, 400), id="hackathon"),
        pytest.param(10, (6, 4), (6, 4), id="VS-3"),
        pytest.param(10, (7, 7, 7), (3, 3, 3), id="shares round down"),
        pytest.param(0, (5,), (0,), id="VS-1"),
    ],
)
def test_over_a_cap_everything_shrinks_in_proportion(cap: int, asked: tuple[int, ...], given: tuple[int, ...]) -> None:
    amounts = {f"v{index}": amount for index, amount in enumerate(asked)}
    assert tuple(scale(amounts, cap).values()) == given
    assert tuple(within_link_caps(amounts, Caps(cap), 10**9).values()) == given


def test_caps_apply_in_their_order_and_each_rounds_down() -> None:
    asked = {"v0": 300, "v1": 100}
    assert within_link_caps(asked, Caps(200, share_bps=1_000), 1_009) == {"v0": 75, "v1": 25}  # 400 to 200, then to 100.9
    floor = within_chain_caps({"v0": 75, "v1": 25}, 100, Caps(200), 333, 7_500)  # all virtual power within 111
    assert floor == {"v0": 41, "v1": 13}
    capped = within_chain_caps({"v0": 75, "v1": 25}, 0, Caps(200, validator_bps=500), 1_009, 0)
    assert capped == {"v0": 50, "v1": 25}  # what v0 loses v1 does not get


def test_no_floor_and_no_validator_cap_leave_amounts_alone() -> None:
    assert within_chain_caps({"v0": 75}, 10**9, Caps(200), 1, 0) == {"v0": 75}


def test_unbonds_come_before_bonds_and_equal_amounts_do_not_move() -> None:
    assert plan({"a": 10, "b": 5, "d": 7}, {"a": 4, "b": 5, "c": 9}) == (Move("a", -6), Move("d", -7), Move("c", 9))


def test_the_share_and_the_floor_are_rounded_down_before_anything_shrinks_to_them() -> None:
    """33.33 % of 10 are 3.3; a floor of 33.33 % leaves room for 20.003."""
    assert within_link_caps({"a": 30}, Caps(max_cap=100, share_bps=3_333), 10) == {"a": 3}
    assert within_chain_caps({"a": 30}, 0, Caps(max_cap=100), 10, 3_333) == {"a": 20}
