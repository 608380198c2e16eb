"""Scenario files: every mistake is told with its place and what was meant, and a plan says who will do what and when."""

import pytest

from meshsec.scenario.document import Plot, Story, Watch, understand
from meshsec.scenario.plan import spell_time, table, timeline
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import located
from meshsec_sdk.located import Mistakes

HEAD = "scenario: v1\nmesh: pair\nactors: {ann: osmosis/alice}\nsteps:\n"


def story(steps: str, head: str = HEAD) -> Story:
    return understand(located.parse(head + steps, "story.yaml"), "story")


MISTAKES: dict[str, tuple[str, tuple[str, int, int, str]]] = {
    "a verb": ("  - mesh/Bnod: {from: ann, amount: 1}\n", ("verbs/unknown", 5, 5, "mesh/Bond")),
    "a parameter": ("  - mesh/Bond: {from: ann, amuont: 1}\n", ("verbs/unknown-parameter", 5, 36, "amount")),
    "an amount": ("  - mesh/Bond:\n      from: ann\n      amount: 1.5uosmo\n", ("verbs/bad-value", 7, 15, "")),
    "what is missing": ("  - mesh/Bond: {from: ann}\n", ("verbs/missing-parameter", 5, 5, "")),
    "an actor": ("  - mesh/Bond: {from: anna, amount: 1}\n", ("scenario/unknown-actor", 5, 23, "ann")),
    "a user": ("  - mesh/Bond: {from: osmosis/alise, amount: 1}\n", ("names/unknown", 5, 23, "alice")),
    "a chain that signs": ("  - mesh/Bond: {from: osmoss/alice, amount: 1}\n", ("scenario/unknown-chain", 5, 23, "osmosis")),
    "a chain of a validator": ("  - fault.double-sign: jumo/val-0\n", ("scenario/unknown-chain", 5, 24, "juno")),
    "a chain that is asked": ("  - expect: {jumo: {}}\n", ("yaml/unknown-key", 5, 14, "juno")),
    "a question": ("  - expect: {juno: {balance: {}}}\n", ("yaml/unknown-key", 5, 21, "balances")),
    "two verbs": ("  - {settle: , relay: }\n", ("yaml/bad-value", 5, 5, "")),
    "when laws are checked": ("  - settle\ninvariants: blok\n", ("yaml/bad-value", 6, 13, "block")),
    "what is drawn": ("  - settle\nreport: [power, packet]\n", ("yaml/bad-value", 6, 17, "packets")),
}


@pytest.mark.parametrize(("steps", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_place_and_what_was_meant(steps: str, told: tuple[str, int, int, str]) -> None:
    with pytest.raises(Rejected) as refusal:
        story(steps)
    facts = refusal.value.facts
    assert (refusal.value.code, facts["line"], facts["column"], facts.get("suggestion", "")) == told
    assert facts["file"] == "story.yaml"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    head = HEAD.replace("pair", "pear").replace("osmosis/alice", "osmosis/alise")
    with pytest.raises(Mistakes) as refusal:
        story("".join(steps for steps, _ in MISTAKES.values() if steps.count("\n") == 1 and "jumo" not in steps), head)
    assert [each.code for each in refusal.value.found] == [
        "mesh-file/unknown-topology",
        "names/unknown",
        "verbs/unknown",
        "verbs/unknown-parameter",
        "verbs/missing-parameter",
        "scenario/unknown-actor",
        "names/unknown",
        "yaml/unknown-key",
        "yaml/bad-value",
    ]
    assert refusal.value.code == refusal.value.found[0].code


def test_a_step_that_must_fail_may_name_what_is_not_there() -> None:
    (step,) = story("  - mesh/Bond: {from: osmoss/alice, amount: 1}\n    fails: world/unknown-chain\n").steps
    assert (step.line, step.fails) == (5, "world/unknown-chain")


def test_what_is_checked_and_drawn_is_everything_unless_the_story_says_otherwise() -> None:
    plain, sparing = story("  - settle\n"), story("  - settle\ninvariants: settle\nreport: [power]\n")
    assert (plain.invariants, plain.report) == (Watch.BLOCK, tuple(Plot))
    assert (sparing.invariants, sparing.report) == (Watch.SETTLE, (Plot.POWER,))


def test_a_plan_says_who_does_what_to_whom_and_when() -> None:
    """Given a story that advances, goes back to a moment, and advances again
    When it is planned
    Then times are those of the advances before a step, and a revert leads back to the time of its snapshot
    """
    plan = timeline(
        story(
            "  - advance: 1h\n"
            "  - snapshot: before\n"
            "  - advance: 21d\n"
            "  - fault.double-sign: juno/val-0\n"
            "  - revert: before\n"
            "  - mesh/StakeRemote: {from: ann, consumer: juno, validator: juno/val-1, amount: 5uosmo}\n"
            "    fails: mesh/not-enough-collateral\n"
            "expect: {juno: {supply: {ujuno: 5}}}\n"
        )
    )
    assert [(step.verb, step.actor, step.target, step.after) for step in plan] == [
        ("advance", "", "", "0s"),
        ("snapshot", "", "before", "1h"),
        ("advance", "", "", "1h"),
        ("fault.double-sign", "", "juno/val-0", "21d 1h"),
        ("revert", "", "before", "1h"),
        ("mesh/StakeRemote", "osmosis/alice", "juno/val-1", "1h"),
        ("end", "", "", "1h"),
        ("expect", "", "juno", "1h"),
    ]
    lines = table(plan)
    assert len(lines) == len(plan) + 1
    assert lines[4].split() == ["4", "8", "21d", "1h", "fault.double-sign", "juno/val-0"]
    assert lines[6].endswith("must fail: mesh/not-enough-collateral")
    assert [line.split()[:2] for line in lines[7:]] == [["7", "end"], ["8", "end"]]


def test_a_length_of_time_is_spelled_in_its_three_largest_units() -> None:
    spelled = {0: "0s", 999_999_999: "0s", 61 * 10**9: "1m 1s", (21 * 86_400 + 3_661) * 10**9: "21d 1h 1m"}
    assert {nanoseconds: spell_time(nanoseconds) for nanoseconds in spelled} == spelled
