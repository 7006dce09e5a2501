"""The film in a terminal, by rich: the whole listing, or one step on a screen."""

from __future__ import annotations

import os

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.explain.film import CHAPTERS

if TYPE_CHECKING:
    from ring3.explain.film import Block, Film, Step

WIDEST: Final = 110
PLAIN: Final = 100
"""Columns where there is no terminal."""
MARKS: Final = {"ran": "│", "now": "▶", "raised": "✗", "": " "}
STYLES: Final = {"ran": "green", "now": "bold yellow", "raised": "bold red", "": "dim"}
NEEDS_RICH: Final = (
    "the terminal view needs rich (pip install 'ring3[explain]'); --html FILE and --json do not"
)


class NoRich(Exception):
    """The package rich is not installed."""


def console(width: int | None = None, colour: bool | None = None) -> Any:
    """A rich console on standard output. Raises NoRich."""
    try:
        from rich.console import Console
    except ImportError:
        raise NoRich(NEEDS_RICH) from None
    made = Console(width=width, no_color=colour is False, highlight=False)
    if not made.is_terminal and width is None and not os.environ.get("COLUMNS"):
        width = PLAIN
    elif made.width > WIDEST:
        width = WIDEST
    return Console(width=width, no_color=colour is False, highlight=False)


def listing(film: Film, out: Any) -> None:
    """Print the whole film, chapter by chapter; steps of single lines only count in stepping."""
    print_header(film, out)
    for chapter in CHAPTERS:
        steps = [s for s in film.of(chapter) if s.kind != "line"]
        if not steps:
            continue
        print_chapter(chapter, out)
        for step in steps:
            print_step(step, out)


def print_header(film: Film, out: Any) -> None:
    from rich.panel import Panel
    from rich.text import Text

    head = film.header
    text = Text(head["line"], style="bold")
    nth = "" if head["nth"] == 1 else f" (number {head['nth']} of its kind)"
    text.append(
        f"\n{' '.join(head['program'])}  ·  pid {head['pid']}  ·  {head['abi']}  ·  machine "
        f"{head['machine']}{nth}",
        style="not bold dim",
    )
    out.print(Panel(text, title="one system call", title_align="left", border_style="cyan"))


def print_chapter(chapter: int, out: Any) -> None:
    from rich.rule import Rule
    from rich.text import Text

    out.print()
    out.print(Rule(Text(f"{chapter}  {CHAPTERS[chapter]}", style="bold cyan"), align="left",
                   style="cyan"))  # fmt: skip


def print_step(step: Step, out: Any) -> None:
    from rich.text import Text

    out.print(Text(step.title, style="bold"))
    for block in step.blocks:
        out.print(rendered(block))
    out.print()


def rendered(block: Block) -> Any:
    """A block as something that rich prints."""
    from rich.padding import Padding
    from rich.text import Text

    kind = block["block"]
    if kind == "text":
        return Padding(Text(block["text"]), (0, 0, 0, 2), expand=False)
    if kind == "table":
        return Padding(table(block), (0, 0, 0, 1), expand=False)
    return Padding(code(block), (0, 0, 0, 2), expand=False)


def table(block: Block) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for name in block["columns"]:
        made.add_column(name, overflow="fold")
    for number, row in enumerate(block["rows"]):
        marked = number in block["marks"]
        made.add_row(*[Text(cell, style="bold yellow" if marked else "") for cell in row])
    return made


def code(block: Block) -> Any:
    """A listing: number, mark, text, remark."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    lines = block["lines"]
    texts = coloured([line["text"] for line in lines], block["language"])
    made = Table(
        box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    if any(line["n"] for line in lines):
        made.add_column(justify="right", no_wrap=True, style="dim")
    else:
        made.add_column(width=0)
    made.add_column(width=1, no_wrap=True)
    made.add_column(overflow="fold")
    for line, text in zip(lines, texts, strict=True):
        style = STYLES[line["mark"]]
        if line["mark"] != "ran":
            text = Text(line["text"], style=style)
        if line["note"]:
            text = text + Text(f"   {line['note']}", style="cyan italic not bold")
        made.add_row(line["n"], Text(MARKS[line["mark"]], style=style), text)
    return Group(Text(block["title"], style="dim italic"), made)


def coloured(lines: list[str], language: str) -> list[Any]:
    """The lines with the colours of their language."""
    from rich.text import Text

    if language != "python":
        return [Text(line) for line in lines]
    from rich.syntax import Syntax

    whole = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(
        "\n".join(lines)
    )
    found = list(whole.split("\n", allow_blank=True))[: len(lines)]
    return found + [Text("") for _ in range(len(lines) - len(found))]


def step_lines(film: Film, number: int, width: int, colour: bool) -> list[str]:
    """One step as lines for a screen of *width* columns."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    made = Console(
        file=out, width=min(width, WIDEST), force_terminal=True, no_color=not colour,
        highlight=False, legacy_windows=False,
    )  # fmt: skip
    print_step(film.steps[number], made)
    return out.getvalue().rstrip("\n").split("\n")
