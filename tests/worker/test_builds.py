"""Which of several builds came later."""

import pytest

from rollwright.worker.builds import Build, Deployment, Standing


@pytest.mark.parametrize(
    ("current", "build", "is_behind"),
    [("v3", "v2", True), ("v1", "v2", False), ("v2", "v2", False), ("", "v2", False), ("v3", "unknown", False)],
)
def test_a_build_is_behind_once_a_later_one_is_current(current: str, build: str, *, is_behind: bool) -> None:
    """It must not make itself current then, however late its workers come up."""
    builds = [Build(name, Standing.INACTIVE, None, was_current=False) for name in ("v3", "v2", "v1")]
    assert Deployment("gpu", current, builds).is_behind(build) is is_behind
