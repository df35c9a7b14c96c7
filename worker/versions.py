"""A worker of one build among others: its rollouts stay with it until another build is current, and move then."""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import WorkerDeploymentConfig

from rollwright.activities.succession import Succession
from rollwright.worker import deployments
from rollwright.worker.beside import Work, beside

_log = logging.getLogger(__name__)

_ASK_EVERY_SECONDS = 10.0
_TRY_EVERY_SECONDS = 2.0
_ANYHOW = "rollwright versions --make-current does it all the same, with --force"


class Versioned(NamedTuple):
    """Which build a worker is."""

    deployment: str
    build_id: str
    becomes_current: bool = False
    """It makes itself the current one, once it takes tasks."""

    @property
    def version(self) -> WorkerDeploymentVersion:
        """As Temporal has it."""
        return WorkerDeploymentVersion(self.deployment, self.build_id)

    @property
    def config(self) -> WorkerDeploymentConfig:
        """A rollout stays on the build it began on until it begins anew, which it does once another one is current."""
        return WorkerDeploymentConfig(
            version=self.version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
        )


def accompanied(
    client: Client, versioned: Versioned | None, succession: Succession
) -> AbstractAsyncContextManager[None]:
    """A while in which it is known whether a worker's build is the current one, and in which it may become that."""
    works: dict[str, Work] = {}
    if versioned:
        works["which build is current"] = partial(_watch, client, versioned, succession)
    if versioned and versioned.becomes_current:
        works["become current"] = partial(_become_current, client, versioned)
    return beside(works)


async def _become_current(client: Client, versioned: Versioned) -> None:
    """Make it the current one, as soon as it has workers wherever the current one has, and the server has seen them.

    Only if it never was: a worker of an old build that is started again must not undo an upgrade.
    """
    told = ""
    while True:
        try:
            known = await deployments.describe(client, versioned.deployment)
            if known and (known.was_current(versioned.build_id) or known.is_behind(versioned.build_id)):
                _log.info("build %s is, or was, current, or a later one is: that is left as it is", versioned.build_id)
                return
            if missing := await deployments.unserved(client, versioned.version, known):
                why = f"it has no workers on {', '.join(missing)}, as the current one has, or had ({_ANYHOW})"
            else:
                await deployments.make_current(client, versioned.version)
                _log.info("build %s is the current one of %s now", versioned.build_id, versioned.deployment)
                return
        except RPCError as error:
            why = error.message
        if why != told:
            _log.warning("build %s can't become the current one yet: %s", versioned.build_id, why)
        told = why
        await asyncio.sleep(_TRY_EVERY_SECONDS)


async def _watch(client: Client, versioned: Versioned, succession: Succession) -> None:
    told = ""
    while True:
        try:
            known = await deployments.describe(client, versioned.deployment)
        except RPCError as error:
            if error.message != told:
                _log.warning("which build of %s is current is not known: %s", versioned.deployment, error.message)
            told = error.message
        else:
            told = ""
            succession.note(is_current=known is None or known.current == versioned.build_id)
        await asyncio.sleep(_ASK_EVERY_SECONDS)
