"""Queries of Prometheus with words in them that stand for the groups of a rollout. Pure.

The words stand inside double quotes of PromQL. What is put there is escaped for a regular expression, and that for a
string, so that no name is taken for more than a name.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from rollwright.rollout.gates.gate import Context, GroupSeen

_WORD = re.compile(r"\{\{([^{}]*)\}\}")
"""What stands in it may have blanks around it; matched here, they could be shared out in ever so many ways."""
_LITERAL = re.compile(r"""(?P<double>"(?:[^"\\\n]|\\.)*")|'(?:[^'\\\n]|\\.)*'|`[^`]*`|\#[^\n]*|\{\{""")
"""Strings and comments of PromQL, and the beginning of a word that stands in none of them."""
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What means more than itself in a regular expression of Go (RE2), outside a class of characters."""


def _words(query: str) -> list[str]:
    return [word.strip() for word in _WORD.findall(query)]


def _ordinals(_: Context, groups: Sequence[GroupSeen]) -> str:
    return f"({'|'.join(str(ordinal) for ordinal in sorted(group.ordinal for group in groups))})"


def _leaders(context: Context, groups: Sequence[GroupSeen]) -> str:
    return f"{_escaped(context.name)}-{_ordinals(context, groups)}"


def _pods(context: Context, groups: Sequence[GroupSeen]) -> str:
    return _leaders(context, groups) + _worker(context)


def _worker(context: Context) -> str:
    """LWS names leaders NAME-ORDINAL and workers NAME-ORDINAL-N; a group of a StatefulSet is one pod."""
    return "(-[0-9]+)?" if context.kind == "LeaderWorkerSet" else ""


_OF_GROUPS: Mapping[str, Callable[[Context, Sequence[GroupSeen]], str]] = {
    "pods": _pods,
    "leaders": _leaders,
    "ordinals": _ordinals,
}
_OF_TARGET: Mapping[str, Callable[[Context], str]] = {
    "namespace": lambda context: _escaped(context.namespace),
    "name": lambda context: _escaped(context.name),
    "revision": lambda context: _escaped(context.revision),
}


def _check(query: str) -> str:
    known = (*_OF_TARGET, *_OF_GROUPS)
    for word in _words(query):
        if word not in known:
            raise ValueError(f"there is no word '{{{{ {word} }}}}' for a query; there are {', '.join(known)}")
    if "{{" in _WORD.sub("", query):
        raise ValueError("a '{{' stands for nothing; write a word as in '{{ pods }}'")
    if any("{{" in literal.group() and not literal["double"] for literal in _LITERAL.finditer(query)):
        raise ValueError('''words stand inside double quotes only, as in pod=~"{{ pods }}"''')
    return query


Query = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_check)]
"""PromQL, in which {{ pods }} and the like may stand inside double quotes."""


def names_groups(query: Query) -> bool:
    """Whether it asks for certain groups, so that without any there is nothing to ask for."""
    return any(word in _OF_GROUPS for word in _words(query))


def filled(query: Query, context: Context, groups: Sequence[GroupSeen]) -> str:
    """The query for these groups, of which there is one at least if it names groups."""

    def value(word: re.Match[str]) -> str:
        name = word[1].strip()
        return _OF_GROUPS[name](context, groups) if name in _OF_GROUPS else _OF_TARGET[name](context)

    return _WORD.sub(value, query)


def without_pods(context: Context, groups: Sequence[GroupSeen], pods: Iterable[str]) -> list[int]:
    """Ordinals of the groups, in order, of which none of these pods is, by its name."""
    of_a_group = re.compile(f"{re.escape(context.name)}-([0-9]+){_worker(context)}")
    found = {match[1] for match in map(of_a_group.fullmatch, pods) if match}
    return sorted(group.ordinal for group in groups if str(group.ordinal) not in found)


def _escaped(text: str) -> str:
    """So that inside double quotes of PromQL it is a regular expression for just this text."""
    expression = _SPECIAL.sub(r"\\\g<0>", text)
    return expression.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
