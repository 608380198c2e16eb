"""How verbs answer: text for people or JSON for programs, and an exit code that says whose fault it was.

0 is success, 1 a check that failed, 2 bad input, 3 infrastructure. A refusal is one line, `code: what is wrong; what to do next`.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

CHECK_FAILED = 1
BAD_INPUT = 2
INFRASTRUCTURE = 3

USAGE = "cli/usage"
BUG = "cli/bug"
LAW_BROKEN = "world/law-broken"
OUTCOME_UNKNOWN = "client/outcome-unknown"

_INFRASTRUCTURE = ("up/", "client/", "storage/", "node/", "process/", "gateway/", "relayer/unreachable", "world/stuck", BUG)
_NOT_INFRASTRUCTURE = ("up/other-mesh",)
_EXACTLY = {"mesh/not-running": INFRASTRUCTURE, LAW_BROKEN: CHECK_FAILED}

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Dir = Annotated[Path, typer.Option("--dir", help="The mesh's directory.", show_default=True)]
HERE = Path(".mesh")


def exit_code(code: str) -> int:
    """Return the exit code of a refusal."""
    if code in _EXACTLY:
        return _EXACTLY[code]
    return INFRASTRUCTURE if code.startswith(_INFRASTRUCTURE) and code not in _NOT_INFRASTRUCTURE else BAD_INPUT


def say(value: Any, *, json: bool, text: Callable[[], str] | str = "") -> None:
    """Print an answer.

    Args:
        value: what a program reads; spelled with amounts as decimal strings.
        json: whether a program reads it.
        text: what a person reads instead; the value by lines if left out.
    """
    if json:
        from meshsec_core.kernel import codec

        print(codec.encode(value).decode(), flush=True)
    else:
        print(text() if callable(text) else text or lines(value), flush=True)


Facts = Mapping[str, str | int]


def refuse(code: str, facts: Facts, *, json: bool, hint: str = "", more: Sequence[tuple[str, Facts]] = ()) -> int:
    """Print a refusal: one line on stderr, or the problem as JSON on stdout; return the exit code.

    Args:
        code: what is wrong.
        facts: what a reader needs to mend it.
        json: whether a program reads it.
        hint: what to do next, if the facts have none.
        more: further refusals of the same input, one line each.
    """
    if json:
        from meshsec_core.kernel import codec

        answer = _problem(code, facts, hint)
        if more:
            answer["more"] = [_problem(*each) for each in more]
        print(codec.encode(answer).decode(), flush=True)
    else:
        lines_of_all = [_refusal(code, facts, hint), *(_refusal(*each) for each in more)]
        print("\n".join(lines_of_all), file=sys.stderr, flush=True)
    return exit_code(code)


def _problem(code: str, facts: Facts, hint: str = "") -> dict[str, Any]:
    said = {name: str(value) for name, value in facts.items() if str(value)}
    message = code.rpartition("/")[2].replace("-", " ")
    return {"code": code, "message": message, "facts": {**({"hint": hint} if hint else {}), **said}}


LAST = ("expected", "known")
"""Facts that may be long: they follow what was found."""


def _refusal(code: str, facts: Facts, hint: str = "") -> str:
    ordered = sorted(facts.items(), key=lambda fact: fact[0] in LAST)
    said = {name: str(value) for name, value in ordered if str(value)}
    next_step = said.pop("hint", hint)
    what = ", ".join(f"{name} {value}" for name, value in said.items()) or code.rpartition("/")[2].replace("-", " ")
    return f"{code}: {what}" + (f"; {next_step}" if next_step else "")


def lines(value: Any, indent: str = "") -> str:
    """Spell plain values for people, one fact a line."""
    if isinstance(value, dict):
        return "\n".join(_line(f"{indent}{key}:", item, indent) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(_line(f"{indent}-", item, indent) for item in value)
    return f"{indent}{value}"


def _line(head: str, item: Any, indent: str) -> str:
    if isinstance(item, dict | list | tuple) and item:
        return f"{head}\n{lines(item, indent + '  ')}"
    return f"{head} {'' if item in ({}, [], ()) else item}".rstrip()
