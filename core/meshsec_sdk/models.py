"""Which shared-security models this installation has: the built-in ones, and those of other distributions.

Another distribution registers a `SecurityModel` under the entry-point group `meshsec.models`.
"""

from collections.abc import Iterable
from importlib.metadata import entry_points

from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.genesis import UNKNOWN_MODEL
from meshsec_core.security.model import SecurityModel
from meshsec_core.security.models import MODELS

GROUP = "meshsec.models"


def load_models(names: Iterable[str]) -> dict[str, SecurityModel]:
    """Return the named models; other distributions are looked at only if a name is not built in.

    Raises:
        Rejected: `genesis/unknown-model`.
    """
    wanted = tuple(names)
    found = dict(MODELS)
    if any(name not in found for name in wanted):
        found.update({entry.name: entry.load() for entry in entry_points(group=GROUP) if entry.name in wanted})
    for name in wanted:
        if name not in found:
            raise Rejected(UNKNOWN_MODEL, model=name[:100], known=", ".join(found))
    return {name: found[name] for name in wanted}
