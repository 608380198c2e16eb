"""Scenario files: read with the place of every mistake, before anything is started."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from meshsec import verbs
from meshsec.world.chain import FORK
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import located, mesh_yaml, names
from meshsec_sdk.located import BAD_VALUE, Located, Mistakes, suggestion
from meshsec_sdk.mesh_file import MeshSpec, topology

FORMAT = "v1"

SUFFIXES = (".yaml", ".yml")
"""Of files that may stand for a mesh; they are looked for beside the story."""

EXPECT = "expect"
WAIT = "wait"

UNKNOWN_ACTOR = "scenario/unknown-actor"
UNKNOWN_CHAIN = "scenario/unknown-chain"

Expected = dict[str, Any]
"""Chain name to partial state; see `expect`."""

T = TypeVar("T")


class Watch(StrEnum):
    """When what must always hold is checked."""

    BLOCK = "block"
    """At every block of a simulation; on processes, whose blocks do not wait, as for `settle`."""
    SETTLE = "settle"
    """Where the story settles, and in the end."""


class Plot(StrEnum):
    """What the page about a run can draw."""

    POWER = "power"
    COLLATERAL = "collateral"
    PACKETS = "packets"
    REWARDS = "rewards"
    LOSSES = "losses"


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


class Story(msgspec.Struct, frozen=True):
    """A whole scenario file."""

    file: str
    title: str
    seed: int
    mesh: MeshSpec
    actors: dict[str, str]
    """Name to `chain/user`."""
    steps: tuple[Step, ...]
    expect: Expected | None
    """What must hold at the end."""
    invariants: Watch = Watch.BLOCK
    report: tuple[Plot, ...] = tuple(Plot)
    """What is drawn, if there is anything of it."""

    def meant(self, who: str) -> str:
        """Return `chain/user` for an actor's name."""
        return self.actors.get(who, who)


def read(path: Path) -> Story:
    """Read and check a scenario file.

    Raises:
        Rejected: `yaml/…`, `verbs/…`, `mesh-file/…` or `scenario/…`, with file, line and column; `Mistakes` if there are several.
    """
    return understand(located.read(path), path.stem)


def understand(document: Located, name: str) -> Story:
    """Check a scenario that has been parsed; `name` is its title if it has none. Raises as `read`."""
    known = ("scenario", "title", "seed", "mesh", "actors", "steps", "expect", "invariants", "report")
    found = document.fields(known, required=("scenario", "mesh", "steps"))
    found["scenario"].choice((FORMAT,))
    noted: list[Rejected] = []
    spec = _noting(noted, lambda: _mesh(found["mesh"]))
    chains = None if spec is None else [chain.name for chain in spec.chains]
    given = _noting(noted, lambda: found["actors"].entries() if "actors" in found else {}) or {}
    actors = {name: _noting(noted, lambda who=who: _user(who, chains)) or "" for name, who in given.items()}  # type: ignore[misc]
    reader = _Reader(chains, actors)
    steps = [_noting(noted, lambda item=item: reader.step(item)) for item in found["steps"].items()]  # type: ignore[misc]
    expect = _noting(noted, lambda: reader.expected(found["expect"]) if "expect" in found else None)
    seed = _noting(noted, lambda: found["seed"].integer() if "seed" in found else None)
    watch = _noting(noted, lambda: Watch(found["invariants"].choice(Watch)) if "invariants" in found else None)
    plots = _noting(
        noted, lambda: tuple(Plot(each.choice(Plot)) for each in found["report"].items()) if "report" in found else None
    )
    if noted or spec is None:
        raise Mistakes(noted) if len(noted) > 1 else noted[0]
    return Story(
        file=document.file,
        title=found["title"].text() if "title" in found else name,
        seed=spec.seed if seed is None else seed,
        mesh=spec,
        actors=actors,
        steps=tuple(step for step in steps if step is not None),
        expect=expect,
        invariants=watch or Watch.BLOCK,
        report=tuple(Plot) if plots is None else plots,
    )


def _noting(noted: list[Rejected], reader: Callable[[], T]) -> T | None:
    """Read a part; note its mistake and go on, so that all are told at once. A model that cannot be loaded is told once."""
    try:
        return reader()
    except Rejected as refusal:
        if not (refusal.code.startswith("model/") and refusal.code in [each.code for each in noted]):
            noted.append(refusal)
        return None


def _mesh(mesh: Located) -> MeshSpec:
    if mesh.is_mapping:
        return mesh_yaml.read_mesh(mesh)
    if mesh.text().endswith(SUFFIXES):
        return mesh_yaml.load(str(Path(mesh.file).parent / mesh.text()))
    try:
        return topology(mesh.text())
    except Rejected as refusal:
        raise _placed(mesh, refusal) from None


def _placed(place: Located, refusal: Rejected) -> Rejected:
    """Return a refusal with the place in the file, unless it has one."""
    if "file" in refusal.facts:
        return refusal
    return place.refused(refusal.code, **refusal.facts)


def _user(place: Located, chains: Iterable[str] | None) -> str:
    _check_user(place, place.text(), chains)
    return place.text()


def _check_user(place: Located, who: str, chains: Iterable[str] | None, actors: Iterable[str] = ()) -> None:
    """Check `chain/user`, where the chain may be a branch.

    Raises:
        Rejected: `scenario/unknown-actor`, `scenario/unknown-chain`, `names/unknown`.
    """
    chain, slash, user = who.partition("/")
    if not slash:
        meant = suggestion(who, actors)
        raise place.refused(
            UNKNOWN_ACTOR, actor=who[:100], suggestion=meant, known=", ".join(actors), expected="an actor, or chain/user"
        )
    _check_chain(place, chain, chains)
    if names.key_path(user, chain.partition(FORK)[0]) is None:
        people = (*names.USERS, names.FAUCET)
        raise place.refused(names.UNKNOWN_NAME, name=user[:100], suggestion=suggestion(user, people), known=", ".join(people))


def _check_chain(place: Located, chain: str, chains: Iterable[str] | None) -> None:
    if chains is not None and chain.partition(FORK)[0] not in chains:
        raise place.refused(UNKNOWN_CHAIN, chain=chain[:100], suggestion=suggestion(chain, chains), known=", ".join(chains))


class _Reader:
    """Reads steps and expectations of one story."""

    def __init__(self, chains: list[str] | None, actors: dict[str, str]) -> None:
        self.chains = chains
        """None if the mesh could not be read."""
        self.actors = actors

    def step(self, item: Located) -> Step:
        """Read one step."""
        entries = item.entries() if item.is_mapping else {item.text(): item}
        extras = {name: entries.pop(name) for name in ("fails", "note") if name in entries}
        after = entries.pop(EXPECT) if EXPECT in entries and len(entries) > 1 else None
        if len(entries) != 1:
            raise item.refused(BAD_VALUE, found=", ".join(entries)[:100], expected="exactly one verb")
        (name, value), *_ = entries.items()
        if name in (EXPECT, WAIT):
            verb, given = name, self.expected(value)
        else:
            verb, given = self._verb(name, value, item, must_work="fails" not in extras)
        return Step(
            line=item.line,
            verb=verb,
            arguments=given,
            fails=extras["fails"].text() if "fails" in extras else "",
            note=extras["note"].text() if "note" in extras else "",
            expect=None if after is None else self.expected(after),
        )

    def _verb(self, name: str, value: Located, item: Located, *, must_work: bool) -> tuple[str, dict[str, Any]]:
        places = value.entries() if value.is_mapping else {}
        try:
            verb = verbs.find(name)
            given = {key: _plain(entry) for key, entry in places.items()} if value.is_mapping else _single(verb, name, value)
            verbs.arguments(verb, given)
        except Rejected as refusal:
            raise _placed(places.get(str(refusal.facts.get("parameter")), item), refusal) from None
        if must_work:
            signer, target = str(given.get(verbs.FROM.name, "")), str(given.get("validator", ""))
            if verb.message is not None and signer not in self.actors:
                _check_user(places.get(verbs.FROM.name, item), signer, self.chains, self.actors)
            if "/" in target:
                _check_chain(places.get("validator", value), target.partition("/")[0], self.chains)
        return verb.name, given

    def expected(self, value: Located) -> Expected:
        """Read what chains are expected to say."""
        entries = value.entries()
        known = list(entries) if self.chains is None else self.chains
        branches = [name for name in entries if FORK in name and name.partition(FORK)[0] in known]
        chains = value.fields((*known, *branches))
        kinds = ("balances", "supply", "validators", "vault", "query", "status")
        return {name: {kind: _plain(part) for kind, part in entry.fields(kinds).items()} for name, entry in chains.items()}


def _single(verb: verbs.Verb, name: str, value: Located) -> dict[str, Any]:
    """Read a verb that stands alone, or with the value of its first parameter."""
    return {} if value.is_list or value.text() in ("", name) else {verb.params[0].name: value.text()}


def _plain(value: Located) -> Any:
    if value.is_mapping:
        return {name: _plain(entry) for name, entry in value.entries().items()}
    if value.is_list:
        return [_plain(entry) for entry in value.items()]
    return value.text()
