"""The interrupt controller, softirqs, timer and keyboard, without a CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ring3.core.clock import Clock
from ring3.machine.emulated.devices import softirq as soft
from ring3.machine.emulated.devices.board import Board
from ring3.machine.emulated.devices.pic import InterruptController
from ring3.machine.emulated.devices.softirq import MAX_RESTART, Softirqs
from ring3.machine.emulated.devices.timer import TICK_NS
from ring3.machine.emulated.layout import (
    IRQ_DISK,
    IRQ_KEYBOARD,
    IRQ_NET,
    IRQ_TIMER,
    VECTOR_IRQ,
)


class VirtualClock(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0

    def monotonic_ns(self) -> int:
        return self.now


class Sleeper:
    def __init__(self) -> None:
        self.woken = 0

    def expire(self) -> None:
        self.woken += 1


class Bench:
    """A board with a run loop as machine.py has it: each interrupt is taken at once."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.ticks = 0
        self.board = Board(self.clock, self.tick)

    def tick(self) -> None:
        self.ticks += 1

    def settle(self) -> None:
        """Take every interrupt that is there, and run the bottom halves."""
        for _ in range(100):
            self.board.advance()
            if self.board.pending() is None:
                break
            self.board.handle(self.board.acknowledge())
            self.board.bottom_halves()
        else:
            raise AssertionError("an interrupt storm")

    def run(self, until_ns: int, idle: bool = False) -> None:
        for _ in range(100_000):
            at = self.board.next_event_ns(idle)
            if at is None or at > until_ns:
                self.clock.now = until_ns
                return
            self.clock.now = max(at, self.clock.now)
            self.settle()
        raise AssertionError("time stands still")


# --- the controller, by the 8259A's datasheet ---------------------------------------------------
def controller(*unmasked: int) -> InterruptController:
    pic = InterruptController()
    for irq in unmasked:
        pic.unmask(irq)
    return pic


def test_after_reset_every_line_is_masked_and_requests_stay_latched() -> None:
    pic = controller()
    pic.request(IRQ_KEYBOARD)
    assert pic.pending() is None
    pic.unmask(IRQ_KEYBOARD)
    assert pic.pending() == VECTOR_IRQ + IRQ_KEYBOARD


def test_edges_before_the_acknowledge_are_one_interrupt() -> None:
    pic = controller(0)
    pic.request(0)
    pic.request(0)
    assert pic.acknowledge() == VECTOR_IRQ
    assert pic.pending() is None
    pic.eoi(0)
    assert pic.pending() is None


def test_an_edge_during_service_is_kept_until_the_eoi() -> None:
    pic = controller(0)
    pic.request(0)
    pic.acknowledge()
    pic.request(0)
    assert pic.pending() is None, "a line cannot interrupt itself"
    pic.eoi(0)
    assert pic.pending() == VECTOR_IRQ


def test_priorities_are_0_1_8_to_15_3_to_7() -> None:
    order = [0, 1, *range(8, 16), *range(3, 8)]
    pic = controller(*order)
    for irq in reversed(order):
        pic.request(irq)
    seen = []
    while pic.pending() is not None:
        irq = pic.acknowledge() - VECTOR_IRQ
        seen.append(irq)
        pic.eoi(irq)
    assert seen == order


@pytest.mark.parametrize(
    ("served", "comes", "nests"),
    [
        (IRQ_KEYBOARD, IRQ_TIMER, True),
        (IRQ_TIMER, IRQ_KEYBOARD, False),
        (IRQ_DISK, IRQ_TIMER, True),
        (IRQ_DISK, IRQ_NET, True),  # both on the slave: special fully nested mode
        (IRQ_NET, IRQ_DISK, False),
        (5, IRQ_DISK, True),  # the slave hangs on the master's line 2
        (IRQ_DISK, 5, False),
    ],
)
def test_only_a_higher_priority_nests(served: int, comes: int, nests: bool) -> None:
    pic = controller(served, comes)
    pic.request(served)
    pic.acknowledge()
    pic.request(comes)
    assert (pic.pending() == VECTOR_IRQ + comes) is nests
    if not nests:
        assert pic.pending() is None
        pic.eoi(served)
        assert pic.pending() == VECTOR_IRQ + comes


def test_the_masters_eoi_waits_for_the_slaves_last() -> None:
    pic = controller(IRQ_NET, IRQ_DISK, 5)
    pic.request(IRQ_DISK)
    pic.acknowledge()
    pic.request(IRQ_NET)
    pic.acknowledge()
    assert pic.in_service() == [IRQ_NET, IRQ_DISK]
    pic.request(5)
    pic.eoi(IRQ_NET)
    assert pic.in_service() == [IRQ_DISK]
    assert pic.pending() is None, "the disk is still in service"
    pic.eoi(IRQ_DISK)
    assert pic.pending() == VECTOR_IRQ + 5


def test_a_request_that_went_away_gives_the_spurious_vector() -> None:
    pic = controller(IRQ_KEYBOARD)
    pic.request(IRQ_KEYBOARD)
    pic.withdraw(IRQ_KEYBOARD)
    assert pic.acknowledge() == VECTOR_IRQ + 7
    assert pic.in_service() == []
    assert pic.is_spurious(7)


def test_a_slave_line_masked_after_its_request_lowers_the_cascade() -> None:
    pic = controller(IRQ_DISK)
    pic.request(IRQ_DISK)
    pic.mask(IRQ_DISK)
    assert pic.pending() is None
    pic.unmask(IRQ_DISK)
    assert pic.pending() == VECTOR_IRQ + IRQ_DISK


def test_probe_is_told_of_requests() -> None:
    pic = controller(0)
    seen: list[tuple[str, dict[str, object]]] = []
    pic.probe = lambda name, details: seen.append((name, details))
    pic.request(0, "timer")
    assert seen == [("irq", {"irq": 0, "what": "timer"})]


# --- counting and nesting ------------------------------------------------------------------------
def test_handlers_are_counted_nested_and_shared() -> None:
    bench = Bench()
    board = bench.board
    seen: list[str] = []
    board.interrupts.attach(5, "first", lambda: seen.append("first"))
    board.interrupts.attach(5, "second", lambda: seen.append("second"))
    board.controller.request(5)
    outer = board.acknowledge()
    assert board.interrupts.begin(outer)
    board.controller.request(IRQ_KEYBOARD)
    board.handle(board.acknowledge())
    assert board.interrupts.deepest == 2
    board.interrupts.end(outer)
    assert seen == ["first", "second"]
    assert (5, 1, "XT-PIC", "first, second") in board.interrupts.rows()
    assert board.controller.in_service() == []


def test_a_bug_in_a_top_half_does_not_leave_its_line_in_service() -> None:
    bench = Bench()

    def broken() -> None:
        raise ZeroDivisionError

    bench.board.interrupts.attach(3, "broken", broken)
    bench.board.controller.request(3)
    with pytest.raises(ZeroDivisionError):
        bench.board.handle(bench.board.acknowledge())
    assert (bench.board.controller.in_service(), bench.board.interrupts.depth) == ([], 0)


def test_spurious_interrupts_are_errors_and_serve_nobody() -> None:
    bench = Bench()
    served: list[int] = []
    bench.board.interrupts.attach(7, "printer", lambda: served.append(7))
    bench.board.handle(bench.board.acknowledge())
    assert (served, bench.board.interrupts.errors()) == ([], 1)
    bench.board.controller.request(7)
    bench.settle()
    assert (served, bench.board.interrupts.errors()) == ([7], 1)


def test_no_device_at_the_cascade() -> None:
    with pytest.raises(ValueError, match="IRQ 2"):
        Bench().board.interrupts.attach(2, "x", lambda: None)


# --- softirqs ------------------------------------------------------------------------------------
def test_softirqs_run_in_their_order_and_are_counted() -> None:
    softirqs = Softirqs()
    seen: list[int] = []
    for kind in (soft.NET_RX, soft.HI, soft.BLOCK):

        def action(kind: int = kind) -> None:
            seen.append(kind)

        softirqs.open(kind, action)
    for kind in (soft.BLOCK, soft.NET_RX, soft.HI, soft.BLOCK):
        softirqs.raise_softirq(kind)
    assert softirqs.run_pending()
    assert seen == [soft.HI, soft.NET_RX, soft.BLOCK]
    assert dict(softirqs.rows())["BLOCK"] == 1
    assert not softirqs.run_pending()


def test_a_softirq_that_raises_itself_is_bounded() -> None:
    softirqs = Softirqs()
    runs = 0

    def again() -> None:
        nonlocal runs
        runs += 1
        softirqs.raise_softirq(soft.RCU)

    softirqs.open(soft.RCU, again)
    softirqs.raise_softirq(soft.RCU)
    softirqs.run_pending()
    assert (runs, softirqs.handed_over, bool(softirqs.pending)) == (MAX_RESTART, 1, True)
    softirqs.run_pending()
    assert runs == 2 * MAX_RESTART


def test_softirqs_do_not_nest() -> None:
    softirqs = Softirqs()
    inner: list[bool] = []
    softirqs.open(soft.TIMER, lambda: inner.append(softirqs.run_pending()))
    softirqs.raise_softirq(soft.TIMER)
    softirqs.run_pending()
    assert inner == [False]


def test_a_tasklet_runs_once_however_often_it_was_scheduled() -> None:
    softirqs = Softirqs()
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            softirqs.schedule_tasklet(work)  # from within: it runs again

    softirqs.schedule_tasklet(work)
    softirqs.schedule_tasklet(work)
    softirqs.run_pending()
    assert len(runs) == 2
    assert dict(softirqs.rows())["TASKLET"] == 2


def test_a_failing_softirq_leaves_the_rest_usable() -> None:
    softirqs = Softirqs()

    def broken() -> None:
        raise ZeroDivisionError

    softirqs.open(soft.HI, broken)
    softirqs.raise_softirq(soft.HI)
    with pytest.raises(ZeroDivisionError):
        softirqs.run_pending()
    assert not softirqs.running


# --- the timer -----------------------------------------------------------------------------------
def test_a_busy_machine_ticks_250_times_a_second() -> None:
    bench = Bench()
    bench.run(1_000_000_000)
    assert bench.ticks == bench.board.ticker.jiffies == 250
    assert bench.board.interrupts.counts[IRQ_TIMER] == 250
    assert dict(bench.board.softirqs.rows())["TIMER"] == 250


def test_an_idle_machine_does_not_tick_and_catches_up() -> None:
    bench = Bench()
    bench.run(10 * TICK_NS)
    assert bench.board.next_event_ns(idle=True) is None
    bench.run(1000 * TICK_NS + 1, idle=True)
    assert bench.ticks == 10
    assert bench.board.next_event_ns() == 1001 * TICK_NS, "on the same grid as before"
    assert bench.board.ticker.jiffies == 1000


def test_a_deadline_is_met_exactly_and_by_the_bottom_half() -> None:
    bench = Bench()
    sleeper = Sleeper()
    bench.clock.arm(TICK_NS + 7, sleeper)
    bench.run(TICK_NS + 6)
    assert sleeper.woken == 0
    bench.clock.now += 1
    bench.board.next_event_ns()
    bench.board.advance()
    bench.board.handle(bench.board.acknowledge())
    assert sleeper.woken == 0, "the top half only raises the softirq"
    assert bench.board.next_event_ns() == 2 * TICK_NS, "no second interrupt for it"
    bench.board.bottom_halves()
    assert sleeper.woken == 1
    assert dict(bench.board.softirqs.rows())["HRTIMER"] == 1


def test_a_tick_that_waits_to_be_taken_is_one_interrupt() -> None:
    """The run loop asks for the next event while the CPU has interrupts off."""
    bench = Bench()
    bench.clock.now = TICK_NS
    for _ in range(3):
        bench.board.next_event_ns()
        bench.board.advance()
    bench.settle()
    bench.board.next_event_ns()
    bench.settle()
    assert bench.board.interrupts.counts[IRQ_TIMER] == bench.ticks == 1


def test_an_earlier_deadline_reprograms_the_timer() -> None:
    bench = Bench()
    bench.clock.arm(900, Sleeper())
    assert bench.board.next_event_ns(idle=True) == 900
    early = bench.clock.arm(500, Sleeper())
    assert bench.board.next_event_ns(idle=True) == 500
    early.cancel()
    assert bench.board.next_event_ns(idle=True) == 900


def test_a_deadline_in_the_past_fires_at_once() -> None:
    bench = Bench()
    bench.clock.now = 1_000_000
    sleeper = Sleeper()
    bench.clock.arm(5, sleeper)
    bench.run(1_000_000)
    assert sleeper.woken == 1


# --- the keyboard --------------------------------------------------------------------------------
def typing(bench: Bench) -> bytearray:
    got = bytearray()

    def sink(data: bytes) -> int:
        got.extend(data)
        return len(data)

    bench.board.keyboard.sink = sink
    return got


def test_typed_bytes_arrive_by_interrupt_and_tasklet() -> None:
    bench = Bench()
    got = typing(bench)
    bench.board.keyboard.feed(b"ls\n")
    bench.settle()
    assert got == b"", "the wire takes its time"
    bench.run(1_000_000, idle=True)
    assert got == b"ls\n"
    assert bench.board.interrupts.counts[IRQ_KEYBOARD] == 1
    assert dict(bench.board.softirqs.rows())["TASKLET"] == 1


def test_a_paste_comes_in_batches_of_the_fifo_and_in_order() -> None:
    bench = Bench()
    got = typing(bench)
    paste = bytes(range(256)) * 2
    bench.board.keyboard.feed(paste)
    bench.run(1_000_000_000, idle=True)
    assert got == paste
    assert bench.board.interrupts.counts[IRQ_KEYBOARD] == len(paste) // 16


def test_a_sink_without_room_loses_nothing() -> None:
    bench = Bench()
    keyboard = bench.board.keyboard
    got, room = bytearray(), [3]

    def sink(data: bytes) -> int:
        taken = data[: room[0]]
        room[0] -= len(taken)
        got.extend(taken)
        return len(taken)

    keyboard.sink = sink
    ends: list[bytes] = []
    keyboard.ended = lambda: ends.append(bytes(got))
    keyboard.feed(b"abcdefgh")
    keyboard.hang_up()
    bench.run(10_000_000, idle=True)
    assert (bytes(got), len(ends)) == (b"abc", 0)
    room[0] = 100
    keyboard.resume()
    bench.board.bottom_halves()
    assert got == b"abcdefgh"
    assert ends == [b"abcdefgh"], "the end comes after the last byte"


def test_a_recorded_input_arrives_again_at_the_same_moments() -> None:
    def run(play: Callable[[Bench], None]) -> tuple[list[tuple[int, bytes]], Bench]:
        bench = Bench()
        seen: list[tuple[int, bytes]] = []

        def sink(data: bytes) -> int:
            seen.append((bench.clock.now, data))
            return len(data)

        bench.board.keyboard.sink = sink
        play(bench)
        return seen, bench

    def live(bench: Bench) -> None:
        bench.run(123_457)
        bench.board.keyboard.feed(b"first")
        bench.run(5_000_000)
        bench.board.keyboard.feed(b"a longer second line of input\n")
        bench.board.keyboard.hang_up()
        bench.run(20_000_000)

    first, bench = run(live)

    def again(other: Bench) -> None:
        other.board.keyboard.replay(bench.board.keyboard.log)
        other.run(20_000_000)

    second, other = run(again)
    assert first == second
    assert b"".join(data for _at, data in second) == b"firsta longer second line of input\n"
    assert other.board.keyboard.log == bench.board.keyboard.log
