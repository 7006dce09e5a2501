"""Where everything random in a world comes from: getrandom, AT_RANDOM, /dev/urandom, addresses.

One source per world, so that a world with a seed is the same in every run.
"""

from __future__ import annotations

import os


class Random:
    """The host's generator."""

    __slots__ = ()
    seeded = False
    """Whether the same numbers come in every run."""

    def bytes(self, size: int) -> bytes:
        return os.urandom(size)

    def below(self, limit: int) -> int:
        """A number from 0 to *limit* - 1."""
        return int.from_bytes(self.bytes(16), "little") % limit


class SeededRandom(Random):
    """The same numbers for the same *seed*, on every host and every Python (MT19937's bits)."""

    __slots__ = ("generator",)
    seeded = True

    def __init__(self, seed: int) -> None:
        from random import Random as Generator

        self.generator = Generator(seed)

    def bytes(self, size: int) -> bytes:
        return self.generator.getrandbits(8 * size).to_bytes(size, "little") if size else b""
