"""The stories that come with meshsec, by name."""

from pathlib import Path

import meshsec

SUFFIX = ".yaml"


def find(asked: Path) -> Path:
    """Return the file of a story: a path, or the bare name of one of ours, such as `nato`."""
    if asked.exists() or asked.suffix or len(asked.parts) != 1:
        return asked
    package = Path(meshsec.__file__).parent
    ours = [folder / f"{asked}{SUFFIX}" for folder in (package / "scenarios", package.parent / "scenarios")]
    return next((path for path in ours if path.exists()), asked)
