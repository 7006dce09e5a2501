"""Run the fuzzer guest in one kernel for a while and tell what came of it, as JSON.

    python tests/torture/fuzz_run.py PROFILE SECONDS SEED PROGRAM [DIRECTORY]

PROFILE is fast or full (of the native machine) or emulated: that machine, whose guests count their
milliseconds in virtual time, and whose rounds are the same each time. RING3_FUZZ_ROUNDS bounds the
rounds besides the time.
DIRECTORY (a scratch one) is granted read-write. A process of its own, so that a kernel that dies
is seen from outside.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import tempfile
import time
from typing import Any

from ring3.kernel import Kernel

ROUND_S = 6
VIRTUAL_ROUND_S = 1
PATIENCE_S = 40


class Findings:
    def __init__(self) -> None:
        self.calls = self.rounds = 0
        self.stuck: list[int] = []
        self.slow: list[int] = []
        """Seeds of rounds on the emulated machine that went on, but not to their end: code in pages
        that are written, too (personality(2) can make all pages executable), is translated anew
        after every store."""
        self.dead: list[str] = []
        self.said: list[str] = []

    def report(self) -> dict[str, object]:
        marks = ("oops", "machine:")
        return {
            "calls": self.calls,
            "rounds": self.rounds,
            "stuck": self.stuck,
            "slow": self.slow,
            "dead": self.dead,
            "oopses": [line for line in self.said if line.startswith(marks)],
            "details": [line for line in self.said if line.startswith((*marks, "  "))],
        }


def one_round(kernel: Kernel, argv: list[str], seconds: float, found: Findings) -> None:
    r, w = os.pipe()
    try:
        guest = kernel.spawn(argv, env={}, stdin=None, stdout=w, stderr=None)
        os.close(w)
        try:
            guest.wait(seconds + PATIENCE_S)
        except TimeoutError:
            (found.slow if advances(kernel) else found.stuck).append(int(argv[1]))
            guest.send_signal(9)
            guest.wait(PATIENCE_S)
        os.set_blocking(r, False)
        words = os.read(r, 100).split()
        found.calls += int(words[0]) if words else 0
    except BlockingIOError:
        pass  # it was killed before it could tell
    finally:
        os.close(r)


def advances(kernel: Kernel) -> bool:
    """Whether virtual time passes."""
    clock = getattr(kernel.machine, "clock", None)
    if kernel.machine.name != "emulated" or clock is None:
        return False
    before = clock.monotonic_ns()
    time.sleep(2)
    return bool(clock.monotonic_ns() > before)


def serves(kernel: Kernel) -> bool:
    """Whether a program still runs to its end. Root in the guest's world may have left none to
    find there; then that was the kernel's answer."""
    for program in ("/bin/true", "/bin/echo", "/bin/uname"):
        try:
            last = kernel.spawn([program], env={}, stdin=None, stdout=None, stderr=None)
            last.wait(20)
        except TimeoutError:
            return False
        except OSError:
            continue
        return True
    return True


def fuzz(profile: str, seconds: float, seed: int, program: str, scratch: str) -> dict[str, object]:
    """Rounds of the fuzzer, each in a kernel of its own that must serve a last program."""
    found = Findings()
    end = time.monotonic() + seconds
    most = int(os.environ.get("RING3_FUZZ_ROUNDS", "0"))
    while (left := end - time.monotonic()) > 0.5 and not 0 < most <= found.rounds:
        length = min(left, ROUND_S) if profile != "emulated" else VIRTUAL_ROUND_S
        argv = [program, str(seed + 10_000 * found.rounds), str(int(length * 1000)), "4"]
        # The fuzzer maps and allocates at random.
        options: dict[str, Any] = {"profile": profile, "memory": 2 << 30}
        if profile == "emulated":
            options = {"machine": "emulated", "seed": seed, "memory": 256 << 20}
        with Kernel(rw=[scratch], ro=[program], cwd=scratch, **options) as kernel:
            kernel.world.log.listener = found.said.append
            one_round(kernel, argv, length, found)
            if not serves(kernel):
                found.dead.append(f"the kernel serves nobody after seed {argv[1]}")
        found.rounds += 1
    return found.report()


def main() -> None:
    profile, seconds, seed, program = sys.argv[1:5]
    # A kernel that hangs says where.
    faulthandler.dump_traceback_later(float(seconds) + 2 * PATIENCE_S, exit=True)
    scratch = sys.argv[5] if len(sys.argv) > 5 else tempfile.mkdtemp(prefix="r3fuzz-")
    print(json.dumps(fuzz(profile, float(seconds), int(seed), program, scratch)))


if __name__ == "__main__":
    main()
