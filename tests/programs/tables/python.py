"""Debian's python3: subprocess, threads, multiprocessing, asyncio, sqlite3, mmap, sockets, venv."""

from __future__ import annotations

from pathlib import Path

from tests.programs.case import Case
from tests.programs.tables.files import TREE

PYTHON = "/usr/bin/python3"
SOURCES = Path(__file__).resolve().parents[1] / "sources" / "python"

SHORT = [
    ("hello", "import sys; print('hello', sys.version_info >= (3, 11)); sys.exit(3)"),
    ("import of much", "import json, re, asyncio, email, http.client, unittest, decimal, ctypes, ssl; print(len(__import__('sys').modules) > 100)"),
    ("traceback", "import os; os.open('nosuch', 0)"),
    ("exit by signal", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"),
    ("segmentation fault", "import ctypes; ctypes.string_at(8)"),
    ("abort", "import os; os.abort()"),
    ("input", "print(sum(map(int, __import__('sys').stdin)))"),
    ("memory error", "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\ntry: b = bytearray(1 << 30)\nexcept MemoryError: print('no memory')"),
    ("big allocations", "a = [bytearray(1 << 20) for _ in range(100)]; print(sum(map(len, a)))"),
    ("scandir and walk", "import os; print(sorted(e.name for e in os.scandir('dir') if e.is_file())); print(sorted((d.replace(os.getcwd(), ''), sorted(f)) for d, _, f in os.walk('dir')))"),
    ("os information", "import os, platform; print(os.cpu_count() > 0, platform.system(), os.getlogin.__name__, os.sysconf('SC_PAGE_SIZE'), len(os.sched_getaffinity(0)) > 0, os.getppid() > 0)"),
    ("faulthandler", "import faulthandler, signal, os; faulthandler.enable(); os.kill(os.getpid(), signal.SIGSEGV)"),
    ("time zones", "import time, datetime; print(time.tzname, datetime.datetime.fromtimestamp(0)); print(time.monotonic() > 0, time.process_time() >= 0)"),
    ("pwd and grp", "import pwd, grp, os; print(pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(0).gr_name)"),
    ("fork", "import os\nr, w = os.pipe()\nif os.fork() == 0:\n    os.write(w, b'child'); os._exit(7)\nprint(os.read(r, 9), os.waitstatus_to_exitcode(os.wait()[1]))"),
    ("fork deep", "import os\nfor d in range(12):\n    if os.fork(): print(d, os.waitstatus_to_exitcode(os.wait()[1]), flush=True); os._exit(d)\nos._exit(99)"),
    ("memfd, eventfd", "import os; f = os.memfd_create('m'); os.write(f, b'abc'); print(os.pread(f, 9, 1), os.fstat(f).st_size); e = os.eventfd(3); print(os.eventfd_read(e))"),
    ("pidfd", "import os, select\np = os.fork()\nif not p: os._exit(4)\nf = os.pidfd_open(p); print(select.select([f], [], [], 5)[0] == [f], os.waitid(os.P_PIDFD, f, os.WEXITED).si_status)"),
    ("sendfile, splice", "import os; a = os.open('words.txt', 0); b = os.open('c', os.O_RDWR | os.O_CREAT); print(os.sendfile(b, a, 0, 500)); r, w = os.pipe(); print(os.splice(a, w, 100), len(os.read(r, 999)), os.copy_file_range(a, b, 50))"),
    ("xattr", "import os; os.setxattr('words.txt', 'user.r3', b'v'); print(os.getxattr('words.txt', 'user.r3'), os.listxattr('words.txt')); os.removexattr('words.txt', 'user.r3'); print(os.listxattr('words.txt'))"),
    ("posix_spawn", "import os; p = os.posix_spawn('/bin/sh', ['sh', '-c', 'echo spawned; exit 5'], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 0)], setsigmask=[]); print(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))"),
    ("openpty", "import os, tty; m, s = os.openpty(); print(os.isatty(s), os.ttyname(s).startswith('/dev/pts/')); os.write(m, b'line\\n'); print(os.read(s, 99)); tty.setraw(s); os.write(s, b'a\\n'); b = b''\nwhile not b.endswith(b'a\\n'): b += os.read(m, 99)\nprint(b)"),
    ("dir_fd", "import os; d = os.open('dir', os.O_RDONLY); print(os.stat('a.txt', dir_fd=d).st_size, sorted(os.listdir(d))[:2]); os.rename('a.txt', 'z.txt', src_dir_fd=d, dst_dir_fd=d); os.fchdir(d); print(os.path.exists('z.txt'))"),
    ("times of files", "import os; os.utime('words.txt', ns=(5, 1_500_000_000)); s = os.stat('words.txt'); print(s.st_atime_ns, s.st_mtime_ns, s.st_nlink, oct(s.st_mode))"),
    ("resource use", "import resource, os; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 20, os.nice(0), os.getpriority(os.PRIO_PROCESS, 0))"),
]  # fmt: skip


def long_ones() -> list[Case]:
    """Make a case of each file of sources/python, named by the file."""
    return [
        Case(
            f"python: {path.stem.replace('_', ' ')}",
            [PYTHON, path.name],
            files={**TREE, path.name: path.read_text(encoding="utf-8")},
            timeout_s=40,
        )
        for path in sorted(SOURCES.glob("*.py"))
    ]


CASES: list[Case] = [
    *(
        Case(f"python: {n}", [PYTHON, "-c", t], files=TREE, stdin="1\n2\n39\n")
        for n, t in SHORT
    ),
    *long_ones(),
    Case(
        "python: venv creation",
        ["sh", "-c", f"{PYTHON} -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix, sys.prefix[-2:])' && ls v/bin && grep -c version v/pyvenv.cfg"],
        needs=[PYTHON],
        timeout_s=40,
    ),
    Case(
        "python: unittest",
        [PYTHON, "-m", "unittest", "-q", "test_x"],
        files={"test_x.py": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(1, 1)\n    def test_b(self): self.assertTrue(False, 'meant')\n"},
    ),
    Case("python: module as program", [PYTHON, "-m", "json.tool", "x.json"], files={"x.json": '{"b": [1, 2], "a": null}'}),
    Case("python: zip application", ["sh", "-c", f"cd dir && {PYTHON} -m zipfile -c ../z.zip __main__.py && {PYTHON} ../z.zip"], files={"dir/__main__.py": "print('from zip')\n"}, needs=[PYTHON]),
    Case("python: compileall", ["sh", "-c", f"{PYTHON} -m compileall -q pkg && ls pkg/__pycache__ && {PYTHON} -c 'import pkg.m'"], files={"pkg/m.py": "print('module')\n", "pkg/__init__.py": ""}, needs=[PYTHON]),
    Case("python: http.server and urllib", [PYTHON, "-c", "import http.server, threading, urllib.request, functools\nH = functools.partial(http.server.SimpleHTTPRequestHandler)\nH.log_message = None\nclass Q(http.server.SimpleHTTPRequestHandler):\n    def log_message(self, *a): pass\ns = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Q)\nthreading.Thread(target=s.serve_forever, daemon=True).start()\nprint(urllib.request.urlopen(f'http://127.0.0.1:{s.server_port}/dir/a.txt').read())\ns.shutdown()"], files=TREE),
]  # fmt: skip
