"""Failures as Temporal keeps them: without lines of the program where they say nothing, and sealed where payloads are.

Kinds of failures, and whether they are retried, are never sealed: Temporal goes by them.
"""

from collections.abc import Iterator

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, FailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

from rollwright.worker.keyring import KeysError

HIDDEN = "sealed: it takes the keys to read it"
"""What Temporal shows in place of a message."""


class FailuresForPeople(DefaultFailureConverter):
    """What is refused on purpose goes without lines of the program: the Temporal UI shows them below the reason."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert it, its causes too."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and exception.non_retryable:
            for told in _chain(failure):
                told.ClearField("stack_trace")


class SealedFailures(FailureConverter):
    """The same with message and trace put where the codec seals them."""

    def __init__(self) -> None:
        self._plain = FailuresForPeople()

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert it; that a key is missing stays as it is, for whoever has to find out which."""
        self._plain.to_failure(exception, payload_converter, failure)
        for told in _chain(failure):
            if told.application_failure_info.type == KeysError.__name__:
                continue
            hidden = {"message": told.message, "stack_trace": told.stack_trace}
            told.encoded_attributes.CopyFrom(payload_converter.to_payloads([hidden])[0])
            told.message, told.stack_trace = HIDDEN, ""

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """Convert it back, once the codec has opened it."""
        return self._plain.from_failure(failure, payload_converter)


def _chain(failure: Failure) -> Iterator[Failure]:
    """It and its causes."""
    yield failure
    if failure.HasField("cause"):
        yield from _chain(failure.cause)
