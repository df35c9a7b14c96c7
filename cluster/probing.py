"""Asking groups over HTTP whether they serve: shared by all rollouts of a worker, and only as long as one looks.

What is decided on is the last answer. Whoever asks is the worker, in the network of the cluster or near it, so it must
not be led elsewhere: the address is the pod's own and none of the worker's host, no redirect is followed, no proxy
asked, and of an answer nothing but the status is read.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import Context
from typing import NamedTuple
from weakref import WeakValueDictionary

import aiohttp

from rollwright.cluster.addresses import locality
from rollwright.cluster.api import Manifest
from rollwright.cluster.objects import controller_of
from rollwright.rollout.spec import AnswersHttp

_AT_ONCE = 50
"""Of one target by one probe: those that hang hold up none of another's."""
_SERVING_EVERY_SECONDS = 10.0
_OTHERS_EVERY_SECONDS = 2.0
_KEPT_SECONDS = 30.0
"""An answer from longer ago tells nothing any more, and a pod that nobody has looked at for longer isn't asked."""
_PATIENCE_SECONDS = 3.0
"""How long a first answer is waited for."""


class _Question(NamedTuple):
    """What a pod is asked, at the address it has: another address, or another path, is another question."""

    uid: str
    address: str
    probe: AnswersHttp


class _Crowd(NamedTuple):
    """Pods that share slots: of one target, asked the same."""

    owner: str
    """The uid of what controls the pods."""
    probe: AnswersHttp


class _Answer:
    """What is known by now, and who asks."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self.slots = slots
        self.why_not = "it was not asked yet"
        self.of = -math.inf
        self.looked_at = time.monotonic()
        self.is_known = asyncio.Event()
        self.asking: asyncio.Task[None] | None = None


def refusal(address: str) -> str:
    """Why an address of a pod isn't asked, in words; empty if it may be: it may say anything, also what is no pod's."""
    try:
        local = locality(address)
    except ValueError:
        return f"its address {address!r} is none" if address else "it has no address"
    return f"its address {address} is {local}, and isn't asked" if local else ""


class Prober:
    """Asks pods over and over, as long as somebody looks at them."""

    def __init__(self, refusal: Callable[[str], str] = refusal) -> None:
        """`refusal`: why an address isn't asked; empty if it may be."""
        self._refusal = refusal
        self._answers: dict[_Question, _Answer] = {}
        self._slots = WeakValueDictionary[_Crowd, asyncio.Semaphore]()
        """Kept by the answers that are asked for."""
        self._session: aiohttp.ClientSession | None = None

    def why_not(self, leader: Manifest, probe: AnswersHttp) -> str:
        """Why a pod doesn't serve, by its last answer; empty if it does. From now on it is asked."""
        answer = self._look(leader, probe)
        is_old = answer.is_known.is_set() and time.monotonic() - answer.of > _KEPT_SECONDS
        why_not = f"it was not asked for {_KEPT_SECONDS:.0f} s" if is_old else answer.why_not
        return f"{leader['metadata']['name']}: {why_not}" if why_not else ""

    async def hear(self, leaders: Iterable[Manifest], probe: AnswersHttp) -> None:
        """Return once each has been asked, or when that takes too long."""
        answers = [self._look(leader, probe) for leader in leaders]
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                for answer in answers:
                    await answer.is_known.wait()

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks = [answer.asking for answer in self._answers.values() if answer.asking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def _look(self, leader: Manifest, probe: AnswersHttp) -> _Answer:
        question = _Question(leader["metadata"]["uid"], leader.get("status", {}).get("podIP", ""), probe)
        answer = self._answers.get(question)
        if answer is None:
            answer = self._answers[question] = _Answer(self._slots_of(leader, probe))
            answer.asking = asyncio.create_task(
                self._keep_asking(question, answer),
                name=f"ask {question.uid}",
                context=Context(),  # what it logs is not about whoever has asked first
            )
        answer.looked_at = time.monotonic()
        return answer

    def _slots_of(self, leader: Manifest, probe: AnswersHttp) -> asyncio.Semaphore:
        crowd = _Crowd((controller_of(leader) or {}).get("uid", ""), probe)
        return self._slots.setdefault(crowd, asyncio.Semaphore(_AT_ONCE))

    async def _keep_asking(self, question: _Question, answer: _Answer) -> None:
        try:
            while time.monotonic() - answer.looked_at < _KEPT_SECONDS:
                async with answer.slots:
                    asked_at = time.monotonic()
                    answer.why_not = self._refusal(question.address) or await self._ask(question)
                answer.of = asked_at
                answer.is_known.set()
                await asyncio.sleep(_OTHERS_EVERY_SECONDS if answer.why_not else _SERVING_EVERY_SECONDS)
        finally:
            del self._answers[question]

    async def _ask(self, question: _Question) -> str:
        """Ask once; why it doesn't serve, if so. Of what a pod sends nothing but a number is told to people."""
        probe = question.probe
        host = f"[{question.address}]" if ":" in question.address else question.address
        where = f":{probe.port}{probe.path}"
        try:
            async with self._connections.get(
                f"{probe.scheme}://{host}{where}",
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=probe.timeout),
                ssl=not probe.insecure_skip_verify,
            ) as response:
                status = response.status
                response.close()
        except TimeoutError:
            return f"no answer from {where} within {probe.timeout} s"
        except aiohttp.ClientConnectorCertificateError:
            return f"the certificate at {where} is none for its address that the worker trusts"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"no answer from {where} ({_described(error)})"
        if 200 <= status <= 299:
            return ""
        return f"{probe.scheme} {status} from {where}{'; redirects are not followed' if 300 <= status <= 399 else ''}"

    @property
    def _connections(self) -> aiohttp.ClientSession:
        """A connection is made for each question: a new one may be refused where an old one still works."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def _described(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else type(error).__name__
