"""A test's way to kill a worker at an exact place.

`LYCEUM_TEST_CRASH_AT=<stage>:<begin|end>:<n>` lets the process end by SIGKILL the n-th time any job of it passes that
border, e.g. `embedding:end:1`. Production ignores the variable.
"""

import os
import signal
from collections.abc import Mapping

from backend.jobs.attempt import Border, OnBorder
from ops.runtime.settings import Environment

VARIABLE = "LYCEUM_TEST_CRASH_AT"


def crash_hook(environment: Environment, environ: Mapping[str, str] = os.environ) -> OnBorder | None:
    """Return what to call at each border, or None when no crash is asked for."""
    wanted = environ.get(VARIABLE, "")
    if not wanted or environment == "production":
        return None
    stage, border, count = wanted.split(":")
    left = int(count)

    def pass_border(passed_stage: str, passed_border: Border) -> None:
        nonlocal left
        if (passed_stage, passed_border) == (stage, border):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return pass_border
