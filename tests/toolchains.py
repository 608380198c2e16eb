"""Where the toolchains of strangers' programs keep their things, also for a user whose home is elsewhere."""

import os
import shutil
from pathlib import Path


def rust_environment() -> dict[str, str]:
    """Return an environment in which cargo finds its toolchain: beside its own binary, if the home directory has none."""
    found = dict(os.environ)
    cargo = shutil.which("cargo")
    if cargo is not None:
        home = Path(cargo).parents[2]
        for name, folder in (("CARGO_HOME", home / ".cargo"), ("RUSTUP_HOME", home / ".rustup")):
            if folder.is_dir():
                found.setdefault(name, str(folder))
    return found
