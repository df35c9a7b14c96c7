"""Errors of the cluster, as Temporal should take them: what waiting can't mend is not retried."""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError

from rollwright.cluster.errors import PermanentError, TemporaryError


@contextmanager
def told_apart() -> Iterator[None]:
    """Raise ApplicationErrors that carry the message, and whether trying again may help."""
    try:
        yield
    except PermanentError as error:
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from error
    except TemporaryError as error:
        raise ApplicationError(str(error), type=type(error).__name__) from error
