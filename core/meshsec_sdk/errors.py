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
    """No answer came: the request may or may not have taken effect. Ask for the receipt before sending it again."""
