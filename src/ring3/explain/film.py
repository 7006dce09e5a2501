"""The film of one system call: plain data, which every view shows and JSON keeps.

A film is a header and steps in the order of the eight chapters; inside a chapter steps are in the
order of time. A step carries its facts twice: as ``data`` for programs, and as ``blocks`` (text,
tables, listings) for people, so that no view has to know any kind of step. The schema is documented
in docs/reference/explain.md.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMAT: Final = "ring3-film"
VERSION: Final = 1
CHAPTERS: Final = {
    1: "The program's call",
    2: "Registers",
    3: "The way in",
    4: "Observers and filters",
    5: "The table",
    6: "From user memory",
    7: "The handler",
    8: "The way back",
}

Block = dict[str, Any]


class BadFilm(ValueError):
    """The text is no film, or one of a version that this program does not know."""


def text(*paragraphs: str) -> list[Block]:
    """A block per paragraph."""
    return [{"block": "text", "text": each} for each in paragraphs if each]


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], marks: Sequence[int] = ()
) -> list[Block]:
    """A table; the rows with the numbers *marks* are what the reader should look at."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return []
    return [{"block": "table", "columns": list(columns), "rows": cells, "marks": list(marks)}]


def line(n: object, content: str, mark: str = "", note: str = "") -> dict[str, str]:
    """One line of a listing. *mark*: "ran", "now", "raised" or ""."""
    return {"n": str(n), "text": content, "mark": mark, "note": note}


def listing(language: str, title: str, lines: Sequence[dict[str, str]]) -> list[Block]:
    """Source text ("python") or instructions ("asm")."""
    if not lines:
        return []
    return [{"block": "code", "language": language, "title": title, "lines": list(lines)}]


CONTROLS: Final = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160))}


def clean(text: str) -> str:
    """*text* without what a terminal would obey: names are the guest's choice."""
    return text.encode("utf-8", "backslashreplace").decode().translate(CONTROLS)


def plain(value: Any) -> Any:
    """*value* as JSON keeps it: bytes become hexadecimal text, tuples lists."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {clean(str(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return clean(str(value))


class Step:
    """One thing that happened."""

    __slots__ = ("blocks", "chapter", "data", "kind", "title")

    def __init__(
        self, chapter: int, kind: str, title: str, blocks: list[Block], data: dict[str, Any]
    ) -> None:
        self.chapter = chapter
        self.kind = kind
        self.title = title
        self.blocks = blocks
        self.data = data

    def plain(self) -> dict[str, Any]:
        return {
            "chapter": self.chapter,
            "kind": self.kind,
            "title": self.title,
            "blocks": self.blocks,
            "data": self.data,
        }


class Film:
    """Header and steps."""

    __slots__ = ("header", "steps")

    def __init__(self, header: dict[str, Any], steps: list[Step]) -> None:
        self.header = header
        self.steps = steps

    def cleaned(self) -> Film:
        """The same film in types and characters that every view can show."""
        steps = [
            Step(int(s.chapter), clean(s.kind), clean(s.title), plain(s.blocks), plain(s.data))
            for s in self.steps
        ]
        return Film(plain(self.header), steps)

    def of(self, chapter: int, kind: str | None = None) -> list[Step]:
        """The steps of one chapter (of one *kind*)."""
        return [s for s in self.steps if s.chapter == chapter and (kind is None or s.kind == kind)]

    def first_of(self, chapter: int) -> int:
        """The number of the first step of *chapter* or, where it has none, of a later one."""
        for number, step in enumerate(self.steps):
            if step.chapter >= chapter:
                return number
        return max(0, len(self.steps) - 1)

    def plain(self) -> dict[str, Any]:
        """What JSON keeps."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "chapters": {str(n): name for n, name in CHAPTERS.items()},
            "header": self.header,
            "steps": [step.plain() for step in self.steps],
        }

    def to_json(self) -> str:
        import json

        return json.dumps(self.plain(), indent=1, ensure_ascii=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Film:
        """Read a saved film. Raises BadFilm."""
        import json

        try:
            found = json.loads(text)
        except ValueError as bad:
            raise BadFilm(f"no JSON: {bad}") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise BadFilm("not a film of ring3 explain")
        if found.get("version") != VERSION:
            raise BadFilm(f"a film of version {found.get('version')}; known is {VERSION}")
        try:
            steps = [
                Step(s["chapter"], s["kind"], s["title"], s["blocks"], s["data"])
                for s in found["steps"]
            ]
            return cls(found["header"], steps).cleaned()
        except (KeyError, TypeError, ValueError, AttributeError) as bad:
            raise BadFilm(f"a damaged film: {bad!r}") from None
