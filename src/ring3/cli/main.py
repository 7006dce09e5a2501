"""The ``ring3`` command: the first word chooses what is imported.

Exit statuses are docker's: the guest's own, 128 plus a signal's number where dying of it is not
possible, 127 for a command that is not found, 126 for one that cannot be run, 125 for ring3's own
errors (bad options among them), 124 when ``--timeout`` was up.
"""

from __future__ import annotations

import gc
import os
import sys

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

OWN_ERROR = 125

COMMANDS = {
    "run": "run a program on the kernel",
    "trace": "run a program and print its system calls, as strace does",
    "explain": "run a program and show one of its system calls as a film",
    "syscalls": "list every system call and how far it is served",
    "doctor": "say what this host offers to the kernel and what that means",
}


def usage() -> str:
    lines = "".join(f"  {name:<10}{told}\n" for name, told in COMMANDS.items())
    return (
        "usage: ring3 COMMAND [OPTION]... [--] [ARGUMENT]...\n\n"
        "A Linux kernel that itself runs in user space, for unmodified Linux programs.\n\n"
        f"{lines}\n"
        "ring3 COMMAND --help tells a command's options; ring3 --version the version.\n"
    )


def command(name: str, argv: list[str]) -> int:
    """Run one command with its arguments; its exit status."""
    if name == "run":
        from ring3.cli.run import main as run

        return run(argv)
    if name == "trace":
        from ring3.cli.trace import main as trace

        return trace(argv)
    if name == "explain":
        from ring3.cli.explain import main as explain

        return explain(argv)
    if name == "syscalls":
        from ring3.cli.syscalls import main as syscalls

        return syscalls(argv)
    from ring3.cli.doctor import main as doctor

    return doctor(argv)


def complain(text: str) -> int:
    """Say what is wrong with the command line."""
    print(f"ring3: {text}", file=sys.stderr)
    return OWN_ERROR


def main(argv: list[str] | None = None) -> int:
    """The command with the words *argv* (default: those of this process); its exit status."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) > 1 and words[0] == "help" and words[1] in COMMANDS:
            return command(words[1], ["--help"])
        print(usage(), end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else OWN_ERROR
    name = words[0]
    if name in ("-V", "--version"):
        from ring3 import __version__

        print(f"ring3 {__version__}")
        return 0
    if name not in COMMANDS:
        from ring3.cli.parse import nearest

        return complain(f"no command {name!r}{nearest(name, COMMANDS)}; ring3 --help lists them")
    try:
        return command(name, words[1:])
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        return 141
    except KeyboardInterrupt:
        return 130


def entry() -> NoReturn:
    """Entry point of the command and of ``python -m ring3``.

    Two things save a fifth of the time of ``ring3 run true``: no garbage is looked for before the
    guest starts (``run_guest`` begins to), and the interpreter is not taken down piece by piece,
    since all it holds is memory.
    """
    gc.disable()
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        status = status or 141  # whoever read our output has seen enough, or it is closed
    os._exit(status)
