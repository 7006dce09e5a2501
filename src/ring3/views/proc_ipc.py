"""/proc/sysvipc: System V queues, semaphore sets and segments. Source: ipc/{msg,sem,shm}.c."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from ring3.task.world import World

MSG = b"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
SEM = b"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"
SHM = (
    b"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
)
TIMES = b"      stime      rtime      ctime\n"
SHM_TIMES = b"      atime      dtime      ctime                   rss                  swap\n"


def key_of(key: int) -> int:
    """A key as these files print it: a signed number."""
    return key - (1 << 32) if key & 0x80000000 and key > 0 else key


def messages(world: World) -> bytes:
    lines = [MSG + TIMES]
    for q in world.ipc.messages.objects.values():
        lines.append(
            b"%10d %10d  %4o  %10d %10d %5d %5d %5d %5d %5d %5d %10d %10d %10d\n"
            % (
                key_of(q.key), q.id, q.mode, q.used, len(q.letters), q.lspid, q.lrpid,
                q.uid, q.gid, q.cuid, q.cgid, q.stime, q.rtime, q.ctime,
            )
        )  # fmt: skip
    return b"".join(lines)


def semaphores(world: World) -> bytes:
    lines = [SEM]
    for s in world.ipc.semaphores.objects.values():
        lines.append(
            b"%10d %10d  %4o %10d %5d %5d %5d %5d %10d %10d\n"
            % (
                key_of(s.key), s.id, s.mode, len(s.sems), s.uid, s.gid, s.cuid, s.cgid,
                s.otime, s.ctime,
            )
        )  # fmt: skip
    return b"".join(lines)


def segments(world: World) -> bytes:
    lines = [SHM + SHM_TIMES]
    for m in world.ipc.shm.objects.values():
        resident = m.resident()
        lines.append(
            b"%10d %10d  %4o %21d %5d %5d  %5d %5d %5d %5d %5d %10d %10d %10d %21d %21d\n"
            % (
                key_of(m.key), m.id, m.mode, m.size, m.cpid, m.lpid, m.attached,
                m.uid, m.gid, m.cuid, m.cgid, m.atime, m.dtime, m.ctime, resident, 0,
            )
        )  # fmt: skip
    return b"".join(lines)
