"""Reading a rollout file: strictly, and with every mistake told at once in plain words."""

import difflib
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from rollwright.cli.failure import CommandError, ExitCode
from rollwright.rollout.spec import RolloutSpec
from rollwright.rollout.written import WITHOUT_ALIASES, Loader

_NAME_RULE = "write lower-case letters, digits and '-', beginning and ending with a letter or a digit"
_MOST_BYTES = 1_000_000
"""Of a file. An object in Kubernetes may have half as much again, and this takes ten seconds to read."""
_MOST_MISTAKES = 100
"""Told of one file."""
_TODO = "`rollwright schema` prints what may be written."


class Mistake(NamedTuple):
    """What is wrong, and where: line and column are from 1; both 0 if it is not in the file at all."""

    line: int
    column: int
    what: str

    @classmethod
    def at(cls, mark: yaml.Mark | None, what: str) -> Self:
        """Where YAML has it."""
        return cls(mark.line + 1, mark.column + 1, what) if mark else cls(0, 0, what)

    def told_of(self, source: str) -> str:
        """With the file and the line, for people."""
        return f"{source}{f':{self.line}' if self.line else ''}: {self.what}"


class MistakesError(Exception):
    """A document is no rollout."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """`mistakes`: all that there are, in the order of the file."""
        super().__init__(f"{len(mistakes)} mistakes")
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True)
class Document:
    """One YAML document: its content, and where in the file each part of it stands."""

    source: str
    content: Any
    node: yaml.Node | None = None

    def mistake(self, location: Sequence[int | str], what: str) -> Mistake:
        """Something at a field, or at what encloses it where the field itself is not in the file."""
        node, mark = self.node, None
        for key in location:
            entry = _entry(node, key)
            if entry is None:
                break
            node, mark = entry[1], entry[0].start_mark
        return Mistake.at(mark, what)


def _entry(node: yaml.Node | None, key: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """The nodes of a key and its value in a mapping; an item of a sequence is both."""
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return (node.value[key], node.value[key]) if key < len(node.value) else None
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((name, value) for name, value in node.value if name.value == key), None)


def read_raw(path: str, most_bytes: int = _MOST_BYTES) -> bytes:
    """All of a file, or of stdin if `path` is "-". Raises OSError, also for one without an end, such as a device."""
    if path == "-":
        raw = sys.stdin.buffer.read(most_bytes + 1)
    else:
        with Path(path).open("rb") as file:
            raw = file.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise OSError(errno.EFBIG, f"{os.strerror(errno.EFBIG).lower()}, more than {most_bytes} bytes")
    return raw


def read_document(path: str) -> Document:
    """Read one YAML document from a file, or from stdin if `path` is "-". Raises CommandError."""
    source = "stdin" if path == "-" else path
    try:
        raw = read_raw(path)
    except OSError as error:
        raise CommandError(f"{source} can't be read: {error.strerror}", code=ExitCode.BAD_INPUT) from error
    try:
        loader = Loader(raw)
        node = loader.get_single_node()
        if node is None:
            raise CommandError(f"{source} is empty", todo=_TODO, code=ExitCode.BAD_INPUT)
        if mistakes := [*aliases(loader), *repeated_keys(node)]:
            raise CommandError("\n".join(mistake.told_of(source) for mistake in mistakes), code=ExitCode.BAD_INPUT)
        return Document(source, loader.construct_document(node), node)
    except (yaml.YAMLError, RecursionError) as error:
        raise CommandError(f"{source} is not one YAML document: {error}", code=ExitCode.BAD_INPUT) from error


def aliases(loader: Loader) -> list[Mistake]:
    """Of the document read last."""
    return [Mistake.at(mark, WITHOUT_ALIASES) for mark in loader.aliases]


def repeated_keys(root: yaml.Node) -> Iterator[Mistake]:
    """YAML forbids them; the library silently keeps the last, so half of what was written would be ignored."""
    pending, seen = [root], set()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                pending.append(value)
                line = key.start_mark.line + 1
                if isinstance(key.value, str) and first.setdefault(key.value, line) != line:
                    already = f"{key.value} was already given in line {first[key.value]}; keep one of them"
                    yield Mistake.at(key.start_mark, already)


def to_spec(document: Document) -> RolloutSpec:
    """Check a document. Raises CommandError with all that is wrong in it."""
    try:
        return validate(document)
    except MistakesError as refused:
        lines = [mistake.told_of(document.source) for mistake in refused.mistakes]
        raise CommandError("\n".join(lines), todo=_TODO, code=ExitCode.BAD_INPUT) from refused


def validate(document: Document) -> RolloutSpec:
    """Check a document. Raises MistakesError."""
    content, node = document.content, document.node
    if not isinstance(content, dict):
        what = f"{_shown(content)} is no mapping with apiVersion, kind and target"
        raise MistakesError([Mistake.at(node.start_mark if node else None, what)])
    try:
        return RolloutSpec.model_validate(content)
    except ValidationError as refused:
        errors = refused.errors()[:_MOST_MISTAKES]  # each is looked for among all that is written
        raise MistakesError(sorted(_mistake(document, dict(error)) for error in errors)) from refused


def _mistake(document: Document, error: dict[str, Any]) -> Mistake:
    location = _written(error["loc"], document.content)
    field = ".".join(map(str, location))
    return document.mistake(location, ": ".join(filter(None, (field, _explained(error)))))


def _written(location: Sequence[int | str], content: Any) -> list[int | str]:
    """The way to a field as it was written: pydantic also names which of several models it took on the way."""
    way: list[int | str] = []
    for number, part in enumerate(location, start=1):
        if _holds(content, part):
            content = content[part]
        elif part == "[key]" or number < len(location) or not isinstance(content, dict):
            continue
        way.append(part)
    return way


def _holds(content: Any, part: int | str) -> bool:
    return (isinstance(content, dict) and part in content) or (isinstance(content, list) and isinstance(part, int))


def _explained(error: dict[str, Any]) -> str:
    value, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown(error["loc"])
        case "missing":
            return "is missing; it must be given"
        case "union_tag_invalid":
            tag, known = context["tag"], context["expected_tags"]
            return f"there is no {context['discriminator'].strip(chr(39))} '{tag}'; write one of {known}"
        case "union_tag_not_found":
            return f"{context['discriminator'].strip(chr(39))} is missing; it must be given"
        case "literal_error" | "enum":
            return f"{_shown(value)} is not possible; write {context['expected']}"
        case "string_pattern_mismatch":
            rule = "write an image without spaces" if context["pattern"] == r"^\S+$" else _NAME_RULE
            return f"{_shown(value)} is not possible; {rule}"
        case "string_too_long":
            return f"{_shown(value)} is longer than the {context['max_length']} characters allowed"
        case "string_type" if isinstance(value, int | float):
            return f"{_shown(value)} is a number; put quotes around it"
        case "value_error":
            return str(context["error"])
        case _:
            return f"{_shown(value)} is not possible; {error['msg'][:1].lower()}{error['msg'][1:]}"


def _unknown(location: tuple[int | str, ...]) -> str:
    inside: Any = RolloutSpec
    for part in location[:-1]:
        inside = _alone(_inside(inside, part))
    allowed = [str(field.alias) for field in inside.model_fields.values()]
    close = difflib.get_close_matches(str(location[-1]), allowed, 1)
    guess = f" (did you mean {close[0]}?)" if close else ""
    return f"there is no such field{guess}; allowed are {', '.join(allowed)}"


def _inside(annotation: Any, part: int | str) -> Any:
    """What is expected at a part of the way that pydantic went: a field, an item, or one of several models."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return next(field.annotation for field in annotation.model_fields.values() if field.alias == part)
    if get_origin(annotation) is Annotated:
        return _inside(get_args(annotation)[0], part)
    if isinstance(part, int):
        return get_args(annotation)[0]
    return next(model for model in get_args(annotation) if part in (model.__name__, *_kinds(model)))


def _alone(annotation: Any) -> Any:
    """The one model that a field holds if anything; or what the field holds."""
    models = [kind for kind in get_args(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return models[0] if len(models) == 1 and type(None) in get_args(annotation) else annotation


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
