"""The connection to Temporal, by Temporal's own environment configuration (profiles, TLS, API key)."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig


async def connect(profile: str | None = None) -> Client:
    """Connect as TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY or a profile in temporal.toml say.

    Raises RuntimeError if the server can't be reached.
    """
    config = ClientConfig.load_client_connect_config(profile=profile)
    config.setdefault("target_host", "127.0.0.1:7233")
    return await Client.connect(**config, data_converter=pydantic_data_converter)
