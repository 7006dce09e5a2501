"""CPython's own tests run on ring3: what is listed as passing passes, and 90% of the host's is."""

from __future__ import annotations

import pytest

from tests.cpython import runner

SHARE = 0.9

pytestmark = pytest.mark.skipif(
    not runner.installed(), reason="not installed: libpython3.11-testsuite"
)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "module",
    [*runner.MODULES, *(pytest.param(m, marks=pytest.mark.long) for m in runner.LONG)],
)
def test_module(module: str) -> None:
    must = runner.listed().get(module, set())
    assert must, f"{module} has no list; run tests/cpython/run.py {module} --update"
    host = runner.host_verdicts(module)
    ours = runner.run_module("fast", module, quiet_s=120, bound_s=600)
    lost = (must & host.passed()) - ours.passed()
    if lost:
        # A machine under load makes tests of time fail on any kernel: once more, alone.
        again = runner.run_module("fast", module, only=lost, quiet_s=120, bound_s=300)
        lost -= again.passed()
    said = [f"{ours.by_id.get(t, 'not run')} {t}: {ours.why.get(t, '')}" for t in sorted(lost)]
    assert not lost, "\n".join(said)


@pytest.mark.slow
def test_each_exclusion_has_a_reason_and_no_other_test_is_left_out() -> None:
    must = runner.listed()
    unexplained = [
        test
        for module in must
        for test in runner.host_verdicts(module).passed() - must[module]
        if not runner.excluded(test)
    ]
    assert not unexplained, "pass on the host, not listed, no reason: " + ", ".join(unexplained)


def test_nine_tenths_of_what_passes_on_the_host_is_listed() -> None:
    counts = runner.recorded_counts()
    assert set(runner.MODULES) <= set(counts), sorted(set(runner.MODULES) - set(counts))
    host = sum(h for h, _ in counts.values())
    ours = sum(o for _, o in counts.values())
    assert ours >= SHARE * host, f"{ours} of {host}"
    listed = runner.listed()
    assert all(len(listed[m]) == o for m, (_, o) in counts.items() if o)
