"""What a newer version has written to objects is refused in words, and left as it is."""

import json
from collections.abc import Awaitable, Callable

import pytest

from rollwright.cluster import names
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.formats import check_format
from rollwright.cluster.record import Record
from rollwright.rollout.spec import Change
from tests.cluster.conftest import NAME, Real

NEWER = "is left as it is: it is of format 2, and this version of rollwright knows 1 at most"
RECORD = {"replicas": 3, "groups": 3, "maxUnavailable": 1, "maxSurge": 0, "partition": 0}


@pytest.mark.parametrize(
    "notes",
    [
        {},
        {names.FORMAT: "1"},
        {names.FORMAT: "spoilt"},
        {names.FORMAT: "1" * 5000},
        {names.RECORD: json.dumps(RECORD)},
        {names.RECORD: json.dumps({**RECORD, "version": 1, "later": "a field that came without a new format"})},
        {names.RECORD: "spoilt"},
        {names.RECORD: "[]"},
        {names.RECORD: "[" * 200_000},
        {names.RECORD: '{"version": "spoilt"}'},
    ],
)
def test_what_is_of_the_first_format_or_says_nothing_that_can_be_read_is_taken(notes: dict[str, str]) -> None:
    check_format({"metadata": {"annotations": notes}}, "lws/llm")


@pytest.mark.parametrize("notes", [{names.FORMAT: "2"}, {names.RECORD: json.dumps({**RECORD, "version": 2})}])
def test_what_is_of_a_newer_format_is_refused_with_what_to_do(notes: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match=f"lws/llm {NEWER}.* go on with that one"):
        check_format({"metadata": {"annotations": notes}}, "lws/llm")


def test_a_record_that_bears_no_version_is_read() -> None:
    record = Record.parse(json.dumps(RECORD))
    assert record
    assert (record.version, record.replicas) == (1, 3)


@pytest.mark.real
async def test_nothing_is_done_to_a_target_that_a_newer_version_has_written_to(real: Real) -> None:
    lws = await real.target.read_object()
    await real.kubectl("annotate", f"lws/{NAME}", f'{names.RECORD}={{"version": 2}}')
    before = await real.namespace.set(NAME)
    ways: list[Callable[[], Awaitable[object]]] = [
        real.target.read_object,
        real.target.read,
        real.target.read_anew,
        lambda: real.write(1, []),
    ]
    for way in ways:
        with pytest.raises(RefusedError, match=NEWER):
            await way()
    after = await real.namespace.set(NAME)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert lws.generation == before["metadata"]["generation"]


@pytest.mark.real
async def test_a_template_that_a_newer_version_keeps_is_not_written_over(real: Real) -> None:
    name = await real.keep(Change(images={"model": "m:2"}))
    await real.kubectl("annotate", f"controllerrevision/{name}", f"{names.FORMAT}=2")
    with pytest.raises(RefusedError, match=f"template {name}, kept for lws/{NAME} in namespace .*, {NEWER}"):
        await real.keep(Change(images={"model": "m:2"}), 1)
