"""Where groups run, for `watch`: read from their cluster every few seconds, if it can be had from here."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollwright.rollout.spec import Target

if TYPE_CHECKING:
    from rollwright.cluster.places import Place

_EVERY_SECONDS = 2.0
_GROUPS_A_SECOND = 50
"""A large fleet is read less often."""
_AGAIN_SECONDS = 20.0


@dataclass
class Nodes:
    """What is known of the groups' places; nothing, without a word, where the cluster can't be asked."""

    target: Target
    kubeconfig: str | None = None
    context: str | None = None
    uid: str = ""
    """Of the object that is rolled out, once that is known: this cluster may have another one."""
    places: "Mapping[int, Place]" = field(default_factory=dict)

    async def keep(self) -> None:
        """Read them again and again, until the cluster says no to it."""
        # The Kubernetes client takes longer to load than the rest; meanwhile there is something to see.
        await asyncio.to_thread(__import__, "rollwright.cluster.places")
        from rollwright.cluster.errors import PermanentError, TemporaryError  # noqa: PLC0415

        with suppress(PermanentError, OSError):
            while True:
                with suppress(TemporaryError):
                    await self._read()
                self.places = {}
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _read(self) -> None:
        from rollwright.cluster import api, places  # noqa: PLC0415

        async with api.connect(self.kubeconfig, self.context) as connected:
            while True:
                if self.uid:
                    self.places = await places.places(connected, self.target, self.uid)
                await asyncio.sleep(max(_EVERY_SECONDS, len(self.places) / _GROUPS_A_SECOND) if self.uid else 0.2)
