"""``ring3 explain``: one system call as a film."""

from __future__ import annotations

import os
import sys

from ring3.abi.hints import TYPE_CHECKING
from ring3.cli.guest import GuestOptions, checked, leave, report, run_program, said_of, say
from ring3.cli.main import OWN_ERROR, complain
from ring3.cli.parse import BadUsage, Option, Parser

if TYPE_CHECKING:
    from ring3.explain.film import Film
    from ring3.explain.recorder import Recorder
    from ring3.explain.selection import Selection
    from ring3.kernel import Kernel

USAGE = "ring3 explain [OPTION]... [--] COMMAND [ARGUMENT]..."
ABOUT = """\
Run a program and show one of its system calls, from the library's wrapper through the CPU, the
kernel's table and handler to errno. Without a choice it is the first write, or else the first
call. On a terminal the film can be stepped forward and back; otherwise it is printed. What the
program prints goes to standard error. The exit status is 0 if there is a film."""


class ExplainCommand:
    """The command line."""

    def __init__(self) -> None:
        self.guest = GuestOptions()
        self.guest.profile = "full"
        self.guest.stdout = 2
        self.call = ""
        self.nr: int | None = None
        self.nth = 0
        self.html = ""
        self.json = False
        self.listing = False
        self.saved = ""
        self.entries = ""

    def set_nr(self, text: str) -> None:
        try:
            self.nr = int(text, 0)
        except ValueError:
            raise ValueError(f"{text!r} is no number") from None

    def set_nth(self, text: str) -> None:
        if not text.isascii() or not text.isdigit() or not int(text):
            raise ValueError(f"{text!r} is no place: 1 is the first")
        self.nth = int(text)

    def storing(self, name: str, value: object) -> None:
        setattr(self, name, value)

    def parser(self) -> Parser:
        parser = Parser(USAGE, ABOUT)
        parser.group("Which call", [
            Option("--call", "NAME", "the first call of that name",
                   lambda v: self.storing("call", v)),
            Option("--nr", "N", "the first call with that number", self.set_nr),
            Option("--nth", "K", "the K-th of them, or of all calls", self.set_nth),
        ])  # fmt: skip
        parser.group("How it is shown", [
            Option("--html", "FILE", "write one HTML page that needs nothing else",
                   lambda v: self.storing("html", v)),
            Option("--json", "", "print the film as JSON (docs/reference/explain.md)",
                   lambda _: self.storing("json", True)),
            Option("--no-step", "", "print it on a terminal too",
                   lambda _: self.storing("listing", True)),
            Option("--show", "FILE", "show a film that --json saved; no program runs",
                   lambda v: self.storing("saved", v)),
            Option("--compare-entries", "NAME", "run no program: call NAME (getpid) by every way"
                   "\ninto the kernel, and show them side by side",
                   lambda v: self.storing("entries", v)),
        ])  # fmt: skip
        guest = [o for o in self.guest.options() if "--profile" not in o.names]
        parser.group("What the guest sees", guest)
        return parser

    def selection(self) -> Selection:
        from ring3.explain.selection import NoSuchCall, Selection

        if self.call and self.nr is not None:
            raise BadUsage("--call and --nr cannot be combined")
        try:
            return Selection(self.call, self.nr, self.nth)
        except NoSuchCall as bad:
            raise BadUsage(str(bad)) from None


def main(argv: list[str]) -> int:
    command = ExplainCommand()
    try:
        words = command.parser().parse(argv)
        if words is None:
            return 0
        if command.saved or command.entries:
            if words:
                raise BadUsage(f"no command expected: {words[0]}")
        else:
            words = checked(words, USAGE)
        selection = command.selection()
        command.guest.check()
    except BadUsage as bad:
        return complain(f"explain: {bad}")
    if command.saved:
        return show_saved(command)
    if command.entries:
        return compare(command)
    return leave(film_program(command, words, selection))


def film_program(command: ExplainCommand, words: list[str], selection: Selection) -> int:
    """Run the program with a recorder, show the film; the wait status."""
    from ring3.explain.compose import compose
    from ring3.explain.recorder import Recorder

    options = command.guest
    try:
        kernel = options.make_kernel()
    except (OSError, ValueError, ImportError) as bad:
        say(said_of(bad))
        return OWN_ERROR << 8
    recorder = Recorder(selection)
    try:
        with kernel.lock:
            recorder.attach(kernel.world, kernel.supervision.gate)
        status = run_program(kernel, options, words)
        with kernel.lock:
            recorder.detach()
        if recorder.tape is None and not recorder.counts:
            return status or never(recorder)
        if recorder.tape is None:
            return never(recorder)
        film = compose(recorder.tape, words, lambda name: file_of(kernel, name))
    finally:
        report(kernel, options)
        kernel.close()
    return show(command, film) << 8


def never(recorder: Recorder) -> int:
    """The chosen call was not made: say which were."""
    from ring3.explain.selection import listed

    if recorder.failure:
        say(f"explain: {recorder.selection} was made, but not filmed: {recorder.failure}")
        return OWN_ERROR << 8
    found = f"only {recorder.matched} of them were" if recorder.matched else "it was never"
    say(f"explain: there is no {recorder.selection}: {found} made")
    if recorder.counts:
        say(f"the program made {sum(recorder.counts.values())} calls:")
        for row in listed(recorder.counts):
            say(f"  {row}")
    return OWN_ERROR << 8


def file_of(kernel: Kernel, name: str) -> bytes | None:
    """A program file by its name in an area: in the guest's tree, or on the host."""
    from ring3.guest_path import GuestPath

    try:
        return GuestPath(kernel, name).read_bytes()
    except OSError:
        pass
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError:
        return None


# --- showing --------------------------------------------------------------------------------------
def show_saved(command: ExplainCommand) -> int:
    from ring3.explain.film import BadFilm, Film

    try:
        with open(command.saved, encoding="utf-8") as file:
            film = Film.from_json(file.read())
    except OSError as bad:
        return complain(f"explain: {command.saved}: {bad.strerror}")
    except (BadFilm, UnicodeDecodeError) as bad:
        return complain(f"explain: {command.saved}: {bad}")
    return show(command, film)


def show(command: ExplainCommand, film: Film) -> int:
    """The views that were asked for; the exit status."""
    if command.html:
        from ring3.explain.page import page

        try:
            with open(command.html, "w", encoding="utf-8") as file:
                file.write(page(film))
        except OSError as bad:
            return complain(f"explain: {command.html}: {bad.strerror}")
        say(f"the film of {film.header['call']} is in {command.html}")
    if command.json:
        sys.stdout.write(film.to_json())
    elif not command.html:
        return on_terminal(command, film)
    return 0


def on_terminal(command: ExplainCommand, film: Film) -> int:
    from ring3.explain.terminal import NoRich, console, listing

    try:
        out = console()
    except NoRich as missing:
        return complain(f"explain: {missing}")
    if not command.listing and os.isatty(0) and os.isatty(1):
        from ring3.explain.stepping import run

        run(film)
    else:
        listing(film, out)
    return 0


def compare(command: ExplainCommand) -> int:
    from ring3.explain.compare import CannotCompare, compare_entries

    command.guest.machine = "emulated"  # nowhere else are there all of them
    try:
        films = compare_entries(command.entries, command.guest.make_kernel)
    except CannotCompare as bad:
        return complain(f"explain: {bad}")
    return show(command, films)
