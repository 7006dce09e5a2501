"""``ring3 doctor``: what this host offers to the native machine, and what was chosen."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.cli.main import complain
from ring3.cli.parse import BadUsage, Option, Parser

if TYPE_CHECKING:
    from ring3.cli.probes import Finding

USAGE = "ring3 doctor [OPTION]..."
ABOUT = """\
Try what the native machine needs of this host, each by really doing it in a child process, and
say what that means. The exit status is 0 if guests can run natively."""
SIGNS = {"yes": "ok", "no": "MISSING", "limited": "limited", "info": "-"}


def main(argv: list[str]) -> int:
    shown = {"json": False}
    parser = Parser(USAGE, ABOUT)
    parser.group("Options", [Option("--json", "", "as JSON", lambda _: shown.update(json=True))])
    try:
        rest = parser.parse(argv)
        if rest:
            raise BadUsage(f"no argument expected: {rest[0]}")
    except BadUsage as bad:
        return complain(f"doctor: {bad}")
    if rest is None:
        return 0
    from ring3.cli.probes import examine

    findings = examine()
    runs = all(f.state != "no" for f in findings if f.needed)
    if shown["json"]:
        import json

        listed = [{n: getattr(f, n) for n in f.__slots__} for f in findings]
        print(json.dumps({"native": runs, "findings": listed}, indent=1))
    else:
        print(as_text(findings, runs), end="")
    return 0 if runs else 1


def as_text(findings: list[Finding], runs: bool) -> str:
    lines = []
    for f in findings:
        lines.append(f"{SIGNS[f.state]:>7}  {f.name:<26} {f.value}\n")
        lines.append(f"{'':9}{f.meaning}\n")
    verdict = "Guests run natively here." if runs else "Guests cannot run natively here."
    return "".join(lines) + f"\n{verdict}\n"
