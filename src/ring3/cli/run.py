"""``ring3 run``: run a program on the kernel."""

from __future__ import annotations

from ring3.cli.guest import GuestOptions, checked, leave, run_guest
from ring3.cli.main import complain
from ring3.cli.parse import BadUsage, Option, Parser

USAGE = "ring3 run [OPTION]... [--] COMMAND [ARGUMENT]..."
ABOUT = """\
Run an unmodified Linux program on the kernel. By default it sees the host's /usr, /bin, /sbin,
/lib*, /etc, /opt and the working directory; what it writes goes to a private layer that is thrown
away. The exit status is the program's; 127: not found, 126: not executable, 125: ring3's own
error."""


def main(argv: list[str]) -> int:
    options = GuestOptions()
    parser = Parser(USAGE, ABOUT)
    verify = Option(
        "--verify", "", "emulated: run it twice and name the first difference",
        options.setter("verify"),
    )  # fmt: skip
    parser.group("Options", [*options.options(), verify])
    try:
        words = parser.parse(argv)
        if words is None:
            return 0
        words = checked(words, USAGE)
        options.check()
    except BadUsage as bad:
        return complain(f"run: {bad}")
    if options.verify:
        from ring3.cli.verify import run_twice

        return leave(run_twice(options, words))
    return leave(run_guest(options, words))
