"""Bottom halves: work that a top half put off until just before the return to user mode.

Source: kernel/softirq.c (handle_softirqs, tasklet_action), include/linux/interrupt.h.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

HI, TIMER, NET_TX, NET_RX, BLOCK, IRQ_POLL, TASKLET, SCHED, HRTIMER, RCU = range(10)
NAMES: Final = (
    "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK",
    "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
)  # fmt: skip
MAX_RESTART: Final = 10
"""Rounds in one go (MAX_SOFTIRQ_RESTART). What is raised still later is ksoftirqd's."""


class Softirqs:
    """Pending bits, one action per kind, and counts. There is one CPU."""

    __slots__ = ("actions", "counts", "handed_over", "pending", "running", "tasklets")

    def __init__(self) -> None:
        self.pending = 0
        """One bit per kind; not 0: ``run_pending`` has something to do."""
        self.actions: list[Callable[[], None] | None] = [None] * len(NAMES)
        self.counts = [0] * len(NAMES)
        self.handed_over = 0
        """How often work was left to ksoftirqd."""
        self.running = False
        self.tasklets: list[Callable[[], None]] = []
        self.open(TASKLET, self.run_tasklets)

    def open(self, kind: int, action: Callable[[], None]) -> None:
        """open_softirq: *action* does what is put off under *kind*."""
        self.actions[kind] = action

    def raise_softirq(self, kind: int) -> None:
        self.pending |= 1 << kind

    def schedule_tasklet(self, work: Callable[[], None]) -> None:
        """Run *work* once, as a tasklet. One that waits already is not entered again."""
        if work not in self.tasklets:
            self.tasklets.append(work)
        self.raise_softirq(TASKLET)

    def run_pending(self) -> bool:
        """Run what is pending, kinds in their order, for a bounded number of rounds; True if
        anything ran. What the last round raised stays pending: this kernel's ksoftirqd is the
        next call, after the CPU has been in user mode or idle."""
        if not self.pending or self.running:
            return False
        self.running = True
        try:
            for _round in range(MAX_RESTART):
                pending, self.pending = self.pending, 0
                if not pending:
                    return True
                self.one_round(pending)
        finally:
            self.running = False
        if self.pending:
            self.handed_over += 1
        return True

    def one_round(self, pending: int) -> None:
        for kind in range(len(NAMES)):
            if pending >> kind & 1:
                self.counts[kind] += 1
                action = self.actions[kind]
                if action is not None:
                    action()

    def run_tasklets(self) -> None:
        waiting, self.tasklets = self.tasklets, []
        for work in waiting:
            work()

    # --- for /proc -------------------------------------------------------------------------------
    def rows(self) -> list[tuple[str, int]]:
        return list(zip(NAMES, self.counts, strict=True))
