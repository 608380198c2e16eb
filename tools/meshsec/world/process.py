"""A mesh of real processes behind the interface of every world: started here in a directory of its own, or found running.

Chains and relayers are spoken to by HTTP alone; they are killed, kept away and brought back through their supervisor. Nothing
waits for a time: every wait is for a condition, with a deadline.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from meshsec.gateway.rewind import Listed, Reverted
from meshsec.home import Home
from meshsec.launch import Launch, begin
from meshsec.rest import LOOK_SECONDS, PATIENCE_SECONDS, Mesh, await_ready
from meshsec.world.base import STUCK, Named, World
from meshsec.world.chain import FORK, Chain, Transport, accepted
from meshsec.world.chance import States
from meshsec.world.jumps import jumps
from meshsec.world.laws import check_laws
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.modules.auth import WRONG_SEQUENCE
from meshsec_core.runtime.law import Law
from meshsec_sdk.errors import OutcomeUnknown, TxRejected
from meshsec_sdk.mesh_file import MeshSpec, topology
from meshsec_sdk.transport import UNREACHABLE, HttpTransport

GLANCE_SECONDS = 1.0
"""How long to wait for an answer of a chain that makes no blocks."""
RELAYER = "relayer"


class Patient:
    """An HTTP interface whose process may be killed and return: what was never sent is sent again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = HttpTransport(url)

    def get(self, path: str) -> tuple[int, Any]:
        """Ask, until there is an answer.

        Raises:
            Rejected: `client/unreachable` after a while.
        """
        return _insist(lambda: self._http.get(path))

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Tell, once.

        Raises:
            Rejected: `client/unreachable` after a while; nothing was sent.
            OutcomeUnknown: the process died before it answered.
        """
        return _insist(lambda: self._http.post(path, body))

    def delete(self, path: str) -> tuple[int, Any]:
        """Have something deleted; what is gone is gone, so it may be told twice."""
        return _insist(lambda: self._http.delete(path), twice=True)

    def order(self, path: str, body: Any) -> Any:
        """Tell what may be told twice, until there is an answer.

        Raises:
            Rejected: what was answered, or `client/unreachable` after a while.
        """
        return accepted(*_insist(lambda: self._http.post(path, body), twice=True))

    def glance(self, path: str, body: Any) -> None:
        """Tell a process that may not answer."""
        self._hurry(lambda line: line.post(path, body))

    def peek(self, path: str, otherwise: Any) -> Any:
        """Ask a process that may not answer."""
        answer = self._hurry(lambda line: accepted(*line.get(path)))
        return otherwise if answer is None else answer

    def _hurry(self, work: Callable[[HttpTransport], Any]) -> Any:
        """Speak to a process for a moment; None if it does not answer."""
        hurried = HttpTransport(self.url, GLANCE_SECONDS)
        try:
            with suppress(OutcomeUnknown, Rejected):
                return work(hurried)
        finally:
            hurried.close()
        return None

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def _insist(work: Callable[[], tuple[int, Any]], *, twice: bool = False) -> tuple[int, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except Rejected as refusal:
            if refusal.code != UNREACHABLE or time.monotonic() > deadline:
                raise
        except OutcomeUnknown:
            if not twice or time.monotonic() > deadline:
                raise
        time.sleep(LOOK_SECONDS)


class ProcessWorld(World):
    """A mesh of processes.

    Args:
        mesh: a topology (`pair`, `triangle`, `star:N`, `full:N`) or a mesh description.
        seed: of `chance`; processes take what comes.
        home: directory of the mesh, which stays; a temporary one if left out.
    """

    def __init__(self, mesh: str | MeshSpec = "pair", *, seed: int = 0, home: Path | None = None) -> None:
        super().__init__(topology(mesh) if isinstance(mesh, str) else mesh, seed)
        self._chances: dict[str, States] = {}
        self._temporary = Path(tempfile.mkdtemp(prefix="meshsec-")) if home is None else None
        self.home = Home(home or self._temporary or Path())
        self._patients: list[Patient] = []
        asked = Launch(str(self.home.path), mesh=codec.encode(self.spec).decode(), port=0, tied=True)
        self._process: subprocess.Popen[bytes] | None = begin(asked)
        try:
            await_ready(self._process, self.home, asked)
            self._connect()
        except BaseException:
            self.close()
            raise

    @classmethod
    def attach(cls, home: Path) -> Self:
        """Return the mesh that runs in a directory; closing the world leaves it running.

        Raises:
            Rejected: `mesh/not-running`.
        """
        world = cls.__new__(cls)
        spec = Home(home).manifest().mesh
        World.__init__(world, spec, spec.seed)
        world.home, world._chances = Home(home), {}
        world._temporary, world._process, world._patients = None, None, []
        world._connect()
        return world

    def _connect(self) -> None:
        endpoints = self.home.running().endpoints
        self.relayers = {name: self._patient(endpoints.relayers[name]) for name in self.spec.relayers}
        self._gateway = self._patient(endpoints.gateway)
        self._lines = {chain.name: self._patient(endpoints.chains[chain.name]) for chain in self.spec.chains}
        self.chains = {name: Chain(self, name, line) for name, line in self._lines.items()}
        self._branch_lines: dict[str, Patient] = {}
        for chain in self.chains.values():
            for begun in self._lines[chain.name].peek("/v1/dev/branches", {"branches": ()})["branches"]:
                self.open_branch(chain, begun)

    def _patient(self, url: str) -> Patient:
        self._patients.append(Patient(url))
        return self._patients[-1]

    def _mesh(self) -> Mesh:
        """Return the chains, and the relayers that have not been taken away."""
        return Mesh(self._lines, {name: self.relayers[name] for name in self.present()})

    def present(self) -> tuple[str, ...]:
        """Return the relayers that have not been taken away."""
        return tuple(name for name in self.relayers if not self._mark(name).exists())

    # time and blocks

    def include(self, chain: Chain, order: dict[str, Any]) -> dict[str, Any]:
        """Have an order signed under a sequence of its own, so that it can be sent again whenever the answer is lost."""
        line = self._all_lines()[chain.name]
        sequence = self._sequence(chain, order)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            reasons = chain.get("/v1/status")["reasons"]
            if reasons:
                line.glance("/v1/dev/send", {**order, "sequence": sequence})
                raise TxRejected("tx/not-included", {"reasons": "; ".join(reasons)})
            try:
                status, answer = line.post("/v1/dev/send", {**order, "sequence": sequence})
            except OutcomeUnknown:
                continue
            if status == 202:
                self._mine_manual()
            elif "hash" in answer:
                found: dict[str, Any] = answer
                return found
            elif answer["code"] == WRONG_SEQUENCE and (again := self._sequence(chain, order)) != sequence:
                sequence = again
            else:
                raise TxRejected(answer["code"], answer["facts"])
        raise TxRejected("tx/not-included", {"reasons": f"no block has taken it for {PATIENCE_SECONDS:.0f} s, it still waits"})

    def _sequence(self, chain: Chain, order: dict[str, Any]) -> str:
        try:
            return str(chain.get(f"/v1/accounts/{chain.user(order['from']).address}")["next_sequence"])
        except Rejected as refusal:
            raise TxRejected(refusal.code, refusal.texts) from None

    def _mine_manual(self) -> None:
        for line in self._all_lines().values():
            if accepted(*line.get("/v1/status"))["block_mode"] == "manual":
                line.order("/v1/dev/mine", {"blocks": 1})

    def mine(self, blocks: int = 1) -> None:
        """Make every chain produce blocks; a chain without a quorum produces none."""
        self._order_chains("/v1/dev/mine", {"blocks": blocks})

    def _order_chains(self, path: str, body: Any) -> None:
        """Give all chains an order at once; those that make no blocks are not waited for."""

        def order(line: Patient) -> None:
            if accepted(*line.get("/v1/status"))["ready"]:
                line.order(path, body)
            else:
                line.glance(path, body)

        lines = self._all_lines().values()
        with ThreadPoolExecutor(len(lines)) as pool:
            list(pool.map(order, lines))

    def _all_lines(self) -> dict[str, Patient]:
        """Return the lines to chains, and to branches."""
        return {**self._lines, **{name: self._branch_lines[name] for name in self.branches}}

    def advance_by(self, nanoseconds: int, *, keep_alive: bool = True) -> None:
        """Move the clock of all chains in jumps; before and after each, relayers that are there work until all is quiet."""
        clocks = [int(chain.get("/v1/dev/clock")["offset"]) for chain in self.chains.values()]
        offset = max(clocks)
        if keep_alive:
            self.relay()
        for jump in jumps(nanoseconds, keep_alive=keep_alive):
            offset += jump
            self._order_chains("/v1/dev/clock", {"offset": offset})
            if keep_alive:
                self.relay()

    # relayers

    def relay(self) -> None:
        """Wait until the relayers have nothing left to do and no chain has a block due."""
        self._mesh().wait()

    def relayer(self, order: str, body: dict[str, Any] | None = None, only: str | None = None) -> Any:
        """Give relayers an order and return what each then says of itself; `stop` takes them away until `start`."""
        meant = {name: self.relayers[name] for name in self.meant(only)}
        if order == "stop":
            self._keep_away(meant)
            return {}
        if order == "start":
            self._bring_back(meant)
        elif order != "status":
            return {name: found.order(f"/v1/{order}", body or {}) for name, found in meant.items()}
        return {name: accepted(*found.get("/v1/status")) for name, found in meant.items()}

    def _mark(self, relayer: str) -> Path:
        return self.home.away(f"{RELAYER}-{relayer}")

    def _keep_away(self, names: Iterable[str]) -> None:
        for name in names:
            self._mark(name).parent.mkdir(exist_ok=True)
            self._mark(name).touch()
        self._nudge()
        self._until(lambda pids: all(pids[f"{RELAYER}-{name}"] == 0 for name in names), "relayers to end")

    def _bring_back(self, names: Mapping[str, Patient]) -> None:
        for name in names:
            self._mark(name).unlink(missing_ok=True)
        self._nudge()
        self._until(lambda pids: all(pids[f"{RELAYER}-{name}"] for name in names), "relayers to start")
        for found in names.values():
            found.get("/v1/status")

    def _nudge(self) -> None:
        os.kill(self.home.running().pid, signal.SIGUSR1)

    def _until(self, holds: Callable[[Mapping[str, int]], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(self.home.running().children):
            if time.monotonic() > deadline:
                raise Rejected(STUCK, waits=what)
            time.sleep(LOOK_SECONDS)

    # faults

    def crash(self, target: str, batch: int = 0, *, commit: bool = False) -> None:
        """Kill processes by SIGKILL and wait until they serve again; a chain that dies before a write makes blocks until then."""
        kind, _, only = target.partition("/")
        if kind == RELAYER:
            meant = self.meant(only or None)
            for name in meant:
                self._mark(name).unlink(missing_ok=True)
            self._kill(f"{RELAYER}-{name}" for name in meant)
            for name in meant:
                self.relayers[name].get("/v1/status")
        else:
            chain = self.own_chain(target)
            if batch:
                self._cut_power(chain.name, batch, commit=commit)
            else:
                self._kill((chain.name,))
            self.forget_branches((chain.name,))
            chain.get("/v1/status")

    def reach_branch(self, origin: Chain, name: str) -> Transport:
        """Return a line to a branch."""
        line = self._patient(f"{self._lines[origin.name].url}/branches/{name}")
        self._branch_lines[f"{origin.name}{FORK}{name}"] = line
        return line

    def logical_time(self) -> int:
        """Return the time of the clock that all chains share."""
        return max(int(chain.get("/v1/dev/clock")["now"]) for chain in self.chains.values())

    def wait(self, chains: tuple[str, ...]) -> None:  # noqa: ARG002
        """Give the chains a moment; those that make no block by themselves make one."""
        self._mine_manual()
        time.sleep(LOOK_SECONDS)

    def _cut_power(self, chain: str, batch: int, *, commit: bool) -> None:
        line, before = self._lines[chain], self.home.running().children[chain]
        line.order("/v1/dev/cut-power", {"batch": batch, "commit": commit})

        def gone(pids: Mapping[str, int]) -> bool:
            if pids[chain] == before:
                line.glance("/v1/dev/mine", {"blocks": 1})
            return pids[chain] not in (0, before)

        self._until(gone, f"{chain} to lose power and start again")

    def _kill(self, names: Iterable[str]) -> None:
        before = self.home.running().children
        for name in names:
            if before[name]:
                with suppress(ProcessLookupError):
                    os.kill(before[name], signal.SIGKILL)
            self._until(lambda pids, name=name: pids[name] not in (0, before[name]), f"{name} to start again")  # type: ignore[misc]

    # snapshots

    def snapshot(self, name: str) -> Listed:
        """Save the whole mesh under a name, through its gateway."""
        self._chances[name] = self.streams.save()
        return codec.convert(self._gateway.order("/v1/snapshots", {"name": name}), Listed)

    def revert(self, to: Named | str) -> None:
        """Bring the whole mesh back to a snapshot; branches end, and relayers that were away then are away again."""
        name = to if isinstance(to, str) else to.name
        self._bring_back({name: found for name, found in self.relayers.items() if self._mark(name).exists()})
        done = codec.convert(self._gateway.order(f"/v1/snapshots/{quote(name, safe='')}/revert", {}), Reverted)
        self.forget_branches(self.chains)
        self._keep_away(done.away)
        self.streams.restore(self._chances.get(name, {}))

    def snapshots(self) -> tuple[Listed, ...]:
        """Return all snapshots by name."""
        return codec.convert(accepted(*self._gateway.get("/v1/snapshots"))["snapshots"], tuple[Listed, ...])

    def forget(self, name: str) -> None:
        """Delete a snapshot."""
        accepted(*self._gateway.delete(f"/v1/snapshots/{quote(name, safe='')}"))

    # laws, digest

    def check_laws(self, across: Callable[[Law], bool] = lambda _: True) -> None:
        """Check every law of every chain's modules, and those across chains that are chosen, on the states that chains serve."""
        check_laws(self.spec, self.home.manifest().genesis_time, self.chains, across)

    def digest(self) -> str:
        """Return a hash over the tips of all chains; a tip's hash covers every block before it, and events follow from blocks."""
        digest = hashlib.sha256()
        for name in sorted(self.chains):
            status = self.chains[name].get("/v1/status")
            digest.update(f"{status['chain_id']} {status['height']} {status['block_hash']} {status['app_hash']}\n".encode())
        return digest.hexdigest()

    @property
    def is_up(self) -> bool:
        """Whether what was started for this world still runs."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End what was started for this world."""
        for patient in self._patients:
            patient.close()
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
