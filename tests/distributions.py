"""Distributions that exist for one test: a module and its metadata in a directory that is put on the search path."""

from pathlib import Path

import pytest

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, name: str, files: dict[str, str], **models: str) -> None:
    """Make a distribution known to this process and to those that it starts.

    Args:
        directory: where it is written.
        name: of the distribution.
        files: path to source.
        models: name of a security model to where its object is, such as `my_file:MODEL`.
    """
    about = directory / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(METADATA.format(name=name))
    lines = ["[meshsec.models]", *(f"{model} = {place}" for model, place in models.items()), ""]
    (about / "entry_points.txt").write_text("\n".join(lines))
    for path, source in files.items():
        (directory / path).write_text(source)
    monkeypatch.syspath_prepend(directory)
    monkeypatch.setenv("PYTHONPATH", str(directory))
