"""The probes of ``ring3 doctor``: each tries one thing, in a child where it leaves traces."""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import os
import struct
import sys

from ring3.abi import misc as m
from ring3.abi.errno import NAMES
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.prctl import PR_SET_NO_NEW_PRIVS, PR_SET_SYSCALL_USER_DISPATCH
from ring3.abi.sched import CLONE_NEWUSER
from ring3.abi.syscalls_x86_64 import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
ALLOW = m.SECCOMP_RET_ALLOW
NOTIFY = m.SECCOMP_RET_USER_NOTIF
STOLEN = b"ring3"
"""What the memory probes look for."""


class Finding:
    """*state*: "yes", "no", "limited" or "info". *needed*: guests cannot run natively without."""

    __slots__ = ("meaning", "name", "needed", "state", "value")

    def __init__(
        self, name: str, state: str, value: str, meaning: str, needed: bool = False
    ) -> None:
        self.name = name
        self.state = state
        self.value = value
        self.meaning = meaning
        self.needed = needed


def call(name: str, *args: object) -> int:
    """A raw system call; a failure is a negated errno."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    ctypes.set_errno(0)
    result: int = libc.syscall(ctypes.c_long(NUMBERS[name]), *words)
    return result if result != -1 else -ctypes.get_errno()


def in_child(probe: Callable[[], int]) -> int:
    """What *probe* gives in a forked child: a number; -EIO (5) where the child died of it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        result = -5
        try:
            result = probe()
        except OSError as bad:
            result = -(bad.errno or 5)
        finally:
            os.write(writer, struct.pack("<q", result))
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        data = answer.read(8)
    os.waitpid(pid, 0)
    return int(struct.unpack("<q", data)[0]) if len(data) == 8 else -5


def told(result: int, good: str = "works") -> tuple[str, str]:
    """(state, value) of a probe's result."""
    if result >= 0:
        return "yes", good
    return "no", f"refused: {NAMES.get(-result, -result)}"


# --- seccomp --------------------------------------------------------------------------------------
def program(notified: int | None) -> ctypes.Array[ctypes.c_char]:
    """A struct sock_fprog: everything is allowed, call *notified* asks the listener."""
    load = (m.BPF_LD | m.BPF_W | m.BPF_ABS, 0, 0, 0)
    give = m.BPF_RET | m.BPF_K
    code = [load]
    if notified is not None:
        code += [(m.BPF_JMP | m.BPF_JEQ | m.BPF_K, 0, 1, notified), (give, 0, 0, NOTIFY)]
    code.append((give, 0, 0, ALLOW))
    raw = b"".join(struct.pack("<HBBI", *step) for step in code)
    keep = ctypes.create_string_buffer(raw, len(raw))
    made = ctypes.create_string_buffer(struct.pack("<H6xQ", len(code), ctypes.addressof(keep)), 16)
    made.keep = keep  # type: ignore[attr-defined]
    return made


def install(flags: int, notified: int | None = None) -> int:
    """seccomp(2) with a new listener, as the native machine does; in a child only."""
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    found = call("seccomp", m.SECCOMP_SET_MODE_FILTER, flags, program(notified))
    if found < 0:
        raise OSError(-found, "seccomp")
    return found


def listener() -> int:
    return install(m.SECCOMP_FILTER_FLAG_NEW_LISTENER)


def killable() -> int:
    return install(m.SECCOMP_FILTER_FLAG_NEW_LISTENER | m.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)


def sync_wake() -> int:
    fd = listener()
    flag = m.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
    libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong]
    ctypes.set_errno(0)
    done: int = libc.ioctl(fd, m.SECCOMP_IOCTL_NOTIF_SET_FLAGS, flag)
    return done if done >= 0 else -ctypes.get_errno()


def addfd() -> int:
    """Answer a grandchild's call by giving it a descriptor: ADDFD with the SEND flag."""
    fd = install(m.SECCOMP_FILTER_FLAG_NEW_LISTENER, NUMBERS["getppid"])
    pid = os.fork()
    if pid == 0:
        got = call("getppid")
        os._exit(0 if os.path.exists(f"/proc/self/fd/{got}") else 1)
    request = bytearray(80)
    fcntl.ioctl(fd, m.SECCOMP_IOCTL_NOTIF_RECV, request)
    ident = struct.unpack_from("<Q", request)[0]
    gift = os.open("/dev/null", os.O_RDONLY)
    answer = struct.pack("<QIIII", ident, m.SECCOMP_ADDFD_FLAG_SEND, gift, 0, 0)
    try:
        fcntl.ioctl(fd, m.SECCOMP_IOCTL_NOTIF_ADDFD, answer)
    except OSError as bad:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        return -(bad.errno or 5)
    _, status = os.waitpid(pid, 0)
    return 0 if status == 0 else -5


# --- other calls ----------------------------------------------------------------------------------
def user_dispatch() -> int:
    done: int = libc.prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0)
    return done if done >= 0 else -ctypes.get_errno()


def pidfd() -> int:
    return os.pidfd_open(os.getpid())


def pidfd_getfd() -> int:
    return call("pidfd_getfd", pidfd(), 0, 0)


def openat2() -> int:
    how = struct.pack("<QQQ", os.O_RDONLY | os.O_PATH, 0, 8)  # RESOLVE_BENEATH
    top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    return call("openat2", top, b"proc", how, len(how))


def memfd_exec() -> int:
    fd = os.memfd_create("doctor", 0)
    with open("/proc/self/exe" if not os.path.exists("/bin/true") else "/bin/true", "rb") as code:
        os.write(fd, code.read())
    pid = os.fork()
    if pid == 0:
        try:
            os.execv(f"/proc/self/fd/{fd}", ["true"])
        finally:
            os._exit(126)
    _, status = os.waitpid(pid, 0)
    return 0 if status == 0 else -13


def read_child(how: Callable[[int, int], bytes]) -> int:
    """Read a child's memory with *how*; the child does not know."""
    buffer = ctypes.create_string_buffer(STOLEN)
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(ready, 1)
        os._exit(0)
    try:
        found = how(pid, ctypes.addressof(buffer))
    finally:
        os.write(go, b".")
        os.waitpid(pid, 0)
    return 0 if found == STOLEN else -5


def by_readv(pid: int, at: int) -> bytes:
    got = ctypes.create_string_buffer(len(STOLEN))
    local = struct.pack("<QQ", ctypes.addressof(got), len(STOLEN))
    remote = struct.pack("<QQ", at, len(STOLEN))
    done = call("process_vm_readv", pid, local, 1, remote, 1, 0)
    if done < 0:
        raise OSError(-done, "process_vm_readv")
    return got.raw


def by_mem(pid: int, at: int) -> bytes:
    fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    return os.pread(fd, len(STOLEN), at)


def landlock_version() -> int:
    return call("landlock_create_ruleset", None, 0, m.LANDLOCK_CREATE_RULESET_VERSION)


def user_namespace() -> int:
    return call("unshare", CLONE_NEWUSER)


def pinning() -> int:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return 0


# --- the examination ------------------------------------------------------------------------------
def status_field(name: str) -> str:
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
    return ""


def setting(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def examine() -> list[Finding]:
    """Every finding, the host first and what it comes to last."""
    found = [*host(), *seccomp(), *rest(), *own_parts()]
    ready = all(f.state != "no" for f in found if f.needed)
    found.append(run_a_guest() if ready else not_tried())
    found.append(emulated_machine())
    return found


def host() -> list[Finding]:
    system = os.uname()
    machine = "yes" if system.machine == "x86_64" else "no"
    cpus = len(os.sched_getaffinity(0))
    filters = status_field("Seccomp_filters") or "0"
    outer = status_field("Seccomp") not in ("", "0")
    yama = setting("/proc/sys/kernel/yama/ptrace_scope")
    scopes = {"": "no Yama", "0": "0: any process of the same user", "1": "1: descendants",
              "2": "2: administrators only", "3": "3: nobody"}  # fmt: skip
    bad_scope = yama in ("2", "3") and os.geteuid() != 0
    pinned = in_child(pinning) >= 0
    return [
        Finding("processor", machine, system.machine,
                "The native machine runs x86-64 programs on the real processor.", True),
        Finding("kernel", "info", system.release,
                "5.9 is needed; 5.19 makes received calls safe, 6.6 makes traps fast."),
        Finding("user", "info", f"uid {os.geteuid()}", "No privileges are needed."),
        Finding("CPUs", "info" if pinned else "limited",
                f"{cpus} usable, {'can be pinned' if pinned else 'cannot be pinned'}",
                "Kernel and guest on one CPU trap faster where there is no synchronous wake-up."),
        Finding("outer seccomp filter", "limited" if outer else "yes",
                f"{filters} in force" if outer else "none",
                "A container's filter outranks ours: what it denies is caught by the shim."),
        Finding("no_new_privs", "info", status_field("NoNewPrivs") or "0",
                "Guests always run with it: set-user-ID programs gain nothing."),
        Finding("Yama ptrace scope", "no" if bad_scope else "yes", scopes.get(yama, yama),
                "The kernel reads guests' memory; 0 and 1 let it.", True),
    ]  # fmt: skip


def seccomp() -> list[Finding]:
    first = in_child(listener)
    wait, wake, gift = in_child(killable), in_child(sync_wake), in_child(addfd)
    return [
        Finding("user notification", *told(first),
                "How every system call of a guest reaches the kernel (Linux 5.9).", True),
        Finding("ADDFD with SEND", *told(gift),
                "How a descriptor gets into a guest in one step (Linux 5.14).", True),
        Finding("killable waits", *softly(wait),
                "A call that was received cannot be taken back by a signal (Linux 5.19)."),
        Finding("synchronous wake-up", *softly(wake),
                "Traps are handed over without the scheduler, ten times faster (Linux 6.6)."),
    ]  # fmt: skip


def softly(result: int, good: str = "works") -> tuple[str, str]:
    """As ``told``, for what has a fallback."""
    state, value = told(result, good)
    return ("limited" if state == "no" else state), value


def rest() -> list[Finding]:
    version = in_child(landlock_version)
    names = in_child(user_namespace)
    space = "available" if names >= 0 else f"not available ({NAMES.get(-names, -names)})"
    return [
        Finding("syscall user dispatch", *softly(in_child(user_dispatch)),
                "Switches tracing on in a guest that runs (Linux 5.11)."),
        Finding("pidfd", *told(in_child(pidfd)), "How the death of a vehicle is noticed.", True),
        Finding("pidfd_getfd", *softly(in_child(pidfd_getfd)),
                "Not needed: the listener is handed over through a socket."),
        Finding("openat2", *softly(in_child(openat2)),
                "Opens host files strictly below what was granted."),
        Finding("executable memfd", *told(in_child(memfd_exec)),
                "The shim is started from memory.", True),
        Finding("process_vm_readv", *softly(in_child(lambda: read_child(by_readv))),
                "Access to guests' memory that honours page protections."),
        Finding("/proc/PID/mem", *softly(in_child(lambda: read_child(by_mem))),
                "The faster access to guests' memory."),
        Finding("Landlock", *softly(version, f"version {version}"),
                "A second wall around vehicles, where the host has it."),
        Finding("user namespaces", "info", space, "Not needed."),
    ]  # fmt: skip


def own_parts() -> list[Finding]:
    """The two compiled parts, where they belong."""
    folder = os.path.join(os.path.dirname(os.path.dirname(__file__)), "machine", "native")
    shim = os.path.join(folder, "shim.elf")
    built = os.path.exists(shim)
    extension = any(n.startswith("_trap.") and n.endswith(".so") for n in os.listdir(folder))
    pure = bool(os.environ.get("RING3_PURE"))
    chosen = "not used: RING3_PURE is set" if pure else "loaded" if extension else "not built"
    return [
        Finding("shim", "yes" if built else "no",
                f"{os.path.getsize(shim)} bytes" if built else "not built: run make build",
                "The machine code inside each guest process.", True),
        Finding("C extension", "yes" if extension and not pure else "limited", chosen,
                "The trap loop in C; without it in Python, at about 1.5 times the time."),
    ]  # fmt: skip


def not_tried() -> Finding:
    return Finding("a guest", "no", "not tried", "Something above is missing.", True)


def emulated_machine() -> Finding:
    """Whether the other machine is there: boot its processor."""
    meaning = "Equal runs, i386 programs, `ring3 explain` down to the page tables."
    if importlib.util.find_spec("unicorn") is None:
        return Finding("emulated machine", "limited", "pip install 'ring3[emulated]'", meaning)
    from ring3.kernel import Kernel

    try:
        with Kernel(machine="emulated") as kernel:
            status = kernel.spawn(["true"], stdin=None, stdout=None, stderr=None).wait(20)
    except Exception as bad:
        return Finding("emulated machine", "limited", f"{type(bad).__name__}: {bad}", meaning)
    if status:
        return Finding("emulated machine", "limited", f"wait status {status}", meaning)
    return Finding("emulated machine", "yes", "true(1) ran on Unicorn", meaning)


def run_a_guest() -> Finding:
    """Really run a program, and say what the machine chose."""
    from ring3.kernel import Kernel

    try:
        with Kernel() as kernel:
            status = kernel.spawn(["true"], stdin=None, stdout=None, stderr=None).wait(20)
            machine: object = kernel.machine
    except Exception as bad:
        return Finding(
            "a guest", "no", f"{type(bad).__name__}: {bad}", "true(1) did not run.", True
        )
    step = sys.modules.get("ring3.machine.native.step")
    loop = "C" if getattr(step, "native", False) else "Python"
    wake = "synchronous" if getattr(machine, "sync", False) else "ordinary"
    if status:
        return Finding("a guest", "no", f"wait status {status}", "true(1) did not end well.", True)
    return Finding("a guest", "yes", f"true(1) ran; trap loop in {loop}, {wake} wake-up",
                   "What all of the above comes to.", True)  # fmt: skip
