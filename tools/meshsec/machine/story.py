"""Writes a history down as a scenario file that `meshsec scenario run` plays again."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from meshsec_sdk import mesh_yaml
from meshsec_sdk.mesh_file import MeshSpec, is_topology


class Done(msgspec.Struct):
    """One step of a history."""

    verb: str
    given: dict[str, Any]
    fails: str = ""
    """The code with which it was refused."""


def write_story(path: Path, title: str, mesh: str | MeshSpec, seed: int, steps: list[Done]) -> None:
    """Write the file; its directory is made."""
    document = {
        "scenario": "v1",
        "title": title,
        "seed": seed,
        "mesh": mesh if isinstance(mesh, str) and is_topology(mesh) else yaml.safe_load(mesh_yaml.dump(mesh)),  # type: ignore[arg-type]
        "steps": [_spelled(step) for step in steps],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False, width=120), encoding="utf-8")


def _spelled(step: Done) -> Any:
    if not step.given and not step.fails:
        return step.verb
    return {step.verb: step.given, **({"fails": step.fails} if step.fails else {})}
