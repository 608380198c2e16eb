"""What a shell offers when somebody presses the tab key: chains, messages, faults, stories."""

from pathlib import Path

import typer

from meshsec.cli.answer import HERE


def chains(context: typer.Context, incomplete: str) -> list[str]:
    """Return the chains of the mesh in the directory that is meant, or all that have a name."""
    from meshsec.home import Home
    from meshsec_core.kernel.errors import Rejected
    from meshsec_sdk import names

    try:
        found = [chain.name for chain in Home(context.params.get("directory") or HERE).manifest().mesh.chains]
    except Rejected:
        found = [chain.name for chain in names.CHAINS]
    return _begun(found, incomplete)


def messages(incomplete: str) -> list[str]:
    """Return the messages that a transaction may hold."""
    from meshsec import verbs

    return _begun([name for name, verb in verbs.registry().items() if verb.message is not None], incomplete)


def faults(incomplete: str) -> list[str]:
    """Return the kinds of faults."""
    from meshsec import verbs

    return _begun([name.removeprefix("fault.") for name in verbs.registry() if name.startswith("fault.")], incomplete)


def stories(incomplete: str) -> list[str]:
    """Return the names of our stories, and files here that may be some."""
    from meshsec.scenario.library import ours

    return _begun([*ours(), *_files(incomplete, folders=True)], incomplete)


def topologies(incomplete: str) -> list[str]:
    """Return the topologies, and files here that may be meshes."""
    return _begun(["pair", "triangle", "star:4", "full:4", *_files(incomplete)], incomplete)


def suites(incomplete: str) -> list[str]:
    """Return what can be measured."""
    from meshsec import bench

    return _begun([*bench.SUITES, bench.SCALE], incomplete)


def _files(incomplete: str, *, folders: bool = False) -> list[str]:
    found = Path().glob(f"{incomplete}*")
    return sorted(str(path) for path in found if path.suffix in (".yaml", ".yml") or (folders and path.is_dir()))


def _begun(words: list[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
