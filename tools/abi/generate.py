"""Generate the data of `ring3.abi`: `python3 -m tools.abi.generate [--check] [PART ...]`.

Parts: errno, constants, layouts, syscalls (all if none is named). With --check nothing is written
and the exit status is 1 if a committed file differs from what would be generated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tools.abi import gen_constants, gen_errno, gen_layouts, gen_syscalls

PARTS: dict[str, Callable[[bool], bool]] = {
    "errno": gen_errno.generate,
    "constants": gen_constants.generate,
    "layouts": gen_layouts.generate,
    "syscalls": gen_syscalls.generate,
}


def main(args: list[str]) -> int:
    check = "--check" in args
    wanted = [arg for arg in args if not arg.startswith("-")] or list(PARTS)
    if unknown := [arg for arg in args if arg not in ("--check", *PARTS)]:
        print(f"unknown argument {unknown[0]}\n\n{__doc__}", file=sys.stderr)
        return 2
    same = [PARTS[part](check) for part in wanted]
    return 1 if check and not all(same) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
