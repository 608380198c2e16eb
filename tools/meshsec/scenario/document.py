"""Scenario files: read with the place of every mistake, before anything is started."""

from pathlib import Path
from typing import Any

import msgspec

from meshsec import verbs
from meshsec.world.chain import FORK
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import located, mesh_yaml
from meshsec_sdk.located import BAD_VALUE, Located
from meshsec_sdk.mesh_file import MeshSpec, topology

FORMAT = "v1"

EXPECT = "expect"
WAIT = "wait"

Expected = dict[str, Any]
"""Chain name to partial state; see `expect`."""


class Step(msgspec.Struct, frozen=True):
    """One step of a story."""

    line: int
    verb: str
    """Full name of a verb, or `expect` or `wait`."""
    arguments: dict[str, Any]
    fails: str = ""
    """The code with which it must be refused; empty if it must succeed."""
    note: str = ""
    """What the step means, for readers of the report."""
    expect: Expected | None = None
    """What must hold afterwards."""


class Scenario(msgspec.Struct, frozen=True):
    """A whole story."""

    file: str
    title: str
    seed: int
    mesh: MeshSpec
    actors: dict[str, str]
    """Name to `chain/user`."""
    steps: tuple[Step, ...]
    expect: Expected | None
    """What must hold at the end."""


def read(path: Path) -> Scenario:
    """Read and check a scenario file.

    Raises:
        Rejected: `yaml/…`, `verbs/…` or `mesh-file/…`, with file and line.
    """
    document = located.read(path)
    known = ("scenario", "title", "seed", "mesh", "actors", "steps", "expect")
    found = document.fields(known, required=("scenario", "mesh", "steps"))
    found["scenario"].choice((FORMAT,))
    mesh = found["mesh"]
    spec = mesh_yaml.read_mesh(mesh) if mesh.is_mapping else topology(mesh.text())
    actors = {name: value.text() for name, value in found["actors"].entries().items()} if "actors" in found else {}
    return Scenario(
        file=str(path),
        title=found["title"].text() if "title" in found else path.stem,
        seed=found["seed"].integer() if "seed" in found else spec.seed,
        mesh=spec,
        actors=actors,
        steps=tuple(_step(item, spec) for item in found["steps"].items()),
        expect=_expected(found["expect"], spec) if "expect" in found else None,
    )


def _step(item: Located, spec: MeshSpec) -> Step:
    entries = item.entries() if item.is_mapping else {item.text(): item}
    extras = {name: entries.pop(name) for name in ("fails", "note") if name in entries}
    after = entries.pop(EXPECT) if EXPECT in entries and len(entries) > 1 else None
    if len(entries) != 1:
        raise item.refused(BAD_VALUE, found=", ".join(entries)[:100], expected="exactly one verb")
    (name, value), *_ = entries.items()
    if name in (EXPECT, WAIT):
        verb, given = name, _expected(value, spec)
    else:
        verb, given = _verb(name, value, item)
    return Step(
        line=item.line,
        verb=verb,
        arguments=given,
        fails=extras["fails"].text() if "fails" in extras else "",
        note=extras["note"].text() if "note" in extras else "",
        expect=None if after is None else _expected(after, spec),
    )


def _verb(name: str, value: Located, item: Located) -> tuple[str, dict[str, Any]]:
    try:
        verb = verbs.find(name)
        given = {key: _plain(entry) for key, entry in value.entries().items()} if value.is_mapping else _single(verb, name, value)
        verbs.arguments(verb, given)
    except Rejected as refusal:
        raise item.refused(
            refusal.code, **{key: text for key, text in refusal.facts.items() if key not in ("file", "line")}
        ) from None
    return verb.name, given


def _single(verb: verbs.Verb, name: str, value: Located) -> dict[str, Any]:
    """Read a verb that stands alone, or with the value of its first parameter."""
    return {} if value.is_list or value.text() in ("", name) else {verb.params[0].name: value.text()}


def _plain(value: Located) -> Any:
    if value.is_mapping:
        return {name: _plain(entry) for name, entry in value.entries().items()}
    if value.is_list:
        return [_plain(entry) for entry in value.items()]
    return value.text()


def _expected(value: Located, spec: MeshSpec) -> Expected:
    known = [chain.name for chain in spec.chains]
    branches = [name for name in value.entries() if FORK in name and name.partition(FORK)[0] in known]
    chains = value.fields((*known, *branches))
    kinds = ("balances", "supply", "validators", "vault", "query", "status")
    return {name: {kind: _plain(part) for kind, part in entry.fields(kinds).items()} for name, entry in chains.items()}
