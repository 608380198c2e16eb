"""A short torture; `make long` kills two hundred times."""

from pathlib import Path

import pytest

from meshsec.home import Home
from torture.__main__ import torture


@pytest.mark.slow
def test_a_loaded_mesh_that_is_killed_at_random_moments_loses_nothing_and_leaves_nobody(tmp_path: Path) -> None:
    """Given a pair under load
    When processes are killed at any moment and inside of writes, and at last the supervisor
    Then blocks and receipts stay what they were, every law holds, nobody has signed twice, and executing all blocks again agrees
    """
    kills = torture(5, 3, "pair", Home(tmp_path))
    assert sum(kills.values()) >= 6
