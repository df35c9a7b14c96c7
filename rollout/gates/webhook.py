"""http: a service of your own must say that it may go on."""

import hashlib
import json
import re
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from rollwright.rollout.gates.gate import Asking, Context, Finding, Progress, Reading
from rollwright.rollout.gates.questions import Answer, Fetch, Fetched, Question, Source
from rollwright.rollout.models import Model
from rollwright.rollout.quantities import DurationSeconds

_MOST_CHARACTERS = 200
_FROM_BETWEEN = frozenset({429, 502, 503, 504})
"""Of proxies and balancers: they say nothing of what is rolled out."""
_SEGMENT = "/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*"
# No dots alone, nothing encoded: the credentials of a connection go to what stands below its url only.
Path = Annotated[str, Field(pattern=f"^({_SEGMENT})+/?$", max_length=1000)]


class WebhookGate(Source, Asking):
    """A service that is told by POST what is rolled out, and answers whether it may go on.

    2xx lets it pass, but 202, after which it is asked again. Anything else has it fail, redirects too: they are never
    followed. No answer is inconclusive, and so is what proxies answer that have none.
    """

    kind: Literal["http"] = Field(default="http", description="Which gate it is.")
    path: Path | None = Field(default=None, description="Behind the url; letters, digits and -_.~ between slashes.")
    request_timeout: DurationSeconds = Field(
        default=10, ge=1, le=300, description="How long an answer may take, at most 5m."
    )

    def ask(self, context: Context, progress: Progress) -> tuple[Question, ...]:
        """What is rolled out, and how far it is."""
        document = {
            "id": self._id(context, progress),
            "target": {"kind": context.kind, "namespace": context.namespace, "name": context.name},
            "rollout": context.rollout,
            "step": context.step,
            "revision": context.revision,
            "new": [group.ordinal for group in context.new],
            "old": [group.ordinal for group in context.old],
            "attempt": progress.attempt,
        }
        return (
            Fetch(
                url=self.url,
                connection=self.connection,
                path=self.path or "",
                document=document,
                timeout_seconds=self.request_timeout,
            ),
        )

    def _id(self, context: Context, progress: Progress) -> str:
        """The same for all requests of an attempt, and for no other's: 32 hexadecimal digits."""
        attempt = [context.rollout, context.step, self.title, progress.since, progress.attempt]
        return hashlib.sha256(json.dumps(attempt).encode()).hexdigest()[:32]

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """By the status alone; what the answer says is for people."""
        (answer,) = answers
        if not isinstance(answer, Fetched):
            raise TypeError(answer.answer)
        if answer.status is None:
            return Reading(Finding.INCONCLUSIVE, answer.error)
        return Reading(_finding(answer.status), _message(answer.status, answer.body))


def _finding(status: int) -> Finding:
    if status == 202:
        return Finding.PENDING
    if status in _FROM_BETWEEN:
        return Finding.INCONCLUSIVE
    return Finding.PASSED if 200 <= status < 300 else Finding.FAILED


def _message(status: int, body: str) -> str:
    answered = f"answered {status}"
    if 300 <= status < 400:
        return f"{answered}; redirects are not followed"
    said = _said(body)
    return f"{answered}: {said}" if said else answered


class _Said(Model):
    message: str = ""


def _said(body: str) -> str:
    """The message of a JSON object, or else the text as it is, on one line."""
    try:
        text = _Said.model_validate_json(body).message
    except ValidationError:
        text = body
    printable = "".join(character if character.isprintable() else " " for character in text[: 10 * _MOST_CHARACTERS])
    return re.sub(" +", " ", printable).strip()[:_MOST_CHARACTERS]
