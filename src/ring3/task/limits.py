"""Resource limits a first program starts with: the caller's own (getrlimit(2))."""

from __future__ import annotations

from ring3.abi.resource import RLIM_NLIMITS, RLIMIT_NOFILE

INFINITY = (1 << 64) - 1


def default_limits() -> dict[int, tuple[int, int]]:
    """RLIMIT_* -> (soft, hard) as this process has them; unlimited ones are left out.

    The host enforces what it sees of them on the vehicles too, so none can be larger than ours.
    """
    try:
        import resource
    except ImportError:
        return {}  # a host without such limits
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
