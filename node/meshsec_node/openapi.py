"""The OpenAPI document, written from the table of routes and from what modules and models declare, when somebody asks for it."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from pydantic.json_schema import models_json_schema

from meshsec_core.kernel.types import Address, LinkId, ValidatorId
from meshsec_core.runtime.module import Machine
from meshsec_core.runtime.queries import Declaration, Parameter, declared
from meshsec_node.orders import ORDERS
from meshsec_node.version import VERSION
from meshsec_node.views.routes import Route
from meshsec_node.views.table import ROUTES
from meshsec_sdk.documents import in_path, spell, whole
from meshsec_sdk.schemas.table import SHAPES

_REF = "#/components/schemas/{model}"
DOCUMENTS = 4
"""Remembered at a time: of a chain and its branches. Every revert makes a machine of its own, and a document of it."""

_ANSWER_REF = "#/components/schemas/query.{name}"
"""Types of answers have a name space of their own: any model may call one `Account`."""

_PATTERNS: dict[str, dict[str, Any]] = {
    "height": {"pattern": "^([0-9]{1,18}|latest)$"},
    "hash": {"pattern": "^[0-9a-f]{64}$"},
    "limit": {"pattern": "^[0-9]{1,18}$"},
    "prove": {"enum": ["true", "false"]},
    "wait": {"enum": ["commit"]},
}
"""How parameters are spelled, where not every text will do."""


_MEANT: dict[Any, str] = {
    Address: "An address, or a development name such as `alice`.",
    ValidatorId: "An operator's address, or a development name such as `juno/val-0`.",
    LinkId: "A channel, or the name of the chain at its other end.",
}


@lru_cache(DOCUMENTS)
def document(title: str, machine: Machine) -> dict[str, Any]:
    """Return the document of one chain."""
    _, definitions = models_json_schema([(kind, "serialization") for kind in SHAPES.values()], ref_template=_REF)
    operations = [(route.method, _plain(route.path), _of_route(route)) for route in ROUTES]
    operations += [(method, path, _about(order.__doc__, path, takes, "")) for (method, path), (order, takes) in ORDERS.items()]
    named = {name: declared(query) for name, query in machine.queries.items()}
    answers, components = _shapes([about.answer for about in named.values()])
    operations += [
        ("GET", f"/v1/{name}", _of_query(about, shape)) for (name, about), shape in zip(named.items(), answers, strict=True)
    ]
    return whole(title, VERSION, operations, {**definitions["$defs"], **components})


def _of_query(about: Declaration, answer: dict[str, Any]) -> dict[str, Any]:
    parameters = [_parameter(name, parameter) for name, parameter in about.parameters.items()]
    if "height" not in about.parameters:
        parameters.append({"name": "height", "in": "query", "required": False, "schema": _spelling("height")})
    return spell(about.help, parameters, answer, _named("Problem"), None)


def _parameter(name: str, parameter: Parameter) -> dict[str, Any]:
    spelled = {int: {"type": "string", "pattern": "^[0-9]{1,18}$"}, bool: {"enum": ["true", "false"]}}
    schema = spelled.get(parameter.kind, {"type": "string"})
    said = {"description": _MEANT[parameter.kind]} if parameter.kind in _MEANT else {}
    return {"name": name, "in": "query", "required": parameter.required, "schema": schema, **said}


def _shapes(kinds: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return how values of each type are spelled, and what those spellings refer to by name."""
    schemas, components = msgspec.json.schema_components(list(kinds), schema_hook=_anything, ref_template=_ANSWER_REF)
    return [_as_spelled(schema) for schema in schemas], {f"query.{name}": _as_spelled(each) for name, each in components.items()}


def _anything(kind: type) -> dict[str, Any]:  # noqa: ARG001
    """Promise nothing of a type that has no schema."""
    return {}


def _as_spelled(schema: Any) -> Any:
    """Let a schema speak of canonical JSON, where every integer is a decimal text."""
    if isinstance(schema, list):
        return [_as_spelled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "integer":
        return {"type": "string", "pattern": "^-?[0-9]+$"}
    return {name: _as_spelled(item) for name, item in schema.items() if name != "default"}


def _of_route(route: Route) -> dict[str, Any]:
    about = _about(route.view.__doc__, route.path, route.takes, route.answer)
    about["parameters"] += [
        {"name": name, "in": "query", "required": False, "description": said, "schema": _spelling(name)}
        for name, said in route.query.items()
        if name != "*"
    ]
    return about


def _plain(path: str) -> str:
    return path.replace(":path}", "}")


def _about(said: str | None, path: str, takes: str, answer: str) -> dict[str, Any]:
    summary, _, rest = (said or "").partition("\n")
    parameters = [{"name": name, "in": "path", "required": True, "schema": _spelling(name)} for name in in_path(path)]
    taken, answered = _named(takes) if takes else None, _named(answer) if answer else {}
    return {**spell(summary, parameters, answered, _named("Problem"), taken), "description": " ".join(rest.split())}


def _spelling(parameter: str) -> dict[str, Any]:
    return {"type": "string", **_PATTERNS.get(parameter, {})}


def _named(model: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=model)}
