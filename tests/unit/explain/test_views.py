"""The views: the listing keeps to its width, the page needs nothing, keys go forward and back."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest

from ring3.explain import film as films
from ring3.explain.film import BadFilm, Film, Step
from ring3.explain.page import page
from ring3.explain.stepping import Stepper, split_keys


def made() -> Film:
    """A film with every block, one of which is very wide and one of which wants escaping."""
    lines = [films.line(n, f"    if x < {n}:", "ran" if n % 2 else "", "") for n in range(1, 60)]
    lines[30]["mark"] = "now"
    steps = [
        Step(chapter, "code", f"step <{chapter}>", films.text("a & b " * 40, "</script>"), {})
        for chapter in films.CHAPTERS
    ]
    steps[6].blocks += films.listing("python", "f, ring3/x.py", lines)
    steps.insert(7, Step(7, "line", "line 1", films.listing("python", "f", lines), {}))
    steps[1].blocks += films.table(["a", "b"], [["x" * 150, "y"], ["1", "2"]], [1])
    header = {
        "program": ["p", "<&>"], "call": "write", "nr": 1, "nth": 1, "abi": "x86_64", "pid": 2,
        "tid": 2, "comm": "p", "machine": "native", "line": "write(1, \"<b>\", 3) = 3", "result": 3,
    }  # fmt: skip
    return Film(header, steps)


def test_json_keeps_all_and_refuses_others() -> None:
    film = made()
    assert Film.from_json(film.to_json()).plain() == film.plain()
    head = '{"format": "ring3-film", "version": '
    damaged = head + '1, "header": {}, "steps": [{}]}'
    for text in ("", "[]", '{"format": "x"}', head + "99}", damaged):
        with pytest.raises(BadFilm):
            Film.from_json(text)


def test_nothing_in_a_film_commands_the_terminal() -> None:
    film = made()
    film.header["comm"] = "\x1b]0;owned\x07 \udc80"
    film.steps[0].title = "\x1b[2J"
    film.steps[1].data = {"bytes": b"\x1b"}
    assert film.cleaned().steps[1].data == {"bytes": "1b"}
    film.steps[1].data = {}
    film.steps[0].data = {"\x9b": ["\x1b", [1]]}
    for one in (film.cleaned(), Film.from_json(film.to_json())):
        text = one.to_json() + one.header["comm"] + one.steps[0].title
        assert not [c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
        text.encode()
    assert film.cleaned().header["comm"] == "\\x1b]0;owned\\x07 \\udc80"
    assert film.cleaned().steps[0].data == {"\\x9b": ["\\x1b", [1]]}


def test_the_listing_keeps_to_its_width() -> None:
    console = pytest.importorskip("rich.console")
    from ring3.explain.terminal import listing

    out = io.StringIO()
    listing(made(), console.Console(file=out, width=80))
    rows = out.getvalue().split("\n")
    assert max(map(len, rows)) <= 80
    assert sum(row.startswith(f"{n}  ") for n in films.CHAPTERS for row in rows) == 8
    assert "line 1" not in out.getvalue()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    film = made()
    text = page(film)
    tags = Tags()
    tags.feed(text)
    outside = [(t, a) for t, a in tags.seen if a.get("src") or t in ("link", "iframe", "img")]
    assert not outside
    assert "http" not in text and "@import" not in text and "url(" not in text
    assert not re.search(r"<!--[A-Z]+-->", text)
    sections = [a for t, a in tags.seen if t == "section"]
    assert len(sections) == len(film.steps)
    ids = [a["id"] for _, a in tags.seen if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(a["aria-labelledby"] in ids for a in sections)
    assert "<b>&quot;" not in text and "&lt;b&gt;" in text and "&lt;/script&gt;" in text
    assert "prefers-color-scheme: dark" in text and "ArrowLeft" in text


def test_keys_go_forward_and_back() -> None:
    stepper = Stepper(made())
    for key, at in ((b"n", 1), (b" ", 2), (b"\x1b[C", 3), (b"p", 2), (b"\x1b[D", 1), (b"7", 6),
                    (b"n", 7), (b"p", 6), (b"s", 8), (b"G", 8), (b"n", 8), (b"g", 0), (b"p", 0),
                    (b"8", 8), (b"1", 0), (b"?", 0)):  # fmt: skip
        stepper.key(key)
        assert stepper.at == at, key
    assert not stepper.over
    stepper.key(b"q")
    assert stepper.over


def test_a_read_of_several_keys_is_taken_apart() -> None:
    assert split_keys(b"n\x1b[C\x1b[6~p7") == [b"n", b"\x1b[C", b"\x1b[6~", b"p", b"7"]
    assert split_keys(b"\x1b") == [b"\x1b"]


def test_the_screen_is_full_and_follows_the_line() -> None:
    pytest.importorskip("rich")
    stepper = Stepper(made())
    stepper.go(7)
    rows = stepper.screen(100, 30, colour=False)
    assert len(rows) == 30
    assert all(len(row) <= 100 for row in rows)
    assert any("▶" in row for row in rows)
    stepper.act("down", 25, 62)
    assert stepper.top > 0
