"""What several tests share: where tests, published vectors and specifications lie."""

import json
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parents[1] / "shared"
VECTORS = SHARED / "vectors"
SPEC = SHARED / "spec"


def vectors(*path: str) -> Path:
    """Return a file or folder of published vectors, or skip the test where this checkout has none beside it."""
    found = VECTORS.joinpath(*path)
    if not found.exists():
        pytest.skip(f"published vectors are not beside this checkout: ../shared/vectors/{'/'.join(path)}")
    return found


def load_vectors(*path: str) -> Any:
    """Return the parsed JSON of one vector file."""
    return json.loads(vectors(*path).read_text())
