"""How property tests run: reproducibly by default, wider with HYPOTHESIS_PROFILE=wide."""

import os

from hypothesis import HealthCheck, settings

# No deadline: a loaded machine is not a bug. Derandomized: a red run is red again on the next machine.
settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("wide", settings.get_profile("default"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
