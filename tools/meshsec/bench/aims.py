"""What figures are meant to reach. They are read by people and fail nothing: a busy machine misses what a quiet one meets."""

from collections.abc import Mapping

import msgspec

from meshsec.bench.figure import Figure


class Aim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a figure should reach; rates at least, all else at most."""

    value: float | None = None
    """In the figure's unit."""
    ratio: float | None = None
    """Part of the limit that was measured in the same run."""

    def met_by(self, figure: Figure) -> bool:
        """Tell whether a figure reaches it."""
        if self.ratio is not None and (figure.ratio is None or figure.ratio < self.ratio):
            return False
        return self.value is None or (figure.value >= self.value if figure.rises else figure.value <= self.value)

    def spelled(self, figure: Figure) -> str:
        """Spell it for people."""
        said = [] if self.value is None else [f"{'≥' if figure.rises else '≤'} {self.value:,g}"]
        said += [] if self.ratio is None else [f"≥ {self.ratio:.0%}"]
        return ", ".join(said)


AIMS: Mapping[str, Aim] = {
    "sim.blocks_per_s": Aim(800),
    "state.load_s": Aim(15),
    "state.bytes_per_key": Aim(450),
    "state.write_us": Aim(30),
    "state.prove_us": Aim(90),
    "state.verify_us": Aim(90),
    "state.restart_s": Aim(3),
    "ibc.headers_per_s": Aim(ratio=0.6),
    "ibc.recv_per_s": Aim(2_500),
    "ibc.path_per_s": Aim(500),
    "tx.committed_per_s": Aim(4_000, 0.22),
    "block.interval_per_s": Aim(ratio=0.9),
    "mesh.remote_stake_ms": Aim(1_000),
    "mesh-security.slash_ms": Aim(3_000),
    "mesh-security.slash_block_ms": Aim(300),
    "mesh-security.epoch_ms": Aim(50),
    "mesh-security.cross_stakes_per_s": Aim(300),
    "snapshot.save_ms": Aim(100),
    "snapshot.revert_ms": Aim(100),
    "snapshot.sim_save_ms": Aim(100),
    "snapshot.sim_revert_ms": Aim(100),
    "clock.sim_advance_21d_s": Aim(1),
    "clock.advance_21d_s": Aim(1),
    "growth.chain_mib": Aim(1),
    "idle.chain_mib": Aim(85),
    "idle.relayer_mib": Aim(75),
    "idle.relayer_percent": Aim(3),
    "boot.help_ms": Aim(200),
    "boot.sim_ms": Aim(300),
    "boot.pair_s": Aim(2.5),
    "boot.triangle_s": Aim(2.5),
}
"""By figure; what is not here is measured for its own sake."""
