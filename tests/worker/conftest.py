"""What tests of other packages have set up."""

from tests.cluster.conftest import group_size, real  # noqa: F401 - fixtures: a target in a cluster
