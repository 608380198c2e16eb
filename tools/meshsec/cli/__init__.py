"""The command line: `meshsec`, alias `mesh`. Start at `app`; each file beside it holds the verbs of one subject.

Only typer is loaded before a verb is known; everything else is imported inside the verbs.
"""

from meshsec.cli.app import main

__all__ = ["main"]
