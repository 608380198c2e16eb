"""OpenAPI documents of interfaces whose bodies are structs; what a chain publishes is written from its schemas instead."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from meshsec_sdk.problems import Problem

_REF = "#/components/schemas/{name}"
JSON = "application/json"

_Schema = dict[str, Any]


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
    spelled = ((operation.method, operation.path, _about(operation, named)) for operation in listed)
    return whole(title, version, spelled, components)


def whole(title: str, version: str, operations: Iterable[tuple[str, str, _Schema]], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Put a document together.

    Args:
        title: of the interface.
        version: of the interface.
        operations: method, path, and what is said of it; see `spell`.
        schemas: what operations refer to, by name.
    """
    paths: dict[str, dict[str, Any]] = {}
    for method, path, about in operations:
        paths.setdefault(path, {})[method.lower()] = about
    return {"openapi": "3.1.0", "info": {"title": title, "version": version}, "paths": paths, "components": {"schemas": schemas}}


def spell(said: str, parameters: list[_Schema], answer: _Schema, problem: _Schema, takes: _Schema | None) -> dict[str, Any]:
    """Spell one operation, which answers with JSON.

    Args:
        said: what it does.
        parameters: of path and query.
        answer: schema of a good answer.
        problem: schema of a refusal.
        takes: schema of the body; None if there is none.
    """
    about: dict[str, Any] = {
        "summary": said,
        "parameters": parameters,
        "responses": {
            "2XX": {"description": "The answer.", "content": {JSON: {"schema": answer}}},
            "4XX": {"description": "Refused.", "content": {JSON: {"schema": problem}}},
        },
    }
    if takes is not None:
        about["requestBody"] = {"required": True, "content": {JSON: {"schema": takes}}}
    return about


def in_path(path: str) -> list[str]:
    """Return the names of the parameters that a path has."""
    return re.findall(r"\{(\w+)", path)


def _about(operation: Operation, named: Mapping[type[msgspec.Struct], _Schema]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}
        for where, names in (("path", in_path(operation.path)), ("query", operation.query))
        for name in names
    ]
    takes = None if operation.takes is None else named[operation.takes]
    about = spell(operation.said, parameters, {"type": "object"}, named[Problem], takes)
    if operation.media != JSON:
        about["responses"]["2XX"]["content"] = {operation.media: {"schema": {"type": "string"}}}
    return about
