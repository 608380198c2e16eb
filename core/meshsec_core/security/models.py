"""The models that come with meshsec. Others are handed to the application by whoever builds it."""

from collections.abc import Mapping
from types import MappingProxyType

from meshsec_core.security.mesh import MESH
from meshsec_core.security.model import SecurityModel
from meshsec_core.security.none import NONE

MODELS: Mapping[str, SecurityModel] = MappingProxyType({model.name: model for model in (MESH, NONE)})
"""By name."""
