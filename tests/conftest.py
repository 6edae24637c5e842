"""How property tests run: reproducibly by default, wider with HYPOTHESIS_PROFILE=wide. And what a file's tests leave
behind is no burden to those of the next: to walk it again at each full collection takes a second in which nothing else
runs, which is more than many a bound that is tested here."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a loaded machine is not a bug. Derandomized: a red run is red again on the next machine.
settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("wide", settings.get_profile("default"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
