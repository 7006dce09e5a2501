"""Resource limits a first program starts with: the caller's own (getrlimit(2))."""

from __future__ import annotations

from ring3.abi.resource import (
    RLIM_NLIMITS,
    RLIMIT_CORE,
    RLIMIT_MEMLOCK,
    RLIMIT_MSGQUEUE,
    RLIMIT_NICE,
    RLIMIT_NOFILE,
    RLIMIT_RTPRIO,
    RLIMIT_STACK,
)

INFINITY = (1 << 64) - 1


USUAL = {
    RLIMIT_STACK: (8 << 20, INFINITY),
    RLIMIT_CORE: (0, INFINITY),
    RLIMIT_NOFILE: (1024, 524288),
    RLIMIT_MEMLOCK: (8 << 20, 8 << 20),
    RLIMIT_MSGQUEUE: (819200, 819200),
    RLIMIT_NICE: (0, 0),
    RLIMIT_RTPRIO: (0, 0),
}
"""What a distribution of today starts programs with (systemd's defaults)."""


def default_limits(fixed: bool = False) -> dict[int, tuple[int, int]]:
    """RLIMIT_* -> (soft, hard) as this process has them; unlimited ones are left out.

    The host enforces what it sees of them on the vehicles too, so none can be larger than ours.
    *fixed*: the same wherever and by whoever ring3 is run.
    """
    try:
        import resource
    except ImportError:
        fixed = True  # a host without such limits
    if fixed:
        return dict(USUAL)
    found = {}
    for which in range(RLIM_NLIMITS):
        soft, hard = (x if x >= 0 else INFINITY for x in resource.getrlimit(which))
        if (soft, hard) != (INFINITY, INFINITY):
            found[which] = (soft, hard)
    return found


def raise_own_limit() -> None:
    """Every file, pipe and socket of every guest costs the kernel a descriptor: let this process
    have as many as the host allows. Call after ``default_limits``."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(RLIMIT_NOFILE, (hard, hard))
