"""Random histories of two and three chains that secure each other, with packets lost, late and out of order: the laws hold.

After every action the laws marked "always" are checked, and whenever everything has been relayed, all of them. What can happen is
in `soak`, which plays many more histories. `MESHSEC_HISTORIES` says how many are tried here.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshsec_core.security.mesh.provider import sweep
from soak.chance import WEIGHTS
from soak.meshes import TOPOLOGIES, Setting
from soak.play import play
from soak.scene import Step

SETTINGS = st.builds(
    Setting,
    st.sampled_from([*TOPOLOGIES]),
    st.sampled_from((1, sweep.USERS_PER_BLOCK)),
    st.sampled_from(("evidence", "packet")),
    st.booleans(),
    st.sampled_from((0, 3_000)),
)
KINDS = st.sampled_from([kind for kind, weight in WEIGHTS.items() for _ in range(weight)])
AMOUNTS = st.one_of(st.integers(1, 60), st.integers(1, 1_300))
STEPS = st.lists(
    st.builds(Step, KINDS, st.integers(0, 5), st.integers(0, 1), st.integers(0, 59), AMOUNTS), min_size=5, max_size=45
)


@settings(max_examples=int(os.environ.get("MESHSEC_HISTORIES", "40")), deadline=None, suppress_health_check=list(HealthCheck))
@given(SETTINGS, STEPS)
def test_the_laws_hold_in_every_history(setting: Setting, steps: list[Step]) -> None:
    play(setting, steps)
