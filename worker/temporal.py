"""The connection to Temporal, by Temporal's own environment configuration (profiles, TLS, API key), sealed by ours."""

from dataclasses import replace
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig

from rollwright.worker import keyring, tracing
from rollwright.worker.failures import FailuresForPeople, SealedFailures
from rollwright.worker.keyring import Keyring
from rollwright.worker.sealing import SealingCodec

DEFAULT_ADDRESS = "127.0.0.1:7233"


class MisconfiguredError(Exception):
    """Temporal's environment configuration can't be used; says why."""


def configuration() -> dict[str, Any]:
    """What TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_* or a profile in temporal.toml say.

    Files of certificates are read. Raises MisconfiguredError.
    """
    try:
        return {"target_host": DEFAULT_ADDRESS, **ClientConfig.load_client_connect_config()}
    except OSError as error:
        raise MisconfiguredError(f"{error.filename} can't be read: {error.strerror}") from error
    except (RuntimeError, ValueError) as error:
        raise MisconfiguredError(str(error)) from error


def converter(keys: Keyring | None) -> DataConverter:
    """How values become payloads, sealed if there are keys."""
    return replace(
        pydantic_data_converter,
        payload_codec=SealingCodec(keys),
        failure_converter_class=SealedFailures if keys else FailuresForPeople,
    )


async def connect() -> Client:
    """Connect as the environment says, with the keys of ROLLWRIGHT_KEYS.

    Raises MisconfiguredError, KeysError, and RuntimeError if the server can't be reached.
    """
    keys = keyring.from_environment()
    settings = configuration()
    try:
        return await Client.connect(**settings, data_converter=converter(keys), plugins=tracing.plugins())
    except ValueError as error:
        raise MisconfiguredError(str(error)) from error
