"""OpenAPI documents of interfaces whose bodies are structs; what a chain publishes is written from its schemas instead."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from meshsec_sdk.problems import Problem

_REF = "#/components/schemas/{name}"
JSON = "application/json"


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    said: str
    """What it does."""
    takes: type[msgspec.Struct] | None = None
    query: tuple[str, ...] = ()
    media: str = JSON
    """Of a good answer."""


def document(title: str, version: str, operations: Iterable[Operation]) -> dict[str, Any]:
    """Write the OpenAPI document of an interface."""
    listed = tuple(operations)
    bodies = tuple(dict.fromkeys(operation.takes for operation in listed if operation.takes is not None))
    kinds: tuple[type[msgspec.Struct], ...] = (Problem, *bodies)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    named = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _about(operation, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components},
    }


def _about(operation: Operation, named: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    parameters = [(name, "path") for name in re.findall(r"\{(\w+)\}", operation.path)]
    parameters += [(name, "query") for name in operation.query]
    answer = {"type": "object"} if operation.media == JSON else {"type": "string"}
    about: dict[str, Any] = {
        "summary": operation.said,
        "parameters": [
            {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}} for name, where in parameters
        ],
        "responses": {
            "2XX": {"description": "The answer.", "content": {operation.media: {"schema": answer}}},
            "4XX": {"description": "Refused.", "content": {JSON: {"schema": named[Problem]}}},
        },
    }
    if operation.takes is not None:
        about["requestBody"] = {"required": True, "content": {JSON: {"schema": named[operation.takes]}}}
    return about
