"""What a program that uses a chain must be ready for: a definite no, and not knowing."""


class TxRejected(Exception):
    """A transaction was refused, or was included and none of its messages took effect. Definite: nothing else will happen.

    `code` is stable and reads `module/reason`; `facts` are the values a reader needs to mend the input.
    """

    def __init__(self, code: str, facts: dict[str, str], message: str = "") -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts
        self.message = message

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code} ({said})" if said else self.code


class OutcomeUnknown(Exception):
    """No answer came: the request may or may not have taken effect. Indefinite: `Client.resolve` finds out."""

    def __init__(self, message: str, raw: bytes = b"", tx_hash: str = "") -> None:
        super().__init__(message)
        self.raw = raw
        """The signed transaction that was sent, if one was. To send the same bytes again is harmless: a sequence counts once."""
        self.tx_hash = tx_hash
        """Of the transaction, lower hex; empty if it is not known."""
