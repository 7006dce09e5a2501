"""The film as one HTML page that needs nothing else: no network, no script to be readable.

Every step is in the page as plain HTML; ``page.html`` has the style, and the script that shows one
step at a time and listens to keys.
"""

from __future__ import annotations

import os
from html import escape

from ring3.abi.hints import TYPE_CHECKING
from ring3.explain.film import CHAPTERS

if TYPE_CHECKING:
    from ring3.explain.film import Block, Film, Step

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.html")
SPOKEN = {"ran": "ran", "now": "now", "raised": "raised here"}
"""What a screen reader says of a marked line."""


def page(film: Film) -> str:
    """The whole page."""
    with open(TEMPLATE, encoding="utf-8") as file:
        made = file.read()
    head = film.header
    about = f"pid {head['pid']} · {head['abi']} · machine {head['machine']}"
    parts = {
        "TITLE": escape(f"{head['call']} – ring3 explain"),
        "LINE": escape(head["line"]),
        "PROGRAM": escape(" ".join(head["program"])),
        "ABOUT": escape(about),
        "CHAPTERS": "".join(chapter_link(film, n) for n in CHAPTERS),
        "STEPS": "".join(section(step, n, film) for n, step in enumerate(film.steps)),
    }
    for name, text in parts.items():
        made = made.replace(f"<!--{name}-->", text)
    return made


def chapter_link(film: Film, chapter: int) -> str:
    steps = film.of(chapter)
    inside = "".join(
        f'<li><a href="#s{n}" data-step="{n}">{escape(s.title)}</a></li>'
        for n, s in enumerate(film.steps)
        if s.chapter == chapter and s.kind != "line"
    )
    first = film.first_of(chapter)
    if not steps:
        return f'<li class="empty"><span>{chapter} {escape(CHAPTERS[chapter])}</span></li>'
    return (
        f'<li><a class="chapter" href="#s{first}" data-step="{first}" data-chapter="{chapter}">'
        f"<b>{chapter}</b> {escape(CHAPTERS[chapter])}</a><ol>{inside}</ol></li>"
    )


def section(step: Step, number: int, film: Film) -> str:
    new = number == 0 or film.steps[number - 1].chapter != step.chapter
    heading = ""
    if new:
        heading = f'<h2 class="new">{step.chapter} · {escape(CHAPTERS[step.chapter])}</h2>'
    kind = " line" if step.kind == "line" else ""
    body = "".join(shown(block) for block in step.blocks)
    return (
        f'{heading}<section id="s{number}" class="step{kind}" data-chapter="{step.chapter}" '
        f'aria-labelledby="t{number}"><p class="where">{step.chapter} · '
        f'{escape(CHAPTERS[step.chapter])}</p><h3 id="t{number}" tabindex="-1">'
        f"{escape(step.title)}</h3>{body}</section>\n"
    )


def shown(block: Block) -> str:
    kind = block["block"]
    if kind == "text":
        return f"<p>{escape(block['text'])}</p>"
    return table(block) if kind == "table" else code(block)


def table(block: Block) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in block["columns"])
    rows = []
    for number, row in enumerate(block["rows"]):
        marked = ' class="mark"' if number in block["marks"] else ""
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        rows.append(f"<tr{marked}>{cells}</tr>")
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def code(block: Block) -> str:
    lines = []
    for line in block["lines"]:
        mark = line["mark"]
        note = f' <span class="note">{escape(line["note"])}</span>' if line["note"] else ""
        spoken = f'<span class="spoken">{SPOKEN[mark]}: </span>' if mark in SPOKEN else ""
        lines.append(
            f'<span class="l {mark}"><span class="n">{escape(line["n"])}</span>{spoken}'
            f"<span>{escape(line['text']) or ' '}</span>{note}</span>"
        )
    title = escape(block["title"])
    return (
        f'<figure><figcaption>{title}</figcaption><pre tabindex="0" class="{block["language"]}">'
        f"<code>{''.join(lines)}</code></pre></figure>"
    )
