"""ring3 COMMAND (temporary: helper-8 replaces this file)."""
from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    args = sys.argv[1:]
    if not args or args.pop(0) != "run":
        print("usage: ring3 run [options] [--] CMD", file=sys.stderr)
        return 125
    opts: dict[str, object] = {}
    rw, ro = [], []
    timeout = None
    while args and args[0].startswith("--"):
        a = args.pop(0)
        if a == "--":
            break
        name, _, value = a[2:].partition("=")
        if not _:
            value = args.pop(0)
        if name == "rw": rw.append(value)
        elif name == "ro": ro.append(value)
        elif name == "workdir": opts["cwd"] = value
        elif name == "timeout": timeout = float(value)
        elif name in ("profile", "machine", "root"): opts[name] = value
        elif name == "env":
            k, _, v = value.partition("=")
            os.environ[k] = v
    from ring3.kernel import Kernel
    k = Kernel(rw=rw, ro=ro, **opts)
    if os.environ.get("RING3_DEBUG"):
        k.world.log.listener = lambda s: print("LOG", s, file=sys.stderr)
    try:
        p = k.spawn(args)
    except FileNotFoundError:
        print(f"ring3: {args[0]}: not found", file=sys.stderr); return 127
    except PermissionError:
        print(f"ring3: {args[0]}: not executable", file=sys.stderr); return 126
    try:
        status = p.wait(timeout)
    except TimeoutError:
        k.close(); return 124
    k.close()
    if status & 0x7f:
        signal.signal(status & 0x7f, signal.SIG_DFL)
        os.kill(os.getpid(), status & 0x7f)
    return status >> 8
