"""/proc and /sys: every file opens, and what programs parse has the host's own shape."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ring3.abi.errno import EACCES, EINVAL, EISDIR, ENOENT, EPERM, ESRCH, Errno
from ring3.abi.poll import POLLERR, POLLPRI
from ring3.abi.signal import SIG_IGN, SIGHUP, SIGUSR1
from ring3.fs.tmpfs import TmpFs
from ring3.task.credentials import Credentials
from ring3.task.sigstate import Action
from ring3.task.wait import announce_exit
from ring3.vfs.file import File
from ring3.vfs.inode import Inode
from ring3.vfs.mount import Mount
from ring3.vfs.path import Place, path_of, walk
from tests.unit.views.conftest import Guest, Maker


@pytest.fixture
def g(make: Maker) -> Guest:
    guest = make()
    guest.t.comm = b"prog"
    guest.t.process.command_line = b"prog\0-x\0"
    guest.t.process.environment = b"A=1\0"
    guest.t.process.exe = walk(guest.t, None, b"/etc/passwd")
    guest.t.process.did_exec = True
    return guest


def tree(g: Guest, top: str) -> Iterator[tuple[str, Inode]]:
    """Every file below *top*, each directory's listing being the truth."""
    todo = [top]
    while todo:
        path = todo.pop()
        for name in g.names(path):
            if path.endswith(("/fd", "/fdinfo")):
                continue  # the listing's own descriptor, closed by now
            inode = walk(g.t, None, f"{path}/{name}".encode(), 0).inode
            yield f"{path}/{name}", inode
            if inode.is_dir and not inode.is_symlink:
                todo.append(f"{path}/{name}")


WRITE_ONLY = ("/clear_refs",)


@pytest.mark.parametrize("top", ["/proc", "/sys"])
def test_everything_listed_can_be_opened_and_read(g: Guest, top: str) -> None:
    seen = 0
    for path, inode in tree(g, top):
        if path == "/proc/1/exe":
            with pytest.raises(ENOENT):  # process 1 is the kernel's own
                inode.readlink(g.t)
        elif inode.is_symlink:
            assert inode.readlink(g.t), path
        elif inode.is_regular and not path.endswith((*WRITE_ONLY, "/mem")):
            assert isinstance(g.text(path), bytes), path
            seen += 1
    assert seen > (150 if top == "/proc" else 50)


def shape(text: bytes) -> list[str]:
    """The field names of "Name: value" lines."""
    return [line.split(":")[0] for line in text.decode().splitlines() if ":" in line]


def test_status_has_the_hosts_fields_in_order(g: Guest) -> None:
    ours = shape(g.text("/proc/self/status"))
    # What only the machine's host can tell of a vehicle is left out: here there is none.
    host = [n for n in shape(Path("/proc/self/status").read_bytes()) if not n.startswith("Vm")]
    only_live = {"RssAnon", "RssFile", "RssShmem", "HugetlbPages"}
    known = [n for n in host if n not in only_live and n in ours]
    assert [n for n in ours if n in host] == known
    assert {"Name", "Pid", "Uid", "Threads", "SigCgt", "CapEff", "Cpus_allowed_list"} <= set(ours)


def test_status_tells_signals_and_ids(g: Guest) -> None:
    t = g.t
    t.sigmask = 1 << (SIGHUP - 1)
    t.process.handlers[SIGUSR1] = Action(SIG_IGN)
    t.fs.umask = 0o137
    t.cred = Credentials(1000, 1001, (5, 4))
    status = g.text("/proc/self/status").decode()
    assert "Name:\tprog\n" in status
    assert "Umask:\t0137\n" in status
    assert "Uid:\t1000\t1000\t1000\t1000\n" in status
    assert "Groups:\t4 5 \n" in status
    assert "SigBlk:\t0000000000000001\n" in status
    assert "SigIgn:\t0000000000000200\n" in status
    assert "CapEff:\t0000000000000000\n" in status


def test_stat_has_52_fields_whatever_the_name(g: Guest) -> None:
    g.t.comm = b"a) b (c"
    line = g.text("/proc/self/stat").decode()
    head, _, rest = line.rpartition(")")
    host = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    assert head == f"{g.t.tid} (a) b (c"
    assert len(rest.split()) == len(host) == 50
    assert rest.split()[1] == "1"  # ppid


def test_limits_look_as_on_the_host(g: Guest) -> None:
    from ring3.task.limits import default_limits

    g.t.process.limits = default_limits()
    assert g.text("/proc/self/limits") == Path("/proc/self/limits").read_bytes()


def test_seeking_back_makes_the_text_anew(g: Guest) -> None:
    number = g.open("/proc/self/comm")
    file: File = g.t.fds.get(number)
    assert file.read(100) == b"prog\n"
    g.t.comm = b"other"
    assert file.read(100) == b""
    assert file.seek(0, os.SEEK_SET) == 0
    assert file.read(3) == b"oth"
    assert os.pread(file.bind_fd or -1, 10, 0) == b"other\n"  # the bound descriptor sees it too
    with pytest.raises(OSError):
        os.write(file.bind_fd or -1, b"x")


def test_self_and_thread_self_depend_on_who_asks(g: Guest) -> None:
    other = g.settle(g.k.task(g.t.process))
    assert g.link("/proc/self") == b"%d" % g.t.process.pid
    inode = walk(other, None, b"/proc/thread-self", 0).inode
    assert inode.readlink(other) == b"%d/task/%d" % (other.process.pid, other.tid)
    assert g.names("/proc/self/task") == sorted(str(tid) for tid in g.t.process.threads)


def test_a_directory_lives_as_long_as_its_process(g: Guest) -> None:
    child = g.settle(g.k.task(g.k.process(g.k.world.new_pid(), g.t.process)))
    pid = child.process.pid
    path = f"/proc/{pid}"
    first = walk(g.t, None, path.encode()).inode
    assert walk(g.t, None, path.encode()).inode is first
    number = g.open(f"{path}/status")
    child.process.exit_status = 0
    child.process.threads.clear()
    g.k.world.tasks.pop(child.tid)
    announce_exit(child.process)
    assert b"State:\tZ (zombie)" in g.text(f"{path}/status")
    assert g.text(f"{path}/cmdline") == b""
    with pytest.raises(ENOENT):
        walk(g.t, None, f"{path}/exe".encode())
    del g.k.world.processes[pid]
    with pytest.raises(ENOENT):
        walk(g.t, None, path.encode())
    with pytest.raises(ESRCH):
        g.t.fds.get(number).seek(0, os.SEEK_SET)


def test_magic_links_lead_where_they_say(g: Guest) -> None:
    number = g.open("/etc/passwd")
    t = g.t
    place = walk(t, None, b"/proc/self/fd/%d" % number)
    assert path_of(place, t.fs.root) == b"/etc/passwd"
    assert g.link(f"/proc/self/fd/{number}") == b"/etc/passwd"
    assert g.link("/proc/self/exe") == b"/etc/passwd"
    assert g.link("/proc/self/root") == b"/"
    assert walk(t, None, b"/proc/self/cwd").inode is t.fs.cwd.inode
    link = walk(t, None, b"/proc/self/fd/%d" % number, 0).inode
    assert link.mode & 0o777 == 0o500
    assert b"pos:\t0\n" in g.text(f"/proc/self/fdinfo/{number}")
    with pytest.raises(ENOENT):
        walk(t, None, b"/proc/self/fd/99")


def test_others_need_the_right_to_trace(g: Guest) -> None:
    victim = g.settle(g.k.task())
    victim.cred = Credentials(1000, 1000)
    victim.process.environment = b"SECRET=1\0"
    pid = victim.process.pid
    spy = g.settle(g.k.task())
    spy.cred = Credentials(1001, 1001)
    for name in ("environ", "maps", "fd/0", "cwd", "exe"):
        with pytest.raises((EACCES, ENOENT)):
            g.text(f"/proc/{pid}/{name}", t=spy)
    assert b"Name:" in g.text(f"/proc/{pid}/status", t=spy)
    same = g.settle(g.k.task())
    same.cred = Credentials(1000, 1000)
    assert g.text(f"/proc/{pid}/environ", t=same) == b"SECRET=1\0"
    victim.process.dumpable = 0
    with pytest.raises(EACCES):
        g.text(f"/proc/{pid}/environ", t=same)
    assert walk(g.t, None, f"/proc/{pid}/environ".encode()).inode.uid == 0
    assert g.text(f"/proc/{pid}/environ") == b"SECRET=1\0"  # CAP_SYS_PTRACE


def test_names_that_do_not_exist_cannot_be_made(g: Guest) -> None:
    for path in ("/proc/new", "/proc/self/new", "/proc/sys/kernel/new", "/proc/self/fd/77"):
        with pytest.raises(ENOENT):
            g.open(path, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(EISDIR):
        g.open("/proc/self", os.O_WRONLY)
    with pytest.raises(Errno):
        g.open("/proc/uptime", os.O_WRONLY)


# --- settings ---------------------------------------------------------------------------------
def test_settings_that_act(g: Guest) -> None:
    g.write("/proc/sys/kernel/hostname", b"box\n")
    assert g.k.world.hostname == b"box"
    assert g.text("/proc/sys/kernel/hostname") == b"box\n"
    g.write("/proc/sys/net/ipv4/ip_local_port_range", b"5000 6000\n")
    assert g.k.world.net.port_range == (5000, 6000)
    g.write("/proc/self/oom_score_adj", b"500\n")
    assert g.t.process.oom_score_adj == 500
    g.write("/proc/self/comm", b"a name that is much too long")
    assert g.t.comm == b"a name that is "
    g.write("/proc/sys/net/ipv4/ip_forward", b"1")
    assert g.text("/proc/sys/net/ipv4/ip_forward") == b"1\n"


def test_settings_that_would_do_nothing_refuse(g: Guest) -> None:
    with pytest.raises(EPERM) as refused:
        g.write("/proc/sys/vm/swappiness", b"1")
    assert "does not act" in str(refused.value)
    with pytest.raises(EINVAL):
        g.write("/proc/sys/net/core/somaxconn", b"many")
    g.t.cred = Credentials(1000, 1000)
    with pytest.raises(EACCES):
        g.write("/proc/sys/kernel/hostname", b"no")
    with pytest.raises(EACCES):
        g.write("/proc/self/oom_score_adj", b"-1")


def test_opened_for_writing_it_is_never_bound(g: Guest) -> None:
    number = g.open("/proc/self/comm", os.O_RDWR)
    file: File = g.t.fds.get(number)
    assert file.bind_fd is None and file.placeholder == "routed"
    assert file.read(3) == b"pro" and file.read(9) == b"g\n"
    assert file.seek(0, os.SEEK_SET) == 0


def test_random_ids_look_like_ids(g: Guest) -> None:
    pattern = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n")
    first = g.text("/proc/sys/kernel/random/uuid")
    assert pattern.fullmatch(first) and first != g.text("/proc/sys/kernel/random/uuid")
    boot = g.text("/proc/sys/kernel/random/boot_id")
    assert pattern.fullmatch(boot) and boot == g.text("/proc/sys/kernel/random/boot_id")


# --- system files and /sys --------------------------------------------------------------------
@pytest.mark.parametrize("name", ["cpuinfo", "meminfo", "stat", "vmstat", "softirqs"])
def test_system_files_have_the_hosts_shape(g: Guest, name: str) -> None:
    ours = [line.split()[0] for line in g.text(f"/proc/{name}").splitlines() if line.split()]
    host = Path(f"/proc/{name}").read_bytes()
    assert ours == [line.split()[0] for line in host.splitlines() if line.split()]


def test_memory_limit_shows_in_meminfo(g: Guest) -> None:
    g.k.world.limits["memory"] = 64 << 20
    text = g.text("/proc/meminfo").decode()
    assert re.search(r"^MemTotal: +65536 kB$", text, re.MULTILINE)
    total = Path("/proc/meminfo").read_text().splitlines()[0]
    assert len(text.splitlines()[0]) == len(total)


def test_sys_mirrors_cpus_and_nothing_else_of_the_host(g: Guest) -> None:
    online = Path("/sys/devices/system/cpu/online").read_bytes()
    assert g.text("/sys/devices/system/cpu/online") == online
    assert g.names("/sys/block") == []
    assert g.names("/sys/class/net") == ["lo"]
    assert g.text("/sys/class/net/lo/mtu") == b"65536\n"
    for path in ("/sys/devices/pci0000:00", "/sys/devices/system/cpu/cpu0/../../../pci", "/sys/x"):
        with pytest.raises(ENOENT):
            walk(g.t, None, path.encode())


def test_mountinfo_names_every_mount_once(g: Guest) -> None:
    lines = g.text("/proc/self/mountinfo").decode().splitlines()
    ids = [line.split()[0] for line in lines]
    assert len(set(ids)) == len(ids) == len(g.view.table)
    points = [line.split()[4] for line in lines]
    assert points == [line.split()[1] for line in g.text("/proc/mounts").decode().splitlines()]
    assert all(" - " in line for line in lines)
    assert isinstance(walk(g.t, None, b"/proc/self/ns/mnt"), Place)
    assert re.fullmatch(rb"mnt:\[\d+\]", g.link("/proc/self/ns/mnt"))


def test_a_poll_of_mounts_tells_of_changes_once(g: Guest) -> None:
    file: File = g.t.fds.get(g.open("/proc/self/mountinfo"))
    assert not file.poll() & POLLPRI
    woken: list[object] = []

    class Waiter:
        def woken(self, queue: object) -> None:
            woken.append(queue)

        def finished(self, queue: object, result: int) -> None: ...

    (queue,) = file.wait_queues()
    queue.add(Waiter())
    table = g.view.table
    table.attach(Mount(TmpFs()), walk(g.t, None, b"/mnt"))
    assert woken == [queue]
    assert file.poll() & (POLLPRI | POLLERR) == POLLPRI | POLLERR
    assert not file.poll() & POLLPRI
    file.seek(0, os.SEEK_SET)
    assert b" /mnt " in file.read(65536)
