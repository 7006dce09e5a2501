"""Files that many cases share; all of it made up here, so that nothing depends on the host's."""

from __future__ import annotations

import random

_ROLL = random.Random(42)
_STEMS = (
    "ring kernel trap gate page frame vector task fork exec pipe inode mount path signal futex"
).split()

WORDS = "".join(f"{_ROLL.choice(_STEMS)}{_ROLL.randrange(90)}\n" for _ in range(400))
NUMBERS = "".join(f"{_ROLL.randrange(-5000, 5000)}\n" for _ in range(300))
CSV = "id,name,size\n" + "".join(
    f"{i},{_ROLL.choice(_STEMS)},{_ROLL.randrange(100000)}\n" for i in range(1, 80)
)
UNICODE = "Grüße aus Ring 3\nπ ≈ 3.14159\n漢字 かな\n\ttab and  spaces \nno newline at the end"
BINARY = bytes(_ROLL.randrange(256) for _ in range(5000)) + b"\0" * 3000
LOG = "".join(
    f"2026-11-{1 + i // 24:02} {i % 24:02}:00 {('INFO', 'WARN', 'ERROR')[i % 7 % 3]}"
    f" {_STEMS[i % len(_STEMS)]}: event {i * 37 % 1000}\n"
    for i in range(500)
)

TREE: dict[str, str | bytes] = {
    "words.txt": WORDS,
    "numbers.txt": NUMBERS,
    "table.csv": CSV,
    "unicode.txt": UNICODE,
    "binary.bin": BINARY,
    "app.log": LOG,
    "empty": "",
    "dir/a.txt": "alpha\n",
    "dir/b.txt": "beta\n",
    "dir/sub/c.txt": "gamma\n",
    "dir/sub/deep/d.dat": b"\0\1\2\3",
    "dir/.hidden": "seen with -a\n",
    "dir/name with spaces.txt": "delta\n",
}
