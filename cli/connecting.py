"""Why a connection to Temporal fails, in words, and what to set. Says nothing of what is secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from temporalio.service import RPCError, TLSConfig

from rollwright.cli.failure import CommandError, ExitCode
from rollwright.worker import temporal
from rollwright.worker.temporal import MisconfiguredError

_ANYTHING = (
    "Set TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_API_KEY (or a profile of temporal.toml), "
    "or start a server for yourself: temporal server start-dev"
)
_WITH_TLS: tuple[tuple[str, str, str], ...] = (
    (
        r"UnknownIssuer|BadSignature",
        "nothing here says that the authority of its certificate is to be trusted",
        "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the authority that has signed the server's.",
    ),
    (
        r"InvalidCertificate\((Expired|NotValidYet)",
        "its certificate is not valid now",
        "Have the server's certificate renewed; or is the clock wrong here?",
    ),
    (
        r"InvalidCertificate\(NotValidForName",
        "its certificate is for another name",
        "Set TEMPORAL_ADDRESS to a name in the server's certificate, or TEMPORAL_TLS_SERVER_NAME.",
    ),
    (
        r"InvalidContentType",
        "it does not speak TLS",
        "Set TEMPORAL_ADDRESS to where it does. TLS is on because of TEMPORAL_TLS*, TEMPORAL_API_KEY or a profile of "
        "temporal.toml; TEMPORAL_TLS=false turns it off, and sends an API key for everybody on the way to read.",
    ),
)
"""What the SDK's words for it are, what they mean, and what to do."""
_CUT = r"after connection: Status \{ code: (Unknown|Cancelled|Internal),"
"""What the SDK makes of a connection that ends in the middle of its first call; a server has no such answers to it."""
_CUT_WITH_TLS = _CUT + r"|AlertReceived|ConnectionReset|BrokenPipe|UnexpectedEof"
"""A server refuses a client's certificate once the connection stands for the client: and ends it without a word."""
_PLAIN = "it ends the connection, as a server does that speaks TLS only"
_TLS_ON = "Set TEMPORAL_TLS=true, and TEMPORAL_TLS_SERVER_CA_CERT_PATH if its authority is one of your own."


@contextmanager
def connecting() -> Iterator[None]:
    """Turn what keeps from connecting into CommandError."""
    try:
        yield
    except MisconfiguredError as error:
        raise misconfigured(error) from error
    except (RuntimeError, RPCError) as error:
        raise unreachable(error) from error


def misconfigured(error: MisconfiguredError) -> CommandError:
    """What to say when there is no telling where to connect to."""
    return CommandError(
        f"the settings of the connection to Temporal can't be used: {error}",
        todo="Look at the environment variables TEMPORAL_*, and at the profile of temporal.toml that TEMPORAL_PROFILE "
        "names.",
        code=ExitCode.BAD_INPUT,
    )


def unreachable(error: Exception) -> CommandError:
    """What to say when connecting has failed."""
    config = temporal.configuration()
    reason, todo = _why(str(error), config)
    return CommandError(f"Temporal at {config['target_host']} can't be reached: {reason}", todo=todo)


def _why(told: str, config: dict[str, Any]) -> tuple[str, str]:
    if tls := config.get("tls"):
        for pattern, reason, todo in _WITH_TLS:
            if re.search(pattern, told):
                return reason, todo
        if re.search(_CUT_WITH_TLS, told):
            return _cut(tls)
    elif re.search(_CUT, told):
        return _PLAIN, _TLS_ON
    # The SDK gives the debug form of nested errors; the innermost message is what happened.
    return (re.findall(r'message: "([^"]+)"', told) or [told])[-1], _ANYTHING


def _cut(tls: object) -> tuple[str, str]:
    """`tls`: its configuration, or True for the usual one."""
    certificate = tls.client_cert if isinstance(tls, TLSConfig) else None
    if not certificate:
        return (
            "it ends the connection, as a server does that asks for a client's certificate",
            "Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH.",
        )
    if ended := _ended(certificate):
        return (
            f"it ends the connection; the client's certificate has expired on {ended}",
            "Renew the file of TEMPORAL_TLS_CLIENT_CERT_PATH.",
        )
    return (
        "it ends the connection, as a server does that refuses the client's certificate",
        "Set TEMPORAL_TLS_CLIENT_CERT_PATH to one of an authority that the server trusts, and "
        "TEMPORAL_TLS_CLIENT_KEY_PATH to its key.",
    )


def _ended(certificate: bytes) -> str:
    """When a certificate has expired; empty if it hasn't, or can't be read."""
    from cryptography import x509  # noqa: PLC0415 - slow to import, and seldom wanted

    try:
        ends = x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return ""
    return ends.strftime("%Y-%m-%d %H:%M UTC") if ends < datetime.now(UTC) else ""
