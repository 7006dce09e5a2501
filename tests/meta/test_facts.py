"""A fact of Linux's ABI stands in `abi` and is not written down a second time elsewhere."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import ring3.abi

SRC = Path(__file__).resolve().parents[2] / "src"
PACKAGE = SRC / "ring3"


def abi_names() -> dict[str, int]:
    """Give all upper-case integer constants of ring3.abi's modules."""
    names: dict[str, int] = {}
    for module in pkgutil.iter_modules(ring3.abi.__path__):
        for name, value in vars(importlib.import_module(f"ring3.abi.{module.name}")).items():
            # `S_IFMT`, `O_RDONLY`: what has an underscore in it is no accident of naming.
            if name.isupper() and "_" in name[1:] and type(value) is int:
                names[name] = value
    return names


def written_again(path: Path, known: dict[str, int]) -> list[str]:
    """List module-level assignments in *path* of a number to a name that abi has."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        value = getattr(node, "value", None)
        if not (isinstance(value, ast.Constant) and type(value.value) is int):
            continue
        found += [
            f"{path.relative_to(SRC)}:{node.lineno}: {t.id}"
            for t in targets
            if isinstance(t, ast.Name) and known.get(t.id.lstrip("_")) == value.value
        ]
    return found


def test_abi_has_constants() -> None:
    names = abi_names()
    assert len(names) > 300
    assert names["O_CREAT"] == 0o100


def test_constants_of_the_abi_are_written_once() -> None:
    known = abi_names()
    again = [
        said
        for path in sorted(PACKAGE.rglob("*.py"))
        if not path.is_relative_to(PACKAGE / "abi")
        for said in written_again(path, known)
    ]
    assert not again, "\n".join(again)


def test_no_number_of_the_abi_comes_from_the_hosts_python() -> None:
    """`os.O_RDONLY` and `signal.SIGTERM` are the host's facts; a guest's come from abi.

    Machines and what drives host files may use them; handlers and views may not.
    """
    guests_own = ("syscalls", "views", "task", "trace", "security")
    wrong = []
    for room in guests_own:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id in ("signal", "errno", "stat", "fcntl", "socket", "resource")
                    and node.attr.isupper()
                    and imports_module(path, node.value.id)
                ):
                    wrong.append(f"{path.relative_to(SRC)}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong, "\n".join(wrong)


def imports_module(path: Path, name: str) -> bool:
    """Tell whether *name* is the standard library's module in *path*, not something of ours."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.Import) and any(a.name == name and not a.asname for a in node.names)
        for node in ast.walk(tree)
    )
