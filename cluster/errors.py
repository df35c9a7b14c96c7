"""What can go wrong with a cluster, told apart by whether waiting helps.

Permanent errors say what to change; temporary ones are worth trying again for as long as the rollout may last.
"""

import json
from typing import Any

from kubernetes.aio.client import ApiException


class ClusterError(Exception):
    """Anything a cluster said no to, or didn't answer."""


class TemporaryError(ClusterError):
    """Trying again may help."""


class PermanentError(ClusterError):
    """Trying again won't help until somebody changes something."""


class UnreachableError(TemporaryError):
    """The API server, or something behind it such as a webhook, doesn't answer."""


class NotYetError(TemporaryError):
    """Something else must happen first, and will."""


class ConflictError(TemporaryError):
    """The object changed since it was read: read it again and plan anew."""


class UnconfiguredError(PermanentError):
    """It isn't said which cluster to talk to, or the kubeconfig can't be read."""


class MissingError(PermanentError):
    """The object doesn't exist."""


class GoneError(MissingError):
    """The target itself doesn't exist."""


class ForbiddenError(PermanentError):
    """The permissions don't allow it."""


class RefusedError(PermanentError):
    """The API server, or an admission webhook, refuses the content of the request."""


class SupersededError(PermanentError):
    """A newer step has written to the target; this one must not act any more."""


def translate(error: ApiException, what: str) -> ClusterError:
    """The error for an answer of the API server. `what` was tried, e.g. "patch leaderworkersets NS/NAME"."""
    message = _message(error)
    match error.status:
        case 404 if not _is_of_the_api_server(error):
            return UnreachableError(f"{what}: something between answers 404; is the API server up?")
        case 404:
            return MissingError(f"{what}: not found ({message})")
        case 401:  # temporary: tokens are renewed
            return UnreachableError(f"{what}: the API server doesn't take these credentials; check the kubeconfig")
        case 403 if "admission webhook" in message or "ValidatingAdmissionPolicy" in message:
            return RefusedError(f"{what}: refused by admission control: {message}")
        case 403:
            return ForbiddenError(f"{what}: not permitted; grant this verb on this resource by RBAC ({message})")
        case 409:
            return ConflictError(f"{what}: changed meanwhile ({message})")
        case 400 | 405 | 413 | 415 | 422:
            return RefusedError(f"{what}: refused: {message}")
        case _:
            return UnreachableError(f"{what}: the API server answers {error.status} ({message})")


def _is_of_the_api_server(error: ApiException) -> bool:
    """Whether the API server itself says so, and not a proxy before it.

    Of a path it doesn't serve, as without LWS's API, it says so in plain text.
    """
    body = (error.body or "").strip()
    return body == "404 page not found" or body.startswith("{")


def _message(error: ApiException) -> str:
    try:
        body: Any = json.loads(error.body or "")
    except ValueError:
        return str(error.reason)
    return str(body.get("message", error.reason)) if isinstance(body, dict) else str(error.reason)
