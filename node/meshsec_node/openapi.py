"""The OpenAPI document, written from the table of routes when somebody asks for it."""

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from meshsec_node.orders import ORDERS
from meshsec_node.version import VERSION
from meshsec_node.views.routes import Route
from meshsec_node.views.table import ROUTES
from meshsec_sdk.documents import in_path, spell, whole
from meshsec_sdk.schemas.table import SHAPES

_REF = "#/components/schemas/{model}"

_PATTERNS: dict[str, dict[str, Any]] = {
    "height": {"pattern": "^([0-9]{1,18}|latest)$"},
    "hash": {"pattern": "^[0-9a-f]{64}$"},
    "limit": {"pattern": "^[0-9]{1,18}$"},
    "prove": {"enum": ["true", "false"]},
    "wait": {"enum": ["commit"]},
}
"""How parameters are spelled, where not every text will do."""


@cache
def document(title: str) -> dict[str, Any]:
    """Return the document of one chain."""
    _, definitions = models_json_schema([(kind, "serialization") for kind in SHAPES.values()], ref_template=_REF)
    operations = [(route.method, _plain(route.path), _of_route(route)) for route in ROUTES]
    operations += [(method, path, _about(order.__doc__, path, takes, "")) for (method, path), (order, takes) in ORDERS.items()]
    return whole(title, VERSION, operations, definitions["$defs"])


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
