"""Children that do not outlive their supervisor.

The supervisor keeps the writing end of a pipe and hands the reading end to its children. When it dies, however it dies, the pipe
closes.
"""

import os
import signal
import threading

GRACE_SECONDS = 5.0
"""How long a child may take to end on its own after the supervisor has gone."""


def end_with_parent(fd: int, grace: float = GRACE_SECONDS) -> None:
    """End this process when the pipe behind `fd` closes: first politely, by SIGTERM, then at once.

    Args:
        fd: reading end of a pipe to which nobody writes.
        grace: seconds between the two.
    """
    threading.Thread(target=_watch, args=(fd, grace), name="end-with-parent", daemon=True).start()


def _watch(fd: int, grace: float) -> None:
    while os.read(fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace)
    os._exit(1)
