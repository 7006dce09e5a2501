"""Assembly, second part: mounts of the default view, openers, the first process of a program."""

from __future__ import annotations

import os

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.core.hostos import memory_size, niceness
from ring3.task.credentials import Credentials
from ring3.task.exec import StackBuilder, build_image, load_program
from ring3.task.fdtable import FdTable
from ring3.task.lifecycle import become
from ring3.task.process import Process, ProcessGroup, Session
from ring3.task.task import Task
from ring3.vfs.context import FsContext
from ring3.vfs.path import FOLLOW, Place, walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.kernel import Kernel
    from ring3.task.world import World
    from ring3.view import View


LEAST_RAM = 64 << 20
MOST_RAM = 64 << 30
LARGE_PAGE = 2 << 20


def new_world(machine: str, profile: str, seed: int | None) -> World:
    """The world in which *machine* will run guests: the clock, the source of randomness and the
    kind of objects have to be the machine's before anything uses them.

    *seed*: the same randomness, wall clock and numbers in every run (emulated machine only).
    """
    from ring3.core.random import Random, SeededRandom
    from ring3.task.world import World

    if machine != "emulated":
        if seed is not None:
            raise ValueError("a seed needs the emulated machine: --machine emulated")
        # For tests of the kernel's own objects on a machine that could bind the host's.
        forced = profile == "full" and bool(os.environ.get("RING3_OWN_OBJECTS"))
        return World(own_objects=forced)
    from ring3.core.virtual_clock import FIXED_EPOCH_NS, VirtualClock

    if seed is None:
        return World(VirtualClock(), Random(), own_objects=True)
    restart_numbers()
    return World(VirtualClock(FIXED_EPOCH_NS), SeededRandom(seed), own_objects=True)


def restart_numbers() -> None:
    """Numbers that count through this process (devices, mounts, nameless inodes) start anew, so
    that a second world with the same seed sees the same ones."""
    from ring3.vfs import anon, filesystem
    from ring3.vfs.mount import Mount

    filesystem.restart()
    Mount.restart()
    anon.restart()


def new_machine(kernel: Kernel, name: str, profile: str) -> Any:
    """The machine called *name*. ValueError for a name or profile that does not exist."""
    if profile not in ("fast", "full"):
        raise ValueError(f"no profile {profile!r}: fast or full")
    world = kernel.world
    if name == "emulated":
        from ring3.machine.emulated.machine import EmulatedMachine

        memory = world.limits.get("memory")
        if memory is not None:
            memory = world.limits["memory"] = ram_size(memory)
        return EmulatedMachine(
            kernel.supervision, world.reactor, world.clock, world.log, world.random.bytes, memory,
        )  # fmt: skip
    if name != "native":
        raise ValueError(f"no machine {name!r}: native or emulated")
    from ring3.machine.native.machine import NativeMachine

    return NativeMachine(kernel.supervision, world.reactor, world.clock, world.log, profile)


def ram_size(memory: int) -> int:
    """The RAM of a board for a limit of *memory* bytes: within what a board can have, and whole
    large pages."""
    return min(max(memory, LEAST_RAM), MOST_RAM) & -LARGE_PAGE


def place_of_root(mounts: Any) -> Place:
    return Place(mounts.root, mounts.root.root)


def start_program(
    kernel: Kernel,
    argv: Sequence[str | bytes],
    env: dict[str, str] | None,
    cwd: str,
    stdio: Sequence[int | None],
) -> Process:
    """Make a process as a child of init and have the machine start its program."""
    world = kernel.world
    watch_memory(kernel)
    words = [os.fsencode(a) for a in argv]
    if not words:
        raise ValueError("no program given")
    environ = os.environ if env is None else env
    world.refusals.search = environ.get("PATH", os.defpath).split(":")
    envp = [os.fsencode(f"{k}={v}") for k, v in environ.items()]
    task = new_task(kernel, cwd)
    try:
        attach_stdio(task, stdio)
        name, place = find_program(task, words[0], environ.get("PATH", os.defpath))
        program = load_program(task, place, name, words, envp)
    except BaseException:
        discard(task)
        raise
    image = build_image(program)
    builder: StackBuilder = image.build_stack.__self__  # type: ignore[attr-defined]
    plain = image.build_stack

    def build_stack(top: int, vdso: int) -> tuple[int, bytes]:
        # The machine asks when the new memory exists: the program's own point of no return.
        stack = plain(top, vdso)
        become(task, program, builder)
        return stack

    image.build_stack = build_stack
    image.loaded = program.release
    world.machine.start(image, task)
    return task.process


def watch_memory(kernel: Kernel) -> None:
    """Enforce the world's memory limit from the first program on. Without one, three quarters of
    the host's memory: a guest must not make the host look for something to kill."""
    if kernel.memory_watch is not None:
        return
    limit = kernel.world.limits.get("memory")
    from ring3.task.jobs import terminate

    def kill(process: Process, report: str) -> None:
        kernel.world.log.say(report)
        terminate(process, 9)

    watch = getattr(kernel.machine, "watch_memory", None)
    if watch is None:
        # A machine whose memory is its own has a size of its own; it can do with less.
        kernel.memory_watch = kernel.machine.end_process = kill
        if limit is not None:
            kernel.machine.limit_memory(max(limit, LEAST_RAM))
        return
    kernel.memory_watch = watch(memory_size() * 3 // 4 if limit is None else limit, kill)


def new_task(kernel: Kernel, cwd: str) -> Task:
    world = kernel.world
    pid = world.new_pid()
    process = Process(world, pid, world.init)
    world.init.children[pid] = process
    process.exit_signal = 17
    session = Session(pid, process)
    world.sessions[pid] = session
    process.join(ProcessGroup(pid, session))
    process.limits = dict(kernel.default_limits)
    process.nice = niceness()
    world.processes[pid] = process
    task = Task(world, pid, process)
    process.leader = task
    process.threads[pid] = task
    world.tasks[pid] = task
    task.cred = Credentials(kernel.uid, kernel.gid, kernel.groups)
    root = place_of_root(kernel.mounts)
    task.fs = FsContext(root, root, 0o022)
    task.fds = FdTable(process.limits[7][0])
    task.attention = kernel.first_attention()
    task.fs.cwd = walk(task, None, os.fsencode(cwd), FOLLOW)
    return task


def discard(task: Task) -> None:
    """The program could not be found: the process has never been."""
    from ring3.task.lifecycle import undo_birth

    undo_birth(task)


def attach_stdio(task: Task, stdio: Sequence[int | None]) -> None:
    from ring3.drivers.stdio import adopt, open_streams

    files = open_streams(task.world, stdio)
    for number, file in enumerate(files):
        if file is not None:
            task.fds.replace(number, file)
    adopt(task.world, task.process.session, files)


def find_program(task: Task, name: bytes, path: str) -> tuple[bytes, Place]:
    """As execvp(3) looks: a name with a slash is a path, another is sought in PATH."""
    from ring3.abi.errno import EACCES, ENOENT, ENOTDIR, Errno

    if b"/" in name:
        return name, walk(task, None, name, FOLLOW)
    failed: Errno = ENOENT()
    for folder in path.split(":"):
        candidate = os.path.join(os.fsencode(folder or "."), name)
        try:
            place = walk(task, None, candidate, FOLLOW)
            if place.inode.is_regular:
                return candidate, place
        except (ENOENT, ENOTDIR):
            continue
        except EACCES as bad:
            failed = bad
    raise failed


def register_openers(world: World) -> None:
    """Who opens FIFOs and devices. The table is one for all worlds: each opener serves the world
    of who opens (*world* for the kernel itself)."""
    from ring3.abi.stat import S_IFCHR, S_IFIFO
    from ring3.vfs.special import register

    def of(who: Any) -> Any:
        return getattr(who, "world", world)

    def open_fifo(who: Any, place: Place, flags: int) -> Any:
        from ring3.ipc.fifo import open_fifo
        from ring3.vfs.anon import AnonInode

        if isinstance(place.inode, AnonInode):
            return place.inode.open(who, place, flags)  # a pipe, through /proc/PID/fd
        return open_fifo(of(who), place.inode, flags, who)

    def open_mem(who: Any, place: Place, flags: int) -> Any:
        from ring3.drivers.mem import open_mem

        return open_mem(who, place, flags)

    def open_tty(who: Any, place: Place, flags: int) -> Any:
        from ring3.task.terminal import open_controlling

        return open_controlling(who, flags)

    def open_console(who: Any, place: Place, flags: int) -> Any:
        from ring3.drivers.console import open_console

        return open_console(of(who), who, flags)

    def open_ptmx(who: Any, place: Place, flags: int) -> Any:
        return of(who).ptys.open_master(who, flags)

    def open_pts(who: Any, place: Place, flags: int) -> Any:
        return of(who).ptys.open_slave(who, place.inode.rdev, flags)

    register(open_fifo, S_IFIFO)
    register(open_mem, S_IFCHR, 1)
    register(open_tty, S_IFCHR, 5, 0)
    register(open_console, S_IFCHR, 5, 1)
    register(open_ptmx, S_IFCHR, 5, 2)
    register(open_pts, S_IFCHR, 136)


def build_view(kernel: Kernel, root: str | None, rw: Sequence[str], ro: Sequence[str]) -> View:
    """The file tree of the world's first programs."""
    from ring3.vfs import filesystem
    from ring3.vfs.inode import host_clock
    from ring3.view import default_view

    world = kernel.world
    if world.forced_own:
        filesystem.clock_of_new = world.clock.realtime_ns
    try:
        view = default_view(world, root, rw, ro, kernel.cwd, kernel.uid, kernel.gid)
    finally:
        filesystem.clock_of_new = host_clock
    kernel.world.mounts = view.table
    return view
