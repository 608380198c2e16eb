"""The kinds of worlds that a story can be played in. Nothing is loaded for it, so that the command line can name them."""

from enum import StrEnum


class Place(StrEnum):
    """Where a story is played."""

    SIM = "sim"
    LOCAL = "local"
    RUNNING = "running"
