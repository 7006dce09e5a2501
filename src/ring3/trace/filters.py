"""Which calls, signals and paths a trace shows: strace's ``-e trace=``, ``-e signal=``, ``-P``.

Membership in the classes is strace's (6.1, with the newer calls where strace 6.13 put them).
"""

from __future__ import annotations

from ring3.abi.fcntl import AT_FDCWD
from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.text import signed

if TYPE_CHECKING:
    from ring3.trace.frame import Frame
    from ring3.trace.plan import Plan

CLASSES: dict[str, str] = {
    "desc": """
read write open close fstat poll lseek mmap ioctl pread64 pwrite64 readv writev pipe select dup
dup2 sendfile fcntl flock fsync fdatasync ftruncate getdents fchdir creat fchmod fchown fstatfs
readahead fsetxattr fgetxattr flistxattr fremovexattr epoll_create getdents64 fadvise64 epoll_wait
epoll_ctl mq_open mq_timedsend mq_timedreceive mq_notify mq_getsetattr inotify_init
inotify_add_watch inotify_rm_watch openat mkdirat mknodat fchownat futimesat newfstatat unlinkat
renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll splice tee sync_file_range
vmsplice utimensat epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime
timerfd_gettime signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev
perf_event_open fanotify_init fanotify_mark name_to_handle_at open_by_handle_at syncfs setns
finit_module renameat2 memfd_create kexec_file_load bpf execveat userfaultfd copy_file_range
preadv2 pwritev2 statx pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree
move_mount fsopen fsconfig fsmount fspick pidfd_open openat2 pidfd_getfd faccessat2 process_madvise
epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule
landlock_restrict_self memfd_secret process_mrelease cachestat fchmodat2 setxattrat getxattrat
listxattrat removexattrat open_tree_attr file_getattr file_setattr
mmap2 _llseek ftruncate64 fstat64 fcntl64 sendfile64 fstatfs64 fadvise64_64 fstatat64 fchown32
_newselect
pselect6_time64 ppoll_time64 utimensat_time64 timerfd_settime64 timerfd_gettime64
mq_timedsend_time64 mq_timedreceive_time64 oldfstat""",
    "file": """
open stat lstat access execve truncate getcwd chdir rename mkdir rmdir creat link unlink symlink
readlink chmod chown lchown utime mknod uselib statfs pivot_root chroot acct mount umount2 swapon
swapoff quotactl setxattr lsetxattr getxattr lgetxattr listxattr llistxattr removexattr
lremovexattr utimes inotify_add_watch openat mkdirat mknodat fchownat futimesat newfstatat unlinkat
renameat linkat symlinkat readlinkat fchmodat faccessat utimensat fanotify_mark name_to_handle_at
renameat2 execveat statx open_tree move_mount fsconfig fspick openat2 faccessat2 mount_setattr
fchmodat2 setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr
truncate64 stat64 lstat64 fstatat64 chown32 lchown32 statfs64 umount oldstat oldlstat
utimensat_time64""",
    "process": """
clone fork vfork execve exit wait4 kill rt_sigqueueinfo tkill exit_group tgkill waitid
rt_tgsigqueueinfo execveat pidfd_send_signal clone3 waitpid""",
    "net": """
sendfile socket connect accept sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname
getpeername socketpair setsockopt getsockopt getpmsg putpmsg accept4 recvmmsg sendmmsg socketcall
sendfile64 recvmmsg_time64""",
    "signal": """
rt_sigaction rt_sigprocmask rt_sigreturn pause kill rt_sigpending rt_sigtimedwait rt_sigqueueinfo
rt_sigsuspend sigaltstack tkill tgkill signalfd signalfd4 rt_tgsigqueueinfo pidfd_send_signal
io_uring_enter signal sigaction sgetmask ssetmask sigsuspend sigpending sigreturn sigprocmask
rt_sigtimedwait_time64""",
    "ipc": """
shmget shmat shmctl semget semop semctl shmdt msgget msgsnd msgrcv msgctl semtimedop ipc
semtimedop_time64""",
    "memory": """
mmap mprotect munmap brk mremap msync mincore madvise shmat shmdt mlock munlock mlockall munlockall
io_setup io_destroy remap_file_pages mbind set_mempolicy get_mempolicy migrate_pages move_pages
mlock2 pkey_mprotect io_uring_register set_mempolicy_home_node map_shadow_stack mseal mmap2""",
    "creds": """
getuid getgid setuid setgid geteuid getegid setreuid setregid getgroups setgroups setresuid
getresuid setresgid getresgid setfsuid setfsgid capget capset prctl
getuid32 getgid32 setuid32 setgid32 geteuid32 getegid32 setreuid32 setregid32 getgroups32
setgroups32 setresuid32 getresuid32 setresgid32 getresgid32 setfsuid32 setfsgid32""",
    "clock": """
gettimeofday adjtimex settimeofday time clock_settime clock_gettime clock_getres clock_adjtime
stime clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64""",
    "pure": """
getpid getuid getgid geteuid getegid getppid getpgrp gettid getuid32 getgid32 geteuid32
getegid32""",
    "stat": "stat stat64 oldstat",
    "lstat": "lstat lstat64 oldlstat",
    "fstat": "fstat newfstatat statx fstat64 fstatat64 oldfstat",
    "%stat": """
stat lstat fstat newfstatat statx stat64 lstat64 fstat64 fstatat64 oldstat oldlstat oldfstat""",
    "statfs": "statfs statfs64",
    "fstatfs": "fstatfs fstatfs64",
    "%statfs": "statfs fstatfs ustat statfs64 fstatfs64",
}
OLD_NAMES = ("file", "process", "network", "signal", "ipc", "desc", "memory")
"""Classes that may be written without the percent sign, as before strace 4.17."""
ABI_SUFFIXES = {"64": "x86_64", "32": "i386"}


def members(group: str) -> frozenset[str]:
    """The calls of class *group* ("file", "%stat" for ``%%stat``). ValueError."""
    group = {"network": "net"}.get(group, group)
    if group not in CLASSES:
        raise ValueError(f"there is no set of calls %{group}")
    return frozenset(CLASSES[group].split())


def all_calls() -> frozenset[str]:
    from ring3.abi.signatures import NUMBERS

    return frozenset(NUMBERS["x86_64"]) | frozenset(NUMBERS["i386"])


def one_item(word: str, known: frozenset[str]) -> frozenset[str]:
    """What one element of a set names. ValueError for a call that no ABI has."""
    optional = word.startswith("?")
    name = word[1:] if optional else word
    name, at, abi = name.partition("@")
    if at and abi not in ABI_SUFFIXES:
        raise ValueError(f"{word!r}: the suffix may be @64 or @32")
    if name.startswith("/"):
        import re

        try:
            pattern = re.compile(name[1:])
        except re.error as bad:
            raise ValueError(f"{name!r} is no regular expression: {bad}") from None
        return frozenset(call for call in known if pattern.search(call))
    if name == "all":
        return known
    if name.startswith("%"):
        return members(name[1:])
    if name in OLD_NAMES:
        return members(name)
    if name in known:
        return frozenset((name,))
    if name.isdigit():
        from ring3.abi.signatures import NUMBERS

        found = [n for n, number in NUMBERS["x86_64"].items() if number == int(name)]
        return frozenset(found)
    if optional:
        return frozenset()
    raise ValueError(f"there is no system call {name!r}")


def calls(text: str) -> frozenset[str] | None:
    """The calls that ``-e trace=TEXT`` names; None: all. ValueError.

    ``!`` in front takes everything but what follows.
    """
    known = all_calls()
    inverted = text.startswith("!")
    words = text[1:] if inverted else text
    if words == "all":
        return frozenset() if inverted else None
    if words == "none":
        return None if inverted else frozenset()
    chosen: frozenset[str] = frozenset()
    for word in words.split(","):
        if word:
            chosen |= one_item(word, known)
    return known - chosen if inverted else chosen


def signals(text: str) -> frozenset[int] | None:
    """The signals that ``-e signal=TEXT`` names; None: all. ValueError."""
    from ring3.abi.signal import NSIG
    from ring3.trace.signals import signal_name

    inverted = text.startswith("!")
    words = text[1:] if inverted else text
    if words in ("all", "none"):
        everything = (words == "all") is not inverted
        return None if everything else frozenset()
    numbers = {signal_name(n): n for n in range(1, NSIG)}
    chosen = set()
    for word in words.split(","):
        name = word.upper()
        number = int(word) if word.isdigit() else None
        if number is None:
            number = numbers.get(name) or numbers.get(f"SIG{name}")
        if number is None or not 0 < number < NSIG:
            raise ValueError(f"there is no signal {word!r}")
        chosen.add(number)
    return frozenset(range(1, NSIG)) - chosen if inverted else frozenset(chosen)


STATUSES = ("successful", "failed", "unfinished", "unavailable", "detached")


def statuses(text: str) -> frozenset[str] | None:
    """The results that ``-e status=TEXT`` names; None: all. ValueError."""
    inverted = text.startswith("!")
    words = (text[1:] if inverted else text).split(",")
    if words == ["all"]:
        return frozenset() if inverted else None
    if words == ["none"]:
        return None if inverted else frozenset()
    for word in words:
        if word not in STATUSES:
            raise ValueError(f"there is no status {word!r}: {', '.join(STATUSES)}")
    return frozenset(STATUSES) - set(words) if inverted else frozenset(words)


# --- paths ----------------------------------------------------------------------------------------
class PathFilter:
    """-P: calls that name one of the paths, or use a descriptor that is open on one."""

    def __init__(self) -> None:
        self.paths: set[bytes] = set()
        self.places: dict[tuple[str, str], tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def add(self, path: str) -> None:
        self.paths.add(path.encode("utf-8", "surrogateescape"))

    def wants(self, x: Frame, plan: Plan) -> bool:
        """Whether the call that *x* is in touches one of the paths."""
        key = (x.abi, plan.name)
        where = self.places.get(key)
        if where is None:
            where = self.places[key] = places(plan.name, x.abi)
        paths, fds = where
        for at in paths:
            found = x.string(x.args[at] & ((1 << x.word) - 1), 4096)
            if found is not None and found[0] in self.paths:
                return True
        return any(self.open_on(x, x.args[at]) for at in fds)

    def open_on(self, x: Frame, value: int) -> bool:
        number = signed(value)
        if number == AT_FDCWD:
            return False
        file = x.task.fds.files.get(number)
        if file is None:
            return False
        from ring3.trace.descriptors import link_of

        return link_of(x, file) in self.paths


PATH_NAMES = ("path", "name", "file", "dir")


def places(name: str, abi: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(registers that hold paths, registers that hold descriptors) of a call."""
    from ring3.abi.signatures import NUMBERS, signature

    if name not in NUMBERS[abi]:
        return (), ()
    is_path = name in members("file")
    paths, fds = [], []
    for at, (argument, kind) in enumerate(signature(name, abi).args):
        if kind == "const char *" and is_path and any(w in argument for w in PATH_NAMES):
            paths.append(at)
        elif "*" not in kind and (argument.endswith("fd") or argument in ("fd", "fildes")):
            fds.append(at)
    return tuple(paths), tuple(fds)
