"""Opening what is sealed in a history that was read as it is, without Temporal's client, which would do it."""

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from rollwright.worker import keyring
from rollwright.worker.sealing import ENCODING, SealingCodec


def open_all(events: list[HistoryEvent]) -> None:
    """Open all payloads of these events, in place. Raises KeysError."""
    sealed = [event for event in events if ENCODING in event.SerializeToString()]
    if sealed:
        codec = SealingCodec(keyring.from_environment())
        for event in sealed:
            _open(event, codec)


def _open(message: Message, codec: SealingCodec) -> None:
    if isinstance(message, Payload):
        message.CopyFrom(codec.open(message))
        return
    for part in _parts(message):
        _open(part, codec)
    if isinstance(message, Failure) and message.HasField("encoded_attributes"):
        told = json.loads(message.encoded_attributes.data)
        message.message, message.stack_trace = told["message"], told["stack_trace"]


def _parts(message: Message) -> Iterator[Message]:
    """The messages in a message."""
    for _, value in message.ListFields():
        for part in _items(value):
            if isinstance(part, Message):
                yield part


def _items(value: Any) -> list[Any]:
    if isinstance(value, Message):
        return [value]
    if hasattr(value, "values"):
        return list(value.values())
    return list(value) if hasattr(value, "append") else []
