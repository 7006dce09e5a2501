"""The option parser: clusters, values, ends, mistakes."""

from __future__ import annotations

import pytest

from ring3.cli.parse import BadUsage, Option, Parser, count, nearest, seconds, size


def parser() -> tuple[Parser, list[tuple[str, str]]]:
    seen: list[tuple[str, str]] = []
    made = Parser("ring3 test", "A test.")

    def option(names: str, value: str = "") -> Option:
        return Option(names, value, "help", lambda text: seen.append((names.split()[0], text)))

    made.group(
        "Options",
        [
            option("-f --follow"),
            option("-o --output", "FILE"),
            option("-s", "N"),
            option("-r --relative", "[=PRECISION]"),
            option("--rw", "DIR"),
        ],
    )
    return made, seen


@pytest.mark.parametrize(
    ("words", "seen", "rest"),
    [
        (["ls", "-f"], [], ["ls", "-f"]),
        (["-f", "ls"], [("-f", "")], ["ls"]),
        (["-fo", "x", "ls"], [("-f", ""), ("-o", "x")], ["ls"]),
        (["-fox", "ls"], [("-f", ""), ("-o", "x")], ["ls"]),
        (["-s200", "ls"], [("-s", "200")], ["ls"]),
        (["--output=x", "--rw", "d", "ls"], [("-o", "x"), ("--rw", "d")], ["ls"]),
        (["--output", "-", "ls"], [("-o", "-")], ["ls"]),
        (["--relative", "ls"], [("-r", "")], ["ls"]),
        (["--relative=ns", "-r", "ls"], [("-r", "ns"), ("-r", "")], ["ls"]),
        (["-f", "--", "-f"], [("-f", "")], ["-f"]),
        (["-"], [], ["-"]),
        ([], [], []),
    ],
)
def test_words(words: list[str], seen: list[tuple[str, str]], rest: list[str]) -> None:
    made, told = parser()
    assert made.parse(words) == rest
    assert told == seen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--folow"], "unknown option --folow (did you mean --follow?)"),
        (["-q"], "unknown option -q"),
        (["-o"], "-o needs a value (FILE)"),
        (["--output"], "--output needs a value (FILE)"),
        (["--follow=1"], "--follow takes no value"),
    ],
)
def test_mistakes_are_named(words: list[str], said: str) -> None:
    made, _ = parser()
    with pytest.raises(BadUsage) as caught:
        made.parse(words)
    assert str(caught.value) == said


def test_help_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = parser()
    assert made.parse(["-f", "--help"]) is None
    shown = capsys.readouterr().out
    assert "usage: ring3 test" in shown
    for name in ("-f, --follow", "-o, --output FILE", "--relative[=PRECISION]", "--rw DIR"):
        assert name in shown


def test_values() -> None:
    assert [size(t) for t in ("0", "4096", "1k", "512M", "2G", "1.5GiB")] == [
        0, 4096, 1024, 512 << 20, 2 << 30, 3 << 29,
    ]  # fmt: skip
    assert [seconds(t) for t in ("1.5", "30s", "2m", "1h")] == [1.5, 30, 120, 3600]
    assert count("17") == 17
    for parse, bad in (
        (size, "big"),
        (size, "-1"),
        (seconds, "soon"),
        (seconds, "0"),
        (count, "-1"),
    ):
        with pytest.raises(ValueError):
            parse(bad)  # type: ignore[operator]
    assert nearest("tracee", ["run", "trace"]) == " (did you mean trace?)"
    assert nearest("xyz", ["run", "trace"]) == ""
