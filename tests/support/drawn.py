"""What is drawn at random in tests: the same in every run, so that a run that fails blames the change it ran on.

ROLLWRIGHT_EXPLORE=1 draws anew, to find what nobody has met yet; `make chaos` and `make fuzz` always do.
"""

import os
from random import SystemRandom

from hypothesis import settings


def explores() -> bool:
    return bool(os.environ.get("ROLLWRIGHT_EXPLORE"))


def load_profile() -> None:
    """Have Hypothesis draw accordingly."""
    settings.register_profile("rollwright", derandomize=not explores())
    settings.load_profile("rollwright")


def first_seed() -> int:
    """Of rounds of chaos."""
    return SystemRandom().randrange(1_000_000) if explores() else 1
