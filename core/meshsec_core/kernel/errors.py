"""The two exceptions that are raised on purpose: refused input, and our own bugs."""

MAX_FACT = 2_000
"""Characters of a fact: what is refused may be a megabyte, its receipt may not."""


class Rejected(Exception):
    """Refused input. The overlay is dropped, the receipt carries `code`, nothing else changes.

    `code` is stable and reads `module/reason`; `facts` are the values a reader needs to mend the input.
    """

    def __init__(self, code: str, **facts: str | int) -> None:
        super().__init__(code, facts)
        self.code = str(code)
        self.facts = facts

    @property
    def texts(self) -> dict[str, str]:
        """The facts as receipts and answers carry them; a long one is cut."""
        return {name: str(value)[:MAX_FACT] for name, value in self.facts.items()}

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.texts.items())
        return f"{self.code} ({said})" if said else self.code


class InvariantViolated(Exception):
    """A bug of ours. The node halts before it signs anything that rests on it."""


def told(error: BaseException) -> str:
    """Say in one line what was raised that nobody raises on purpose, and where: `KeyError: 'x' (surety.py:57)`."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    said = f"{type(error).__name__}: {error}"
    return said if trace is None else f"{said} ({trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})"
