"""What a shell offers when somebody presses the tab key: chains, messages, faults, stories."""

from pathlib import Path

import typer


def chains(context: typer.Context, incomplete: str) -> list[str]:
    """Return the chains of the mesh in the directory that is meant, or all that have a name."""
    from meshsec.home import Home
    from meshsec_core.kernel.errors import Rejected
    from meshsec_sdk import names

    try:
        found = [chain.name for chain in Home(Path(context.params.get("directory") or ".mesh")).manifest().mesh.chains]
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

    files = [str(path) for path in Path().glob(f"{incomplete}*") if path.suffix in (".yaml", ".yml") or path.is_dir()]
    return _begun([*ours(), *sorted(files)], incomplete)


def topologies(incomplete: str) -> list[str]:
    """Return the topologies, and files here that may be meshes."""
    files = [str(path) for path in Path().glob(f"{incomplete}*") if path.suffix in (".yaml", ".yml")]
    return _begun(["pair", "triangle", "star:4", "full:4", *sorted(files)], incomplete)


def suites(incomplete: str) -> list[str]:
    """Return what can be measured."""
    from meshsec import bench

    return _begun([*bench.SUITES, "scale"], incomplete)


def _begun(words: list[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
