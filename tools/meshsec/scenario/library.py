"""The stories that come with meshsec, by name."""

from pathlib import Path

import meshsec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.located import suggestion

UNKNOWN_STORY = "scenario/unknown-story"

SUFFIX = ".yaml"


def find(asked: Path) -> Path:
    """Return the file of a story: a path, or the bare name of one of ours, such as `nato`.

    Raises:
        Rejected: `scenario/unknown-story` for a bare name that is neither.
    """
    if asked.exists() or asked.suffix or len(asked.parts) != 1:
        return asked
    found = next((path for path in _shelf() if path.stem == str(asked)), None)
    if found is None:
        known = ours()
        raise Rejected(UNKNOWN_STORY, story=str(asked)[:100], suggestion=suggestion(str(asked), known), known=", ".join(known))
    return found


def ours() -> list[str]:
    """Return the bare names."""
    return sorted(path.stem for path in _shelf())


def _shelf() -> list[Path]:
    package = Path(meshsec.__file__).parent
    return [path for folder in (package / "scenarios", package.parent / "scenarios") for path in folder.glob(f"*{SUFFIX}")]
