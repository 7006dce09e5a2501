"""Ids and capabilities: the tables of credentials(7) and capabilities(7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ring3.abi.capability import CAP_CHOWN, CAP_NET_RAW, CAP_SETUID
from ring3.abi.errno import EINVAL, EPERM
from ring3.task.credentials import (
    ALL_CAPS,
    SECBIT_KEEP_CAPS,
    SECBIT_NOROOT,
    Credentials,
    FileCaps,
    after_exec,
    is_secure_exec,
)
from ring3.task.task import Task
from tests.unit.fakes import Kitchen, call

KEEP = 0xFFFFFFFF


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


def task(k: Kitchen, uid: int, gid: int = 0) -> Task:
    t = k.task()
    t.cred = Credentials(uid, gid)
    return t


def uids(t: Task) -> tuple[int, int, int, int]:
    return t.cred.uid, t.cred.euid, t.cred.suid, t.cred.fsuid


def gids(t: Task) -> tuple[int, int, int, int]:
    return t.cred.gid, t.cred.egid, t.cred.sgid, t.cred.fsgid


def test_root_gives_itself_up_with_setuid(k: Kitchen) -> None:
    t = task(k, 0)
    assert call(t, "setuid", 1000) == 0
    assert uids(t) == (1000, 1000, 1000, 1000)
    assert t.cred.effective == t.cred.permitted == 0
    with pytest.raises(EPERM):
        call(t, "setuid", 0)
    with pytest.raises(EINVAL):
        call(t, "setuid", KEEP)


def test_a_set_uid_program_switches_to_and_fro(k: Kitchen) -> None:
    t = k.task()
    t.cred = Credentials(1000).but(euid=500, suid=500, fsuid=500)
    assert call(t, "setreuid", 500, 1000) == 0
    assert uids(t) == (500, 1000, 1000, 1000)
    assert call(t, "setresuid", KEEP, 500, KEEP) == 0
    assert uids(t) == (500, 500, 1000, 500)
    with pytest.raises(EPERM):
        call(t, "setresuid", KEEP, 7, KEEP)


def test_setreuid_sets_the_saved_id_when_the_real_one_changes(k: Kitchen) -> None:
    t = task(k, 0)
    call(t, "setreuid", KEEP, 1000)
    assert uids(t) == (0, 1000, 1000, 1000)
    t.cred = Credentials(0)
    call(t, "setreuid", KEEP, 0)
    assert uids(t) == (0, 0, 0, 0)


def test_effective_capabilities_follow_the_effective_uid(k: Kitchen) -> None:
    t = task(k, 0)
    call(t, "setresuid", KEEP, 1000, KEEP)
    assert (t.cred.effective, t.cred.permitted) == (0, ALL_CAPS)
    call(t, "setresuid", KEEP, 0, KEEP)
    assert t.cred.effective == ALL_CAPS


def test_keepcaps_keeps_the_permitted_set(k: Kitchen) -> None:
    t = task(k, 0)
    call(t, "prctl", 8, 1)
    call(t, "setresuid", 1000, 1000, 1000)
    assert (t.cred.effective, t.cred.permitted) == (0, ALL_CAPS)


def test_setfsuid_moves_file_capabilities_only(k: Kitchen) -> None:
    t = task(k, 0)
    assert call(t, "setfsuid", 1000) == 0
    assert not t.cred.capable(CAP_CHOWN) and t.cred.capable(CAP_SETUID)
    assert call(t, "setfsuid", 0) == 1000
    assert t.cred.capable(CAP_CHOWN)
    plain = task(k, 1000)
    assert call(plain, "setfsuid", 5) == 1000
    assert plain.cred.fsuid == 1000


def test_group_ids(k: Kitchen) -> None:
    t = task(k, 1000, 100)
    t.cred = t.cred.but(sgid=200)
    call(t, "setgid", 200)
    assert gids(t) == (100, 200, 200, 200)
    with pytest.raises(EPERM):
        call(t, "setgid", 300)
    call(t, "setregid", 200, 100)
    assert gids(t) == (200, 100, 100, 100)


def test_changed_ids_make_a_process_undumpable(k: Kitchen) -> None:
    t = task(k, 0)
    t.process.parent_death_signal = 9
    call(t, "setuid", 1000)
    assert (t.process.dumpable, t.process.parent_death_signal) == (0, 0)


def test_groups(k: Kitchen) -> None:
    t = task(k, 0)
    at = k.memory.room(16, b"".join(g.to_bytes(4, "little") for g in (30, 10, 20)))
    assert call(t, "setgroups", 3, at) == 0
    assert call(t, "getgroups", 0, 0) == 3
    with pytest.raises(EINVAL):
        call(t, "getgroups", 2, at)
    assert call(t, "getgroups", 3, at) == 3
    assert k.memory.ints(at, "III") == (10, 20, 30)
    assert t.cred.in_group(20) and not t.cred.in_group(21)
    with pytest.raises(EPERM):
        call(task(k, 1000), "setgroups", 0, at)


def header(k: Kitchen, version: int, pid: int = 0) -> int:
    return k.memory.room(8, version.to_bytes(4, "little") + pid.to_bytes(4, "little"))


V3 = 0x20080522


def test_capget_and_capset(k: Kitchen) -> None:
    t = task(k, 0)
    at, data = header(k, V3), k.memory.room(24)
    call(t, "capget", at, data)
    low, high = ALL_CAPS & 0xFFFFFFFF, ALL_CAPS >> 32
    assert k.memory.ints(data, "IIIIII") == (low, low, 0, high, high, 0)
    only = 1 << CAP_NET_RAW
    k.memory.put(data, b"".join(v.to_bytes(4, "little") for v in (only, only, 0, 0, 0, 0)))
    call(t, "capset", at, data)
    assert (t.cred.effective, t.cred.permitted) == (only, only)
    k.memory.put(data, (low).to_bytes(4, "little") * 2)
    with pytest.raises(EPERM):
        call(t, "capset", at, data)


def test_an_unknown_version_tells_the_right_one(k: Kitchen) -> None:
    t = task(k, 0)
    at = header(k, 1)
    assert call(t, "capget", at, 0) == 0
    assert k.memory.ints(at, "I") == (V3,)
    k.memory.put(at, (1).to_bytes(4, "little"))
    with pytest.raises(EINVAL):
        call(t, "capget", at, at)


# --- exec ---------------------------------------------------------------------------------------
def test_root_stays_root_over_exec() -> None:
    new = after_exec(Credentials(0))
    assert (new.effective, new.permitted) == (ALL_CAPS, ALL_CAPS)
    assert not is_secure_exec(new)


def test_a_set_uid_root_program() -> None:
    new = after_exec(Credentials(1000, 1000), setuid=0)
    assert (new.uid, new.euid, new.suid, new.fsuid) == (1000, 0, 0, 0)
    assert new.effective == ALL_CAPS
    assert is_secure_exec(new)
    same = after_exec(Credentials(1000, 1000), setuid=0, no_new_privs=True)
    assert same.euid == 1000 and not is_secure_exec(same)


def test_file_capabilities() -> None:
    caps = FileCaps(permitted=1 << CAP_NET_RAW, inheritable=0, effective=True)
    new = after_exec(Credentials(1000), caps)
    assert new.effective == new.permitted == 1 << CAP_NET_RAW
    assert is_secure_exec(new)
    bounded = Credentials(1000).but(bounding=0)
    with pytest.raises(EPERM):
        after_exec(bounded, caps)


def test_ambient_capabilities_survive_a_plain_exec_only() -> None:
    bit = 1 << CAP_NET_RAW
    old = Credentials(1000, 1000).but(ambient=bit, inheritable=bit, permitted=bit)
    new = after_exec(old)
    assert new.effective == new.permitted == new.ambient == bit
    assert not is_secure_exec(new)
    assert after_exec(old, setgid=5).ambient == 0


def test_securebits_over_exec() -> None:
    old = Credentials(0).but(securebits=SECBIT_NOROOT | SECBIT_KEEP_CAPS)
    new = after_exec(old)
    assert new.permitted == 0
    assert new.securebits == SECBIT_NOROOT
