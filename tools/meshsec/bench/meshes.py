"""Meshes that are measured and that have no name of their own."""

from msgspec.structs import replace

from meshsec_sdk.mesh_file import MeshSpec, topology


def one_chain() -> MeshSpec:
    """Return a mesh of one chain with nobody to relay to."""
    pair = topology("pair")
    return replace(pair, chains=pair.chains[:1], links=(), relayers=())


def sized(spec: MeshSpec, chain: str, validators: int) -> MeshSpec:
    """Return a mesh in which a chain has so many validators, all like its first."""
    first = spec.chain(chain)
    many = tuple(replace(first.validators[0], name=f"val-{index}") for index in range(validators))
    return replace(spec, chains=tuple(replace(each, validators=many) if each.name == chain else each for each in spec.chains))
