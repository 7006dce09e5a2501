"""Run one module of CPython's tests and write one line per event, flushed at once.

Runs inside the guest (and on the host, for comparison) under Debian's python3.11:
python3.11 collect.py test_os OUTPUT [SKIP_FILE [ONLY_FILE]]. Lines are `start ID`, `ok ID`,
`skip ID`, `fail ID`, `error ID`, and `end` when the module is through; after fail and error a tab
and the last line of the traceback follow. A crash or a hang so leaves its `start` as the last line.
"""

from __future__ import annotations

import importlib
import os
import sys
import unittest
from typing import TextIO


class Writer(unittest.TestResult):
    """A result that only writes lines."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self.out = out
        self.bad = ""

    def line(self, kind: str, test: unittest.TestCase, why: str = "") -> None:
        """Write one line for *test*."""
        text = " ".join(why.split())[:300]
        self.out.write(f"{kind} {test.id()}" + (f"\t{text}" if text else "") + "\n")
        self.out.flush()

    def startTest(self, test):  # type: ignore[no-untyped-def]
        super().startTest(test)
        self.bad = ""
        self.line("start", test)

    def addSuccess(self, test):  # type: ignore[no-untyped-def]
        if not self.bad:
            self.line("ok", test)

    def addExpectedFailure(self, test, err):  # type: ignore[no-untyped-def]
        self.line("ok", test)

    def addUnexpectedSuccess(self, test):  # type: ignore[no-untyped-def]
        self.line("fail", test, "unexpected success")

    def addSkip(self, test, reason):  # type: ignore[no-untyped-def]
        self.line("skip", test, reason)

    def addFailure(self, test, err):  # type: ignore[no-untyped-def]
        self.line("fail", test, f"{err[0].__name__}: {err[1]}")

    def addError(self, test, err):  # type: ignore[no-untyped-def]
        self.line("error", test, f"{err[0].__name__}: {err[1]}")

    def addSubTest(self, test, subtest, err):  # type: ignore[no-untyped-def]
        if err is not None and not self.bad:
            self.bad = "fail"
            self.line("fail", test, f"{subtest.id()[len(test.id()) :]} {err[0].__name__}: {err[1]}")


def each(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    """Flatten a suite into its tests."""
    found: list[unittest.TestCase] = []
    for item in suite:
        found += each(item) if isinstance(item, unittest.TestSuite) else [item]
    return found


def read_ids(path: str) -> set[str]:
    """Read a file of test ids ('' means none)."""
    if not path:
        return set()
    with open(path, encoding="utf-8") as file:
        return set(file.read().split())


def main(module: str, output: str, skip_file: str = "", only_file: str = "") -> int:
    """Run what is asked for; the exit status is 0 when the module got to its end."""
    from test import support

    support.use_resources = ["subprocess", "walltime"]  # no network, no large files, no cpu burning
    support.junit_xml_list = None
    skip, only = read_ids(skip_file), read_ids(only_file)
    out = open(output, "a", encoding="utf-8")
    os.set_inheritable(out.fileno(), False)
    suite = unittest.TestSuite()
    try:
        loaded = importlib.import_module(f"test.{module}")
        suite = unittest.defaultTestLoader.loadTestsFromModule(loaded)
    except unittest.SkipTest as why:
        out.write(f"skip {module}\t{why}\n")
    wanted = [t for t in each(suite) if t.id() not in skip and (not only or t.id() in only)]
    # Classes stay together as they came, so their fixtures run once.
    unittest.TestSuite(wanted).run(Writer(out))
    out.write("end\n")
    out.flush()
    return 0


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    sys.stdout.flush()
    # Threads that a test left behind must not keep the module from ending.
    os._exit(status)
