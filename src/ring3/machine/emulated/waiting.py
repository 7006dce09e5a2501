"""What the machine does when no thread can run, and how it looks at the host's events."""

from __future__ import annotations

import time

from ring3.abi.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine

HARVEST_S: Final = 0.005
"""While guests compute, the host's events are looked at this often, in host time."""
IDLE_S: Final = 3600.0
NOT_WORTH_WAITING_NS: Final = 1_000_000
"""A deadline so near is jumped to, also where input may come from the host: a disk would be a
hundred times slower else."""
GAVE_WAY_NS: Final = 1_000_000
"""What it costs, in virtual time, to wait for a moment that has passed: a long transfer does so
after a slice of its work."""


class Idler:
    def __init__(self, machine: EmulatedMachine) -> None:
        self.machine = machine
        self.harvest_at = 0.0

    def host_is_due(self) -> bool:
        """Whether it is time to look at the host's events again."""
        return time.monotonic() >= self.harvest_at

    def harvest(self) -> None:
        """Look at the host's events now and then."""
        if self.host_is_due():
            self.harvest_at = time.monotonic() + HARVEST_S
            self.machine.reactor.dispatch(self.machine.reactor.poll(0))

    def idle(self) -> None:
        """Nothing can run. Virtual time jumps to the next deadline, unless input from the host may
        come first: then the host's time passes with it."""
        self.machine.leave_cpu()
        board, clock = self.machine.board, self.machine.clock
        self.machine.traps.runner.due_ns = 0
        if not self.machine.lives.processes:
            # No guest, no time: how long the host takes to bring the first one must not show.
            self.wait_for_host(IDLE_S)
            return
        deadline = board.next_event_ns(idle=True)
        if deadline is not None and deadline <= clock.monotonic_ns():
            clock.advance(GAVE_WAY_NS)
        soon = deadline is not None and deadline - clock.monotonic_ns() < NOT_WORTH_WAITING_NS
        if deadline is not None and (soon or not self.awaits_host()):
            clock.jump_to(deadline)
        else:
            self.wait_until(deadline)
        self.machine.traps.idle_interrupts()

    def wait_until(self, deadline: int | None) -> None:
        """Wait for the host until *deadline*; what passes meanwhile is virtual time, too."""
        clock, began = self.machine.clock, time.monotonic_ns()
        limit_s = IDLE_S
        if deadline is not None:
            limit_s = max(0.0, (deadline - clock.monotonic_ns()) / 1e9)
        if self.wait_for_host(limit_s):
            passed = clock.monotonic_ns() + time.monotonic_ns() - began
            clock.jump_to(passed if deadline is None else min(passed, deadline))
        elif deadline is not None:
            clock.jump_to(deadline)

    def awaits_host(self) -> bool:
        """Whether somebody waits for what only the host can bring."""
        return any(queue.waiters for queue in self.machine.reactor.queues.values()) or bool(
            self.machine.reactor.callbacks
        )

    def wait_for_host(self, timeout_s: float) -> bool:
        """Wait with the lock given up. True if the host brought something."""
        self.machine.lock.release()
        try:
            ready = self.machine.reactor.sleep(timeout_s)
        except (OSError, ValueError):
            ready = False
        finally:
            self.machine.lock.acquire()
        if ready and not self.machine.closing:
            self.machine.reactor.dispatch(self.machine.reactor.poll(0))
        return bool(ready)
