"""Damaged executables: headers of a static and a dynamic program are changed at random (seeded),
hundreds of times in one kernel. The kernel reports no bug and lives on, and where Linux refuses a
file, ring3 refuses it with the same errno.

RING3_ELF_SEED and RING3_ELF_MUTATIONS choose other and more of them; files that differ are copied
to the directory RING3_ELF_KEEP.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ring3.kernel import Kernel

SEED = int(os.environ.get("RING3_ELF_SEED", "1"))
MUTATIONS = int(os.environ.get("RING3_ELF_MUTATIONS", "300"))
KEEP = os.environ.get("RING3_ELF_KEEP", "")
NOBODY = 65534
PATIENCE_S = 5
EHDR, PHDR = 64, 56
SOURCES = {
    # The smallest program there is: nothing but exit_group(7).
    "static": ["-static", "-nostdlib", "-x", "c", "-"],
    "dynamic": ["-x", "c", "-"],
}
TEXTS = {
    "static": 'void _start(void) { asm volatile("mov $231,%eax; mov $7,%edi; syscall; hlt"); }',
    "dynamic": "int main(void) { return 7; }",
}
# Offset and size of every field of Elf64_Ehdr after e_ident, and of Elf64_Phdr.
EHDR_FIELDS = [(16, 2), (18, 2), (20, 4), (24, 8), (32, 8), (40, 8), (48, 4), *(
    (at, 2) for at in range(52, 64, 2))]  # fmt: skip
PHDR_FIELDS = [(0, 4), (4, 4), *((at, 8) for at in range(8, 56, 8))]
INTERESTING = (
    0, 1, 2, 3, 4, 6, 7, 55, 56, 57, 64, 0x1000, 0xFFF, 0x1001, 0x10000, 0x3E, 0x7FFF, 0x8000,
    0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x6474E551, 0x6474E550, 1 << 32,
    (1 << 47) - 1, 1 << 47, (1 << 47) - 4096, 0x6E0000000000, 0x6D0000000000, (1 << 63) - 1,
    1 << 63, (1 << 64) - 1, (1 << 64) - 4096,
)  # fmt: skip


def build(kind: str, folder: Path) -> bytes:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = folder / f"{kind}.orig"
    command = [compiler, "-O1", "-o", str(program), *SOURCES[kind]]
    subprocess.run(command, input=TEXTS[kind].encode(), check=True, timeout=60)
    return program.read_bytes()


def mutate(image: bytes, rng: random.Random) -> bytes:
    data = bytearray(image)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        how = rng.random()
        headers = struct.unpack_from("<H", image, 56)[0]
        if how < 0.10:  # what e_ident says
            data[rng.randrange(16)] = rng.choice((0, 1, 2, 3, 0x7F, 0xFF, rng.randrange(256)))
        elif how < 0.20:  # any byte of the headers
            data[rng.randrange(EHDR + headers * PHDR)] ^= 1 << rng.randrange(8)
        elif how < 0.30:  # the end is missing
            end = rng.choice((rng.randrange(EHDR), EHDR, rng.randrange(len(data)), 0, 1, 4096))
            data = data[:end] + bytes(max(0, EHDR + headers * PHDR - end) if how < 0.22 else 0)
            break
        else:
            at, size = rng.choice(EHDR_FIELDS)
            if how > 0.5:
                at, size = rng.choice(PHDR_FIELDS)
                at += EHDR + PHDR * rng.randrange(headers)
            now = int.from_bytes(data[at : at + size], "little")
            near = (now + 1, now - 1, now ^ 1 << rng.randrange(8 * size), rng.getrandbits(8 * size))
            value = rng.choice(near if rng.random() < 0.4 else INTERESTING)
            data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(data)


def on_host(path: Path) -> tuple[str, int]:
    """("errno", number) if execve refuses the file, else ("status", as subprocess has it). A
    damaged program runs there as nobody: it may do anything."""
    nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        with subprocess.Popen([path], env={}, cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              **nobody) as process:  # type: ignore[call-overload]  # fmt: skip
            try:
                return "status", process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return "status", -99
    except OSError as bad:
        return "errno", bad.errno or 0


def on_ring3(kernel: Kernel, path: Path) -> tuple[str, int]:
    try:
        guest = kernel.spawn([str(path)], env={}, stdin=None, stdout=None, stderr=None)
    except OSError as bad:
        return "errno", bad.errno or 0
    try:
        return "status", os.waitstatus_to_exitcode(guest.wait(PATIENCE_S))
    except TimeoutError:
        guest.send_signal(9)
        guest.wait(PATIENCE_S)
        return "status", -99


def agree(host: tuple[str, int], ours: tuple[str, int]) -> bool:
    """The same refusal; or both started it, and what ran to its own end did so on both. How a
    program dies whose memory is not what it was built for is no promise of Linux."""
    if "errno" in (host[0], ours[0]):
        return host == ours
    return host[1] < 0 or host == ours


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that another user can reach."""
    with tempfile.TemporaryDirectory(prefix="ring3-elf-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.parametrize("profile", ["fast", "full", "emulated"])
@pytest.mark.parametrize("kind", SOURCES)
def test_damaged_headers(kind: str, profile: str, folder: Path) -> None:
    image = build(kind, folder)
    rng = random.Random(f"{SEED} {kind} {profile}")
    differ, kinds = [], set()
    options = {"machine": "emulated"} if profile == "emulated" else {"profile": profile}
    with Kernel(rw=[str(folder)], cwd="/", **options) as kernel:  # type: ignore[arg-type]
        for index in range(MUTATIONS):
            path = folder / f"m{index}"
            path.write_bytes(mutate(image, rng))
            path.chmod(0o755)
            host, ours = on_host(path), on_ring3(kernel, path)
            kinds.add(host[0] + str(host[1]))
            ours_alone = f"{path}: segment where the machine's own code is" in kernel.log()
            if not agree(host, ours) and not ours_alone:
                differ.append(f"{index}: host {told(host)}, ring3 {told(ours)}")
                if KEEP:
                    shutil.copy(path, KEEP)
            path.unlink()
        log = kernel.log()
        assert "oops" not in log and "Traceback" not in log and "machine:" not in log, log
        intact = folder / "intact"
        intact.write_bytes(image)
        intact.chmod(0o755)
        assert on_ring3(kernel, intact) == ("status", 7)
    assert {"errno8", "status7"} <= kinds, kinds  # the mutations are neither too wild nor too tame
    assert differ == []


def told(outcome: tuple[str, int]) -> str:
    what, number = outcome
    return errno.errorcode.get(number, str(number)) if what == "errno" else f"status {number}"
