"""Bad input: what a guest can do to the machine, and that it gets the signal Linux gives.

contain.c runs on the host, too, and says there the same, line by line; what differs is named here
with the reason. bombs.c takes all of RAM. After each, the same kernel serves another program, and
reports no bug of its own.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("unicorn")

from ring3.kernel import Kernel

HERE = Path(__file__).resolve().parent
LIMIT_S = 120
RAM = 64 << 20
DIFFERENT = {
    "vmcall": "the host has a hypervisor that answers",
    "int1": "TRAP_TRACE for TRAP_BRKPT: DR6 is not kept",
    "push, rsp noncanonical": "#GP for #SS: the engine does not tell stack accesses apart",
    "leave noncanonical": "#GP for #SS",
    "read across the end": "#PF for #GP where only the second half is beyond user space",
    "jump noncanonical": "#GP at the target, not at the jump",
    "call noncanonical": "#GP at the target",
    "ret noncanonical": "#GP at the target",
    "read vsyscall": "the page can be read as well as executed",
    "movaps misaligned": "the engine does not check alignment",
    "fxrstor bad mxcsr": "nor reserved bits of MXCSR",
    "ldmxcsr bad": "nor there",
    "cmpxchg16b misaligned": "nor here, on some hosts",
}
"""Where the engine is not the SDM's processor (src/ring3/machine/emulated/README.md)."""
HOST = sys.platform == "linux" and platform.machine() == "x86_64"


def compiled(name: str, folder: Path, *flags: str) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    program = folder / name
    subprocess.run(
        ["gcc", "-O1", "-static", "-w", *flags, "-o", program, HERE / f"{name}.c"],
        check=True,
        timeout=60,
    )
    return program


@pytest.fixture(scope="module")
def contain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("contain", tmp_path_factory.mktemp("contain"))


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("bombs", tmp_path_factory.mktemp("bombs"), "-fno-optimize-sibling-calls")


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel that must be in good order at the end."""
    granted = [str(tmp_path.parent.parent)]
    with Kernel(machine="emulated", profile="full", seed=1, ro=granted, memory=RAM) as found:
        yield found
        assert run(found, "/bin/true") == (0, "")
        log = found.log()
        assert "oops" not in log and "machine:" not in log, log[-4000:]


def run(kernel: Kernel, *argv: str | Path) -> tuple[int, str]:
    """(wait status, output) of one more program."""
    with open(os.memfd_create("out"), "w+b") as out:
        words = [str(word) for word in argv]
        guest = kernel.spawn(words, env={}, stdin=None, stdout=out.fileno(), stderr=None)
        status = guest.wait(LIMIT_S)
        out.seek(0)
        return status, out.read().decode()


def on_host(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return done.stdout


@pytest.mark.skipif(not HOST, reason="Linux on x86-64 is the oracle")
@pytest.mark.parametrize("mode", ["instructions", "selectors", "stacks", "changes"])
def test_the_signals_of_linux(contain: Path, kernel: Kernel, mode: str) -> None:
    status, ours = run(kernel, contain, mode)
    assert status == 0
    theirs = on_host(contain, mode)
    pairs = zip(theirs.splitlines(), ours.splitlines(), strict=True)
    different = [(host, ring3) for host, ring3 in pairs if host != ring3]
    assert [pair for pair in different if pair[0].split(":")[0] not in DIFFERENT] == []


def test_gates_of_our_own(contain: Path, kernel: Kernel) -> None:
    """Linux has no call gate, and SYSENTER depends on the host: the ways in with bad stacks, flags
    and selectors end as they should."""
    status, said = run(kernel, contain, "gates")
    assert status == 0
    found = dict(line.split(": ") for line in said.splitlines())
    assert found.pop("gate, exit") == "status 500"  # exit_group by the gate
    for served in (
        "gate",
        "gate, rpl 0",
        "gate, rsp 0",
        "gate, rsp noncanonical",
        "gate, rsp kernel",
        "gate, tf",
    ):
        assert found.pop(served) == "status 100"
    assert found["gate, jump"].startswith("signal 11 code 128 trap 13 error 10")
    assert found["gate's second half"].startswith("signal 11 code 128 trap 13 error 88")
    assert found["32-bit syscall"].startswith("signal 4")
    assert found["sysenter"].startswith("signal 11 code 1 trap 14 error 14")
    assert found.pop("gate, nt") == "status 100"
    assert all(line.startswith("signal ") for line in found.values()), found


@pytest.mark.parametrize("seed", [1, 2])
def test_garbage(contain: Path, kernel: Kernel, seed: int) -> None:
    # Garbage makes system calls, too: it may kill its parent.
    status, said = run(kernel, contain, "garbage", str(seed), "250")
    assert status or said == "garbage over\n"


def test_garbage_on_the_engines_plain_interface(
    contain: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the live state (a Unicorn that exports only its API)."""
    from ring3.machine.emulated.engine import Engine

    where = "ring3.machine.emulated.hardware.Engine"
    monkeypatch.setattr(where, lambda size: Engine(size, plain=True))
    with Kernel(
        machine="emulated", profile="full", seed=1, ro=[str(contain)], memory=RAM
    ) as kernel:
        run(kernel, contain, "garbage", "3", "40")
        assert run(kernel, "/bin/true") == (0, "")
        assert "machine:" not in kernel.log(), kernel.log()


# --- RAM ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("bomb", "said", "killed"),
    [
        ("touch", "1 killed, 0 ended\n", 1),
        ("shared", "1 killed, 0 ended\n", 1),
        ("tables", "1 killed, 0 ended\n", 1),
        ("small", "the big one: 9\n", 1),
        ("copy", "the big one: 9\n", 1),
        ("argv", "Argument list too long\n", 0),
        ("maps", "1 maps: Cannot allocate memory\n", 0),
    ],
)
def test_bombs(bombs: Path, kernel: Kernel, bomb: str, said: str, killed: int) -> None:
    run(kernel, "/bin/true")
    used = kernel.machine.physical.frames.used
    assert run(kernel, bombs, bomb) == (0, said)
    assert kernel.log().count("Out of memory: Killed process") == killed
    run(kernel, "/bin/true")
    cached = kernel.machine.physical.meminfo()["cached"] // 4096
    assert kernel.machine.physical.frames.used <= used + cached + 16  # kernel stacks are kept


def test_a_fork_bomb_ends_in_kills(bombs: Path, kernel: Kernel) -> None:
    status, said = run(kernel, bombs, "fork")
    killed, ended = int(said.split()[0]), int(said.split()[2])
    assert status == 0
    assert killed > 10 and ended > 10 and killed + ended == 100
    assert kernel.log().count("Out of memory: Killed process") == killed


def test_deep_recursion_is_a_stack_overflow(bombs: Path, kernel: Kernel) -> None:
    assert run(kernel, bombs, "recursion") == (11, "")


def test_who_must_not_be_killed_is_not(bombs: Path, kernel: Kernel) -> None:
    """oom_score_adj: the one that asks for more goes instead of the protected big one."""
    script = (
        "import mmap,os\n"
        "r,w=os.pipe()\n"
        "big=os.fork()\n"
        "if big==0:\n"
        " open('/proc/self/oom_score_adj','w').write('-1000')\n"
        " m=mmap.mmap(-1,24<<20)\n"
        " for i in range(0,24<<20,4096): m[i]=1\n"
        " os.write(w,b'x'); import time; time.sleep(2); os._exit(5)\n"
        "os.read(r,1)\n"
        "small=os.fork()\n"
        "if small==0:\n"
        " m=mmap.mmap(-1,56<<20)\n"
        " for i in range(0,56<<20,4096): m[i]=1\n"
        "print(os.waitpid(small,0)[1],os.waitpid(big,0)[1]>>8)\n"
    )
    assert run(kernel, "/usr/bin/python3", "-ISc", script) == (0, "9 5\n")


def test_the_size_of_ram_is_what_was_asked_for(bombs: Path) -> None:
    for asked, total_kb in (("100M", 100 << 10), ("1M", 64 << 10), ("1536M", 1536 << 10)):
        done = subprocess.run(
            [sys.executable, "-m", "ring3", "run", "--machine", "emulated", "--mem", asked,
             "grep", "MemTotal", "/proc/meminfo"],
            capture_output=True, text=True, timeout=LIMIT_S, cwd="/",
        )  # fmt: skip
        found = int(done.stdout.split()[1])
        assert total_kb - 8192 <= found <= total_kb, done
