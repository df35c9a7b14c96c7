"""The connection to Temporal, by Temporal's own environment configuration (profiles, TLS, API key)."""

from dataclasses import replace

from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError

from rollwright.worker import tracing


class FailuresForPeople(DefaultFailureConverter):
    """What is refused on purpose goes without lines of the program: the Temporal UI shows them below the reason."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert it, its causes too."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and exception.non_retryable:
            told: Failure | None = failure
            while told is not None:
                told.ClearField("stack_trace")
                told = told.cause if told.HasField("cause") else None


_CONVERTER = replace(pydantic_data_converter, failure_converter_class=FailuresForPeople)


async def connect(profile: str | None = None) -> Client:
    """Connect as TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY or a profile in temporal.toml say.

    Raises RuntimeError if the server can't be reached.
    """
    config = ClientConfig.load_client_connect_config(profile=profile)
    config.setdefault("target_host", "127.0.0.1:7233")
    return await Client.connect(**config, data_converter=_CONVERTER, plugins=tracing.plugins())
