"""Virtual time and seeded randomness: what makes two runs the same."""

from __future__ import annotations

import pytest

from ring3.core.clock import Clock
from ring3.core.random import Random, SeededRandom
from ring3.core.virtual_clock import BOOT_NS, FIXED_EPOCH_NS, VirtualClock


class Bell:
    def __init__(self) -> None:
        self.rang = 0

    def expire(self) -> None:
        self.rang += 1


def test_time_stands_still_unless_it_is_moved() -> None:
    clock = VirtualClock(FIXED_EPOCH_NS)
    assert clock.virtual and not Clock().virtual
    assert clock.monotonic_ns() == clock.boottime_ns() == BOOT_NS
    assert clock.realtime_ns() == FIXED_EPOCH_NS
    clock.advance(5)
    assert (clock.monotonic_ns(), clock.realtime_ns()) == (BOOT_NS + 5, FIXED_EPOCH_NS + 5)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_a_jump_never_goes_back_and_rings_timers() -> None:
    clock, bell = VirtualClock(0), Bell()
    clock.arm(BOOT_NS + 100, bell)
    clock.jump_to(BOOT_NS + 99)
    assert clock.run_due() == 0
    clock.jump_to(BOOT_NS + 100)
    assert clock.run_due() == bell.rang == 1
    clock.jump_to(3)
    assert clock.monotonic_ns() == BOOT_NS + 100


def test_setting_the_wall_clock_moves_only_that() -> None:
    clock = VirtualClock(1000)
    clock.realtime_offset_ns += 50
    assert (clock.realtime_ns(), clock.monotonic_ns()) == (1050, BOOT_NS)


def test_coarse_clocks_go_by_their_tick() -> None:
    clock = VirtualClock(0)
    clock.advance(4_000_001)
    assert clock.read(6) % 4_000_000 == 0
    assert clock.read(4) == clock.monotonic_ns()


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, two, other = SeededRandom(7), SeededRandom(7), SeededRandom(8)
    numbers = [one.bytes(n) for n in (0, 1, 16, 4096)]
    assert numbers == [two.bytes(n) for n in (0, 1, 16, 4096)]
    assert [len(n) for n in numbers] == [0, 1, 16, 4096]
    assert one.below(1000) == two.below(1000) < 1000
    assert other.bytes(16) != two.bytes(16)
    # On every host and in every Python: what a recorded run depends on.
    assert SeededRandom(1).bytes(8).hex() == "f5b165224a58b791"


def test_the_hosts_randomness_is_not_seeded() -> None:
    assert not Random().seeded
    assert Random().bytes(16) != Random().bytes(16)
