"""One message to one recipient: words through apprise, or JSON to a callback. What goes wrong names no address."""

import asyncio
import json
import re

import aiohttp
from pydantic import SecretStr

from rollwright.activities.guarding import signed, sockets
from rollwright.activities.messages import News, Tell
from rollwright.activities.recipients import Recipient, service
from rollwright.cluster.addresses import Local

_PATIENCE_SECONDS = 10.0
_STATES = {
    News.COMPLETED: "success",
    News.REFUSED: "failure",
    News.ROLLED_BACK: "failure",
    News.ABORTED: "failure",
    News.DELETED: "failure",
}
"""As of a commit status; what hasn't ended is pending."""
_CALLS = re.compile(r"(?<!\w)@(?=\w)|<(?=[!@#])")
"""How people are called in chats: @everyone, and as Slack writes it, <!channel>."""
_NO_WIDTH = "\N{ZERO WIDTH SPACE}"
_SEVERITIES = {"success": "success", "failure": "failure", "pending": "info"}


async def send(recipient: Recipient, told: Tell, delivery: str) -> str:
    """Tell them; why it has failed, in words, or nothing. `delivery`: the same however often this is sent."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            if recipient.callback:
                return await _post(recipient, recipient.callback, told, delivery)
            return await _notify(recipient.url, told) if recipient.url else ""
    except Exception as error:  # noqa: BLE001 - whatever it is, its words may hold the address
        why = "takes too long" if isinstance(error, TimeoutError) else "does not answer"
        return f"{'callback' if recipient.callback else 'a service'} ({why})"


def title(told: Tell) -> str:
    """The subject of a message."""
    return f"{told.target}: {told.news}"


def text(told: Tell) -> str:
    """What a message says, in plain text. It may hold what pods and services say, which calls nobody."""
    lines = [told.line]
    if told.next:
        lines += ["", "To go on:", *(f"  {command}" for command in told.next)]
    by = " ".join(filter(None, (f"by {told.actor}" if told.actor else "", f"({told.reason})" if told.reason else "")))
    about = ", ".join(filter(None, (f"revision {told.revision}" if told.revision else "", by, told.request_id)))
    whole = "\n".join([*lines, *(["", about] if about else [])])
    printable = "".join(letter for letter in whole if letter.isprintable() or letter == "\n")
    return _CALLS.sub(lambda found: f"{found[0]}{_NO_WIDTH}", printable)


def body(told: Tell, delivery: str) -> bytes:
    """What a callback is sent."""
    target = told.target
    content = {
        "format": 1,
        "id": delivery,
        "state": _STATES.get(told.news, "pending"),
        "event": told.news,
        "target": {"kind": target.kind, "namespace": target.namespace, "name": target.name},
        "rollout": told.rollout,
        "line": told.line,
        "next": told.next,
        "revision": told.revision,
        "actor": told.actor,
        "reason": told.reason,
        "requestId": told.request_id,
        "done": told.done,
        "replicas": told.replicas,
        "at": told.at,
    }
    return json.dumps(content, ensure_ascii=False).encode()


async def _notify(url: SecretStr, told: Tell) -> str:
    from apprise import Apprise, NotifyFormat, NotifyType  # noqa: PLC0415 - see `recipients.service`

    made = service(url)
    if made is None:
        return "a service (is not available any more)"
    severity = "warning" if told.news is News.STALLED else _SEVERITIES[_STATES.get(told.news, "pending")]
    taken = await Apprise([made]).async_notify(
        body=text(told),
        title=title(told),
        notify_type=NotifyType(severity),
        body_format=NotifyFormat.TEXT,
        timeout=_PATIENCE_SECONDS,
    )
    return "" if taken else f"{made.service_name} (has not taken it)"


async def _post(recipient: Recipient, url: SecretStr, told: Tell, delivery: str) -> str:
    content = body(told, delivery)
    headers = {"Content-Type": "application/json", "User-Agent": "rollwright"}
    try:
        key = recipient.key()
    except ValueError as error:
        return f"callback ({error})"
    if key:
        headers |= signed(key, content)
    refused = () if recipient.allow_link_local else (Local.LINK_LOCAL,)
    connector = aiohttp.TCPConnector(socket_factory=sockets(refused=refused))
    async with (
        aiohttp.ClientSession(connector=connector, trust_env=False) as session,
        session.post(url.get_secret_value(), data=content, headers=headers, allow_redirects=False) as answer,
    ):
        return "" if 200 <= answer.status <= 299 else f"callback (answers {answer.status})"
