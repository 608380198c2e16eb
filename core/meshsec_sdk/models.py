"""Which shared-security models this installation has.

A distribution registers a `SecurityModel` under the entry-point group `meshsec.models`. This one registers `mesh` and `none` in
the same way. Only models that somebody names are loaded.
"""

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from types import ModuleType

from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.genesis import UNKNOWN_MODEL
from meshsec_core.security.model import SecurityModel, check

GROUP = "meshsec.models"

AMBIGUOUS_MODEL = "model/ambiguous"
BROKEN_MODEL = "model/broken"


def load_models(names: Iterable[str]) -> dict[str, SecurityModel]:
    """Return the named models.

    Raises:
        Rejected: `genesis/unknown-model`, `model/ambiguous` if two distributions register one name, `model/broken` if a model's
            file cannot be imported or holds none, `model/bad`.
    """
    registered = _registered(tuple(sys.path))
    found = {}
    for name in names:
        if name not in registered:
            hint = "install the package that has it, where this program is installed"
            raise Rejected(UNKNOWN_MODEL, model=name[:100], known=", ".join(registered), hint=hint)
        found[name] = _load(registered[name])
    return found


def load_model(name: str) -> SecurityModel:
    """Return one model; see `load_models`."""
    return load_models((name,))[name]


def model_names() -> list[str]:
    """Return the names of all models; none is loaded."""
    return sorted(_registered(tuple(sys.path)))


def packages_of(name: str) -> list[str]:
    """Return which distributions register a model, with their versions and where it lies: one, if all is well."""
    entries = _registered(tuple(sys.path)).get(name, ())
    return [f"{entry.dist.name} {entry.dist.version}, {entry.value}" if entry.dist else entry.value for entry in entries]


def source_of(name: str) -> ModuleType:
    """Return the module, or the package, that holds a model which can be loaded; see `load_model`."""
    load_model(name)
    return import_module(_registered(tuple(sys.path))[name][0].module)


@cache
def _registered(path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Look through the distributions on a search path."""
    first: dict[str, Distribution] = {}
    for distribution in distributions(path=list(path)):
        first.setdefault(distribution.name, distribution)
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for distribution in first.values():
        for entry in distribution.entry_points.select(group=GROUP):
            found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


@cache
def _load(registered: tuple[EntryPoint, ...]) -> SecurityModel:
    entry, *others = registered
    if others:
        owners = ", ".join(other.value for other in registered)
        raise Rejected(AMBIGUOUS_MODEL, model=entry.name, found=owners, hint="uninstall all but one")
    try:
        model = entry.load()
    except Exception as error:  # whatever a stranger's file raises
        raise Rejected(
            BROKEN_MODEL, model=entry.name, entry=entry.value, reason=f"{type(error).__name__}: {error}"[:300]
        ) from error
    if not isinstance(model, SecurityModel) or model.name != entry.name:
        found = f"a SecurityModel named {model.name}" if isinstance(model, SecurityModel) else f"a {type(model).__name__}"
        reason = f"it is {found}, and has to be a SecurityModel named {entry.name}, as its entry point is"
        raise Rejected(BROKEN_MODEL, model=entry.name, entry=entry.value, reason=reason)
    check(model)
    return model
