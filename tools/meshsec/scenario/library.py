"""The stories that come with meshsec, by name."""

from pathlib import Path

import meshsec

SUFFIX = ".yaml"


def find(asked: Path) -> Path:
    """Return the file of a story: a path, or the bare name of one of ours, such as `nato`."""
    if asked.exists() or asked.suffix or len(asked.parts) != 1:
        return asked
    return next((path for path in _shelf() if path.stem == str(asked)), asked)


def ours() -> list[str]:
    """Return the bare names."""
    return sorted(path.stem for path in _shelf())


def _shelf() -> list[Path]:
    package = Path(meshsec.__file__).parent
    return [path for folder in (package / "scenarios", package.parent / "scenarios") for path in folder.glob(f"*{SUFFIX}")]
