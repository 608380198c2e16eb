"""A chain of ours, followed by the published light-client verifier in Rust."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from followed import Step, followed, honest_steps, lies

from toolchains import rust_environment

PROGRAM = Path(__file__).parent / "light_rust"

Judge = Callable[[list[Step]], list[str]]


@pytest.fixture(scope="module")
def judge() -> Judge:
    """The published verifier, built once; its verdicts on a list of updates."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not on PATH, so the published light client cannot be built")
    env = rust_environment()
    fetched = subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=PROGRAM, env=env, capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the published light client cannot be fetched: {fetched.stderr.strip()[-200:]}")
    subprocess.run(["cargo", "build", "--locked", "--offline", "--quiet"], cwd=PROGRAM, env=env, check=True)

    def ask(steps: list[Step]) -> list[str]:
        lines = "".join(one.line() + "\n" for one in steps)
        program = PROGRAM / "target" / "debug" / "judge-headers"
        answers = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(answers) == len(steps)
        return answers

    return ask


def test_the_light_client_in_rust_follows_our_chain_and_distrusts_what_ours_distrusts(
    judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = followed()
    steps = honest_steps(chain)

    verdicts = judge(steps)

    differing = [(one.what, said) for one, said in zip(steps, verdicts, strict=True) if said != one.our_verdict()]
    assert differing == []
    adjacent = [one for one in steps if one.block.signed_header.header.height == one.trusted.header.height + 1]
    assert len(adjacent) == len(chain.blocks) - 1
    count = Counter(verdicts)
    assert count.keys() == {"accepted", "distrusted"}
    assert len(chain.changes) >= 6
    with capsys.disabled():
        print(
            f"\nRust's light client over {len(chain.blocks)} blocks and {len(chain.changes)} changes of the set: accepted "
            f"{count['accepted']} updates, {len(adjacent)} of them adjacent; distrusted {count['distrusted']}, as ours does"
        )


def test_no_lie_about_our_chain_is_accepted_by_the_light_client_in_rust_or_by_ours(
    judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = followed()
    told = lies(chain, honest_steps(chain), 40)

    verdicts = judge(told)

    assert [one.what for one, said in zip(told, verdicts, strict=True) if said == "accepted"] == []
    assert [one.what for one in told if one.our_verdict() == "accepted"] == []
    assert len(told) >= 2_000
    with capsys.disabled():
        print(f"\nRust's light client refused {len(told)} lies in headers, commits, sets and times, and so did ours")
