"""What stands in a query for the groups, and that no name can be more than a name there."""

import re
from collections.abc import Sequence

import pytest
from pydantic import TypeAdapter, ValidationError

from rollwright.rollout.gates.queries import Query, filled, names_groups, without_pods
from tests.rollout.gates.seen import context

HOSTILE = [
    '"} or vector(0) or {x="',
    "a\\",
    "a.b",
    "(a|b)*",
    "[a-z]+?",
    "^$",
    "{{ pods }}",
    "a\nb",
    "#",
    "'`",
    "\\d{2}",
]


def read(query: str) -> Query:
    return TypeAdapter[str](Query).validate_python(query)


def put(query: str, **given: object) -> str:
    seen = context(**given)
    return filled(read(query), seen, seen.new)


def unquoted(literal: str) -> str:
    """The text of a string of PromQL in double quotes, which must be all there is."""
    assert re.fullmatch(r'"(?:[^"\\\n]|\\["\\n])*"', literal)
    return re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), literal[1:-1])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('up{namespace="{{ namespace }}"}', 'up{namespace="inference"}'),
        ('up{pod=~"{{name}}-0"}', 'up{pod=~"llm-0"}'),
        ('up{revision=~"{{ revision }}"}', 'up{revision=~"llm-7f9c"}'),
        ('up{pod=~"{{ pods }}"}', 'up{pod=~"llm-(3|5|7)(-[0-9]+)?"}'),
        ('up{pod=~"{{ leaders }}"}', 'up{pod=~"llm-(3|5|7)"}'),
        ('up{pod=~"x-{{ ordinals }}"}', 'up{pod=~"x-(3|5|7)"}'),
        ("up == 1", "up == 1"),
        ('up{a="\\"{{ name }}", b=\'"\'}', 'up{a="\\"llm", b=\'"\'}'),
    ],
)
def test_words_stand_for_the_target_and_its_new_groups(query: str, expected: str) -> None:
    assert put(query) == expected


def pods_matched(query: str, pods: Sequence[str], **given: object) -> list[str]:
    """As Prometheus does it: a regular expression must match the whole label."""
    expression = re.compile(unquoted(put(f'"{query}"', **given)))
    return [pod for pod in pods if expression.fullmatch(pod)]


def test_pods_are_those_of_the_groups_and_no_others() -> None:
    theirs = ["llm-3", "llm-3-1", "llm-5", "llm-7-12"]
    others = ["llm-0", "llm-0-3", "llm-33", "llm-1-5", "llm-3-1-1", "xllm-3", "llm-3-x", "llm2-3"]
    assert pods_matched("{{ pods }}", theirs + others) == theirs
    assert pods_matched("{{ leaders }}", theirs + others) == ["llm-3", "llm-5"]


def test_ordinals_are_those_of_the_groups_whatever_stands_beside_them() -> None:
    pods = ["llm-3", "llm-33", "llm-5", "llm-7", "llm-7-1", "llm-0", "5", "7"]
    assert pods_matched("llm-{{ ordinals }}", pods) == ["llm-3", "llm-5", "llm-7"]
    assert pods_matched("{{ name }}-({{ ordinals }})-.*", pods) == ["llm-7-1"]


@pytest.mark.parametrize(
    ("kind", "name", "pods", "without"),
    [
        ("LeaderWorkerSet", "llm", ["llm-3", "llm-5-1", "llm-7", "llm-0"], []),
        ("LeaderWorkerSet", "llm", ["llm-33", "llm-5-1-1", "llm-x-7", "xllm-7", "llm-07", "llm", ""], [3, 5, 7]),
        ("LeaderWorkerSet", "llm", ["llm-5"], [3, 7]),
        ("LeaderWorkerSet", "llm-3", ["llm-3-5", "llm-3-7-1"], [3]),
        ("LeaderWorkerSet", "a.b", ["a.b-3", "aXb-5", "a.b-7"], [5]),
        ("StatefulSet", "llm", ["llm-3", "llm-5-1", "llm-7"], [5]),
    ],
)
def test_it_is_known_of_which_groups_there_is_no_pod(kind: str, name: str, pods: list[str], without: list[int]) -> None:
    seen = context(kind=kind, name=name)
    assert without_pods(seen, seen.new, pods) == without


def test_a_group_of_a_stateful_set_is_one_pod() -> None:
    pods = ["llm-3", "llm-5", "llm-3-1"]
    assert pods_matched("{{ pods }}", pods, kind="StatefulSet") == ["llm-3", "llm-5"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("word", ["name", "namespace", "revision"])
def test_a_name_matches_itself_alone_and_ends_no_string(name: str, word: str) -> None:
    expression = unquoted(put(f'"{{{{ {word} }}}}"', **{word: name}))
    assert re.fullmatch(expression, name)
    assert [other for other in [*HOSTILE, "", "aXb", "a", "x"] if re.fullmatch(expression, other)] == [
        other for other in HOSTILE if other == name
    ]


def test_a_hostile_name_is_only_a_name_among_the_pods_too() -> None:
    assert pods_matched("{{ pods }}", ["a.b-3-1", "aXb-3"], name="a.b") == ["a.b-3-1"]


@pytest.mark.parametrize("word", ["pod", "", "name.x", "POD", "namespace | upper", "__class__"])
def test_an_unknown_word_is_refused_with_those_there_are(word: str) -> None:
    with pytest.raises(ValidationError, match="there are namespace, name, revision, pods, leaders, ordinals"):
        read(f'up{{a="{{{{ {word} }}}}"}}')


@pytest.mark.parametrize("query", ['up{a="{{ pods"}', 'up{a="{{ {{"}'])
def test_half_a_word_is_refused(query: str) -> None:
    with pytest.raises(ValidationError, match="stands for nothing"):
        read(query)


@pytest.mark.parametrize(
    "query",
    [
        "up{a={{ name }}}",
        "up{a='{{ name }}'}",
        "up{a=`{{ name }}`}",
        'up # "{{ name }}"',
        'up{a="x"}{{ name }}{b="x"}',
        'up{a="x\\"}{{ name }}',
    ],
)
def test_a_word_outside_double_quotes_is_refused(query: str) -> None:
    with pytest.raises(ValidationError, match="inside double quotes only"):
        read(query)


def test_it_is_known_whether_a_query_names_groups() -> None:
    assert [names_groups(f'up{{a="{{{{{word}}}}}"}}') for word in ("pods", "leaders", "ordinals", "name")] == [
        True,
        True,
        True,
        False,
    ]
