"""What a consumer tells of its validators, to which provider, and what it makes of the answer."""

from msgspec.structs import replace

from mesh_faults import double_sign, downtime
from mesh_rig import Link, MeshRig, pair, terms
from meshsec_core.kernel import codec
from meshsec_core.modules.slashing import Unjail
from meshsec_core.modules.staking.signals import ValidatorBonded, ValidatorUnbonding
from meshsec_core.security.mesh.consumer import valset
from meshsec_core.security.mesh.consumer.governance import SetMaxCap
from meshsec_core.security.mesh.consumer.state import PIPED, REQUESTS
from meshsec_core.security.mesh.packets import Applied, Coin, Denom, Reduced, Refusal, Slashed, ValsetUpdate
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.vault import Bond

HOUR = {"reward_seconds": 3_600}


def lent(*amounts: int, **of_link: object) -> tuple[MeshRig, Link]:
    rig, link = pair(consumer_terms={**HOUR, **of_link}, alice=1_000)
    link.provider.send("alice", Bond(1_000))
    for index, amount in enumerate(amounts):
        link.provider.send("alice", StakeRemote(link.lent, link.validator(index), amount))
    rig.settle()
    return rig, link


def reports(rig: MeshRig, link: Link) -> list[ValsetUpdate]:
    """Return the reports that are on their way over a link."""
    found = [each for each in rig.collect() if each.kind == "valset_update" and each.packet.source_channel == link.link]
    return [codec.decode(each.packet.data, ValsetUpdate) for each in found]


def slash_of(link: Link, amount: int) -> Slashed:
    return Slashed(link.validator(0), 1, 1, 1, Coin(Denom("provider"), amount), 1_000, "downtime")


def answer(link: Link, slashed: tuple[Slashed, ...], applied: Applied | None) -> list[str]:
    """Answer a report; return what the consumer says was refused."""
    with link.consumer.ctx.branch() as branch:
        valset.on_answered(branch, link.link, replace(report_of(link), slashed=slashed), applied)
    return [dict(event.attributes)["refused"] for event in branch.events if event.type == "mesh/report-refused"]


def report_of(link: Link) -> ValsetUpdate:
    return ValsetUpdate(7, 7, link.consumer.ctx.denom, 1_000, 1_000, 100)


def test_two_slashes_before_an_epoch_are_parts_of_what_is_left() -> None:
    """A tenth of 100, then a tenth of 90."""
    _, link = lent(100)
    for _ in range(2):
        downtime(link.consumer, 0)
    request = REQUESTS.get(link.consumer.state, link.link, link.validator(0))
    assert (request.reported, request.converted, request.bonded) == (19, 81, 81)
    told = [dict(event.attributes) for event in link.consumer.events if event.type == "mesh/virtual-slashed"]
    facts = {"link": link.link, "validator": link.validator(0)}
    assert told == [{**facts, "amount": amount, "provider_tokens": amount} for amount in ("10", "9")]


def test_what_a_slash_frees_under_a_cap_is_shared_out_at_the_next_epoch() -> None:
    """A cap of 100 on 100 and 100 is 50 each; of 90 and 100 it is 47 and 52, before any answer."""
    _, link = lent(100, 100, max_cap=100)
    assert (link.virtual(0), link.virtual(1)) == (50, 50)
    downtime(link.consumer, 0)
    assert (link.virtual(0), link.virtual(1)) == (45, 50)
    link.consumer.block()
    assert (link.virtual(0), link.virtual(1)) == (47, 52)


def test_each_provider_hears_of_its_own_loss_alone() -> None:
    rig = MeshRig()
    shared = {"slashing": {"double_sign_slash_bps": 1_000, "downtime_slash_bps": 1_000}}
    for name in ("osmo", "axelar"):
        rig.add(name, genesis=shared, alice=1_000)
    borrowing = {"links": {"osmo-1": terms(), "axelar-1": terms()}}
    juno = rig.add("juno", genesis={**shared, "mesh/consumer": borrowing}, alice=1)
    mine, other = rig.link("osmo", "juno"), rig.link("axelar", "juno")
    rig.relay()
    mine.provider.send("alice", Bond(100), StakeRemote(mine.lent, mine.validator(0), 100))
    rig.settle()
    downtime(juno, 0)
    juno.block()
    told = [[each.slash_amount.amount for each in report.slashed] for link in (mine, other) for report in reports(rig, link)]
    assert told == [[10], [0]]


def test_a_full_report_names_every_validator_once_for_what_it_is() -> None:
    """Of five two are active. The first is jailed, the second tombstoned: the next two take their places, the last has none."""
    rig, link = pair(validators=(1_000, 999, 998, 997, 996), genesis={"staking": {"max_validators": 2}}, alice=1)
    juno, gov = link.consumer, link.consumer.ctx.module_account("gov")
    downtime(juno, 0, 0)
    double_sign(juno, 1)
    rig.settle()
    juno.send(gov, SetMaxCap(link.link, 0))
    rig.settle()
    juno.send(gov, SetMaxCap(link.link, 100))
    (told,) = reports(rig, link)
    assert {each.validator for each in told.additions} == {link.validator(2), link.validator(3)}
    assert (told.removals, told.jailed, told.tombstoned) == ((link.validator(4),), (link.validator(0),), (link.validator(1),))


def test_who_left_and_came_back_in_one_block_is_told_as_being_there() -> None:
    rig, link = lent()
    juno = link.consumer
    valset.on_unbonding(juno.ctx, ValidatorUnbonding(link.validator(0)))
    valset.on_bonded(juno.ctx, ValidatorBonded(link.validator(0)))
    juno.block()
    (told,) = reports(rig, link)
    assert ([each.validator for each in told.additions], told.removals) == ([link.validator(0)], ())


def test_only_who_is_free_and_there_is_named_as_such() -> None:
    """One is jailed, released and jailed again; of another nothing is known but that it had left: it is there by now."""
    rig, link = pair(genesis={"slashing": {"jail_time": 0}}, alice=1)
    juno = link.consumer
    downtime(juno, 0, 0)
    juno.send("val-0", Unjail())
    downtime(juno, 0, 0)
    valset.on_unbonding(juno.ctx, ValidatorUnbonding(link.validator(1)))
    PIPED.put(juno.state, replace(PIPED.get(juno.state), height=juno.ctx.height - 1))
    downtime(juno, 2, 0)  # tells what was before it
    (told,) = reports(rig, link)
    assert (told.additions, told.removals, told.unjailed, told.jailed) == ((), (), (), (link.validator(0),))


def test_what_another_block_has_left_is_told_before_anything_new() -> None:
    rig, link = lent()
    juno = link.consumer
    downtime(juno, 0)
    PIPED.put(juno.state, replace(PIPED.get(juno.state), height=juno.ctx.height - 1))
    downtime(juno, 1)
    assert [[each.validator for each in told.slashed] for told in reports(rig, link)] == [[link.validator(0)]]
    juno.block()
    assert [[each.validator for each in told.slashed] for told in reports(rig, link)][1:] == [[link.validator(1)]]


def test_a_chain_without_links_notes_nothing_of_its_validators() -> None:
    rig = MeshRig()
    juno = rig.add("juno", alice=1)
    downtime(juno, 0)
    assert juno.state.get(PIPED.path) is None


def test_of_two_slashes_alike_one_may_be_answered_and_the_other_wait() -> None:
    _, link = lent(100)
    juno, where = link.consumer, (link.link, link.validator(0))
    REQUESTS.put(juno.state, *where, replace(REQUESTS.get(juno.state, *where), reported=20))
    alike = (slash_of(link, 10), slash_of(link, 10))
    assert answer(link, alike, Applied((Reduced(link.validator(0), 10, later=True),))) == []
    assert (REQUESTS.get(juno.state, *where).tokens, REQUESTS.get(juno.state, *where).reported) == (100, 10)


def test_an_answer_that_takes_off_less_than_nothing_takes_off_nothing() -> None:
    _, link = lent(100)
    answer(link, (), Applied((Reduced(link.validator(0), -5),)))
    assert REQUESTS.get(link.consumer.state, link.link, link.validator(0)).tokens == 100


def test_what_a_provider_has_refused_is_told_entry_by_entry() -> None:
    _, link = lent(100)
    refused = tuple(Refusal(link.validator(index), f"mesh/reason-{index}") for index in (0, 1))
    both = f"{link.validator(0)}: mesh/reason-0, {link.validator(1)}: mesh/reason-1"
    assert [answer(link, (), Applied((), entries)) for entries in ((), refused)] == [[], [both]]
    assert answer(link, (), None) == ["all"]
