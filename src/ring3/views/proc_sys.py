"""/proc/sys: the tree of settings.

A setting that the kernel acts on can be written; one that it only knows the value of refuses
(EPERM, with the reason), whoever asks: it would change nothing. Texts are as Linux prints them.
"""

from __future__ import annotations

from ring3.abi.errno import EPERM
from ring3.abi.fcntl import O_ACCMODE, O_RDONLY
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.stat import S_IFREG
from ring3.task.world import PID_MAX
from ring3.views.nodes import Setting, Snapshot, ViewDir, ViewFs, ViewInode
from ring3.views.sysctl import (
    Value,
    boot_id,
    fixed,
    get_port_range,
    host,
    name_of,
    net_number,
    open_files,
    pty_count,
    read_only,
    set_last_pid,
    set_port_range,
    stored,
    uuid,
)

if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.inode import Inode, Walker
    from ring3.vfs.path import Place

KERNEL: dict[bytes, Any] = {
    b"acct": fixed(b"4\t2\t30"),
    b"auto_msgmni": fixed(b"0"),
    b"cad_pid": fixed(b"1", 0o600),
    b"cap_last_cap": fixed(b"40", 0o444),
    b"core_pattern": fixed(b"core"),
    b"core_pipe_limit": fixed(b"0"),
    b"core_uses_pid": fixed(b"0"),
    b"ctrl-alt-del": fixed(b"0"),
    b"dmesg_restrict": fixed(b"0"),
    b"domainname": name_of("domainname"),
    b"hostname": name_of("hostname"),
    b"io_uring_disabled": fixed(b"2"),
    b"io_uring_group": fixed(b"-1"),
    b"keys": {
        b"gc_delay": fixed(b"300"),
        b"maxbytes": fixed(b"20000"),
        b"maxkeys": fixed(b"200"),
        b"root_maxbytes": fixed(b"25000000"),
        b"root_maxkeys": fixed(b"1000000"),
    },
    b"kptr_restrict": fixed(b"1"),
    b"modprobe": fixed(b"/sbin/modprobe"),
    b"msg_next_id": fixed(b"-1"),
    b"msgmax": fixed(b"8192"),
    b"msgmnb": fixed(b"16384"),
    b"msgmni": fixed(b"32000"),
    b"ngroups_max": fixed(b"65536", 0o444),
    b"ns_last_pid": Value(lambda world: b"%d" % world.last_pid, set_last_pid, 0o666),
    b"osrelease": read_only(lambda world: world.release),
    b"ostype": fixed(b"Linux", 0o444),
    b"overflowgid": fixed(b"65534"),
    b"overflowuid": fixed(b"65534"),
    b"panic": fixed(b"0"),
    b"panic_on_oops": fixed(b"0"),
    b"perf_event_max_sample_rate": fixed(b"100000"),
    b"perf_event_mlock_kb": fixed(b"516"),
    b"perf_event_paranoid": fixed(b"3"),
    b"pid_max": fixed(b"%d" % PID_MAX),
    b"printk": fixed(b"4\t4\t1\t7"),
    b"printk_delay": fixed(b"0"),
    b"printk_devkmsg": fixed(b"ratelimit"),
    b"printk_ratelimit": fixed(b"5"),
    b"printk_ratelimit_burst": fixed(b"10"),
    b"pty": {
        b"max": fixed(b"4096"),
        b"nr": read_only(pty_count),
        b"reserve": fixed(b"1024"),
    },
    b"random": {
        b"boot_id": read_only(boot_id),
        b"entropy_avail": fixed(b"256", 0o444),
        b"poolsize": fixed(b"256", 0o444),
        b"urandom_min_reseed_secs": fixed(b"60"),
        b"uuid": read_only(uuid),
        b"write_wakeup_threshold": fixed(b"256"),
    },
    b"randomize_va_space": fixed(b"2"),
    b"real-root-dev": fixed(b"0"),
    b"sched_autogroup_enabled": fixed(b"0"),
    b"sched_cfs_bandwidth_slice_us": fixed(b"5000"),
    b"sched_deadline_period_max_us": fixed(b"4194304"),
    b"sched_deadline_period_min_us": fixed(b"100"),
    b"sched_rr_timeslice_ms": fixed(b"100"),
    b"sched_rt_period_us": fixed(b"1000000"),
    b"sched_rt_runtime_us": fixed(b"950000"),
    b"seccomp": {
        b"actions_avail": fixed(b"kill_process kill_thread trap errno trace log allow", 0o444),
        b"actions_logged": fixed(b"kill_process kill_thread trap errno trace log"),
    },
    b"sem": fixed(b"32000\t1024000000\t500\t32000"),
    b"sem_next_id": fixed(b"-1"),
    b"shm_next_id": fixed(b"-1"),
    b"shm_rmid_forced": fixed(b"0"),
    b"shmall": fixed(b"18446744073692774399"),
    b"shmmax": fixed(b"18446744073692774399"),
    b"shmmni": fixed(b"4096"),
    b"sysctl_writes_strict": fixed(b"1"),
    b"tainted": fixed(b"0"),
    b"threads-max": host("kernel/threads-max", otherwise=b"32768"),
    b"timer_migration": fixed(b"1"),
    b"unprivileged_bpf_disabled": fixed(b"2"),
    b"version": read_only(lambda world: world.version),
}
VM: dict[bytes, Any] = {
    b"admin_reserve_kbytes": host("vm/admin_reserve_kbytes", otherwise=b"8192"),
    b"dirty_background_ratio": host("vm/dirty_background_ratio", otherwise=b"10"),
    b"dirty_ratio": host("vm/dirty_ratio", otherwise=b"20"),
    b"legacy_va_layout": fixed(b"0"),
    b"max_map_count": host("vm/max_map_count", otherwise=b"65530"),
    b"memfd_noexec": fixed(b"0"),
    b"min_free_kbytes": host("vm/min_free_kbytes", otherwise=b"67584"),
    b"mmap_min_addr": host("vm/mmap_min_addr", otherwise=b"65536"),
    b"mmap_rnd_bits": fixed(b"28", 0o600),
    b"nr_hugepages": fixed(b"0"),
    b"nr_overcommit_hugepages": fixed(b"0"),
    b"oom_dump_tasks": fixed(b"1"),
    b"oom_kill_allocating_task": fixed(b"0"),
    b"overcommit_kbytes": host("vm/overcommit_kbytes"),
    b"overcommit_memory": host("vm/overcommit_memory"),
    b"overcommit_ratio": host("vm/overcommit_ratio", otherwise=b"50"),
    b"page-cluster": fixed(b"3"),
    b"panic_on_oom": fixed(b"0"),
    b"stat_interval": fixed(b"1"),
    b"swappiness": host("vm/swappiness", otherwise=b"60"),
    b"unprivileged_userfaultfd": fixed(b"0"),
    b"user_reserve_kbytes": host("vm/user_reserve_kbytes", otherwise=b"131072"),
    b"vfs_cache_pressure": fixed(b"100"),
    b"zone_reclaim_mode": fixed(b"0"),
}
FS: dict[bytes, Any] = {
    b"aio-max-nr": fixed(b"65536"),
    b"aio-nr": fixed(b"0", 0o444),
    b"dentry-state": fixed(b"0\t0\t45\t0\t0\t0", 0o444),
    b"epoll": {b"max_user_watches": host("fs/epoll/max_user_watches", otherwise=b"1048576")},
    b"file-max": host("fs/file-max", otherwise=b"1048576"),
    b"file-nr": read_only(open_files),
    b"inode-nr": fixed(b"0\t0", 0o444),
    b"inode-state": fixed(b"0\t0\t0\t0\t0\t0\t0", 0o444),
    b"inotify": {
        b"max_queued_events": fixed(b"16384"),
        b"max_user_instances": fixed(b"128"),
        b"max_user_watches": fixed(b"65536"),
    },
    b"lease-break-time": fixed(b"45"),
    b"leases-enable": fixed(b"1"),
    b"mount-max": fixed(b"100000"),
    b"mqueue": {
        b"msg_default": fixed(b"10"),
        b"msg_max": fixed(b"10"),
        b"msgsize_default": fixed(b"8192"),
        b"msgsize_max": fixed(b"8192"),
        b"queues_max": fixed(b"256"),
    },
    b"nr_open": fixed(b"1048576"),
    b"overflowgid": fixed(b"65534"),
    b"overflowuid": fixed(b"65534"),
    b"pipe-max-size": fixed(b"1048576"),
    b"pipe-user-pages-hard": fixed(b"0"),
    b"pipe-user-pages-soft": fixed(b"16384"),
    b"protected_fifos": fixed(b"0"),
    b"protected_hardlinks": fixed(b"0"),
    b"protected_regular": fixed(b"0"),
    b"protected_symlinks": fixed(b"0"),
    b"suid_dumpable": fixed(b"0"),
}
CORE: dict[bytes, Any] = {
    b"default_qdisc": fixed(b"noqueue"),
    b"netdev_max_backlog": fixed(b"1000"),
    b"optmem_max": fixed(b"131072"),
    b"rmem_default": net_number("default_buffer", 2304, 0x7FFFFFFF),
    b"rmem_max": net_number("max_buffer", 2304, 0x7FFFFFFF),
    b"somaxconn": net_number("max_backlog", 0, 0x7FFFFFFF),
    b"wmem_default": net_number("default_buffer", 4608, 0x7FFFFFFF),
    b"wmem_max": net_number("max_buffer", 4608, 0x7FFFFFFF),
}
IPV4: dict[bytes, Any] = {
    b"ip_default_ttl": fixed(b"64"),
    b"ip_forward": stored("ip_forward", 0, 0, 0x7FFFFFFF),
    b"ip_local_port_range": Value(get_port_range, set_port_range),
    b"ip_local_reserved_ports": fixed(b""),
    b"ip_nonlocal_bind": fixed(b"0"),
    b"ip_unprivileged_port_start": net_number("first_free_port", 0, 65535),
    b"ping_group_range": fixed(b"1\t0"),
    b"tcp_available_congestion_control": fixed(b"reno cubic", 0o444),
    b"tcp_congestion_control": fixed(b"cubic"),
    b"tcp_fin_timeout": fixed(b"60"),
    b"tcp_keepalive_intvl": fixed(b"75"),
    b"tcp_keepalive_probes": fixed(b"9"),
    b"tcp_keepalive_time": fixed(b"7200"),
    b"tcp_max_syn_backlog": fixed(b"512"),
    b"tcp_rmem": fixed(b"4096\t131072\t6291456"),
    b"tcp_syn_retries": fixed(b"6"),
    b"tcp_syncookies": fixed(b"1"),
    b"tcp_timestamps": fixed(b"1"),
    b"tcp_tw_reuse": fixed(b"2"),
    b"tcp_wmem": fixed(b"4096\t16384\t4194304"),
}
IPV6: dict[bytes, Any] = {
    b"bindv6only": fixed(b"0"),
    b"conf": {
        name: {b"disable_ipv6": fixed(b"0"), b"forwarding": fixed(b"0")}
        for name in (b"all", b"default", b"lo")
    },
}
TREE: dict[bytes, Any] = {
    b"abi": {b"vsyscall32": fixed(b"1")},
    b"fs": FS,
    b"kernel": KERNEL,
    b"net": {
        b"core": CORE,
        b"ipv4": IPV4,
        b"ipv6": IPV6,
        b"unix": {b"max_dgram_qlen": net_number("max_datagrams", 0, 0x7FFFFFFF)},
    },
    b"user": {
        name: fixed(b"0")
        for name in (
            b"max_cgroup_namespaces",
            b"max_ipc_namespaces",
            b"max_mnt_namespaces",
            b"max_net_namespaces",
            b"max_pid_namespaces",
            b"max_time_namespaces",
            b"max_user_namespaces",
            b"max_uts_namespaces",
        )
    },
    b"vm": VM,
}


class SysctlDir(ViewDir):
    __slots__ = ()

    def make(self, spec: Any) -> Inode:
        if isinstance(spec, dict):
            return SysctlDir(self.fs, spec)
        return SysctlFile(self.fs, spec)


class SysctlFile(ViewInode):
    """One setting."""

    __slots__ = ("value",)

    def __init__(self, fs: ViewFs, value: Value) -> None:
        super().__init__(fs, S_IFREG | value.mode)
        self.value = value

    def open(self, who: Walker, place: Place, flags: int) -> File:
        world, value = self.fs.world, self.value

        def text(reader: Walker) -> bytes:
            return value.get(world) + b"\n"

        if flags & O_ACCMODE == O_RDONLY:
            return Snapshot(who, text, flags)
        if not self.mode & 0o222:
            raise EPERM("this setting cannot be written")
        return Setting(who, text, self.take, flags)

    def take(self, who: Walker, data: bytes) -> None:
        if self.value.set is None:
            raise EPERM("this kernel does not act on the setting: it stays as it is")
        self.value.set(self.fs.world, who, data)

    def truncate(self, size: int) -> None:
        """Shells open settings with O_TRUNC."""


def sysctl_tree(fs: ViewFs) -> SysctlDir:
    """/proc/sys."""
    return SysctlDir(fs, TREE)
