"""Build the two native parts: the shim (freestanding C, package data) and the C step (extension).

Everything else about the package stands in pyproject.toml. The compiling itself is in
tools/build_native.py, which the Makefile uses as well.
"""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

import build_native  # noqa: E402  (the path above makes it importable)


class BuildPyAndShim(build_py):
    """Copy the Python files, after making the shim that is shipped among them."""

    def run(self) -> None:
        if build_native.native_host():
            # A failure here ends the installation: a ring3 without its shim runs nothing.
            build_native.build_shim()
        super().run()


def extensions() -> list[Extension]:
    """Name the C step where it can be of use; it is optional, a Python one stands in for it."""
    if not build_native.native_host():
        return []
    source = build_native.TRAP_SOURCE.relative_to(ROOT)
    return [
        Extension(
            "ring3.machine.native._trap",
            [str(source)],
            extra_compile_args=["-O2", "-std=gnu11"],
            optional=True,
        )
    ]


setup(cmdclass={"build_py": BuildPyAndShim}, ext_modules=extensions())
