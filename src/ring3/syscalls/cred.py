"""User and group ids, supplementary groups.

Source: kernel/sys.c; credentials(7).
"""

from __future__ import annotations

from ring3.abi.capability import (
    CAP_SETGID,
    CAP_SETUID,
)
from ring3.abi.errno import EINVAL, EPERM
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.misc import NGROUPS_MAX
from ring3.abi.types import U32, In, Int, Out, Uid
from ring3.syscalls.table import syscall
from ring3.task.credentials import Credentials, after_setfsuid, after_setuid

if TYPE_CHECKING:
    from ring3.task.task import Task

UNCHANGED = 0xFFFFFFFF
"""(uid_t)-1: leave this id as it is; not a valid id."""


def commit(t: Task, new: Credentials) -> None:
    """Make *new* the thread's credentials (commit_creds)."""
    old = t.cred
    t.cred = new
    if (old.euid, old.egid, old.fsuid, old.fsgid) != (
        new.euid,
        new.egid,
        new.fsuid,
        new.fsgid,
    ) or new.permitted & ~old.permitted:
        t.process.dumpable = 0
        t.process.parent_death_signal = 0


# --- reading ------------------------------------------------------------------------------------
@syscall
def getuid(t: Task) -> int:
    """The real user id."""
    return t.cred.uid


@syscall
def geteuid(t: Task) -> int:
    """The effective user id."""
    return t.cred.euid


@syscall
def getgid(t: Task) -> int:
    """The real group id."""
    return t.cred.gid


@syscall
def getegid(t: Task) -> int:
    """The effective group id."""
    return t.cred.egid


@syscall
def getresuid(t: Task, real: Out[U32], effective: Out[U32], saved: Out[U32]) -> int:
    """Store the three user ids."""
    real.store(t.cred.uid)
    effective.store(t.cred.euid)
    saved.store(t.cred.suid)
    return 0


@syscall
def getresgid(t: Task, real: Out[U32], effective: Out[U32], saved: Out[U32]) -> int:
    """Store the three group ids."""
    real.store(t.cred.gid)
    effective.store(t.cred.egid)
    saved.store(t.cred.sgid)
    return 0


@syscall
def getgroups(t: Task, size: Int, groups: Out[U32]) -> int:
    """Store the supplementary groups; with *size* 0 only tell how many there are."""
    if size < 0:
        raise EINVAL("negative size")
    found = t.cred.groups
    if size:
        if size < len(found):
            raise EINVAL("more groups than room")
        groups.store_array(found)
    return len(found)


# --- user ids -----------------------------------------------------------------------------------
@syscall
def setuid(t: Task, uid: Uid) -> int:
    """Set the effective user id, and with CAP_SETUID the real and saved ones too."""
    if uid == UNCHANGED:
        raise EINVAL("uid")
    old = t.cred
    if old.capable(CAP_SETUID):
        new = old.but(uid=uid, suid=uid, euid=uid, fsuid=uid)
    elif uid in (old.uid, old.suid):
        new = old.but(euid=uid, fsuid=uid)
    else:
        raise EPERM("CAP_SETUID")
    commit(t, after_setuid(old, new))
    return 0


@syscall
def setreuid(t: Task, real: Uid, effective: Uid) -> int:
    """Set real and effective user id; -1 leaves one as it is."""
    old = t.cred
    free = old.capable(CAP_SETUID)
    if real != UNCHANGED and not free and real not in (old.uid, old.euid):
        raise EPERM("CAP_SETUID")
    if effective != UNCHANGED and not free and effective not in (old.uid, old.euid, old.suid):
        raise EPERM("CAP_SETUID")
    uid = old.uid if real == UNCHANGED else real
    euid = old.euid if effective == UNCHANGED else effective
    follows = real != UNCHANGED or (effective != UNCHANGED and effective != old.uid)
    new = old.but(uid=uid, euid=euid, suid=euid if follows else old.suid, fsuid=euid)
    commit(t, after_setuid(old, new))
    return 0


@syscall
def setresuid(t: Task, real: Uid, effective: Uid, saved: Uid) -> int:
    """Set real, effective and saved user id; -1 leaves one as it is."""
    old = t.cred
    ids = old.uid, old.euid, old.suid
    wanted = [
        w if w != UNCHANGED else i for w, i in zip((real, effective, saved), ids, strict=True)
    ]
    if not old.capable(CAP_SETUID) and not set(wanted) <= set(ids):
        raise EPERM("CAP_SETUID")
    uid, euid, suid = wanted
    new = old.but(uid=uid, euid=euid, suid=suid, fsuid=euid)
    commit(t, after_setuid(old, new))
    return 0


@syscall
def setfsuid(t: Task, uid: Uid) -> int:
    """Set the user id for file access where that is allowed; return the one before."""
    old = t.cred
    allowed = uid in (old.uid, old.euid, old.suid, old.fsuid) or old.capable(CAP_SETUID)
    if uid != UNCHANGED and uid != old.fsuid and allowed:
        commit(t, after_setfsuid(old, old.but(fsuid=uid)))
    return old.fsuid


# --- group ids ----------------------------------------------------------------------------------
@syscall
def setgid(t: Task, gid: Uid) -> int:
    """Set the effective group id, and with CAP_SETGID the real and saved ones too."""
    if gid == UNCHANGED:
        raise EINVAL("gid")
    old = t.cred
    if old.capable(CAP_SETGID):
        commit(t, old.but(gid=gid, sgid=gid, egid=gid, fsgid=gid))
    elif gid in (old.gid, old.sgid):
        commit(t, old.but(egid=gid, fsgid=gid))
    else:
        raise EPERM("CAP_SETGID")
    return 0


@syscall
def setregid(t: Task, real: Uid, effective: Uid) -> int:
    """Set real and effective group id; -1 leaves one as it is."""
    old = t.cred
    free = old.capable(CAP_SETGID)
    if real != UNCHANGED and not free and real not in (old.gid, old.egid):
        raise EPERM("CAP_SETGID")
    if effective != UNCHANGED and not free and effective not in (old.gid, old.egid, old.sgid):
        raise EPERM("CAP_SETGID")
    gid = old.gid if real == UNCHANGED else real
    egid = old.egid if effective == UNCHANGED else effective
    follows = real != UNCHANGED or (effective != UNCHANGED and effective != old.gid)
    commit(t, old.but(gid=gid, egid=egid, sgid=egid if follows else old.sgid, fsgid=egid))
    return 0


@syscall
def setresgid(t: Task, real: Uid, effective: Uid, saved: Uid) -> int:
    """Set real, effective and saved group id; -1 leaves one as it is."""
    old = t.cred
    ids = old.gid, old.egid, old.sgid
    wanted = [
        w if w != UNCHANGED else i for w, i in zip((real, effective, saved), ids, strict=True)
    ]
    if not old.capable(CAP_SETGID) and not set(wanted) <= set(ids):
        raise EPERM("CAP_SETGID")
    gid, egid, sgid = wanted
    commit(t, old.but(gid=gid, egid=egid, sgid=sgid, fsgid=egid))
    return 0


@syscall
def setfsgid(t: Task, gid: Uid) -> int:
    """Set the group id for file access where that is allowed; return the one before."""
    old = t.cred
    allowed = gid in (old.gid, old.egid, old.sgid, old.fsgid) or old.capable(CAP_SETGID)
    if gid != UNCHANGED and gid != old.fsgid and allowed:
        commit(t, old.but(fsgid=gid))
    return old.fsgid


@syscall
def setgroups(t: Task, count: Int, groups: In[U32]) -> int:
    """Replace the supplementary groups."""
    if not t.cred.capable(CAP_SETGID):
        raise EPERM("CAP_SETGID")
    if not 0 <= count <= NGROUPS_MAX:
        raise EINVAL("too many groups")
    wanted = tuple(groups.load_array(count))
    if UNCHANGED in wanted:
        raise EINVAL("gid")
    # Linux keeps them sorted, and shows them so.
    t.cred = t.cred.but(groups=tuple(sorted(wanted)))
    return 0


# i386 has these calls twice: the names above take 16-bit ids there, these take 32 bits.
for narrow in (getuid, geteuid, getgid, getegid, getresuid, getresgid, getgroups):
    syscall(name=f"{narrow.__name__}32")(narrow)
for narrow in (setuid, setreuid, setresuid, setfsuid):
    syscall(name=f"{narrow.__name__}32")(narrow)
for narrow in (setgid, setregid, setresgid, setfsgid, setgroups):
    syscall(name=f"{narrow.__name__}32")(narrow)
