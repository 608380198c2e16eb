"""Mesh Security as a plug-in."""

from meshsec_core.security.mesh.consumer.agenda import has_work
from meshsec_core.security.mesh.consumer.module import CONSUMER
from meshsec_core.security.mesh.laws import LAWS
from meshsec_core.security.mesh.measures import MEASURES
from meshsec_core.security.mesh.provider.module import PROVIDER
from meshsec_core.security.model import SecurityModel

MESH = SecurityModel(
    name="mesh",
    source="github.com/osmosis-labs/mesh-security, amended",
    provider=PROVIDER,
    consumer=CONSUMER,
    laws=LAWS,
    measures=MEASURES,
    has_work=has_work,
)
"""Virtual stake is delegated like any other, so power needs no further shaping."""
