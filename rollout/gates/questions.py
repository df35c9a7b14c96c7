"""What gates ask for that is not seen of the target anyway: plain data, which activities answer. Pure."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rollwright.rollout.models import Input, Model, Name


def _without_credentials(url: str) -> str:
    if "@" in re.split("[/?#]", url)[2]:
        raise ValueError("an address with a user or a password would be seen by everybody; write a connection instead")
    return url


Address = Annotated[
    str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2000), AfterValidator(_without_credentials)
]
"""Of a server, with a path or without."""


class Source(Input):
    """Where something is asked over HTTP. A connection's address and credentials stand in files on the worker.

    So a credential goes only where whoever runs the workers has said, and none is written into a rollout.
    """

    url: Address | None = Field(default=None, description="Its address, where no credentials are needed.")
    connection: Name | None = Field(
        default=None, description="Name of a connection of the workers: a folder with a url and credentials."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.url is None) is (self.connection is None):
            raise ValueError("give either url or connection")
        return self


class Fetch(Model):
    """Ask over HTTP."""

    question: Literal["fetch"] = "fetch"
    url: str | None = None
    connection: str | None = None
    path: str = ""
    """Behind the url."""
    form: Mapping[str, str] | None = None
    """Sent by POST as a form."""
    document: Mapping[str, Any] | None = None
    """Sent by POST as JSON, signed where the connection has a key for that. Neither: a GET."""
    timeout_seconds: float = 10.0


class Fetched(Model):
    """What came of it."""

    answer: Literal["fetched"] = "fetched"
    status: int | None = None
    """None if there was no answer."""
    body: str = ""
    """At most the first megabyte."""
    error: str = ""
    """Why there was no answer, without any credential."""


class JobRun(Model):
    """One Job to run."""

    name: str
    environment: Mapping[str, str] = Field(default={})
    """For all its containers; wins over what the template has under the same name."""
    begun: bool = False
    """It was seen before: if it has gone, that can't be told any more, and it isn't made again."""


class RunJobs(Model):
    """Have these Jobs running, each once, made of a template."""

    question: Literal["run jobs"] = "run jobs"
    rollout: str
    """The workflow id: all Jobs of a rollout are cleaned up together."""
    template: Mapping[str, Any]
    """The spec of a Job, or a whole one."""
    runs: tuple[JobRun, ...]
    deadline_seconds: int
    """After which a Job that nobody looks after ends by itself."""


class JobState(StrEnum):
    """How far a Job is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobSeen(Model):
    """How a Job stands."""

    name: str
    state: JobState
    why: str = ""
    """In words, on one line: what it waits for, or how it ended; then also why there is no log, if there is none."""
    log: str = ""
    """The last lines, at most 20 and 4 KB, of its last pod once it has ended; else empty."""


class JobsSeen(Model):
    """How they stand, in the order they were asked for."""

    answer: Literal["jobs"] = "jobs"
    jobs: tuple[JobSeen, ...] = ()
    error: str = ""
    """Why they can't be told, if so."""
    refused: str = ""
    """Why there can be no such Jobs, whenever they are asked for; empty if there can."""


class CountPlaces(Model):
    """How many more groups of the new template would find nodes."""

    question: Literal["count places"] = "count places"
    most: int
    """More than this need not be counted."""
    node_selector: Mapping[str, str] = Field(default={})
    """Besides the template's own."""
    topology: str | None = None
    """Label of nodes that all pods of a group must share the value of."""


class Places(Model):
    """How many there are."""

    answer: Literal["places"] = "places"
    groups: int = 0
    short_of: str = ""
    """What there is too little of, in words."""
    error: str = ""
    """Why it can't be told, if so."""


Question = Annotated[Fetch | RunJobs | CountPlaces, Field(discriminator="question")]
Answer = Annotated[Fetched | JobsSeen | Places, Field(discriminator="answer")]
