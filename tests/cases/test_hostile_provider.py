"""A provider that lies, row by row of docs/hostile-partners.md: forged packets and answers over a real channel."""

from typing import Any

from mesh_faults import double_sign, downtime
from mesh_hostile import GARBAGE, Stranger, raw, understood
from mesh_rig import SELF_BOND, Link, MeshRig, pair
from meshsec_core.modules.staking import state as staking
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer import state as consumer
from meshsec_core.security.mesh.consumer.governance import SetMaxCap
from meshsec_core.security.mesh.packets import MAX_AMOUNT, Done, Short
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.vault import Bond

ABSURD = (0, -5, MAX_AMOUNT + 1, 2**255, 10**3_000)


def borrowed(amount: int = 100, **of_link: Any) -> tuple[MeshRig, Link, Stranger]:
    """Let alice lend to validator 0 over a link whose provider is hostile from now on."""
    rig, link = pair(alice=1_000, bob=1_000, consumer_terms=of_link)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, link, Stranger(rig, link, link.provider)


def stake(link: Link, amount: Any, validator: Any = 0, kind: str = "stake", user: str = "osmo1mallory") -> dict[str, Any]:
    name = link.validator(validator) if isinstance(validator, int) else validator
    return {"@type": kind, "delegator": user, "validator": name, kind: {"denom": "uosmo", "amount": amount}, "tx_id": 1}


def burn(link: Link, *rows: tuple[str, Any, Any], answered: Any = ()) -> dict[str, Any]:
    told = [
        {"delegator": user, "validator": link.validator(at) if isinstance(at, int) else at, "amount": amount}
        for user, at, amount in rows
    ]
    return {"@type": "burn", "denom": "uosmo", "rows": told, "answered": list(answered)}


def payment(link: Link, amount: Any, recipient: str, **changes: Any) -> dict[str, Any]:
    packet = {
        "@type": "transfer_rewards",
        "rewards": {"denom": "ujuno", "amount": amount},
        "recipient": recipient,
        "tx_id": 1,
        "delegator": "osmo1mallory",
        "validator": link.validator(0),
        "earned": {"there": link.lent, "here": link.link},
    }
    return packet | changes


def refusal(answer: bytes) -> str:
    """Return the code of an error acknowledgement."""
    assert answer.startswith(b'{"error":"'), answer
    return answer[10:-2].decode()


def requested(link: Link) -> dict[int, int]:
    """Return the provider tokens that the consumer counts, by validator."""
    found = consumer.requests_of(link.consumer.state, link.link)
    return {index: found[link.validator(index)].tokens for index in range(4) if link.validator(index) in found}


def powers(link: Link) -> tuple[int, ...]:
    """Return all tokens of the four validators."""
    return tuple(staking.get_validator(link.consumer.state, link.validator(index)).tokens - SELF_BOND for index in range(4))


def collect(link: Link, amount: int) -> None:
    """Let the link's reward account hold rewards that will be told at the next epoch."""
    juno = link.consumer
    link.fund(amount)
    known = consumer.REWARDS.get(juno.state, link.link, link.validator(0))
    consumer.REWARDS.put(juno.state, link.link, link.validator(0), known + amount)
    agenda.expect_rewards(juno.ctx, link.link)


def test_a_provider_stakes_beyond_its_cap() -> None:
    """500 of which validators 0 and 1 share in proportion: 100 and 3 × (2^128 − 1), so 0 and 499."""
    rig, link, osmo = borrowed(max_cap=500)
    for _ in range(3):
        assert understood(osmo.says(stake(link, MAX_AMOUNT, 1)), Done) == Done()
    rig.block(3)
    osmo.check()
    assert powers(link) == (0, 499, 0, 0)
    assert requested(link) == {0: 100, 1: 3 * MAX_AMOUNT}


def test_a_provider_names_absurd_amounts() -> None:
    rig, link, osmo = borrowed()
    for amount in ABSURD:
        for kind in ("stake", "unstake"):
            assert refusal(osmo.says(raw(stake(link, amount, kind=kind)))) in ("mesh/bad-amount", "mesh/bad-packet")
        assert refusal(osmo.says(raw(payment(link, amount, link.consumer.address("eve"))))) == "mesh/bad-amount"
        assert understood(osmo.says(raw(burn(link, ("osmo1mallory", 0, amount)))), Short) == Short()
    rig.block(2)
    assert (requested(link), powers(link)) == ({0: 100}, (100, 0, 0, 0))


def test_a_provider_stakes_for_validators_that_cannot_be_lent_to() -> None:
    rig, link, osmo = borrowed()
    double_sign(link.consumer, 1)
    for validator, code in (
        (1, "mesh/validator-tombstoned"),
        ("junovaloper1nobody", "staking/unknown-validator"),
        ("a/b", "staking/unknown-validator"),
        ("", "staking/unknown-validator"),
        ("\x00", "staking/unknown-validator"),
    ):
        assert refusal(osmo.says(stake(link, 5, validator))) == code
    for user in ("", "a/b", "x" * 200, "Öl"):
        assert refusal(osmo.says(stake(link, 5, user=user))) == "mesh/bad-name"
    rig.block(2)
    assert requested(link) == {0: 100}


def test_a_provider_unstakes_what_was_never_staked() -> None:
    rig, link, osmo = borrowed()
    assert refusal(osmo.says(stake(link, 101, kind="unstake"))) == "mesh/insufficient-bond"
    assert refusal(osmo.says(stake(link, 1, 2, kind="unstake"))) == "mesh/insufficient-bond"
    rig.block(2)
    assert (requested(link), powers(link)) == ({0: 100}, (100, 0, 0, 0))


def test_a_provider_unstakes_in_the_name_of_another_user() -> None:
    """Alice's 100 are counted for nobody then: the power is the provider's own, and so is the quarrel."""
    rig, link, osmo = borrowed()
    assert understood(osmo.says(stake(link, 60, kind="unstake", user="osmo1mallory")), Done) == Done()
    rig.block(2)
    osmo.check()
    assert (requested(link), powers(link)) == ({0: 40}, (40, 0, 0, 0))


def test_a_provider_burns_more_than_there_is() -> None:
    """The 100 go, 900 are debt of the delegator who is named, and of nobody else."""
    rig, link, osmo = borrowed()
    (short,) = understood(osmo.says(burn(link, ("osmo1mallory", 0, 1_000))), Short).short
    assert (short.delegator, short.amount) == ("osmo1mallory", 900)
    osmo.says(stake(link, 70, user="osmo1honest"))
    osmo.says(stake(link, 700))
    rig.block(2)
    osmo.check()
    assert (requested(link), powers(link)) == ({0: 70}, (70, 0, 0, 0))
    osmo.says(stake(link, 201))
    rig.block(2)
    assert powers(link) == (71, 0, 0, 0)


def test_a_provider_burns_rows_that_make_no_sense() -> None:
    _, link, osmo = borrowed()
    before = link.consumer.snapshot()
    rows = [("", 0, 5), ("a/b", 0, 5), ("osmo1mallory", "../x", 5), ("osmo1mallory", "", 5), ("osmo1mallory", 0, 0)]
    claims = [{"validator": name, "amount": amount} for name in ("nobody", "", "a/b") for amount in (5, -5, 2**200)]
    assert understood(osmo.says(burn(link, *rows, answered=claims)), Short) == Short()
    kept = {key: value for key, value in link.consumer.snapshot().items() if key.startswith("mesh/")}
    assert kept == {key: value for key, value in before.items() if key.startswith("mesh/")}


def test_a_provider_takes_rewards_that_it_does_not_own() -> None:
    rig, link, osmo = borrowed()
    juno = link.consumer
    collect(link, 50)
    rig.settle()
    eve = juno.address("eve")
    for amount, recipient, changes, code in (
        (51, eve, {}, "mesh/rewards-exceeded"),
        (5, eve, {"rewards": {"denom": "uosmo", "amount": 5}}, "mesh/wrong-denom"),
        (5, "nobody", {}, "crypto/bad-address"),
        (5, juno.ctx.module_account(consumer.stake_account(link.link)), {}, "bank/reserved-account"),
        (5, eve, {"earned": {"there": link.lent, "here": "channel-99"}}, "mesh/unknown-link"),
    ):
        assert refusal(osmo.says(payment(link, amount, recipient, **changes))) == code
    assert juno.balance("eve") == 0
    assert understood(osmo.says(payment(link, 50, eve)), Done) == Done()
    assert refusal(osmo.says(payment(link, 1, eve))) == "mesh/rewards-exceeded"
    assert juno.balance("eve") == 50


def test_a_provider_has_rewards_paid_and_then_refuses_them() -> None:
    """It draws 30 of the 50 that it was told of, then says that it never took them: 20 are told again."""
    _, link, osmo = borrowed()
    juno = link.consumer
    collect(link, 50)
    juno.block()
    osmo.says(payment(link, 30, juno.address("eve")))
    osmo.answers("distribute_batch", b'{"error":"never"}')
    assert consumer.SENT.get(juno.state, link.link) == 30
    juno.block()
    osmo.check()
    assert consumer.SENT.get(juno.state, link.link) == 50
    osmo.answers("distribute_batch", Done())
    assert refusal(osmo.says(payment(link, 21, juno.address("eve")))) == "mesh/rewards-exceeded"
    osmo.says(payment(link, 20, juno.address("eve")))
    assert juno.balance("eve") == 50


def test_a_provider_replays_its_packets() -> None:
    """The same packet counts once; the same words in a new one are new stake, within the cap."""
    rig, link, osmo = borrowed(max_cap=150)
    flight = osmo.sends(stake(link, 40))
    answer = rig.receive(flight)
    osmo.repeats(flight)
    assert flight.answer == answer
    assert requested(link) == {0: 140}
    osmo.says(stake(link, 40))
    rig.block(2)
    assert (requested(link), powers(link)) == ({0: 180}, (150, 0, 0, 0))


def test_a_provider_sends_garbage() -> None:
    rig, link, osmo = borrowed()
    for data in GARBAGE:
        assert refusal(osmo.says(data)) == "mesh/bad-packet"
    rig.block(2)
    assert (requested(link), powers(link)) == ({0: 100}, (100, 0, 0, 0))


def test_a_provider_never_answers() -> None:
    """A report of a slash is sent again when it has timed out; what was slashed is no power meanwhile, and no coin is lost."""
    rig, link, osmo = borrowed()
    downtime(link.consumer, 0)
    link.consumer.block()
    for _ in range(3):
        osmo.stays_silent("valset_update")
        assert [flight.kind for flight in rig.collect()] == ["valset_update"]
    assert (requested(link), link.virtual()) == ({0: 100}, 90)
    rig.settle()
    assert (requested(link), link.virtual()) == ({0: 90}, 90)


def test_a_provider_answers_nonsense() -> None:
    """Each answer counts as a refusal: the consumer waits no more, and its own books stay as they are."""
    for words in GARBAGE:
        rig, link, osmo = borrowed()
        downtime(link.consumer, 0)
        collect(link, 7)
        link.consumer.block()
        osmo.answers("valset_update", words)
        osmo.answers("distribute_batch", words)
        rig.block()
        osmo.check()
        assert (requested(link), link.virtual()) == ({0: 100}, 100)
        assert consumer.SENT.get(link.consumer.state, link.link) == 7


def test_a_provider_claims_cuts_larger_than_its_stake() -> None:
    """It can only take its own power away, and another validator's name helps it no further."""
    rig, link, osmo = borrowed()
    osmo.says(stake(link, 30, 1))
    downtime(link.consumer, 2)
    link.consumer.block()
    names = [link.validator(index) for index in range(4)] + ["", "a/b", "nobody"]
    cuts = [{"validator": name, "amount": amount} for name in names for amount in (MAX_AMOUNT, -7, 2**300)]
    osmo.answers("valset_update", {"slashed": cuts, "refused": [{"validator": "x" * 1_000, "code": "y" * 1_000}]})
    rig.block(2)
    osmo.check()
    assert (requested(link), link.virtual()) == ({}, 0)
    assert powers(link)[:2] == (0, 0)


def test_a_provider_claims_that_a_slash_is_settled() -> None:
    """What waits for its answer comes back as its own power, within the cap."""
    rig, link, osmo = borrowed(max_cap=95)
    downtime(link.consumer, 0)
    link.consumer.block()
    claims = [{"validator": link.validator(0), "amount": 2**250}]
    osmo.says(burn(link, answered=claims))
    rig.block(2)
    osmo.check()
    assert (requested(link), link.virtual()) == ({0: 100}, 95)


def test_a_provider_says_that_more_is_left_than_ever_was() -> None:
    """Unwinding asks again at each epoch and never ends; the power has gone with the first one."""
    rig, link, osmo = borrowed()
    juno = link.consumer
    juno.send(juno.ctx.module_account("gov"), SetMaxCap(link.link, 0))
    for left in (2**600, 10**3_000, -1):
        juno.block()
        osmo.answers("internal_unstake", {"amount": -3, "left": left})
        assert link.virtual() == 0
    assert [flight.kind for flight in rig.collect()] == []
    assert requested(link) == {0: 100}
