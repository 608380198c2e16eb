"""The command line's verbs, put together, and the one place where refusals become exit codes."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from meshsec.cli import bench, care, chains, demo, faults, life, models, packets, relayer, snapshots, stories
from meshsec.cli.answer import BUG, LAW_BROKEN, OUTCOME_UNKNOWN, USAGE, refuse

INTERRUPTED = 130

HELP = "A local testnet for shared security. Development keys are public: never use them with real money."


def build() -> typer.Typer:
    """Put all verbs together."""
    app = typer.Typer(name="meshsec", add_completion=True, rich_markup_mode=None)
    app.callback(help=HELP, invoke_without_command=True)(_version)
    for verbs in (demo, life, chains, models, faults, snapshots, packets, relayer, stories, bench, care):
        verbs.register(app)
    return app


def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Show which version this is, and exit.", is_eager=True)] = False
) -> None:
    if version:
        from meshsec_node.version import VERSION

        print(VERSION)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    json = "--json" in given
    try:
        found = typer.main.get_command(build()).main(args=given, prog_name="meshsec", standalone_mode=False)
        return found if isinstance(found, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _refuse(error, json)


def _refuse(error: Exception, json: bool) -> int:
    """Answer for what the layers below raise on purpose; anything else is a bug of ours."""
    say_usage = getattr(error, "format_message", None)
    if say_usage is not None:
        path = getattr(getattr(error, "ctx", None), "command_path", "meshsec")
        return refuse(USAGE, {"reason": say_usage().rstrip(".")}, json=json, hint=f"see {path} --help")
    from meshsec_core.kernel.errors import InvariantViolated, Rejected
    from meshsec_sdk.errors import OutcomeUnknown, TxRejected
    from meshsec_sdk.located import Mistakes

    match error:
        case Mistakes():
            return refuse(error.code, error.facts, json=json, more=[(each.code, each.facts) for each in error.found[1:]])
        case Rejected() | TxRejected():
            return refuse(error.code, error.facts, json=json)
        case InvariantViolated():
            return refuse(LAW_BROKEN, {"reason": str(error)}, json=json)
        case OutcomeUnknown():
            hint = "see whether it has happened before you try again"
            return refuse(OUTCOME_UNKNOWN, {"reason": str(error)}, json=json, hint=hint)
        case _:
            facts = {"kind": type(error).__name__, "reason": str(error)[:300], "at": _place(error)}
            return refuse(BUG, facts, json=json, hint="this is a bug of meshsec, please report it")


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
