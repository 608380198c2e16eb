"""One registry of faults feeds the chain's orders, the worlds, the command line, the stories and the manual."""

import pytest

from meshsec import SimWorld, verbs
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.faults import FAULTS, ClockSkew, Conduct, DoubleSign, Fault, Flap, Slow, conduct_of

EXAMPLES: dict[str, dict[str, str]] = {
    "slow": {"delay": "500ms"},
    "reorder": {"within": "500ms"},
    "censor": {"address": "alice"},
    "clock-skew": {"shift": "-5m"},
}
"""What kinds take that cannot do without."""


def test_every_kind_is_a_verb_of_stories_and_of_the_command_line_with_the_parameters_of_the_registry() -> None:
    for kind, found in FAULTS.items():
        verb = verbs.find(f"fault.{kind}")
        assert [param.name for param in verb.params] == ["validator", *found.__struct_fields__]
        assert verb.help == (found.__doc__ or "").partition("\n")[0]


def test_every_kind_can_be_ordered_from_a_world_and_ends_with_heal() -> None:
    with SimWorld("pair", connect=False) as world:
        (voter, *_) = world.nodes["juno"].replica.voters
        for kind in FAULTS:
            world.fault(kind, "juno/val-0", **EXAMPLES.get(kind, {}))
            assert voter.conduct != Conduct(), kind
            world.heal("juno/val-0")
            assert voter.conduct == Conduct(), kind


def test_durations_and_accounts_are_written_as_people_write_them() -> None:
    with SimWorld("pair", connect=False) as world:
        (voter, *_) = world.nodes["juno"].replica.voters
        for kind, given in EXAMPLES.items():
            world.fault(kind, "juno/val-0", **{**given, **({"seed": 7} if kind == "reorder" else {})})
        world.fault("slow", "juno/val-0", delay=500_000_000)
        alice = world.juno.user("alice").address
        assert voter.conduct == Conduct(lateness=500_000_000, jitter=500_000_000, seed=7, shift=-300_000_000_000, shuns=(alice,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "target", "given", "code"),
    [
        ("sneeze", "juno/val-0", {}, "dev/unknown-fault"),
        ("down", "juno/val-9", {}, "dev/unknown-validator"),
        ("down", "atlantis/val-0", {}, "world/unknown-chain"),
        ("slow", "juno/val-0", {"delay": "soon"}, "dev/bad-fault"),
        ("slow", "juno/val-0", {"delay": "-5s"}, "dev/bad-fault"),
        ("slow", "juno/val-0", {"dalay": "5s"}, "dev/bad-fault"),
        ("censor", "juno/val-0", {"address": "alcie"}, "dev/bad-fault"),
    ],
)
def test_what_no_world_can_order_is_refused_and_changes_nothing(kind: str, target: str, given: dict[str, str], code: str) -> None:
    with SimWorld("pair", connect=False) as world:
        with pytest.raises(Rejected) as refusal:
            world.fault(kind, target, **given)
        assert refusal.value.code == code
        assert {voter.conduct for voter in world.nodes["juno"].replica.voters} == {Conduct()}


def test_faults_of_one_validator_add_up_and_phases_count_from_where_a_fault_began() -> None:
    faults: list[tuple[Fault, int]] = [(Slow(5), 3), (ClockSkew(-7), 3), (DoubleSign("prevote"), 3), (Flap(2), 3)]
    assert conduct_of(faults[:3], 9) == Conduct(lateness=5, shift=-7, doubles=2)
    assert [conduct_of(faults, height).up for height in range(3, 11)] == [False, False, True, True] * 2


def test_what_is_typed_is_named_in_order() -> None:
    partition = verbs.find("fault.partition")
    typed = verbs.in_order(partition, ["juno", "val-0,val-1|val-2"])
    assert typed == {"chain": "juno", "groups": "val-0,val-1|val-2"}
    assert verbs.in_order(verbs.find("fault.slow"), ["delay=5s", "juno/val-0"]) == {"delay": "5s", "validator": "juno/val-0"}
    with pytest.raises(Rejected) as refusal:
        verbs.in_order(partition, ["juno", "val-0", "val-1"])
    assert refusal.value.code == "verbs/unknown-parameter"


def test_a_partition_is_ordered_by_one_text_or_by_lists() -> None:
    with SimWorld("pair", connect=False) as world:
        verb = verbs.find("fault.partition")
        assert verb.act is not None
        verb.act(world, {"chain": "juno", "groups": "val-0,val-1|val-2, val-3"})
        assert (world.juno.get("/v1/status")["ready"], world.osmosis.get("/v1/status")["ready"]) == (False, True)
        world.partition("juno", [["val-0"]])
        assert world.juno.get("/v1/status")["ready"]
        world.heal()
