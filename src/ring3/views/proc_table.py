"""What is in /proc/PID and in /proc/PID/task/TID: name -> (mode, "module.function")."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFREG

if TYPE_CHECKING:
    from ring3.views.nodes import Spec

R = S_IFREG | 0o444
R_OWN = S_IFREG | 0o400
RW = S_IFREG | 0o644
RW_OWN = S_IFREG | 0o600
W_OWN = S_IFREG | 0o200
LINK = S_IFLNK | 0o777
DIR = S_IFDIR | 0o555

COMMON: dict[bytes, Spec] = {
    b"auxv": (R_OWN, "proc_process.auxv"),
    b"cgroup": (R, "proc_process.cgroup"),
    b"clear_refs": (W_OWN, "proc_process.clear_refs"),
    b"cmdline": (R, "proc_process.cmdline"),
    b"comm": (RW, "proc_process.comm"),
    b"cpuset": (R, "proc_process.cpuset"),
    b"cwd": (LINK, "proc_fd.cwd"),
    b"environ": (R_OWN, "proc_process.environ"),
    b"exe": (LINK, "proc_fd.exe"),
    b"fd": (S_IFDIR | 0o500, "proc_fd.FdDir"),
    b"fdinfo": (DIR, "proc_fd.FdInfoDir"),
    b"gid_map": (RW, "proc_process.gid_map"),
    b"io": (R_OWN, "proc_process.io"),
    b"limits": (R, "proc_process.limits"),
    b"loginuid": (RW, "proc_process.loginuid"),
    b"maps": (R, "proc_maps.maps"),
    b"mem": (RW_OWN, "proc_maps.MemInode"),
    b"mountinfo": (R, "proc_mounts.MountInfo"),
    b"mounts": (R, "proc_mounts.Mounts"),
    b"net": (DIR, "proc_net.NetDir"),
    b"ns": (S_IFDIR | 0o511, "proc_fd.NamespaceDir"),
    b"oom_adj": (RW, "proc_process.oom_adj"),
    b"oom_score": (R, "proc_process.oom_score"),
    b"oom_score_adj": (RW, "proc_process.oom_score_adj"),
    b"personality": (R_OWN, "proc_process.personality"),
    b"root": (LINK, "proc_fd.root"),
    b"sched": (RW, "proc_process.sched"),
    b"schedstat": (R, "proc_process.schedstat"),
    b"sessionid": (R, "proc_process.sessionid"),
    b"setgroups": (RW, "proc_process.setgroups"),
    b"smaps": (R, "proc_maps.smaps"),
    b"smaps_rollup": (R, "proc_maps.smaps_rollup"),
    b"stack": (R_OWN, "proc_process.stack"),
    b"stat": (R, "proc_stat.stat"),
    b"statm": (R, "proc_stat.statm"),
    b"status": (R, "proc_status.status"),
    b"syscall": (R_OWN, "proc_process.syscall"),
    b"uid_map": (RW, "proc_process.uid_map"),
    b"wchan": (R, "proc_process.wchan"),
}
PROCESS: dict[bytes, Spec] = {
    **COMMON,
    b"coredump_filter": (RW, "proc_process.coredump_filter"),
    b"mountstats": (R_OWN, "proc_mounts.mountstats"),
    b"task": (DIR, "proc_pid.TaskDir"),
    b"timens_offsets": (RW, "proc_process.timens_offsets"),
    b"timers": (R, "proc_process.timers"),
    b"timerslack_ns": (S_IFREG | 0o666, "proc_process.timerslack_ns"),
}
THREAD: dict[bytes, Spec] = {**COMMON, b"children": (R, "proc_process.children")}

GUARDED = frozenset(
    b"auxv environ io maps mem personality smaps smaps_rollup stack syscall mountstats".split()
)
"""What only those may open who might trace the process."""
