"""The rule that CI skips nothing, tried on a suite of its own."""

import pytest

pytest_plugins = "pytester"

SUITE = """
import pytest

def test_skips(): pytest.skip("no browser")

@pytest.mark.needs_external
def test_outside(): pytest.skip("no address")

@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""
CONFTEST = "from tests.conftest import pytest_configure, pytest_make_collect_report, pytest_runtest_makereport\n"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers = needs_external: outside\n")
    pytester.makepyfile(SUITE)
    return pytester


def test_a_skip_fails_in_ci_and_its_reason_is_shown(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*nothing may be skipped*no browser*"])


def test_a_module_that_skips_itself_fails_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(test_module="import pytest\npytest.importorskip('no_such_package')\n")
    result = suite.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)


def test_elsewhere_a_skip_is_a_skip(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    suite.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(skipped=2, xfailed=1)
