"""What must hold of staking after every block."""

from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking.state import (
    BONDED,
    DELEGATIONS,
    DELEGATORS,
    POOL,
    RECEIVED,
    REDELEGATIONS,
    UNBONDINGS,
    UNBONDINGS_OF,
    Status,
    active_set,
    params,
    power,
    settled,
    validators,
)
from meshsec_core.modules.staking.unbonding import QUEUE
from meshsec_core.runtime.module import View


def pool_is_exact(view: View) -> None:
    """Check that the pool holds the validators' tokens and the unbonding coins, and nothing else.

    Raises:
        InvariantViolated: it does not.
    """
    held = bank.balance(view.store, module_account(view.machine.prefix, POOL), view.machine.denom)
    staked = sum(validator.tokens for validator in validators(view.store))
    leaving = sum(entry.balance for _, entry in UNBONDINGS.items(view.store))
    if held != staked + leaving:
        raise InvariantViolated(f"the staking pool holds {held}, not {staked} staked + {leaving} unbonding")


def delegations_add_up(view: View) -> None:
    """Check that delegations are worth their validator's tokens: all of them until its first cut, never more after it.

    Raises:
        InvariantViolated: they are not, or the index of delegators is wrong.
    """
    records = {validator.operator: validator for validator in validators(view.store)}
    worth = dict.fromkeys(records, 0)
    pairs = []
    for (delegator, operator), delegation in DELEGATIONS.items(view.store):
        record = records[ValidatorId(operator)]
        worth[record.operator] += settled(view.store, record, delegation).tokens
        pairs.append((operator, delegator))
    for record in records.values():
        total = worth[record.operator]
        if total > record.tokens or (record.cuts == 0 and total != record.tokens):
            raise InvariantViolated(f"delegations to {record.operator} are worth {total}, its tokens are {record.tokens}")
    if sorted(pairs) != [(operator, delegator) for (operator, delegator), _ in DELEGATORS.items(view.store)]:
        raise InvariantViolated("the index of delegators differs from the delegations")


def queues_agree(view: View) -> None:
    """Check that all that is under way is queued once and indexed once.

    Raises:
        InvariantViolated: it is not.
    """
    queued = sorted(
        (what.kind, str(what.validator), str(what.delegator), int(number)) for (_, number), what in QUEUE.items(view.store)
    )
    leaving = [("unbonding", validator, owner, int(number)) for (validator, owner, number), _ in UNBONDINGS.items(view.store)]
    moved = [("redelegation", source, owner, int(number)) for (source, owner, number), _ in REDELEGATIONS.items(view.store)]
    if [entry for entry in queued if entry[0] != "validator"] != sorted(leaving + moved):
        raise InvariantViolated("the queue differs from what is unbonding and redelegated")
    owned = sorted(("unbonding", validator, owner, int(number)) for (owner, number), validator in UNBONDINGS_OF.items(view.store))
    received = sorted(("redelegation", source, owner, int(number)) for (owner, _, number), source in RECEIVED.items(view.store))
    if owned != sorted(leaving) or received != sorted(moved):
        raise InvariantViolated("an index of unbondings or redelegations is wrong")


def active_set_is_the_bonded(view: View) -> None:
    """Check that the bonded validators are the active set, with their powers, unless no validator may sign at all.

    Raises:
        InvariantViolated: they are not.
    """
    rules = params(view.store)
    records = validators(view.store)
    bonded = {record.operator: power(record.tokens, rules) for record in records if record.status is Status.BONDED}
    active = {member.operator: member.power for member in active_set(view.store)}
    able = [record for record in records if not record.jailed and power(record.tokens, rules) > 0]
    if bonded.keys() != active.keys() or (able and bonded != active):
        raise InvariantViolated(f"bonded validators {bonded} differ from the active set {active}")
    total = sum(record.tokens for record in records if record.status is Status.BONDED)
    if total != BONDED.get(view.store):
        raise InvariantViolated(f"bonded tokens are {total}, recorded are {BONDED.get(view.store)}")
