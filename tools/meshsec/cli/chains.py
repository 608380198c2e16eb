"""Verbs that speak to one chain: tx, query, faucet."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshsec.cli import complete
from meshsec.cli.answer import HERE, Dir, Json, say
from meshsec.cli.running import attached

if TYPE_CHECKING:
    from meshsec.world.chain import Chain, Receipt

NOT_A_MESSAGE = "verbs/not-a-message"
BAD_PAIR = "cli/bad-pair"

ChainName = Annotated[str, typer.Argument(metavar="CHAIN", help="Short name, such as osmosis.", autocompletion=complete.chains)]
Pairs = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Parameters; names and units are understood.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (tx, query, faucet):
        app.command()(verb)


def tx(
    chain: ChainName,
    message: Annotated[
        str,
        typer.Argument(
            help="Such as mesh/Bond, or Bond if only one module has it; `list` shows all.", autocompletion=complete.messages
        ),
    ],
    pairs: Pairs = None,
    sender: Annotated[
        str, typer.Option("--from", help="A development user such as alice, or a validator such as val-0.")
    ] = "alice",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Sign a message with a development key, wait for the block and show the receipt."""
    from meshsec import verbs
    from meshsec_core.kernel.errors import Rejected

    if message == "list":
        _list_messages(json=json)
        return
    verb = verbs.find(message)
    if verb.message is None:
        raise Rejected(NOT_A_MESSAGE, verb=verb.name, hint="meshsec tx CHAIN list shows the messages")
    given = verbs.arguments(verb, {**_pairs(pairs or []), verbs.FROM.name: f"{chain}/{sender}"})
    with attached(directory) as world:
        receipt = verbs.apply(world, verb, given)
    _show_receipt(receipt, json=json)


def _list_messages(*, json: bool) -> None:
    from meshsec import verbs

    found = [verb for verb in verbs.registry().values() if verb.message is not None]
    hidden = (verbs.FROM.name,)
    shown = {
        verb.name: {"help": verb.help, "parameters": [param for param in verb.params if param.name not in hidden]}
        for verb in found
    }
    rows = []
    for verb in found:
        params = [f"{param.name}=" if param.required else f"[{param.name}=]" for param in verb.params if param.name not in hidden]
        rows.append(f"{verb.name} {' '.join(params)}\n    {verb.help}")
    say(shown, json=json, text="\n".join(rows))


def _show_receipt(receipt: "Receipt", *, json: bool) -> None:
    events = [
        f"  {event['type']} " + " ".join(f"{name}={value}" for name, value in event["attributes"].items())
        for event in receipt.events
    ]
    say(receipt, json=json, text="\n".join([f"{receipt.hash} in block {receipt.height}, gas {receipt.gas_used}", *events]))


def query(
    chain: ChainName,
    path: Annotated[
        str,
        typer.Argument(
            help="A query such as staking/validators or mesh/vault, a path of the state, or a route such as /v1/status; "
            "`list` shows all queries of the chain.",
        ),
    ],
    pairs: Pairs = None,
    prove: Annotated[bool, typer.Option("--prove", help="Fetch a state path with its proof and verify it.")] = False,
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Ask a chain: one of its queries, a value of its state, or any route."""
    from urllib.parse import quote, urlencode

    asked = _pairs(pairs or [])
    with attached(directory) as world:
        target = world.chain(chain)
        if prove:
            from meshsec.cli.proofs import proven

            found = proven(target, path)
        elif path == "list":
            _list_queries(target, json=json)
            return
        elif path.startswith("/"):
            found = target.get(path + (f"?{urlencode(asked)}" if asked else ""))
        else:
            found = _view_or_value(target, quote(path), asked)
    say(found, json=json)


def _list_queries(chain: "Chain", *, json: bool) -> None:
    found = chain.get("/v1/query")
    rows = []
    for name, about in found.items():
        takes = [f"{key}=" if one["required"] else f"[{key}=]" for key, one in about["takes"].items()]
        rows.append(f"{' '.join([name, *takes])}\n    {about['help']}")
    say(found, json=json, text="\n".join(rows))


def _view_or_value(chain: "Chain", path: str, asked: dict[str, str]) -> Any:
    from meshsec_core.kernel.errors import Rejected
    from meshsec_core.kernel.store.state import UNKNOWN_STORE
    from meshsec_core.runtime.module import UNKNOWN_QUERY

    module, _, name = path.rpartition("/")
    try:
        return chain.query(module, name, **asked)
    except Rejected as refusal:
        if refusal.code != UNKNOWN_QUERY:
            raise
        no_query = refusal
    try:
        value = chain.get(f"/v1/state/{path}")
    except Rejected as refusal:
        raise no_query if refusal.code == UNKNOWN_STORE else refusal from None
    if value["value"] is None:
        raise no_query
    return value


def faucet(
    chain: ChainName,
    address: Annotated[str, typer.Argument(help="An address, or a development name such as bob.")],
    amount: Annotated[str, typer.Argument(help="Such as 1000000 or 1_000_000uosmo.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Send coins of a chain to an address."""
    from meshsec import verbs

    verb = verbs.find("bank/Send")
    with attached(directory) as world:
        target = world.chain(chain)
        given = verbs.arguments(verb, {"from": "faucet", "to": address, "amount": amount, "denom": target.names.denom})
        receipt = target.send("faucet", verbs.spell(verb, given, target))
    _show_receipt(receipt, json=json)


def _pairs(texts: list[str]) -> dict[str, Any]:
    """Read `key=value`; a value in brackets or braces is JSON.

    Raises:
        Rejected: `cli/bad-pair`.
    """
    from meshsec_core.kernel.errors import Rejected

    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or key in found:
            raise Rejected(BAD_PAIR, found=text[:100], hint="parameters are written KEY=VALUE, each once")
        found[key] = value
        if value[:1] in ("[", "{"):
            import json

            try:
                found[key] = json.loads(value)
            except ValueError as error:
                raise Rejected(BAD_PAIR, found=text[:100], reason=str(error)) from None
    return found
