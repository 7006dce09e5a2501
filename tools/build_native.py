"""Build ring3's native parts next to their sources, when the sources are newer.

Used by the Makefile (run as a program) and by setup.py (imported); needs the standard library,
make and a C compiler. The shim is required on x86-64 Linux. The C step of the trap path is not:
without the headers of Python (python3-dev) the Python version of the same step serves.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "src" / "ring3" / "machine" / "native"
SHIM_DIR = ROOT / "shim"
SHIM_OUT = NATIVE / "shim.elf"
TRAP_SOURCE = NATIVE / "_trap.c"
TIMEOUT_S = 300

NO_COMPILER = """\
ring3: a C compiler and make are needed to build the shim, the small piece of machine code that
ring3: the native machine puts into each guest, and {missing} is not there.
ring3:   Debian, Ubuntu:  sudo apt install gcc make libc6-dev
ring3: or install a wheel of ring3: there the shim comes compiled."""


class BuildError(SystemExit):
    """End the build with a message a person can act on (exit status 1)."""


def native_host() -> bool:
    """Tell whether this host can run the native machine at all."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def compiler() -> list[str]:
    """Name the C compiler as an argv prefix ($CC wins), or end with NO_COMPILER."""
    chosen = shlex.split(os.environ.get("CC", ""))
    for candidate in [chosen] if chosen else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(candidate[0]):
            return candidate
    raise BuildError(NO_COMPILER.format(missing=chosen[0] if chosen else "no compiler (cc)"))


def stale(target: Path, sources: Iterable[Path]) -> bool:
    """Tell whether *target* is missing or older than one of *sources*."""
    if not target.exists():
        return True
    built = target.stat().st_mtime_ns
    return any(source.stat().st_mtime_ns > built for source in sources)


def shim_sources() -> list[Path]:
    """List what the shim is made from: all files of its room but what a build leaves there."""
    left = {".o", ".elf", ".md"}
    return [p for p in sorted(SHIM_DIR.rglob("*")) if p.is_file() and p.suffix not in left]


def build_shim() -> bool:
    """Build shim.elf by the room's own Makefile; True if it was built, False if up to date."""
    sources = shim_sources()
    if not sources:
        raise BuildError(f"ring3: no sources of the shim in {SHIM_DIR}")
    if not stale(SHIM_OUT, sources):
        return False
    if not shutil.which("make"):
        raise BuildError(NO_COMPILER.format(missing="make"))
    cc = shlex.join(compiler())
    print(f"ring3: building {SHIM_OUT.relative_to(ROOT)}", file=sys.stderr)
    # -B: the decision was made above (make would not see a changed compiler or Makefile).
    command = ["make", "-s", "-B", "-C", str(SHIM_DIR), f"CC={cc}"]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    if subprocess.run(command, timeout=TIMEOUT_S, env=env).returncode or not SHIM_OUT.exists():
        raise BuildError(f"ring3: the shim did not build; the command was: {shlex.join(command)}")
    return True


def trap_target() -> Path:
    """Name the extension module's file for the Python that runs this."""
    return NATIVE / f"_trap{sysconfig.get_config_var('EXT_SUFFIX')}"


def build_trap(*, tell: bool = True) -> bool:
    """Build the C step; True if it was built. Never fails: the Python step stands in for it.

    *tell* says whether to mention that the headers it needs are missing.
    """
    target = trap_target()
    if not TRAP_SOURCE.exists() or not stale(target, [TRAP_SOURCE]):
        return False
    include = sysconfig.get_path("include")
    if not (Path(include) / "Python.h").exists():
        if tell:
            print(
                f"ring3: no Python.h in {include} (Debian, Ubuntu: apt install python3-dev);"
                " going on without the C step, traps take about 1 us longer",
                file=sys.stderr,
            )
        return False
    print(f"ring3: building {target.relative_to(ROOT)}", file=sys.stderr)
    flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-fPIC", "-shared"]
    # Built aside and renamed: a ring3 that runs meanwhile keeps the file it has mapped.
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    command = [*compiler(), *flags, f"-I{include}", str(TRAP_SOURCE), "-o", str(aside)]
    if subprocess.run(command, timeout=TIMEOUT_S).returncode:
        aside.unlink(missing_ok=True)
        print("ring3: the C step did not build; going on without it", file=sys.stderr)
        return False
    aside.replace(target)
    return True


def main() -> int:
    """Build both parts in the source tree."""
    if not native_host():
        print("ring3: no native machine on this host; nothing to build", file=sys.stderr)
        return 0
    built = build_shim()
    build_trap(tell=built)  # said once, not at each `make run`
    return 0


if __name__ == "__main__":
    sys.exit(main())
