"""Our tracer against strace itself, on the host's Linux: the same programs, line by line.

One run of a program is traced by strace, another feeds our tracer through ptrace (``hostrun``).
Everything that two runs cannot share (process ids, times, random bytes) is masked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ring3.trace.options import TraceOptions
from ring3.trace.output import Outputs
from ring3.trace.tracer import Tracer
from tests.unit.trace.hostrun import HostRun

HERE = Path(__file__).parent
ORACLE = "6.1"
"""Other versions know other constants and have other bugs."""
ENV = {"PATH": "/usr/bin:/bin", "LANG": "C", "TZ": "UTC"}

MASKS = [
    (r"tv_([nu])sec=\d+", r"tv_\1sec=T"),
    (r"_(nsec|utime|stime|atime|mtime|ctime)=\d+( /\* [^*]*\*/)?", r"_\1=T"),
    (r"tv_sec=\d{9,}( /\* [^*]*\*/)?", "tv_sec=T"),
    (r"0x[0-9a-f]+ (/\* \d+ vars)", r"ENV \1"),
    (r'getrandom\("[^"]*"', 'getrandom("RANDOM"'),
    (r"(sem|shm|msg|mq)(ctl|op|at|snd|rcv|timedop)\(\d+", r"\1\2(ID"),
    (r"((sem|shm|msg)get\(.*) = \d+", r"\1 = ID"),
    (r"ru_(maxrss|minflt|nvcsw|nivcsw)=\d+", r"ru_\1=N"),
    (r"(st_|stx_)(ino|nlink|blocks)=\d+", r"\1\2=N"),
    (r"stx_attributes_mask=[A-Z_|]+", "stx_attributes_mask=MASK"),
    (r"\b\d{4,}\b", "N"),
]

# Names that are newer than strace 6.1.
NEWER = ["MAP_ABOVE4G", "MEMBARRIER_CMD_GET_REGISTRATIONS", "0x80", "0x200", "PTRACE_"]


def unavailable() -> str:
    """Why strace cannot be compared with here, or nothing."""
    strace = shutil.which("strace")
    if strace is None or shutil.which("setarch") is None or shutil.which("cc") is None:
        return "needs strace, setarch and a C compiler"
    told = subprocess.run([strace, "-V"], capture_output=True, text=True, timeout=20).stdout
    version = told.split("\n", 1)[0].rpartition(" ")[2]
    if version != ORACLE:
        return f"strace is {version}; the lines are those of {ORACLE}"
    tried = subprocess.run(["strace", "-o/dev/null", "true"], capture_output=True, timeout=20)
    return "" if tried.returncode == 0 else "tracing processes is refused here"


WHY_NOT = unavailable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trace-guests")
    for name in ("zoo", "sweep"):
        subprocess.run(
            ["cc", "-O1", "-w", "-o", str(folder / name), str(HERE / f"{name}.c")],
            check=True,
            timeout=120,
        )
    return folder


def masked(path: Path) -> list[str]:
    text = path.read_text(errors="replace")
    own = re.search(r"set_tid_address\(\w+\)\s*= (\d+)", text)
    if own:
        text = re.sub(rf"\b{own[1]}\b", "PID", text)
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return [re.sub(r" +", " ", line) for line in text.splitlines()]


def declarations() -> dict[str, Any]:
    """Every call as its handler declares it: what no family describes prints by that."""
    from ring3.kernel import load_calls
    from ring3.syscalls.table import CALLS

    load_calls()
    return CALLS


def both(argv: list[str], work: Path, flags: list[str], options: TraceOptions) -> list[list[str]]:
    """The masked lines of strace and of our tracer."""
    os.environ["TZ"] = "UTC"
    theirs, ours = work / "strace.out", work / "ring3.out"
    null = os.open("/dev/null", os.O_RDWR)
    try:
        for folder in ("one", "two"):
            (work / folder).mkdir()
        subprocess.run(
            ["setarch", "-R", "strace", "-o", str(theirs), *flags, *argv],
            env=ENV, cwd=work / "one", stdin=null, stdout=null, stderr=null, timeout=120,
        )  # fmt: skip
        tracer = Tracer(options, Outputs(str(ours)))
        HostRun(tracer, declarations()).run(argv, ENV, str(work / "two"), null)
        tracer.close()
    finally:
        os.close(null)
    return [masked(theirs), masked(ours)]


def unlike(theirs: list[str], ours: list[str]) -> list[str]:
    """Lines that only one of them printed, in whatever order."""
    found = []
    for mark, these, those in (("-", theirs, ours), ("+", ours, theirs)):
        known = set(those)
        found += [f"{mark} {line}" for line in these if line not in known]
    return [line for line in found if not any(name in line for name in NEWER)]


@pytest.mark.parametrize("flags", [[], ["-v"], ["-s5"], ["-x"], ["-xx"], ["-y"]], ids=str)
def test_the_zoo_of_calls_prints_as_with_strace(
    built: Path, tmp_path: Path, flags: list[str]
) -> None:
    options = TraceOptions()
    style = options.style
    if "-v" in flags:
        style.verbose, options.abbrev = True, frozenset()
    style.strlen = 5 if "-s5" in flags else 32
    style.hexes = {"-x": 1, "-xx": 2}.get("".join(flags), 0)
    style.fds = int("-y" in flags)
    theirs, ours = both([str(built / "zoo")], tmp_path, flags, options)
    assert len(theirs) > 450
    found = [
        line
        for line in unlike(theirs, ours)
        if not re.search(r"^. (clone|wait4|waitid|--- SIGCHLD|getppid|pidfd|getcwd|/)", line)
        and "/one" not in line
        and "/two" not in line
    ]
    assert not found, "\n".join(found)


# Calls whose lines differ for some of the arguments, and why.
SWEEP_EXCEPTIONS = {
    "bpf keyctl io_submit io_cancel io_getevents io_pgetevents perf_event_open kexec_load "
    "kexec_file_load quotactl quotactl_fd migrate_pages move_pages set_thread_area "
    "get_thread_area modify_ldt lookup_dcookie _sysctl io_uring_setup io_uring_enter "
    "io_uring_register fsconfig mount_setattr landlock_create_ruleset landlock_add_rule "
    "process_madvise ptrace clone3 openat2 fsconfig mount_setattr pidfd_send_signal "
    "rt_sigqueueinfo rt_tgsigqueueinfo set_mempolicy_home_node futex_waitv process_vm_writev "
    "socketcall": "structures of rare calls stay pointers",
    "open openat creat mq_open mq_getsetattr pipe2 dup3 fcntl mmap mremap remap_file_pages "
    "pkey_alloc memfd_create fallocate preadv2 pwritev2 membarrier fanotify_init fanotify_mark "
    "name_to_handle_at sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg socket socketpair "
    "sched_setscheduler sched_get_priority_max sched_get_priority_min swapon mount personality "
    "userfaultfd epoll_ctl statx unshare setns clone rseq uretprobe uprobe seccomp prctl "
    "rt_sigaction move_mount fsmount fspick pidfd_open faccessat2 open_tree memfd_secret ioctl "
    "epoll_pwait2": "constants that only one of the two knows",
    "shmget semget msgget": "strace prints unknown flags together with the permission bits",
    "setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr getcwd sethostname "
    "setdomainname open_by_handle_at mbind set_mempolicy get_mempolicy sched_setaffinity "
    "getsockopt setsockopt": "strace gives up on sizes beyond a limit of its own",
    "restart_syscall adjtimex clock_adjtime sched_setattr sched_getattr shmctl semctl msgctl "
    "getrandom futex rt_sigtimedwait waitid syslog times capget capset getgroups "
    "rt_sigpending": "results and structures that no kernel would give",
}
EXPECTED_UNLIKE = {"getcwd", "preadv2", "pwritev2", "restart_syscall", "set_mempolicy_home_node"}
"""The sweep's mark stands where these have flags, or strace names its own last call."""
EXCEPTED = {name for names in SWEEP_EXCEPTIONS for name in names.split()}
MOST_UNLIKE = 0.5
"""Share of a call's lines that may differ where only some arguments are excepted."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("result", ["0", "1"], ids=["success", "EPERM"])
@pytest.mark.parametrize("first", range(0, 460, 115))
def test_a_sweep_of_arguments_prints_as_with_strace(
    built: Path, tmp_path: Path, result: str, first: int
) -> None:
    """Every call with garbage: wild pointers, all bits, single bits; the kernel never sees it."""
    argv = [str(built / "sweep"), result, str(first), str(min(first + 114, 451))]
    theirs, ours = both(argv, tmp_path, [], TraceOptions())
    assert len(theirs) == len(ours) > 5000
    wrong: dict[str, str] = {}
    for line, other in zip(theirs, ours, strict=True):
        name = line.partition("(")[0]
        if line != other and name not in EXCEPTED and not name.startswith("syscall_"):
            wrong.setdefault(name, f"- {line[:300]}\n+ {other[:300]}")
    own = ("execve", "set_tid_address", "getrandom")  # the sweep's own start
    wrong = {name: pair for name, pair in wrong.items() if name not in own}
    assert not wrong, "\n".join(wrong.values())
    mostly = too_unlike(theirs, ours)
    assert not mostly, mostly


def too_unlike(theirs: list[str], ours: list[str]) -> list[str]:
    """Calls that differ for most arguments although only some are excepted."""
    pointers = next(iter(SWEEP_EXCEPTIONS)).split()
    counts: dict[str, list[int]] = {}
    for line, other in zip(theirs, ours, strict=True):
        row = counts.setdefault(line.partition("(")[0], [0, 0])
        row[line != other] += 1
    return [
        f"{name}: {unlike_} of {alike + unlike_}"
        for name, (alike, unlike_) in counts.items()
        if unlike_ > MOST_UNLIKE * (alike + unlike_)
        and name not in pointers
        and name not in EXPECTED_UNLIKE
        and not name.startswith("syscall_")
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "group",
    "desc file process net signal ipc memory creds clock pure stat lstat fstat %stat statfs fstatfs"
    " %statfs".split(),
)
def test_the_sets_of_calls_are_straces(built: Path, tmp_path: Path, group: str) -> None:
    """strace prints of the sweep exactly the calls that are in the set."""
    from ring3.abi.syscalls_x86_64 import NUMBERS
    from ring3.trace.filters import members

    out = tmp_path / "out"
    subprocess.run(
        ["strace", "-o", str(out), "-e", f"trace=%{group}", str(built / "sweep"), "1", "0", "451"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=250, env=ENV,
    )  # fmt: skip
    theirs = {line.partition("(")[0] for line in out.read_text(errors="replace").splitlines()}
    theirs = {name for name in theirs if name in NUMBERS}
    swept = {name for name, nr in NUMBERS.items() if nr <= 450}
    not_swept = {"rt_sigreturn", "exit", "exit_group", "execve", "uretprobe", "uprobe"}
    ours = {name for name in members(group) if name in swept}
    assert theirs ^ ours <= not_swept, sorted(theirs ^ ours)
