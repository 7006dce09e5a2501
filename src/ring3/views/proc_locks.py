"""/proc/locks: who holds and who waits for file locks. Source: lock_get_status in fs/locks.c."""

from __future__ import annotations

from ring3.abi.fcntl import F_WRLCK
from ring3.abi.hints import TYPE_CHECKING
from ring3.ipc.locks import OFFSET_MAX, PosixOwner, find_locks
from ring3.vfs.special import major, minor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.ipc.locks import InodeLocks
    from ring3.task.world import World


def all_locks(world: World) -> dict[InodeLocks, dict[object, int]]:
    """Every file with locks, and for each open description of it a pid that has it."""
    found: dict[InodeLocks, dict[object, int]] = {}
    for process in world.processes.values():
        tables = {id(task.fds): task.fds for task in process.threads.values()}
        for table in tables.values():
            for file in table.files.values():
                locks = find_locks(file)
                if locks is not None:
                    found.setdefault(locks, {}).setdefault(file, process.pid)
    return found


def place_text(locks: InodeLocks) -> bytes:
    """ "major:minor:inode" as this file prints it."""
    if locks.inode is None:
        return b"00:00:0"
    st = locks.inode.stat()
    return b"%02x:%02x:%d" % (major(st.dev), minor(st.dev), st.ino)


def mode_text(kind: int) -> bytes:
    return b"WRITE" if kind == F_WRLCK else b"READ "


def held(locks: InodeLocks, holders: dict[object, int]) -> Iterator[bytes]:
    """The lines of *locks*, without their numbers."""
    where = place_text(locks)
    for owner, ranges in locks.ranges.items():
        kind = b"POSIX " if isinstance(owner, PosixOwner) else b"OFDLCK"
        for first, last, mode in ranges:
            end = b"EOF" if last == OFFSET_MAX else b"%d" % last
            yield b"%s ADVISORY  %s %d %s %d %s\n" % (
                kind, mode_text(mode), owner.pid, where, first, end,
            )  # fmt: skip
    for file, mode in locks.flocks.items():
        pid = holders.get(file, -1)
        yield b"FLOCK  ADVISORY  %s %d %s 0 EOF\n" % (mode_text(mode), pid, where)


def waiting(locks: InodeLocks) -> Iterator[bytes]:
    where = place_text(locks)
    for request in locks.blocked:
        kind = b"POSIX " if isinstance(request.owner, PosixOwner) else b"OFDLCK"
        end = b"EOF" if request.last == OFFSET_MAX else b"%d" % request.last
        yield b"%s ADVISORY  %s %d %s %d %s\n" % (
            kind, mode_text(request.kind), request.owner.pid, where, request.first, end,
        )  # fmt: skip
    for flock in locks.blocked_flocks:
        yield b"FLOCK  ADVISORY  %s -1 %s 0 EOF\n" % (mode_text(flock.kind), where)


def locks_text(world: World) -> bytes:
    lines = []
    number = 0
    for locks, holders in all_locks(world).items():
        for line in held(locks, holders):
            number += 1
            lines.append(b"%d: %s" % (number, line))
        for line in waiting(locks):
            lines.append(b"%d: -> %s" % (number, line))
    return b"".join(lines)
