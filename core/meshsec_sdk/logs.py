"""Logs of our processes: one JSON object per line, bound with the process's name."""

import sys
from typing import TextIO

import msgspec
import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def set_up(level: str = "info", stream: TextIO = sys.stdout, **bound: str) -> None:
    """Send this process's logs to a stream; called once, from `main`.

    Args:
        level: the least severe level that is written: debug, info, warning or error.
        stream: where lines go.
        bound: what every line of the process carries.
    """
    encoder = msgspec.json.Encoder(enc_hook=str)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda line, **_: encoder.encode(line).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)
