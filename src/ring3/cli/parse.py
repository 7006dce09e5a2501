"""Options by a small table, as docker and strace users type them.

The first word that is no option ends ours and begins the guest's. Short options cluster and take
their value attached or as the next word (``-fo FILE``, ``-s200``); long ones take it after ``=`` or
as the next word.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Apply = Callable[[str], None]


class BadUsage(Exception):
    """The command line is wrong; the text says how."""


class Option:
    """*names*: as typed, dashes included. *value*: what the help calls the value, "" for a flag,
    "[WHAT]" where a long option may go without one. *apply* takes the value ("" for a flag)."""

    __slots__ = ("apply", "help", "names", "value")

    def __init__(self, names: str, value: str, help_: str, apply: Apply) -> None:
        self.names = names.split()
        self.value = value
        self.help = help_
        self.apply = apply


class Parser:
    """Options of one command, in groups for the help."""

    def __init__(self, usage: str, about: str) -> None:
        self.usage = usage
        self.about = about
        self.groups: list[tuple[str, list[Option]]] = []
        self.by_name: dict[str, Option] = {}

    def group(self, title: str, options: Iterable[Option]) -> None:
        listed = list(options)
        self.groups.append((title, listed))
        for option in listed:
            for name in option.names:
                self.by_name[name] = option

    def parse(self, argv: list[str]) -> list[str] | None:
        """Apply the options and return the rest; None if help was asked for (and printed)."""
        at = 0
        while at < len(argv):
            word = argv[at]
            if word == "--":
                return argv[at + 1 :]
            if word[:1] != "-" or word == "-":
                break
            if word in ("--help", "-h"):
                print(self.help(), end="")
                return None
            at = self.long(argv, at) if word.startswith("--") else self.cluster(argv, at)
        return argv[at:]

    def find(self, name: str) -> Option:
        option = self.by_name.get(name)
        if option is None:
            raise BadUsage(f"unknown option {name}{nearest(name, self.by_name)}")
        return option

    def long(self, argv: list[str], at: int) -> int:
        name, equals, value = argv[at].partition("=")
        option = self.find(name)
        if equals or not option.value or option.value[0] == "[":
            if equals and not option.value:
                raise BadUsage(f"{name} takes no value")
            self.use(option, name, value)
            return at + 1
        return self.next_word(option, name, argv, at)

    def next_word(self, option: Option, name: str, argv: list[str], at: int) -> int:
        if at + 1 >= len(argv):
            raise BadUsage(f"{name} needs a value ({option.value})")
        self.use(option, name, argv[at + 1])
        return at + 2

    def cluster(self, argv: list[str], at: int) -> int:
        letters = argv[at][1:]
        while letters:
            name = f"-{letters[0]}"
            option = self.find(name)
            letters = letters[1:]
            if not option.value or option.value[0] == "[":
                self.use(option, name, "")
            elif letters:
                self.use(option, name, letters)
                return at + 1
            else:
                return self.next_word(option, name, argv, at)
        return at + 1

    def use(self, option: Option, name: str, value: str) -> None:
        try:
            option.apply(value)
        except ValueError as bad:
            raise BadUsage(f"{name}: {bad}") from None

    def help(self) -> str:
        parts = [f"usage: {self.usage}\n\n{self.about}\n"]
        for title, options in self.groups:
            parts.append(f"\n{title}:\n")
            parts += [help_line(option) for option in options]
        return "".join(parts)


def help_line(option: Option) -> str:
    shown = ", ".join(sorted(option.names, key=len))
    if option.value:
        joint = "" if option.value[0] == "[" else " "
        shown += joint + option.value
    lines = option.help.split("\n")
    rest = "".join(f"{'':26}{line}\n" for line in lines[1:])
    if len(shown) > 22:
        return f"  {shown}\n{'':26}{lines[0]}\n{rest}"
    return f"  {shown:<24}{lines[0]}\n{rest}"


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean --rw?)`` or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), 1, 0.6)
    return f" (did you mean {close[0]}?)" if close else ""


# --- values ---------------------------------------------------------------------------------------
def size(text: str) -> int:
    """``512M``, ``2G``, ``4096``: bytes. ValueError."""
    units = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
    number = text.lower().removesuffix("b").removesuffix("i")
    unit = number[-1:] if number[-1:] in units else ""
    try:
        value = float(number.removesuffix(unit)) * units[unit]
    except ValueError:
        raise ValueError(
            f"{text!r} is no size: give bytes, or a number with K, M, G or T"
        ) from None
    if value < 0:
        raise ValueError("a size cannot be negative")
    return int(value)


def count(text: str) -> int:
    """A whole number that is not negative. ValueError."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is no number")
    return int(text)


def seconds(text: str) -> float:
    """``1.5``, ``30s``, ``2m``, ``1h``. ValueError."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    factor = units.get(text[-1:], 1)
    try:
        value = float(text[:-1] if text[-1:] in units else text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: give seconds, or a number with s, m or h") from None
    if not 0 < value < 1e9:
        raise ValueError(f"{text!r} is no time to wait")
    return value * factor
