"""Layers of overlays behave as a stack of dictionaries."""

from hypothesis import given, settings
from hypothesis import strategies as st

from meshsec_core.kernel.store.overlay import Empty, Overlay

KEYS = st.sampled_from(["a", "a/", "a/b", "a/b/c", "a/c", "ab", "b", "b/a", "b/~", "c"])
PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "b", "b/", "z"])
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, st.binary(min_size=1, max_size=2)),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("push")),
    st.tuples(st.just("merge")),
    st.tuples(st.just("drop")),
    st.tuples(st.just("scan"), PREFIXES, KEYS | st.just("")),
)


def scanned(model: dict[str, bytes], prefix: str, after: str) -> list[tuple[str, bytes]]:
    return sorted((key, value) for key, value in model.items() if key.startswith(prefix) and key > after)


@given(st.dictionaries(KEYS, st.binary(min_size=1, max_size=2)), st.lists(STEPS, max_size=40))
@settings(max_examples=200, deadline=None)
def test_every_layer_reads_as_a_dictionary_whatever_was_merged_or_dropped(base: dict[str, bytes], steps: list[tuple]) -> None:  # type: ignore[type-arg]
    bottom = Overlay(Empty())
    for key, value in base.items():
        bottom.set(key, value)
    layers, models = [bottom], [dict(base)]
    for step in steps:
        match step:
            case ("set", key, value):
                layers[-1].set(key, value)
                models[-1][key] = value
            case ("delete", key):
                layers[-1].delete(key)
                models[-1].pop(key, None)
            case ("push",):
                layers.append(Overlay(layers[-1]))
                models.append(dict(models[-1]))
            case ("merge",) if len(layers) > 1:
                layers.pop().merge()
                models[-2:] = models[-1:]
            case ("drop",) if len(layers) > 1:
                layers.pop()
                models.pop()
            case ("scan", prefix, after):
                assert list(layers[-1].scan(prefix, after)) == scanned(models[-1], prefix, after)
    for layer, model in zip(layers, models, strict=True):
        assert list(layer.scan("")) == sorted(model.items())
        assert {key: layer.get(key) for key in model} == model
        assert layer.get("never") is None
