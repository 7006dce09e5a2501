"""Kill the vehicles of one kernel at random moments, from outside; print how many it were.

    python tests/torture/killer.py KERNEL ZYGOTE SECONDS SEED

KERNEL is the host process that ring3 runs in, ZYGOTE the vehicle to spare. The newest child is
the favourite: it is the one between the host's clone and its first word.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

PAUSES_S = (0.0005, 0.003, 0.01, 0.05)


def children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
        except OSError:
            continue  # that thread ended
    return found


def main() -> None:
    kernel, zygote, seconds, seed = (int(word) for word in sys.argv[1:5])
    rng = random.Random(seed)
    killed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = [pid for pid in children(kernel) if pid not in (zygote, os.getpid())]
        if found:
            victim = max(found) if rng.random() < 0.5 else rng.choice(found)
            try:
                if os.getsid(victim) == zygote:
                    os.kill(victim, signal.SIGKILL)
                    killed += 1
            except OSError:
                pass  # it ended by itself
        time.sleep(rng.random() * rng.choice(PAUSES_S))
    print(killed)


if __name__ == "__main__":
    main()
