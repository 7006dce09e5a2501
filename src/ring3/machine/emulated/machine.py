"""The emulated machine: one CPU, the threads that share it, and what wakes them.

One host thread runs everything: the guest's code, the kernel's Python, the devices. The kernel is
not preemptible, as a classic Unix kernel: interrupts come inside a system call and nest on its
kernel stack, but another thread gets the CPU only when this one leaves the kernel or waits.
"""

from __future__ import annotations

from collections import deque

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated.devices.board import Board
from ring3.machine.emulated.hardware import Hardware
from ring3.machine.emulated.lifecycle import Lifecycle
from ring3.machine.emulated.lock import PoliteLock
from ring3.machine.emulated.thread import (
    GONE,
    READY,
    EmulatedVehicle,
)
from ring3.machine.emulated.traps import Traps
from ring3.machine.emulated.waiting import Idler
from ring3.machine.emulated.way_back import WayBack

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.core.log import KernelLog
    from ring3.core.reactor import Reactor
    from ring3.machine.base import Image, Supervisor
    from ring3.machine.emulated.fingerprint import Fingerprint

ALL_PORTS: Final = bytes(8192)
"""The I/O permission bitmap of iopl(3)."""


class EmulatedMachine:
    name = "emulated"
    can_bind = False
    abis = ("x86_64", "i386")
    signal_stack = 1440

    def __init__(
        self,
        supervisor: Supervisor,
        reactor: Reactor,
        clock: Any,
        log: KernelLog,
        random_bytes: Callable[[int], bytes],
        ram_size: int | None = None,
    ) -> None:
        self.supervisor = supervisor
        self.reactor = reactor
        self.clock = clock
        self.log = log
        self.random_bytes = random_bytes
        self.lock = PoliteLock()
        self.hw = Hardware(ram_size)
        self.board = Board(clock, self.tick, self.hw.engine.ram)
        self.engine = self.hw.engine
        self.ram = self.engine.ram
        self.interrupts = self.board.interrupts
        self.softirqs = self.board.softirqs
        self.keyboard = self.board.keyboard
        """Where the caller's terminal puts what is typed (drivers.screen)."""
        back = WayBack(self)
        self.reply, self.settle, self.finished = back.reply, back.settle, back.finished
        self.set_abi, self.user_work = back.set_abi, back.user_work
        self.to_user, self.end_of_trap = back.to_user, back.end_of_trap
        self.traps = Traps(self)
        self.run_routine = self.traps.run_routine
        self.current: EmulatedVehicle | None = None
        self.physical = self.hw.physical
        self.queue: deque[EmulatedVehicle] = deque()
        """Threads that can run, in the order they will."""
        self.need_resched = False
        self.lives = Lifecycle(self)
        self.idler = Idler(self)
        self.starts: deque[tuple[Image, Any]] = deque()
        self.switches = 0
        self.end_process: Callable[[Any, str], None] = no_end
        """Ends a guest process, with a line for the kernel log."""
        self.closing = False
        self.failure: Exception | None = None

    # --- the machine's thread --------------------------------------------------------------------
    def serve(self, ready: Callable[[], None]) -> None:
        """Run guests until ``close``."""
        self.lock.acquire()
        ready()
        try:
            while not self.closing:
                try:
                    self.step()
                except Exception:
                    self.bug()
        finally:
            self.lock.release()

    def step(self) -> None:
        """One turn: what the host and the wakeups brought, then one thread's slice."""
        if self.lock.wanted:
            self.lock.let_others()
        self.idler.harvest()
        self.settle_world()
        while self.starts:
            image, task = self.starts.popleft()
            self.lives.start_now(image, task)
        v = self.pick()
        if v is None:
            self.idler.idle()
            return
        self.switch_to(v)
        outcome, v.outcome = v.outcome, None
        if outcome is not None:
            self.settle(v, outcome)
        if v.state is READY and self.user_work(v):
            self.run_slice(v)

    def settle_world(self) -> None:
        """Bottom halves, calls that woke up, and the dead."""
        self.softirqs.run_pending()
        self.supervisor.drain()
        lives = self.lives
        if lives.graves or lives.ended:
            lives.bury()

    def run_slice(self, v: EmulatedVehicle) -> None:
        """Run *v* until it waits, ends, or another thread's turn has come."""
        self.need_resched = False
        traps, lock = self.traps, self.lock
        while v.state is READY and not self.need_resched and not self.closing:
            traps.go_on(v)
            if lock.wanted or v.state is not READY:
                break
        if v.state is READY:
            self.queue.append(v)

    def tick(self) -> None:
        """The scheduler's tick: threads take turns; the host's events (a ^C) get theirs, too."""
        if self.queue or self.idler.host_is_due():
            self.need_resched = True

    def pick(self) -> EmulatedVehicle | None:
        queue = self.queue
        while queue:
            v = queue.popleft()
            if v.state is READY:
                return v
        return None

    def make_ready(self, v: EmulatedVehicle) -> None:
        if v.state is not GONE and (v.state is not READY or v not in self.queue):
            v.state = READY
            self.queue.append(v)

    # --- the CPU ---------------------------------------------------------------------------------
    def switch_to(self, v: EmulatedVehicle) -> None:
        """Put *v* on the CPU: its image, its kernel stack, its page tables."""
        old = self.current
        if old is not v:
            if old is not None and old.state is not GONE:
                old.image = self.engine.save()
            if self.hw.probe is not None:
                self.hw.probe("switch", {"from": tid_of(old), "to": tid_of(v)})
            self.engine.load(v.image)
            # Loading another CR3 has flushed the TLB: not again.
            same = self.engine.cpu.cr3 == v.space.tables.root
            self.physical.current = v.space if same else None
            self.current = v
            self.switches += 1
            self.hw.use_stack(v.stack)
            self.load_user_segments(v)
            if old is not None:
                old.preempted = old.rseq is not None
        v.space.activate()

    def leave_cpu(self) -> None:
        """Nobody runs: the CPU stands in the idle loop's context."""
        if self.current is not None:
            if self.current.state is not GONE:
                self.current.image = self.engine.save()
            self.engine.load(self.hw.idle_image)
            self.hw.use_stack(self.hw.idle_stack)
            self.current = None
            self.physical.current = None

    def load_user_segments(self, v: EmulatedVehicle) -> None:
        """The descriptors and the I/O permission that are the thread's own."""
        self.hw.set_tls(v.tls)
        self.engine.set_io_bitmap(ALL_PORTS if v.iopl == 3 else v.ports)

    # --- what the kernel asks for ----------------------------------------------------------------
    def start(self, image: Image, task: Any) -> None:
        """Give *task* a vehicle that starts *image*, at the machine's next turn."""
        self.starts.append((image, task))

    # --- what system files say of it -------------------------------------------------------------
    cpu_set = 1
    """The CPUs there are: CPU 0."""

    def cpu_times(self) -> tuple[int, int, int]:
        from ring3.machine.emulated.facts import cpu_times

        return cpu_times(self)

    def system_file(self, path: str) -> bytes:
        """File *path* of /proc or /sys, where it is about the hardware; b"" if there is none."""
        from ring3.machine.emulated.facts import system_file

        return system_file(self, path)

    def system_names(self, path: str) -> list[str]:
        from ring3.machine.emulated.facts import system_names

        return system_names(path)

    def limit_memory(self, size: int) -> None:
        """The guest is to have no more than *size* bytes of RAM."""
        self.physical.limit(size)

    # --- devices ---------------------------------------------------------------------------------
    def attach_disk(self, source: Any, writable: bool, name: str) -> tuple[Any, Any, memoryview]:
        """Plug a drive in (drivers.blockdevice): the drive, page frames to bounce through, RAM."""
        disk = self.board.attach_disk(source, writable, name)
        frames = self.physical.frames
        disk.dma_written = frames.changed
        return disk, frames, self.ram

    def attach_network(self) -> Any:
        """Plug the network device in, its wire led back to itself (net.network): ``send`` takes
        frames, ``receive`` gets them, before the call that sent them is over."""
        return self.board.attach_network(self.physical.frames.alloc_zeroed, 0, 0)

    # --- faults of the machine itself ------------------------------------------------------------
    def bug(self) -> None:
        """A bug in the machine: report it, end the process it concerns, go on."""
        import traceback

        for line in traceback.format_exc().splitlines():
            self.log.say("machine: " + line)
        v = self.current
        if v is None:
            self.failure = RuntimeError("the emulated machine failed: see the kernel log")
            return
        if v.state is not GONE:
            self.supervisor.vehicle_lost(v.task, 9)
            self.lives.kill(v.process)

    @property
    def probe(self) -> Callable[[str, dict[str, Any]], None] | None:
        """Told of each hardware step (layout.PROBES); None switches that off."""
        return self.hw.probe

    @probe.setter
    def probe(self, probe: Callable[[str, dict[str, Any]], None] | None) -> None:
        self.hw.set_probe(probe)

    def fingerprint(self) -> Fingerprint:
        """Hash the registers at every trap from now on (``ring3 run --verify``)."""
        from ring3.machine.emulated.fingerprint import Fingerprint

        return Fingerprint(self)

    def random_below(self, bound: int) -> int:
        """For address space layout randomisation."""
        return int.from_bytes(self.random_bytes(8), "little") % bound

    # --- the end ---------------------------------------------------------------------------------
    def close(self) -> None:
        self.closing = True
        self.reactor.interrupt()

    def release(self) -> None:
        """Give RAM back, and the files whose pages were in it (the machine's thread has ended)."""
        self.current = None
        self.lives.release()
        self.physical.forget_files()
        self.queue.clear()
        self.board.close()
        self.hw.close()


def no_end(process: Any, report: str) -> None:
    """Until the kernel has said how."""
    raise RuntimeError(report)


def tid_of(v: EmulatedVehicle | None) -> int:
    return 0 if v is None or v.task is None else int(v.task.tid)


__all__ = ["EmulatedMachine"]
