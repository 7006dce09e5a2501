"""The native machine: serves the traps of all vehicles on one thread, host events on another.

Both threads share one lock, which is dropped only while they wait. Nothing blocks while it is
held.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import select
import struct
import sys

from ring3.abi.errno import EFAULT, Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.core.light import signal
from ring3.machine.base import Deferred, Fault, Image, Result, UserContext
from ring3.machine.native import launch, step
from ring3.machine.native.binding import NO_RESULT, Bindings
from ring3.machine.native.births import Births
from ring3.machine.native.doorbell import Doorbells
from ring3.machine.native.loading import load_image
from ring3.machine.native.pinning import Pinning
from ring3.machine.native.protocol import (
    DOORBELL,
    KICK,
    REPLY_ENTER,
    REPLY_ERROR,
    REPLY_RESUME,
    REPLY_RUN,
)
from ring3.machine.native.space import NativeSpace
from ring3.machine.native.vehicle import HostProcess, NativeVehicle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.core.clock import Clock
    from ring3.core.log import KernelLog
    from ring3.core.reactor import Reactor
    from ring3.machine.base import Supervisor

ADDFD = struct.Struct("<QIIII")
ADDFD_REQUEST = 0x40182103
ADDFD_SETFD, ADDFD_SEND = 1, 2
CONTINUE = 1
WALL = 0x40000000
NR_CLONE = 56
LONGEST_WAIT_S = 86_400.0
BREATH_S = 0.0002


class NativeMachine:
    name = "native"
    can_bind = True
    abis = ("x86_64",)
    signal_stack = 0

    def __init__(
        self, supervisor: Supervisor, reactor: Reactor, clock: Clock, log: KernelLog, profile: str
    ) -> None:
        self.supervisor = supervisor
        self.reactor = reactor
        self.clock = clock
        self.log = log
        self.profile = profile
        self.lock = _thread.allocate_lock()
        self.vehicles: dict[int, NativeVehicle] = {}
        self.processes: dict[int, HostProcess] = {}
        self.births = Births(self)
        self.starts: list[tuple[Image, Any]] = []
        """Programs waiting for the zygote."""
        self.start_failed: Callable[[], object] = lambda: None
        """The zygote died while it made a child."""
        self.zygote: NativeVehicle | None = None
        self.zygote_ready = False
        self.born_id = 0
        """The notification of the child that is being born."""
        self.listener = -1
        self.sync = True
        self.bindings = Bindings(self, profile)
        self.doorbells = Doorbells(self)
        self.pinning = Pinning(self)
        self.cpu_set = sum(1 << cpu for cpu in self.pinning.cpus)
        """The CPUs that guests are told of, wherever they are pinned to."""
        self.closing = False
        self.failure: Exception | None = None

    # --- the two threads -------------------------------------------------------------------------
    def serve(self, ready: Callable[[], None]) -> None:
        """Boot, then serve traps until ``close``. *ready* is called once guests can start, or
        when ``failure`` says why they cannot."""
        try:
            zygote = launch.launch(self.profile)
        except Exception as bad:
            self.failure = bad
            ready()
            return
        self.listener = zygote.listener
        self.sync = zygote.sync
        process = HostProcess(zygote.pid, None)
        self.zygote = v = NativeVehicle(self, process, zygote.pid, NativeSpace(zygote.pid), 0)
        process.booting = self.zygote_booted
        v.expecting = [(0, ())]  # never a guest: whatever it calls may go on
        process.vehicles[v.tid] = v
        self.vehicles[v.tid] = v
        self.processes[v.tid] = process
        self.reactor.on_readable(process.pidfd, self.zygote_died)
        self.pinning.start(_thread.get_native_id())
        _thread.start_new_thread(self.watch, ())
        ready()
        self.loop()

    def loop(self) -> None:
        """Receive, serve, reply, for ever. The one hot loop of the kernel."""
        wait, listener, get = step.step, self.listener, self.vehicles.get
        serve, world = self.supervisor.serve, self.supervisor
        acquire, release = self.lock.acquire, self.lock.release
        clock, sync = self.clock, self.bindings.sync
        reply = value = 0
        while not self.closing:
            try:
                id_, tid, nr, _ip, args = wait(listener, reply, value)
            except FileNotFoundError:
                reply = 0  # the caller died before we received its call
                continue
            except InterruptedError:
                reply = 0
                continue
            except OSError as bad:
                if not self.closing:
                    self.failure = bad
                return
            reply = 0
            acquire()
            try:
                v = get(tid)
                if v is None or nr == DOORBELL or v.expecting:
                    self.special(v, id_, tid, nr, args)
                else:
                    v.id = id_
                    v.frame = 0
                    result = serve(v.task, nr, args)
                    if result.__class__ is int:
                        if not (v.task.fds.changes and sync(v, result)):
                            v.id = 0
                            reply, value = id_, result
                    elif result is not None:
                        self.settle(v, result)
                world.drain()
                if clock.rearmed:
                    clock.rearmed = False
                    self.reactor.interrupt()
            except Exception:
                self.bug(tid)
            finally:
                release()

    def watch(self) -> None:
        """Host events and timers, on a thread of their own."""
        reactor, clock, lock = self.reactor, self.clock, self.lock
        epoll_fd = reactor.epoll.fileno()
        fired = 0
        while not self.closing:
            with lock:
                clock.rearmed = False
                deadline = clock.next_deadline_ns()
            timeout = None
            if deadline is not None:
                # A guest's timer may be due in centuries: the host counts only so far.
                timeout = min(max(0.0, (deadline - clock.monotonic_ns()) / 1e9), LONGEST_WAIT_S)
                if fired:
                    # Timers may be due all the time (a long transfer, a period of 1 ns), and
                    # locks are not fair: leave the others time to wake up and take it.
                    timeout = max(timeout, BREATH_S)
            tick = self.pinning.tick_s()
            if tick is not None and (timeout is None or tick < timeout):
                timeout = tick
            try:
                # select: epoll's own time-out counts in milliseconds
                ready = select.select([epoll_fd], [], [], timeout)[0]
            except (OSError, ValueError):
                return  # closed under us
            with lock:
                try:
                    if ready:
                        # Events taken before the lock is held would be invisible to a call
                        # that looks at readiness meanwhile.
                        reactor.dispatch(reactor.poll(0))
                    fired = clock.run_due()
                    self.supervisor.drain()
                    if tick is not None:
                        self.pinning.sample()
                except Exception:
                    if not self.closing:
                        self.bug(0)

    def special(
        self, v: NativeVehicle | None, id_: int, tid: int, nr: int, args: tuple[int, ...]
    ) -> None:
        """Doorbells, calls of the shim itself, and threads not known yet."""
        if nr == DOORBELL and args[0] >> 48 == 0x5233:
            self.doorbells.rang(v, id_, tid, args)
            return
        if v is None:
            self.births.early.setdefault(tid, []).append((id_, tid, nr, args))
            return
        if v is self.zygote:
            step.send(self.listener, id_, 0, 0, CONTINUE)
            return
        wanted, *rest = v.expecting or [(-1, ())]
        if nr == wanted[0] and args[: len(wanted[1])] == wanted[1] and (v.kicked or not v.cloning):
            if nr == NR_CLONE:
                # If it finds a kick pending it makes nothing, and the host executes it again:
                # it stays expected until the shim rings.
                v.cloning = True
            else:
                v.expecting = rest
            step.send(self.listener, id_, 0, 0, CONTINUE)
            return
        v.expecting = []
        v.id = id_
        v.frame = 0
        result = self.supervisor.serve(v.task, nr, args)
        if result is not None:
            self.settle(v, result)

    def bug(self, tid: int) -> None:
        """A bug in the machine itself: report it, end the process it concerns, go on."""
        try:
            import traceback

            lines = traceback.format_exc().splitlines()
        except OSError:  # out of descriptors: even an import fails
            lines = [repr(sys.exc_info()[1])]
        for line in lines:
            self.log.say("machine: " + line)
        if os.environ.get("RING3_DEBUG"):
            traceback.print_exc(file=sys.stderr)
        v = self.vehicles.get(tid)
        if v is not None and v is not self.zygote:
            self.lost(v, 9)
        elif v is None and tid:
            self.births.end(tid)  # nobody would ever answer it

    # --- results ---------------------------------------------------------------------------------
    def reply(self, task: Any, result: Result) -> None:
        """Finish a call whose ``serve`` had given None (machine.base.Machine)."""
        v = task.vehicle
        try:
            self.settle(v, result)
        except Exception:
            self.bug(v.tid)  # not of whoever trapped and made the task ready

    def settle(self, v: NativeVehicle, result: Result) -> None:
        """Hand a result to the vehicle, or begin what it asks the vehicle to do."""
        if v.gone:
            return
        if isinstance(result, Deferred):
            try:
                result.begin(self, v)  # type: ignore[attr-defined]
            except Errno as bad:
                self.finished(v, -bad.number)
            return
        if v.task.fds.changes and self.bindings.sync(v, result):
            return  # the reply went along with the descriptor
        self.answer(v, result)

    def finished(self, v: NativeVehicle, result: int) -> None:
        """A Deferred has come to its end with *result*."""
        then, v.pending_then = v.pending_then, None
        outcome: Result | None = result
        if then is not None:
            outcome = then(result)
        if outcome.__class__ is int:
            outcome = self.supervisor.complete(v.task, outcome)
        if outcome is not None:
            self.settle(v, outcome)

    def answer(self, v: NativeVehicle, value: int) -> None:
        """Send the reply to the pending notification: a call's result, or a word to the shim."""
        id_, v.id = v.id, 0
        if v.frame:
            if v.entering and value == REPLY_RESUME:
                v.entering = False
                value = REPLY_ENTER
            if -4096 < value < 0:
                value = REPLY_ERROR | -value
            if value != REPLY_RUN:
                v.frame = 0
            step.send(self.listener, id_, value, 0, 0)
        elif -4096 < value < 0:
            step.send(self.listener, id_, 0, value, 0)
        else:
            step.send(self.listener, id_, value, 0, 0)

    def let_continue(self, v: NativeVehicle) -> None:
        """Have the host execute the notified call as it is."""
        id_, v.id = v.id, 0
        step.send(self.listener, id_, 0, 0, CONTINUE)

    def to_user(self, v: NativeVehicle, context: UserContext) -> None:
        """Deliver signals, then return to user mode with *context* (unless held or dead)."""
        self.leave(v, context, lambda: self.supervisor.user_return(v.task, context))

    def resume(self, v: NativeVehicle) -> None:
        """Return to user mode, with descriptors mirrored and calls routed as they have to be."""
        if v.task.fds.changes:
            self.bindings.sync(v, NO_RESULT)
        if v.routed != self.bindings.wants_route(v):
            self.bindings.route(v, lambda: self.answer(v, REPLY_RESUME))
        else:
            self.answer(v, REPLY_RESUME)

    def fault(self, v: NativeVehicle, fault: Fault, context: UserContext) -> None:
        self.leave(v, context, lambda: self.supervisor.fault(v.task, fault, context))

    def leave(self, v: NativeVehicle, context: UserContext, decide: Callable[[], bool]) -> None:
        """Write back what *decide* did to *context*, then go if it says so. The saved frame is the
        guest's memory: another thread may have taken it away, or a SIGKILL all of it."""
        try:
            go = decide()
            v.held_nr = context.call_nr
            if v.gone:
                return
            context.commit()  # type: ignore[attr-defined]
        except EFAULT:
            self.lost(v, 11)
            return
        if go:
            self.resume(v)

    # --- births and deaths -----------------------------------------------------------------------
    def start(self, image: Image, task: Any) -> None:
        """Give *task* a vehicle that starts *image*; from any thread that holds the lock."""
        self.starts.append((image, task))
        self.use_zygote()

    def zygote_booted(self, v: NativeVehicle, vdso: int, sp: int) -> None:
        self.zygote_ready = True
        self.use_zygote()

    def zygote_died(self) -> None:
        """Killed from outside: what runs goes on, but no new program can start."""
        zygote = self.zygote
        if zygote is not None and not self.closing:
            self.reap(zygote.process)
            self.say("the zygote was killed: no program can start any more")
            if not self.zygote_ready:
                self.start_failed()
            self.zygote_ready = False
            self.use_zygote()

    def use_zygote(self) -> None:
        zygote = self.zygote
        if zygote is not None and zygote.gone:
            # Not at once: who starts one does not listen for its end yet.
            self.births.later(self.start_nothing)
            return
        if not self.zygote_ready or not self.starts or zygote is None:
            return
        self.zygote_ready = False
        image, task = start = self.starts.pop(0)
        births = self.births
        cookie = births.expect(task, lambda tid: self.zygote_child(image, task, tid))

        def done(v: NativeVehicle, index: int, last: int) -> None:
            self.zygote_ready = True
            if index != 1:
                births.cookies.pop(cookie, None)
                self.supervisor.process_gone(task.process, 9, None)
            elif cookie in births.cookies:
                births.told(task, last, lambda: births.forget(cookie))
            self.use_zygote()

        def never() -> None:
            if births.forget(cookie):
                self.starts.append(start)

        self.start_failed = never

        # CLONE_PARENT: every vehicle is our own child.
        zygote.run([(NR_CLONE, (0x8000, 0, 0, 0, 0, cookie), 0)], done)

    def start_nothing(self) -> None:
        while self.starts:
            self.supervisor.process_gone(self.starts.pop()[1].process, 9, None)

    def zygote_child(self, image: Image, task: Any, tid: int) -> None:
        process = self.births.host_process(tid, task.process)
        v = NativeVehicle(self, process, tid, NativeSpace(tid), 0)
        self.register(v, task)
        process.booting = lambda v, vdso, sp: load_image(self, v, image, vdso, sp)
        v.id, v.frame = self.born_id, 1
        if task.process.state != "running":
            self.kill(process)  # it was killed before it lived
        self.answer(v, REPLY_RESUME)

    def register(self, v: NativeVehicle, task: Any) -> None:
        v.task = task
        task.vehicle = v
        task.space = v.space
        task.memory = v.space.memory
        self.vehicles[v.tid] = v
        process = v.process
        process.vehicles[v.tid] = v
        if v.tid == process.pid:
            self.processes[v.tid] = process
            self.reactor.on_readable(process.pidfd, lambda: self.reap(process))

    def adopt_thread(
        self, parent: NativeVehicle, child: Any, tid: int, slot: int, same_process: bool
    ) -> None:
        """A vehicle in the memory of *parent*: a thread, or a process made by vfork."""
        space = parent.space
        process = parent.process if same_process else HostProcess(tid, child.process)
        if not same_process:
            space.users += 1
        v = NativeVehicle(self, process, tid, space, slot)
        self.register(v, child)
        if child.fds is not parent.task.fds:
            child.fds.bound = set(parent.task.fds.bound)
            child.fds.routed = set(parent.task.fds.routed)
        for trap in self.births.early.pop(tid, ()):
            self.special(v, *trap)

    def adopt_process(
        self, parent: NativeVehicle, child: Any, tid: int, frame: int
    ) -> NativeVehicle:
        """The child of a host fork, stopped in its doorbell with a copy of the parent's frame
        (which the parent itself may have left by now)."""
        space = parent.space.fork(tid, parent.slot)
        process = self.births.host_process(tid, child.process)
        v = NativeVehicle(self, process, tid, space, parent.slot)
        v.id, v.frame = self.born_id, frame
        self.register(v, child)
        child.fds.bound = set(parent.task.fds.bound)
        child.fds.routed = set(parent.task.fds.routed)
        return v

    def renew(self, v: NativeVehicle) -> None:
        """The process has a new, empty memory (it booted): one vehicle, one slot."""
        process = v.process
        old = v.space
        for other in list(process.vehicles.values()):
            old.slots_used.discard(other.slot)
            if other is not v:
                other.gone = True
                self.vehicles.pop(other.tid, None)
                self.births.parent_died(other)
        process.vehicles = {v.tid: v}
        v.space = NativeSpace(process.pid)
        v.slot = 0
        v.armed = v.routed = v.kick_due = False
        v.gone = False
        v.pending_then = None
        if v.task is not None:
            v.task.space, v.task.memory = v.space, v.space.memory

    def forget(self, v: NativeVehicle) -> None:
        """The vehicle is about to exit by itself."""
        v.gone = True
        if v.tid != v.process.pid:
            self.vehicles.pop(v.tid, None)
            v.process.vehicles.pop(v.tid, None)
            v.space.slots_used.discard(v.slot)

    def reap(self, process: HostProcess) -> None:
        """The host process is dead: collect it and tell the kernel."""
        try:
            pid, status, usage = os.wait4(process.pid, WALL | os.WNOHANG)
        except ChildProcessError:
            pid, status, usage = process.pid, 9, None
        if pid == 0:
            return  # a thread group leader whose other threads still run
        self.reactor.forget(process.pidfd)
        os.close(process.pidfd)
        self.processes.pop(process.pid, None)
        for v in process.vehicles.values():
            v.gone = True
            self.vehicles.pop(v.tid, None)
            v.space.slots_used.discard(v.slot)
        if process.process is not None:
            self.supervisor.process_gone(process.process, status, usage)
        for v in process.vehicles.values():
            self.births.parent_died(v)

    def kick(self, pid: int, tid: int) -> None:
        step.tgkill(pid, tid, KICK)

    def kill(self, process: HostProcess) -> None:
        """SIGKILL to every vehicle of the process."""
        try:
            signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass  # already dead; the reactor will say so

    def lost(self, v: NativeVehicle, signo: int) -> None:
        """The vehicle cannot go on (broken frame, failed load): its process dies of *signo*."""
        if v.task is not None:
            self.supervisor.vehicle_lost(v.task, signo)
        self.kill(v.process)

    # --- descriptors -----------------------------------------------------------------------------
    def add_fd(self, v: NativeVehicle, source: int, number: int | None, flags: int = 0) -> int:
        """Put our descriptor *source* into the vehicle, at *number* or where there is room.
        The number, or -1 if the vehicle died."""
        how = 0 if number is None else ADDFD_SETFD
        request = ADDFD.pack(v.id, how, source, number or 0, flags)
        try:
            return int(fcntl.ioctl(self.listener, ADDFD_REQUEST, bytearray(request), True))
        except OSError:
            return -1

    def add_fd_and_reply(self, v: NativeVehicle, source: int, number: int, flags: int) -> bool:
        """The same, with *number* as the result of the call under way: one hand-over."""
        request = ADDFD.pack(v.id, ADDFD_SETFD | ADDFD_SEND, source, number, flags)
        try:
            fcntl.ioctl(self.listener, ADDFD_REQUEST, bytearray(request), True)
        except OSError:
            return False
        v.id = 0
        return True

    def lend(self, v: NativeVehicle, source: int) -> int:
        """A passing descriptor for one command list; close it there. -1 if the vehicle died."""
        return self.add_fd(v, source, None, os.O_CLOEXEC)

    def watch_memory(self, limit: int, kill: Callable[[Any, str], None]) -> object:
        """Have ``kill(process, report)`` called for the largest when guests hold *limit* bytes."""
        from ring3.machine.native.pressure import MemoryWatch

        return MemoryWatch(self, self.clock, limit, kill)

    def say(self, text: str) -> None:
        self.log.say(text)

    def close(self) -> None:
        """End every vehicle and both threads (kernel locked by the caller)."""
        self.closing = True
        for process in list(self.processes.values()):
            self.kill(process)
        if self.zygote is not None and self.zygote.gone:
            for tid in self.births.children():
                self.births.end(tid)
        elif self.zygote is not None:
            try:
                # All vehicles are of its group: also one whose birth was never told.
                os.killpg(self.zygote.tid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # none is left
        self.reactor.interrupt()

    def release(self) -> None:
        """Collect the dead vehicles and close what the machine holds. Both threads are gone (or,
        the one that watches, about to find its epoll closed)."""
        for process in list(self.processes.values()):
            try:
                os.wait4(process.pid, WALL)  # killed above: this does not take long
            except ChildProcessError:
                pass  # the caller's own wait was faster (the zygote is an ordinary child)
            self.reactor.forget(process.pidfd)
            os.close(process.pidfd)
        if self.zygote is not None:
            try:
                while True:
                    os.waitpid(-self.zygote.tid, WALL)
            except ChildProcessError:
                pass  # the last one
        self.processes.clear()
        self.vehicles.clear()
        self.bindings.release()
        if self.listener >= 0:
            os.close(self.listener)
            self.listener = -1
