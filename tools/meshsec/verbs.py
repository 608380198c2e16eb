"""The one registry of verbs: every message, fault and mesh action, with typed parameters and help.

Scenario files, the command line and the manual are fed from here; none of them lists a verb of its own.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, get_type_hints

import msgspec

from meshsec.world import clients, forks, identities
from meshsec.world.base import World
from meshsec.world.chain import Chain
from meshsec.world.mishaps import MISHAPS
from meshsec.world.ways import channel_to, denom_of
from meshsec_core.app import MODULES
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.faults import FAULTS, parameters
from meshsec_core.runtime.module import Module, Msg
from meshsec_relayer.orders import ORDERS
from meshsec_sdk.located import suggestion
from meshsec_sdk.models import load_models, model_names
from meshsec_sdk.names import listed
from meshsec_sdk.quantities import duration

UNKNOWN_VERB = "verbs/unknown"
AMBIGUOUS = "verbs/ambiguous"
MISSING = "verbs/missing-parameter"
UNKNOWN_PARAMETER = "verbs/unknown-parameter"
BAD_VALUE = "verbs/bad-value"

_AMOUNT = re.compile(r"([0-9][0-9_]*)([a-z][A-Za-z0-9/]*)?")


class Param(msgspec.Struct, frozen=True):
    """One parameter of a verb."""

    name: str
    kind: str
    """`text`, `amount`, `duration`, `flag`, `list` or `json`."""
    help: str
    required: bool = True


class Verb(msgspec.Struct, frozen=True):
    """Something that can be done to a mesh."""

    name: str
    help: str
    params: tuple[Param, ...]
    message: type[Msg] | None = None
    """The message that it sends, if it is one."""
    act: Callable[[World, Mapping[str, Any]], Any] | None = None
    """What it does, if it is no message."""

    @property
    def short(self) -> str:
        """The name without its module: `Bond` for `mesh/Bond`."""
        return self.name.rpartition("/")[2]


DENOM = "denom"
"""The field that an amount's coin fills: `100uosmo`."""
FEE = Param("fee", "amount", "paid to the stakers of the chain", required=False)
FROM = Param("from", "text", "who signs: `osmosis/alice`, or an actor's name")


def registry() -> Mapping[str, Verb]:
    """Return all verbs by full name; those of models too, whoever has installed them."""
    return _registry(tuple(model_names()))


@cache
def _registry(models: tuple[str, ...]) -> Mapping[str, Verb]:
    verbs = [*(_message_verb(kind) for kind in _messages(models)), *ACTIONS]
    return {verb.name: verb for verb in verbs}


def find(name: str) -> Verb:
    """Return a verb by full or short name.

    Raises:
        Rejected: `verbs/unknown` with a suggestion, `verbs/ambiguous` if two modules have a message of that name.
    """
    verbs = registry()
    if name in verbs:
        return verbs[name]
    found = [verb for verb in verbs.values() if verb.short == name]
    if len(found) > 1:
        raise Rejected(AMBIGUOUS, verb=name, known=", ".join(verb.name for verb in found))
    if not found:
        words = [*verbs, *(verb.short for verb in verbs.values())]
        raise Rejected(UNKNOWN_VERB, verb=name[:100], suggestion=suggestion(name, words))
    return found[0]


def arguments(verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check what a verb is given; values are texts, numbers, lists or mappings.

    Raises:
        Rejected: `verbs/unknown-parameter` with a suggestion, `verbs/missing-parameter`, `verbs/bad-value`.
    """
    known = {param.name: param for param in verb.params}
    for name in given:
        if name not in known:
            meant = suggestion(name, known)
            raise Rejected(UNKNOWN_PARAMETER, verb=verb.name, parameter=name[:100], suggestion=meant, known=", ".join(known))
    values = {name: _value(known[name], value) for name, value in given.items()}
    coins = any(isinstance(value, Amount) and value.denom for name, value in values.items() if name != FEE.name)
    for param in verb.params:
        if param.required and param.name not in given and not (param.name == DENOM and coins):
            raise Rejected(MISSING, verb=verb.name, parameter=param.name, help=param.help)
    return values


def perform(world: World, verb: Verb, given: Mapping[str, Any]) -> Any:
    """Do what a verb says, and return what it says; whoever signs is named as `chain/user`.

    Raises:
        Rejected, TxRejected: as `arguments`, `spell`, and the world.
    """
    return apply(world, verb, arguments(verb, given))


def apply(world: World, verb: Verb, values: Mapping[str, Any]) -> Any:
    """Do a verb with arguments that have been read, and return what it says.

    Raises:
        Rejected, TxRejected: as `spell`, and the world.
    """
    if verb.act is not None:
        return verb.act(world, values)
    name, _, user = values[FROM.name].partition("/")
    chain = world.chain(name)
    fee = values.get(FEE.name)
    return chain.send(user, spell(verb, values, chain), fee=fee.units if fee is not None else 0)


def in_order(verb: Verb, words: Sequence[str]) -> dict[str, str]:
    """Name what was typed: `name=value`, and values alone for the parameters that come next.

    Raises:
        Rejected: `verbs/unknown-parameter` for a value too many.
    """
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            left = [param.name for param in verb.params if param.name not in given]
            if not left:
                raise Rejected(UNKNOWN_PARAMETER, verb=verb.name, parameter=word[:100], suggestion="")
            name, value = left[0], word
        given[name] = value
    return given


def spell(verb: Verb, given: Mapping[str, Any], chain: Chain) -> dict[str, Any]:
    """Spell a message as JSON for a chain; names are left to the chain, but for channels and vouchers named by chains.

    Raises:
        Rejected: `verbs/bad-value` if an amount is in a coin that the message does not speak of; `world/no-channel`.
    """
    spelled: dict[str, Any] = {"@type": verb.name}
    for name, value in given.items():
        if name in (FROM.name, FEE.name):
            continue
        if isinstance(value, Amount):
            names_coin = any(param.name == DENOM for param in verb.params)
            if value.denom and names_coin:
                spelled.setdefault(DENOM, denom_of(chain, value.denom))
            elif value.denom not in ("", chain.names.denom):
                raise Rejected(BAD_VALUE, parameter=name, found=value.denom, expected=chain.names.denom)
            spelled[name] = str(value.units)
        elif name == DENOM:
            spelled[name] = denom_of(chain, value)
        elif name == "channel" and value in chain.world.chains:
            spelled[name] = channel_to(chain, value, port=verb.name.partition("/")[0])
        else:
            spelled[name] = value
    return spelled


class Amount(msgspec.Struct, frozen=True):
    """A number of base units, and their coin if it was said."""

    units: int
    denom: str


def _value(param: Param, value: Any) -> Any:
    text = str(value)
    match param.kind:
        case "amount":
            found = _AMOUNT.fullmatch(text)
            if found is not None:
                return Amount(int(found[1]), found[2] or "")
        case "duration":
            nanoseconds = duration(text)
            if nanoseconds is not None or text.isdigit():
                return str(nanoseconds if nanoseconds is not None else int(text))
        case "flag":
            if text in ("true", "false", "True", "False"):
                return text.lower() == "true"
        case "text":
            if not isinstance(value, dict | list):
                return text
        case _:
            return value
    raise Rejected(BAD_VALUE, parameter=param.name, found=text[:100], expected=f"{param.kind}: {param.help}".removesuffix(": "))


def _messages(names: tuple[str, ...]) -> list[type[Msg]]:
    models = load_models(names).values()
    modules: list[Module[Any]] = [*MODULES, *(module for model in models for module in (model.provider, model.consumer))]
    return [kind for module in modules for kind in module.handlers]


def _message_verb(kind: type[Msg]) -> Verb:
    types = get_type_hints(kind)
    helps = _field_helps(kind)
    required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    params = tuple(
        Param(name, _kind(name, types[name]), helps.get(name, ""), name in required) for name in kind.__struct_fields__
    )
    help_text = inspect.getdoc(kind) or ""
    return Verb(str(kind.__struct_config__.tag), help_text.partition("\n")[0], (FROM, FEE, *params), message=kind)


def _kind(name: str, hint: Any) -> str:
    if hint is int:
        return "duration" if name.endswith(("time", "timestamp", "timeout")) else "amount"
    if hint is bool:
        return "flag"
    supertype = getattr(hint, "__supertype__", hint)
    return "text" if isinstance(supertype, type) and issubclass(supertype, str | bytes) else "json"


def _field_helps(kind: type[Msg]) -> dict[str, str]:
    """Read the strings under a message's fields out of its source."""
    try:
        source = inspect.getsource(kind)
    except OSError:
        return {}
    return dict(re.findall(r'^    (\w+): [^\n]+\n    """(.*?)"""', source, flags=re.MULTILINE | re.DOTALL))


def _target(name: str, what: str) -> tuple[Param, ...]:
    return (Param(name, "text", what),)


def _relayer_order(order: str) -> Callable[[World, Mapping[str, Any]], Any]:
    def give(world: World, given: Mapping[str, Any]) -> Any:
        parameters = {name: value for name, value in given.items() if name != ONLY.name}
        return world.relayer(order, parameters, given.get(ONLY.name))

    return give


def _fault_verb(kind: str) -> Verb:
    """Derive the verb of a kind of fault."""
    takes = tuple(Param(item.name, "text", f"{item.kind}: {item.help}", item.default is None) for item in parameters(kind))
    help_text = inspect.getdoc(FAULTS[kind]) or ""

    def act(world: World, given: Mapping[str, Any]) -> None:
        world.fault(kind, given["validator"], **{name: value for name, value in given.items() if name != "validator"})

    return Verb(
        f"fault.{kind}",
        help_text.partition("\n")[0],
        (*_target("validator", "such as `juno/val-0`; `juno` for all of its validators"), *takes),
        act=act,
    )


def _mishap_verb(kind: str) -> Verb:
    """Derive the verb of a fault that strikes more than validators."""
    mishap = MISHAPS[kind]

    def act(world: World, given: Mapping[str, Any]) -> Any:
        return world.fault(kind, given["target"], **{name: value for name, value in given.items() if name != "target"})

    return Verb(f"fault.{kind}", mishap.help, (*_target("target", mishap.target), *_parameters(mishap.parameters)), act=act)


ONLY = Param("relayer", "text", "the one relayer that is meant; all if left out", required=False)


def _parameters(kind: type[msgspec.Struct]) -> tuple[Param, ...]:
    """Return the parameters of a relayer's order or of a mishap, with the help that its fields carry."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        Param(field.name, "text", hints[field.name].__metadata__[0].description, field.required)
        for field in msgspec.structs.fields(kind)
    )


_BRANCH = _target("branch", "such as `juno~fork`")
_VICTIM = Param("victim", "text", "the chain that is to believe it, or has believed it")
_HEIGHT = Param("height", "text", "`first` behind the fork, `latest`, or a number; latest if left out", required=False)
_SIGNER = Param("signer", "text", "the user who signs; `erin` if left out", required=False)


def _signer(given: Mapping[str, Any]) -> str:
    return str(given.get(_SIGNER.name, "erin"))


ACTIONS: tuple[Verb, ...] = (
    Verb(
        "mine",
        "Make every chain produce blocks.",
        (Param("blocks", "text", "how many"),),
        act=lambda w, a: w.mine(int(a["blocks"])),
    ),
    Verb(
        "advance",
        "Move the mesh-wide clock; light clients are kept alive.",
        (
            Param("by", "text", "such as `21d` or `5blocks`"),
            Param("keep_alive", "flag", "false: one jump, however long; no client is refreshed on the way", required=False),
        ),
        act=lambda w, a: w.advance(a["by"], keep_alive=a.get("keep_alive", True)),
    ),
    Verb("relay", "Carry packets and acknowledgements until nothing is in flight.", (), act=lambda w, _: w.relay()),
    Verb("settle", "Relay, pass an epoch, relay, until nothing changes; then check every law.", (), act=lambda w, _: w.settle()),
    *(_fault_verb(kind) for kind in FAULTS),
    *(_mishap_verb(kind) for kind in MISHAPS),
    Verb(
        "snapshot",
        "Save the whole mesh under a name.",
        (Param("name", "text", "letters, digits, dots and dashes"),),
        act=lambda w, a: w.snapshot(a["name"]),
    ),
    Verb(
        "revert",
        "Bring the whole mesh back to a snapshot, as often as wanted; nobody can be accused of what happened since.",
        (Param("name", "text", "of the snapshot"),),
        act=lambda w, a: w.revert(a["name"]),
    ),
    Verb(
        "fault.partition",
        "Let messages of a chain's validators pass only inside groups.",
        (
            Param("chain", "text", "such as `juno`"),
            Param("groups", "text", "such as `val-0,val-1|val-2,val-3`; whoever is in none forms a last group"),
        ),
        act=lambda w, a: w.partition(a["chain"], [listed(group) for group in a["groups"].split("|")]),
    ),
    Verb(
        "fault.fork",
        "Make validators sign another future of their chain beside it; with more than two thirds of the power both sides go on.",
        (
            Param("chain", "text", "such as `juno`"),
            Param("validators", "text", "who signs on both sides, such as `val-0,val-1,val-2`"),
            Param("name", "text", "the branch is called `<chain>~<name>`; `fork` if left out", required=False),
            Param("late", "flag", "decide the branch's first block in a later round than the chain's", required=False),
        ),
        act=lambda w, a: w.fork(a["chain"], listed(a["validators"]), a.get("name", "fork"), late=a.get("late", False)),
    ),
    Verb("fork.end", "Forget a branch.", _BRANCH, act=lambda w, a: w.end_fork(a["branch"])),
    Verb(
        "fork.show",
        "Show one header of a branch to the light client by which another chain follows the forked one.",
        (*_BRANCH, _VICTIM, _HEIGHT, _SIGNER),
        act=lambda w, a: forks.show(w.branch(a["branch"]), w.chain(a["victim"]), a.get("height", forks.LATEST), _signer(a)),
    ),
    Verb(
        "fork.deliver",
        "Carry packets between a branch and another chain, as a relayer that takes the branch for the chain.",
        (*_BRANCH, _VICTIM, _SIGNER),
        act=lambda w, a: forks.deliver(w, w.branch(a["branch"]), w.chain(a["victim"]), _signer(a)),
    ),
    Verb(
        "fork.report",
        "Tell both chains of a fork: misbehaviour to the light client, evidence to the chain whose validators signed both sides.",
        (*_BRANCH, _VICTIM, _HEIGHT, _SIGNER),
        act=lambda w, a: forks.report(w.branch(a["branch"]), w.chain(a["victim"]), a.get("height", forks.LATEST), _signer(a)),
    ),
    Verb(
        "set-balance",
        "Let an account hold so much: by a transfer from or to the faucet, or on a branch by forging the state.",
        (
            Param("chain", "text", "a chain's name, or a branch's"),
            Param("address", "text", "a development name, or an address"),
            Param("amount", "amount", "what it is to hold"),
        ),
        act=lambda w, a: w.set_balance(a["chain"], a["address"], a["amount"].units, a["amount"].denom),
    ),
    Verb(
        "client.create",
        "Create a light client of one chain on another, by the rules of the relayers: a substitute for one that has died.",
        (Param("on", "text", "the chain that is to have it"), Param("of", "text", "the chain to follow")),
        act=lambda w, a: clients.create(w.chain(a["on"]), w.chain(a["of"])),
    ),
    Verb(
        "identity.join",
        "Join the validators that one operator runs on two chains, signed with both keys; a fault there may cost the bond here.",
        (
            Param("here", "text", "on the chain that lends, such as `osmosis/val-0`"),
            Param("there", "text", "on the one that borrows"),
        ),
        act=lambda w, a: identities.join(w, a["here"], a["there"]),
    ),
    Verb(
        "heal",
        "End the faults of a validator, of a chain, or all: also partitions, branches, and what relayers were told to do wrong.",
        (Param("validator", "text", "such as `juno/val-0`, or a chain; all if left out", required=False),),
        act=lambda w, a: w.heal(a.get("validator")),
    ),
    Verb(
        "crash",
        "Kill a chain or the relayers without warning; they start again from what is durable.",
        (
            Param("target", "text", "a chain's name, `relayer`, or one relayer such as `relayer/main`"),
            Param("batch", "text", "before which durable write of a chain from now; at once if left out", required=False),
        ),
        act=lambda w, a: w.crash(a["target"], int(a.get("batch", "0"))),
    ),
    *(
        Verb(f"relayer.{order}", text, (ONLY,), act=_relayer_order(order))
        for order, text in {"stop": "Take relayers away.", "start": "Bring relayers back, from what is durable."}.items()
    ),
    *(
        Verb(f"{order.about}.{name}", order.help, (*_parameters(order.parameters), ONLY), act=_relayer_order(name))
        for name, order in ORDERS.items()
    ),
)
"""What can be done to a mesh besides sending messages."""
