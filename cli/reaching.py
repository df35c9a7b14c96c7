"""Reaching the cluster of a target: what goes wrong with that, and what to do about it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollwright.cli.failure import CommandError
from rollwright.cluster.api import Api, connect
from rollwright.cluster.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    SupersededError,
    TemporaryError,
    UnconfiguredError,
)

# A missing kubeconfig is told of in words; the client would log it besides.
logging.getLogger("kubernetes").setLevel(logging.ERROR)


@asynccontextmanager
async def reached(kubeconfig: str | None, context: str | None) -> AsyncIterator[Api]:
    """Connect to the cluster. Raises CommandError for what goes wrong with it, meanwhile too."""
    try:
        async with connect(kubeconfig, context) as api:
            yield api
    except (ConflictError, SupersededError) as error:
        raise CommandError(f"something else acts on it at this very moment: {error}", todo="Look again.") from error
    except (OSError, UnconfiguredError, TemporaryError) as error:
        raise CommandError(f"the cluster can't be asked: {error}", todo="Give --kubeconfig or --context.") from error
    except ForbiddenError as error:
        raise CommandError(str(error), todo="What each verb needs is in rollwright's docs/permissions.md.") from error
    except ClusterError as error:
        raise CommandError(str(error), todo="If this is the wrong cluster: --kubeconfig, --context.") from error
