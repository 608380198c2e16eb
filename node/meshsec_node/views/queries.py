"""Views of what modules and models declare as their queries: served by name, and nothing here knows any of them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from meshsec_core.kernel.crypto import bech32_decode
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address
from meshsec_core.runtime.module import UNKNOWN_QUERY, Machine, Query
from meshsec_core.runtime.module import View as State
from meshsec_core.runtime.queries import Parameter, declared, kind_name
from meshsec_core.security.model import CONSUMER_SIDE, PROVIDER_SIDE
from meshsec_node.aliases import link_port
from meshsec_node.views.routes import Node, Reply, Request, View
from meshsec_sdk import names
from meshsec_sdk.problems import MISSING_PARAMETER, UNKNOWN_PARAMETER


def query(node: Node, request: Request) -> Reply:
    """Answer a module's typed query; development names are understood where an address, a validator or a link is meant."""
    return Reply(_answer(node, request.parts["query"], request))


@cache
def queries_of(owner: str) -> View:
    """Return the view that answers the queries of one module, or of one model, under its name."""

    def answer(node: Node, request: Request) -> Reply:
        return Reply(_answer(node, f"{owner}/{request.parts['query']}", request))

    answer.__doc__ = f"Answer a typed query of {owner}; one that both sides of a model know is answered by both."
    return answer


def listing(node: Node, request: Request) -> Reply:  # noqa: ARG001
    """List the typed queries of this chain: what each shows, and what it takes."""
    return Reply({name: _described(found) for name, found in sorted(node.replica.machine.queries.items())})


def _described(found: Query) -> dict[str, Any]:
    about = declared(found)
    takes = {
        name: {"kind": kind_name(parameter.kind), "required": parameter.required} for name, parameter in about.parameters.items()
    }
    return {"help": about.help, "takes": takes}


def owners(machine: Machine) -> tuple[str, ...]:
    """Return who declares queries: the names of modules, and of models for their sides and measures together."""
    return tuple(dict.fromkeys(name.partition("/")[0] for name in machine.queries))


def named(machine: Machine, name: str) -> Mapping[str, Query]:
    """Return what a name means: one query; or, if it leaves out the side of a model, that of each side that knows it.

    Raises:
        Rejected: `query/unknown`.
    """
    owner, _, rest = name.partition("/")
    spelled = (name, f"{owner}/{PROVIDER_SIDE}/{rest}", f"{owner}/{CONSUMER_SIDE}/{rest}")
    found = {full: machine.queries[full] for full in spelled if full in machine.queries}
    if not found:
        beside = sorted(each for each in machine.queries if each.startswith(f"{owner}/"))
        raise Rejected(UNKNOWN_QUERY, query=name[:100], known=", ".join(beside or owners(machine)))
    return found


def _answer(node: Node, name: str, request: Request) -> Any:
    """Run a query with the request's parameters on the state at `height`, the latest by default.

    Raises:
        Rejected: `query/unknown`, `http/unknown-parameter`, `http/missing-parameter`, `http/bad-parameter`,
            `names/unknown`; or as the query.
    """
    found = named(node.replica.machine, name)
    view = node.replica.view(request.number("height", node.replica.height))
    answers = {full: each(view, **_given(node, view, full, declared(each).parameters, request)) for full, each in found.items()}
    if len(answers) == 1:
        return next(iter(answers.values()))
    return {full.split("/")[1]: answer for full, answer in answers.items()}


def _given(node: Node, state: State, name: str, known: Mapping[str, Parameter], request: Request) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, text in request.query.items():
        if key in known:
            given[key] = _read(node, state, name, key, known[key].kind, text, request)
        elif key != "height":
            raise Rejected(UNKNOWN_PARAMETER, name=key[:100], known=", ".join(known))
    for key, parameter in known.items():
        if parameter.required and key not in given:
            raise Rejected(MISSING_PARAMETER, name=key, known=", ".join(known))
    return given


def _read(node: Node, state: State, name: str, key: str, kind: Any, text: str, request: Request) -> Any:
    if kind is int:
        return request.number(key, 0)
    if kind is bool:
        return request.flag(key)
    meant: str = node.aliases.resolve(kind, text, state.store, link_port(name))
    if kind is Address and not _is_address(meant):
        raise Rejected(names.UNKNOWN_NAME, name=text[:100], known=", ".join((*names.USERS, names.FAUCET, "an address")))
    return meant


def _is_address(text: str) -> bool:
    """Tell whether a text is an address of any chain; a misspelled name would be answered as if somebody had nothing."""
    try:
        bech32_decode(text.rpartition("1")[0], text)
    except Rejected:
        return False
    return True
