"""Equal runs: the same seed and the same input give the same registers at every trap, and what is
not the same is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("unicorn")
HERE = Path(__file__).resolve().parent
SRC = HERE.parents[1] / "src"
# Three runs in one process and one in another: nothing of a process may show, its addresses least.
RUNS = """
import sys, zlib
from ring3.kernel import Kernel

def one(argv, seed):
    with Kernel(machine="emulated", seed=seed, cwd=sys.argv[1]) as kernel:
        found = kernel.machine.fingerprint()
        status = kernel.spawn(argv, env={"PATH": "/usr/bin:/bin"}, stdin=None).wait(100)
        return status, len(found), zlib.crc32(found.hashes), zlib.crc32(found.where)

count, argv = int(sys.argv[2]), sys.argv[3:]
seen = [one(argv, 7) for _ in range(count)]
print(*seen, file=sys.stderr, sep="\\n")
print("other", one(argv, 8)[2] != seen[0][2], file=sys.stderr)
"""
PYTHON = """
import hashlib, json, os, random, time
print(hash("a"), os.urandom(4).hex(), random.random(), time.time(), id(object()) % 4096)
print(hashlib.sha256(json.dumps(list(range(2000))).encode()).hexdigest())
"""
SHELL = (
    "for i in 1 2 3; do seq $((i * 300)) | sort -r | head -n $i; done; "
    "ls -la / | wc -l; echo $RANDOM $$ $SECONDS; (sleep 0.1; echo late) & sleep 0.05; wait"
)
TCP = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
def serve():
    for _ in range(3):
        peer, _ = server.accept()
        with peer:
            while data := peer.recv(1000):
                peer.sendall(data[::-1])
thread = threading.Thread(target=serve); thread.start()
for i in range(3):
    with socket.create_connection(server.getsockname()) as s:
        s.sendall(b"%d" % i * 5000); s.shutdown(socket.SHUT_WR)
        print(sum(len(d) for d in iter(lambda: s.recv(4096), b"")))
thread.join()
"""


def runs(tmp_path: Path, count: int, argv: list[str]) -> list[str]:
    """What *count* runs looked like, one line each; the last line: whether another seed differs."""
    done = subprocess.run(
        [sys.executable, "-c", RUNS, str(tmp_path), str(count), *argv],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def check_equal(tmp_path: Path, argv: list[str]) -> None:
    first = runs(tmp_path, 2, argv)
    again = runs(tmp_path, 1, argv)
    assert first[0].startswith("(0, "), first
    assert first[0] == first[1] == again[0]
    assert first[-1] == "other True", "another seed gave the same run"


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("bits", ["-m64", "-m32"])
def test_threads(bits: str, tmp_path: Path) -> None:
    guest = tmp_path / "threads"
    command = ["gcc", bits, "-O1", "-pthread", "-o", str(guest), str(HERE / "threads.c")]
    built = subprocess.run(command, capture_output=True, timeout=60)
    if built.returncode:
        pytest.skip(f"gcc cannot link for {bits} here")
    check_equal(tmp_path, [str(guest)])


def test_python(tmp_path: Path) -> None:
    check_equal(tmp_path, ["/usr/bin/python3", "-c", PYTHON])


def test_shell_pipeline(tmp_path: Path) -> None:
    check_equal(tmp_path, ["/bin/bash", "-c", SHELL])


def test_sockets_and_threads(tmp_path: Path) -> None:
    check_equal(tmp_path, ["/usr/bin/python3", "-c", TCP])


def test_verify_names_what_differs(tmp_path: Path) -> None:
    """A file that changes between the two runs is input that changed: that is found and named."""
    (tmp_path / "n").write_text("1")
    script = (
        "read n < n; echo $((n + 1)) > n; while [ $n -gt 1 ]; do : ; n=$((n - 1)); /bin/true; done"
    )
    command = ["-m", "ring3", "run", "--machine", "emulated", "--rw", str(tmp_path), "--verify"]
    done = subprocess.run(
        [sys.executable, *command, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 125, done.stderr
    assert "the runs differ at trap" in done.stderr
    assert "first run:  thread 2: " in done.stderr
