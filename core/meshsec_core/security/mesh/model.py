"""Mesh Security as a plug-in."""

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer.module import CONSUMER
from meshsec_core.security.mesh.laws import LAWS
from meshsec_core.security.mesh.measures import MEASURES
from meshsec_core.security.mesh.provider import sweep
from meshsec_core.security.mesh.provider.module import PROVIDER
from meshsec_core.security.model import SecurityModel


def _has_work(store: Reader) -> bool:
    return agenda.has_work(store) or sweep.has_work(store)


MESH = SecurityModel(
    name="mesh",
    source="github.com/osmosis-labs/mesh-security, amended",
    provider=PROVIDER,
    consumer=CONSUMER,
    laws=LAWS,
    measures=MEASURES,
    has_work=_has_work,
)
"""Virtual stake is delegated like any other, so power needs no further shaping."""
