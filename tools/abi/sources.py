"""Locate what the ABI generators read: kernel headers, kernel source, the C compiler.

Nothing here is needed to run or test ring3; the generated data is committed.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ABI = ROOT / "src" / "ring3" / "abi"
CACHE = Path(os.environ.get("RING3_ABI_CACHE", "/tmp/ring3-abi-cache"))
KERNEL_TARBALL = Path("/usr/src/linux-source-6.12.tar.xz")
KERNEL_SUBTREES = (
    "arch/x86", "block", "drivers/char", "drivers/pci", "fs", "include", "init", "io_uring",
    "ipc", "kernel", "mm", "net", "security",
)  # fmt: skip
TIMEOUT_S = 300


def die(message: str) -> None:
    """Stop with a message that says what to install."""
    sys.exit(f"tools/abi: {message}")


def header_root() -> Path:
    """Folder with the newest Linux UAPI headers (they ship in the `ziglang` package)."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        die("no `ziglang` module: pip install -r tools/abi/requirements.txt")
        raise AssertionError
    return Path(spec.submodule_search_locations[0]) / "lib" / "libc" / "include"


def header_version() -> str:
    """Linux version of the UAPI headers, such as '7.2'."""
    text = (header_root() / "any-linux-any" / "linux" / "version.h").read_text()
    fields = dict(line.split()[1:3] for line in text.splitlines() if line.count(" ") == 2)
    return f"{fields['LINUX_VERSION_MAJOR']}.{fields['LINUX_VERSION_PATCHLEVEL']}"


def uapi_flags() -> list[str]:
    """Compiler flags that make the UAPI headers the only ones on the path."""
    root, here = header_root(), Path(__file__).parent
    folders = (root / "x86-linux-any", root / "any-linux-any", here / "include")
    paths = [flag for folder in folders for flag in ("-isystem", str(folder))]
    return ["-nostdinc", *paths, "-include", str(here / "prelude.h")]


def libc_flags() -> list[str]:
    """Compiler flags for the host's C library headers."""
    return ["-D_GNU_SOURCE"]


def cc(args: list[str], source: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run gcc on *source* given on stdin; with *ok*, a failure ends the generator."""
    done = subprocess.run(
        ["gcc", "-x", "c", "-w", "-fmax-errors=0", *args, "-"],
        input=source,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if ok and done.returncode:
        die(f"gcc {' '.join(args)} failed (gcc-multilib installed?):\n{done.stderr[:3000]}")
    return done


def kernel_tree() -> Path:
    """Unpacked kernel source, from Debian's `linux-source-6.12` (unpacked once into CACHE)."""
    tree = CACHE / "linux-source-6.12"
    if (tree / ".complete").exists():
        return tree
    if not KERNEL_TARBALL.exists():
        die(f"no {KERNEL_TARBALL}: apt-get install linux-source-6.12")
    wanted = tuple(f"linux-source-6.12/{name}/" for name in KERNEL_SUBTREES)
    with tarfile.open(KERNEL_TARBALL) as tar:
        members = (m for m in tar if m.isfile() and m.name.startswith(wanted))
        tar.extractall(CACHE, members, filter="data")
    (tree / ".complete").touch()
    return tree


def formatted(path: Path, text: str) -> str:
    """Python *text* in the project's formatting (ruff, with pyproject's settings)."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(path), "-"],
        input=text, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=ROOT, check=False,
    )  # fmt: skip
    if done.returncode:
        die(f"ruff format failed on {path.name}: {done.stderr[:2000]}")
    return done.stdout


def write_generated(path: Path, text: str, check: bool) -> bool:
    """Write *text*, or with *check* only compare; return whether the file was already so."""
    if path.suffix == ".py":
        text = formatted(path, text)
    same = path.exists() and path.read_text() == text
    if not same and not check:
        path.write_text(text)
    print(f"{'same   ' if same else 'DIFFERS' if check else 'written'} {path.relative_to(ROOT)}")
    return same
