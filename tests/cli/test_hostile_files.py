"""Whatever stands in a rollout file, it is a rollout that comes through to the worker as it is, or refused in words.

Files come from pull requests: CI reads what anybody may write.
"""

import io
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollwright.cli.failure import CommandError
from rollwright.cli.files import read_document, to_spec
from rollwright.cli.linting import lint
from rollwright.rollout.spec import RolloutSpec

pytestmark = pytest.mark.fuzz

CASES = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEYS = (
    *("apiVersion", "kind", "target", "name", "namespace", "replicas", "change", "images", "patch", "manifest"),
    *("revision", "restart", "strategy", "maxUnavailable", "maxSurge", "partition", "steps", "until", "gates"),
    *("query", "condition", "url", "path", "schedule", "duration", "timezone", "template", "readiness", "http", "<<"),
)
SCALARS = (
    *("Rollout", "rollwright/v1", "llm", "prometheus", "http", "job", "window", "bake", "< 0.05", "0 22 * * *", "30s"),
    *("50%", "-1", "0", "1", "1e3", "0x10", "010", "1:30", ".inf", ".nan", "1.0e+999", "true", "on", "null", "~", ""),
    *("2026-01-02", "2026-13-45", "!!int x", "!!binary aGk=", "!!set {a}", "!!python/name:os.system x", "&a x", "*a"),
    *(
        "{{ pods }}",
        '"{{' + " " * 300,
        '"\\ud800"',
        '"\\e[2J"',
        "../../etc/passwd",
        "9" * 200,
        "http://x:y@z/",
        "? [a]",
    ),
)
scalars = st.sampled_from(SCALARS) | st.text(max_size=10)
written = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(KEYS) | scalars, inner), max_size=4).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"
        )
    ),
    max_leaves=20,
)
nearly = st.builds("target: {{name: llm}}\nchange: {}\nstrategy: {}\n".format, written, written)


@contextmanager
def given_by_stdin(raw: bytes) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(raw))
    try:
        yield
    finally:
        sys.stdin = before


def check(raw: bytes) -> None:
    """It is refused in words, or the same again after its way through Temporal, and to Kubernetes."""
    with given_by_stdin(raw):
        try:
            spec = to_spec(read_document("-"))
        except CommandError:
            return
    sent = spec.model_dump_json(by_alias=True)
    assert RolloutSpec.model_validate_json(sent) == spec
    json.dumps(spec.change.patch, allow_nan=False, sort_keys=True)


@CASES
@given(st.binary(max_size=300))
@example(b"\xff\xfe\x00\xd8")
@example(b"target: {name: llm, replicas: 0x" + b"F" * 5000 + b"}")
@example(b"target: {name: llm}\nchange: {patch: {a: !!binary /w==}}")
@example(b"target: {name: llm}\nchange: {patch: {a: .nan}}")
@example(b"target: {name: llm}\nchange: {patch: {a: {1: x, y: z}}}")
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    check(raw)


@CASES
@given(nearly | written)
def test_what_is_nearly_a_rollout_is_read_or_refused(text: str) -> None:
    check(text.encode(errors="surrogatepass"))


@CASES
@given(st.lists(nearly | written, max_size=3).map("\n---\n".join))
def test_what_is_linted_is_told_of(text: str) -> None:
    with given_by_stdin(text.encode(errors="surrogatepass")):
        assert lint("-").remarks is not None


def test_a_date_is_a_text_as_it_is_to_kubernetes() -> None:
    with given_by_stdin(b"target: {name: llm}\nchange: {patch: {day: 2026-01-02}}"):
        assert to_spec(read_document("-")).change.patch == {"day": "2026-01-02"}


GATE = "target: {{name: llm}}\nstrategy: {{steps: [{{until: 1, gates: [{{kind: prometheus, url: 'http://p', {}}}]}}]}}"


@pytest.mark.parametrize(
    "text",
    [
        GATE.format(f"query: '{{{{{' ' * 9000}', condition: '< 1'"),
        GATE.format(f"query: up, condition: '<{'1' * 400_000}x'"),
        "target: {name: llm}\na: " + "1" + ":1" * 400_000,
        "target: {name: llm}\nchange: {patch: {a: " + "9" * 900_000 + "}}",
        "target: {name: " * 20_000,
        "[" * 900_000,
        "? " * 400_000,
        "a: &a " * 1000 + "x",
        "".join(f"a{number}:\n" for number in range(90_000)),
    ],
    ids=["blanks in a query", "digits", "base 60", "a number", "mappings", "brackets", "keys", "anchors", "no fields"],
)
def test_what_is_made_to_take_long_takes_neither_a_minute_nor_a_gigabyte(text: str) -> None:
    """Each has taken from ten seconds to hours, or would with a reader that looks at more of it than it must."""
    command = [str(Path(sys.executable).with_name("rollwright")), "plan", "--offline", "-f", "-"]
    shown = subprocess.run(command, input=text.encode(), capture_output=True, check=False, preexec_fn=_limit)
    assert shown.returncode == 2, shown.stderr[-2000:]
    assert shown.stderr.startswith(b"error: stdin")


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))


@pytest.mark.parametrize("tag", ["timestamp", "binary", "set", "omap", "pairs", "python/object:os.system"])
def test_only_what_json_has_is_made(tag: str) -> None:
    text = f"target: {{name: llm}}\nchange: {{patch: {{a: !!{tag} x}}}}"
    with given_by_stdin(text.encode()), pytest.raises(CommandError, match="could not determine a constructor"):
        read_document("-")
