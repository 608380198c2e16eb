"""The OpenAPI document, written from the table of routes when somebody asks for it."""

import re
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from meshsec_node.orders import ORDERS
from meshsec_node.version import VERSION
from meshsec_node.views.table import ROUTES
from meshsec_sdk import schemas

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
    shapes = {
        name: kind
        for name, kind in vars(schemas).items()
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not BaseModel
    }
    _, definitions = models_json_schema([(kind, "serialization") for kind in shapes.values()], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        about = _about(route.view.__doc__, route.path, route.takes, route.answer)
        about["parameters"] += [
            {"name": name, "in": "query", "required": False, "description": said, "schema": _spelling(name)}
            for name, said in route.query.items()
            if name != "*"
        ]
        paths.setdefault(_plain(route.path), {})[route.method.lower()] = about
    for (method, path), (order, takes) in ORDERS.items():
        paths.setdefault(path, {})[method.lower()] = _about(order.__doc__, path, takes, "")
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION},
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def _plain(path: str) -> str:
    return path.replace(":path}", "}")


def _about(said: str | None, path: str, takes: str, answer: str) -> dict[str, Any]:
    summary, _, rest = (said or "").partition("\n")
    problem = {"description": "Refused.", "content": {"application/json": {"schema": _named("Problem")}}}
    about: dict[str, Any] = {
        "summary": summary,
        "description": " ".join(rest.split()),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": _spelling(name)} for name in re.findall(r"\{(\w+)", path)
        ],
        "responses": {
            "2XX": {"description": "The answer.", "content": {"application/json": {"schema": _named(answer) if answer else {}}}},
            "4XX": problem,
        },
    }
    if takes:
        about["requestBody"] = {"required": True, "content": {"application/json": {"schema": _named(takes)}}}
    return about


def _spelling(parameter: str) -> dict[str, Any]:
    return {"type": "string", **_PATTERNS.get(parameter, {})}


def _named(model: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=model)}
