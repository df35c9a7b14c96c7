"""Sealed payloads: read by those with the key, by nobody else, and not changed on the way."""

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from rollwright.worker.failures import HIDDEN
from rollwright.worker.keyring import Keyring, KeysError
from rollwright.worker.sealing import ENCODING, KEY_ID, SealingCodec
from rollwright.worker.temporal import converter

PLAIN = Payload(metadata={"encoding": b"json/plain", "kind": b"walrus"}, data=b'"walrus"')
OLD = Keyring("old", {"old": b"o" * 32})
BOTH = Keyring("new", {"old": b"o" * 32, "new": b"n" * 32})


async def sealed(keys: Keyring = OLD) -> Payload:
    (payload,) = await SealingCodec(keys).encode([PLAIN])
    return payload


async def test_what_is_sealed_can_be_opened_and_shows_nothing_but_the_key_it_takes() -> None:
    payload = await sealed()
    assert await SealingCodec(OLD).decode([payload]) == [PLAIN]
    assert dict(payload.metadata) == {"encoding": ENCODING, KEY_ID: b"old"}
    assert b"walrus" not in payload.SerializeToString()


async def test_the_same_is_never_sealed_alike() -> None:
    assert (await sealed()).data != (await sealed()).data


async def test_the_active_key_seals_and_all_open() -> None:
    codec = SealingCodec(BOTH)
    older, (newer,) = await sealed(OLD), await codec.encode([PLAIN])
    assert newer.metadata[KEY_ID] == b"new"
    assert await codec.decode([older, newer, PLAIN]) == [PLAIN, PLAIN, PLAIN]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (OLD, "sealed with the key 'new', which is not in the file of ROLLWRIGHT_KEYS: add it there"),
        (None, "sealed with the key 'new', and there are no keys here: set ROLLWRIGHT_KEYS to their file"),
        (
            Keyring("new", {"new": b"x" * 32}),
            "can't be opened with the key 'new': it was changed, or sealed with another",
        ),
    ],
)
async def test_without_the_key_it_is_said_which_one_it_takes(keys: Keyring | None, why: str) -> None:
    with pytest.raises(KeysError, match=why):
        await SealingCodec(keys).decode([await sealed(BOTH)])


async def test_a_payload_that_was_changed_is_refused() -> None:
    payload = await sealed(BOTH)
    twins = Keyring("old", {"old": b"n" * 32})  # the same key by another name: the name is part of what is sealed
    renamed = Payload(metadata={**payload.metadata, KEY_ID: b"old"}, data=payload.data)
    shorter = Payload(metadata=payload.metadata, data=payload.data[:8])
    other = Payload(metadata=payload.metadata, data=payload.data[:-1] + bytes([payload.data[-1] ^ 1]))
    for keys, changed in ((twins, renamed), (BOTH, shorter), (BOTH, other)):
        with pytest.raises(KeysError, match="it was changed"):
            await SealingCodec(keys).decode([changed])


async def test_without_keys_nothing_is_sealed() -> None:
    assert await SealingCodec(None).encode([PLAIN]) == [PLAIN]


def refusal() -> ApplicationError:
    """With a cause, as a step is refused."""
    try:
        try:
            raise ValueError("the walrus is on the ice")
        except ValueError as cause:
            raise ApplicationError("no walrus", "walrus tusk", non_retryable=True) from cause
    except ApplicationError as error:
        return error


async def test_failures_are_sealed_with_their_causes_and_details_and_read_as_before() -> None:
    failure = Failure()
    made = converter(OLD)
    await made.encode_failure(refusal(), failure)
    assert b"walrus" not in failure.SerializeToString()
    assert (failure.message, failure.stack_trace, failure.cause.message) == (HIDDEN, "", HIDDEN)
    assert failure.application_failure_info.non_retryable
    read = await made.decode_failure(failure)
    assert isinstance(read, ApplicationError)
    assert (read.message, read.details, str(read.cause)) == (
        "no walrus",
        ("walrus tusk",),
        "ValueError: the walrus is on the ice",
    )


async def test_that_a_key_is_missing_can_be_read_without_it() -> None:
    failure = Failure()
    error = RuntimeError("what the walrus was given can't be read")
    error.__cause__ = KeysError("sealed with the key 'new'")
    await converter(OLD).encode_failure(error, failure)
    assert (failure.message, failure.cause.message) == (HIDDEN, "sealed with the key 'new'")
    assert b"walrus" not in failure.SerializeToString()
