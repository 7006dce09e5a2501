"""Births and deaths of vehicles: first programs, clones, exits, and who is buried when."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.machine.emulated.thread import GONE, READY, EmulatedProcess, EmulatedVehicle
from ring3.machine.emulated.usage import VirtualUsage
from ring3.machine.emulated.usercopy import UserMemory

if TYPE_CHECKING:
    from ring3.machine.base import Image
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace


class Lifecycle:
    """Makes and unmakes the vehicles of *machine*."""

    def __init__(self, machine: EmulatedMachine) -> None:
        self.machine = machine
        self.processes: list[EmulatedProcess] = []
        self.graves: list[EmulatedProcess] = []
        """Processes that are dead, to be buried once the kernel is done with the call at hand."""
        self.ended: list[EmulatedVehicle] = []
        """Threads that ended before their process."""
        self.past_ns = (0, 0)
        """User and system time of processes that are gone."""

    # --- births ----------------------------------------------------------------------------------
    def start_now(self, image: Image, task: Any) -> None:
        """The first program of a process."""
        from ring3.abi.errno import Errno
        from ring3.machine.emulated.loading import Loader

        loader = Loader(self.machine, image)
        try:
            loader.prepare(task)
        except Errno as bad:
            loader.discard()
            self.machine.log.say(f"exec of {image.name}: {bad.text}: {bad.reason}")
            self.machine.supervisor.process_gone(task.process, 9, None)
            return
        space, loader.space = loader.space, None
        assert space is not None
        v = self.new_vehicle(None, task, space)
        v.image = self.machine.hw.start_image(v.stack)
        if task.process.state != "running":
            self.kill(v.process)
            return
        self.machine.switch_to(v)
        loader.enter(v)
        if v.state is READY:
            self.machine.queue.append(v)

    def new_space(self, word: int) -> EmulatedSpace:
        space = self.machine.hw.new_space(word)
        space.memory = UserMemory(self.machine, space, word)
        return space

    def fork_space(self, space: EmulatedSpace) -> EmulatedSpace:
        copy = space.fork()
        copy.memory = UserMemory(self.machine, copy, copy.word)
        return copy

    def new_vehicle(
        self, process: EmulatedProcess | None, task: Any, space: EmulatedSpace
    ) -> EmulatedVehicle:
        """A thread's CPU and kernel stack, in *process* (or a new one). NoMemory."""
        stack = self.machine.hw.stacks.alloc()
        if process is None:
            process = EmulatedProcess(task.process)
            self.processes.append(process)
        v = EmulatedVehicle(self.machine, process, space, stack)
        v.task = task
        task.vehicle = v
        self.enter_space(v)
        process.vehicles.append(v)
        return v

    def enter_space(self, v: EmulatedVehicle) -> None:
        """The thread's memory is its vehicle's space, and its word size that of the program."""
        v.task.space = v.space
        v.task.memory = v.space.memory
        v.abi = "x86_64" if v.space.word == 64 else "i386"

    def copy_cpu(self, parent: EmulatedVehicle, child: EmulatedVehicle) -> None:
        """The child's CPU is the parent's, on the child's kernel stack: fork's copy_thread."""
        child.image = self.machine.hw.image_on_stack(self.machine.engine.save(), child.stack)
        size = parent.stack.top_pa - parent.frame_pa
        self.machine.ram[child.frame_pa : child.frame_pa + size] = self.machine.ram[
            parent.frame_pa : parent.frame_pa + size
        ]
        child.abi = parent.abi
        child.full_return = True

    def set_thread_pointer(self, v: EmulatedVehicle, value: int) -> None:
        """CLONE_SETTLS: FS base of 64-bit code, a user_desc of i386 code."""
        if v.abi == "x86_64":
            v.image = self.machine.hw.with_fs_base(v.image, value)
            return
        from ring3.machine.emulated.tls import load_descriptor

        load_descriptor(v, value)

    # --- deaths ----------------------------------------------------------------------------------
    def kill(self, process: EmulatedProcess) -> None:
        """None of its threads runs on; they are buried once the kernel is done with this call."""
        if process.dead:
            return
        process.dead = True
        for v in process.vehicles:
            v.state = GONE
        self.graves.append(process)
        self.machine.need_resched = True

    def end_thread(self, v: EmulatedVehicle) -> None:
        v.state = GONE
        v.process.vehicles.remove(v)
        v.process.cpu_ns += v.user_ns
        v.process.system_ns += v.system_ns
        self.ended.append(v)
        self.machine.need_resched = True

    def end_other_threads(self, v: EmulatedVehicle) -> None:
        for other in list(v.process.vehicles):
            if other is not v:
                self.end_thread(other)

    def bury(self) -> None:
        if self.machine.current is not None and self.machine.current.state is GONE:
            self.machine.leave_cpu()
        ended, self.ended = self.ended, []
        for v in ended:
            self.release_vehicle(v)
        graves, self.graves = self.graves, []
        for process in graves:
            usage = VirtualUsage(process)
            (user, system), (past_user, past_system) = process.times_ns(), self.past_ns
            self.past_ns = past_user + user, past_system + system
            for v in process.vehicles:
                self.release_vehicle(v)
            process.vehicles.clear()
            self.processes.remove(process)
            self.machine.supervisor.process_gone(process.process, 9, usage)
        if graves:
            self.machine.supervisor.drain()

    def release(self) -> None:
        """The machine ends: what is left of its processes goes."""
        for v in self.ended:
            self.release_vehicle(v)
        self.ended.clear()
        for process in self.processes:
            for v in process.vehicles:
                v.state = GONE
                self.release_vehicle(v)
            process.vehicles.clear()
        self.processes.clear()
        self.graves.clear()

    def release_vehicle(self, v: EmulatedVehicle) -> None:
        self.machine.hw.stacks.free(v.stack)
        v.image = None
        v.space.drop()
