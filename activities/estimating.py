"""The estimate of a wait: reckoned while there is nothing else to do, so that no step waits for it."""

import time
from datetime import datetime

from rollwright.activities.messages import WaitReadiness
from rollwright.cluster.snapshot import Snapshot
from rollwright.rollout.estimate import Estimate, estimate
from rollwright.rollout.observation import Observation

_RENEW_SECONDS = 5.0
_SHARE = 200
"""An estimate rests for so many times as long as it took to make: a worker has many targets."""


class Estimator:
    """The latest estimate, made anew when that is due."""

    def __init__(self, request: WaitReadiness) -> None:
        self._request = request
        self._due = request.estimate.at + _RENEW_SECONDS if request.estimate else 0.0
        self.latest: Estimate | None = request.estimate

    def renew(self, snapshot: Snapshot, seen: Observation, moment: datetime) -> None:
        """Reckon anew by what is seen, unless that was done a moment ago."""
        now = moment.timestamp()
        if now < self._due or not seen.settled:
            return
        began = time.thread_time()
        self.latest = estimate(
            self._request.aim,
            seen,
            snapshot.start_ups(seen, moment),
            earlier=self._request.start_ups,
            since={ordinal: ordeal.since for ordinal, ordeal in self._request.ordeals.items()},
            now=now,
        )
        self._due = now + max(_RENEW_SECONDS, _SHARE * (time.thread_time() - began))

    @property
    def has_news(self) -> bool:
        """Whether people who know what was returned before should be told; not while it stands until they act."""
        goes_on = self._request.acting and not self._request.gated
        return goes_on and self.latest is not None and self.latest.is_news(self._request.estimate)
