"""Partners that say anything at all: random packets and answers, half of them nearly true; every law of the honest end holds."""

import random
from base64 import b64encode
from typing import Any

import pytest

from mesh_hostile import GARBAGE, Stranger, raw, report, slashed
from mesh_rig import Link, pair
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ValidatorId
from meshsec_core.runtime.module import Msg
from meshsec_core.security.mesh.packets import MAX_AMOUNT
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.vault import Bond, Unbond

STEPS = 60
NUMBERS = (0, 1, 2, 7, 99, 100, 101, 1_000, 10**6, MAX_AMOUNT, MAX_AMOUNT + 1, 2**255, 2**600, -1, -100)
ANSWERS = (b'{"result":"e30="}', b'{"error":"no"}', *GARBAGE[:12])
LISTS = ("additions", "updated", "removals", "jailed", "unjailed", "tombstoned")


def validator(link: Link, dice: random.Random) -> str:
    return dice.choice((*(link.validator(index) for index in (0, 0, 1, 2)), "junovaloper1ghost", "", "a/b"))


def user(link: Link, dice: random.Random) -> str:
    return dice.choice((link.provider.address("alice"), link.provider.address("bob"), "osmo1ghost", "a/b"))


def consumer_says(link: Link, dice: random.Random) -> Any:
    """Make up a packet of a consumer's."""
    amount = dice.choice(NUMBERS)
    match dice.randrange(6):
        case 0:
            return dice.choice(GARBAGE)
        case 1:
            names = [validator(link, dice) for _ in range(3)]
            keys = [{"validator": each, "public_key": b64encode(bytes([dice.randrange(4)]) * 32).decode()} for each in names]
            changed = {name: keys if name in LISTS[:2] else names for name in dice.sample(LISTS, 2)}
            return report(link, height=dice.choice((1, 5, 10**6, link.consumer.ctx.height)), **changed)
        case 2:
            entries = [
                slashed(
                    link,
                    validator(link, dice),
                    dice.choice(NUMBERS),
                    infraction_height=dice.randrange(9),
                    infraction_time=dice.choice((0, link.consumer.ctx.time, 2**70)),
                    reason=dice.choice(("downtime", "double-sign", "spite")),
                    slash_ratio_bps=dice.choice((0, 1, 1_000, 10_000)),
                )
                for _ in range(6)
            ]
            return report(link, slashed=entries, double_sign_bps=dice.choice((0, 1_000, 10_000)))
        case 3:
            coins = {"normalize_amount": {"denom": "x", "amount": amount}, "inverted_amount": {"denom": "x", "amount": amount}}
            return {"@type": "internal_unstake", "delegator": user(link, dice), "validator": validator(link, dice)} | coins
        case 4:
            return {"@type": "distribute", "validator": validator(link, dice), "rewards": {"denom": "ujuno", "amount": amount}}
        case _:
            rewards = [{"validator": validator(link, dice), "reward": dice.choice(NUMBERS[1:9])} for _ in range(4)]
            return {"@type": "distribute_batch", "denom": "ujuno", "rewards": rewards}


def provider_says(link: Link, dice: random.Random) -> Any:
    """Make up a packet of a provider's."""
    amount, name = dice.choice(NUMBERS), {"delegator": user(link, dice), "validator": validator(link, dice), "tx_id": 1}
    match dice.randrange(5):
        case 0:
            return dice.choice(GARBAGE)
        case 1 | 2:
            kind = dice.choice(("stake", "stake", "unstake"))
            return {"@type": kind, kind: {"denom": "x", "amount": amount}} | name
        case 3:
            rows = [{"delegator": user(link, dice), "validator": validator(link, dice), "amount": dice.choice(NUMBERS)}] * 3
            return {
                "@type": "burn",
                "denom": "x",
                "rows": rows,
                "answered": [{"validator": validator(link, dice), "amount": amount}],
            }
        case _:
            recipient = dice.choice((link.consumer.address("eve"), "nobody"))
            earned = {"there": "channel-0", "here": dice.choice((link.link, "channel-9"))}
            return {
                "@type": "transfer_rewards",
                "rewards": {"denom": "ujuno", "amount": amount},
                "recipient": recipient,
                "earned": earned,
            } | name


def answer(dice: random.Random, link: Link) -> Any:
    """Make up an answer, to whatever it may be."""
    cuts = [{"validator": validator(link, dice), "amount": dice.choice(NUMBERS), "later": dice.random() < 0.3} for _ in range(3)]
    told = {"slashed": cuts, "refused": [], "amount": dice.choice(NUMBERS), "left": dice.choice(NUMBERS)}
    return dice.choice((*ANSWERS, told, told))


def honest_acts(link: Link, dice: random.Random) -> None:
    """Let a user of the provider do something; what is refused is refused."""
    lent, name = link.lent, ValidatorId(link.validator(dice.randrange(3)))
    amount = dice.choice((1, 50, 300))
    acts: tuple[Msg, ...] = (
        Bond(amount),
        StakeRemote(lent, name, amount),
        StakeRemote(lent, name, amount),
        Unstake(lent, name, amount),
        Leave(lent, name, amount),
        WithdrawUnbonded(lent),
        WithdrawRewards(lent, name, link.consumer.address("eve")),
        Unbond(amount),
    )
    try:
        link.provider.send(dice.choice(("alice", "bob")), dice.choice(acts))
    except Rejected:
        return


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("partner", ["consumer", "provider"])
def test_whatever_a_partner_says_the_laws_of_the_honest_end_hold_and_nothing_that_is_relayed_fails(
    partner: str, seed: int
) -> None:
    dice = random.Random(seed)
    authority = dice.choice(("evidence", "packet"))
    rig, link = pair(
        alice=1_000,
        bob=1_000,
        provider_terms={"slash_authority": authority},
        consumer_terms={"max_cap": dice.choice((300, 10**12))},
    )
    link.provider.send("alice", Bond(900), StakeRemote(link.lent, link.validator(0), 400))
    link.provider.send("bob", Bond(900), StakeRemote(link.lent, link.validator(0), 300))
    rig.settle()
    liar = Stranger(rig, link, link.consumer if partner == "consumer" else link.provider)
    says = consumer_says if partner == "consumer" else provider_says
    for _ in range(STEPS):
        waiting = [flight for flight in rig.collect() if flight.source is liar.honest]
        match dice.randrange(4):
            case 0 if waiting:
                liar.answers(waiting[0].kind, answer(dice, link))
            case 1:
                honest_acts(link, dice)
            case 2:
                rig.block(1)
            case _:
                packet = says(link, dice)
                liar.says(packet if isinstance(packet, bytes) else raw(packet))
        rig.flights = [flight for flight in rig.collect() if flight.source is liar.honest]
        liar.check()
