"""The page of every field of the rollout file, made of its JSON Schema."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from docs.reference.markdown import anchor, code, plain, table
from rollwright.rollout.gates.gate import Gate, Title
from rollwright.rollout.models import Name, ObjectName
from rollwright.rollout.quantities import COUNT_PATTERN, DURATION_PATTERN, in_words
from rollwright.rollout.spec import RolloutSpec

Schema = dict[str, Any]

_HEAD = """# The rollout file

Every field, with its type, what it is without being written, and what it means. Fields that are not here are refused.
Written as YAML; `rollwright schema` prints the JSON Schema, for editors and CI.

A duration is hours, minutes and seconds, as in `30s`, `10m` or `1h30m`, or a whole number of seconds. A percentage is
of the replicas, as in `25%`: of `maxSurge` and `until` rounded up, of `maxUnavailable` rounded down.
"""
_LIMITS = {
    "minimum": "at least {}",
    "ge": "at least {}",
    "maximum": "at most {}",
    "le": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "minProperties": "at least {} of them",
    "maxProperties": "at most {} of them",
    "pattern": "matches `{}`",
}


_COMMON = {field.alias for field in Gate.model_fields.values()}
_PATTERNS = {
    COUNT_PATTERN: "",
    DURATION_PATTERN: "",
    get_args(Name)[1].pattern: "lower-case letters, digits and `-`",
    get_args(ObjectName)[1].pattern: "lower-case letters, digits, `-` and `.`",
    get_args(Title)[1].pattern: "no control characters",
}


class Section(NamedTuple):
    """A mapping in the file, and the way to it, as in `strategy.steps[]`."""

    path: str
    schema: Schema
    gate: str = ""
    """Its kind, if it is one."""

    @property
    def title(self) -> str:
        """Its heading."""
        return f"Gate: {self.gate}" if self.gate else self.path or "The file"

    @property
    def about(self) -> str:
        """What it is, and where it stands or is told of at length."""
        said = plain(self.schema.get("description", ""))
        more = f"One of `{self.path}`; told at length in [Gate: {self.gate}](../gates/{self.gate}.md)."
        return f"{said}\n\n{more}" if self.gate else said

    @property
    def fields(self) -> list[tuple[str, Schema]]:
        """Those of a gate before those that all gates have."""
        own = sorted(self.schema["properties"].items(), key=lambda field: (field[0] != "kind", field[0] in _COMMON))
        return own if self.gate else list(self.schema["properties"].items())


def page() -> str:
    """All of it, as Markdown."""
    schema = RolloutSpec.model_json_schema(mode="validation")
    return "\n\n".join([_HEAD.strip(), *(_section(section, schema["$defs"]) for section in sections(schema))]) + "\n"


def sections(schema: Schema) -> Iterator[Section]:
    """The file itself, and each mapping in it, before those that are inside of it."""
    return _inside(Section("", schema), schema["$defs"])


def _inside(section: Section, known: Schema) -> Iterator[Section]:
    yield section
    for name, field in section.schema["properties"].items():
        path = f"{section.path}.{name}".lstrip(".")
        for inner in _mappings(f"{path}[]" if field.get("type") == "array" else path, field, known):
            yield from _inside(inner, known)


def _mappings(path: str, field: Schema, known: Schema) -> Iterator[Section]:
    """What a field may hold that has fields of its own."""
    options = _options(field.get("items", field))
    for option in options:
        found = known.get(option.get("$ref", "").rpartition("/")[2], {})
        if "properties" in found:
            kind = found["properties"].get("kind", {})
            yield Section(path, found, gate=kind["const"] if len(options) > 1 and "const" in kind else "")


def _options(field: Schema) -> list[Schema]:
    """What it may be; one without alternatives is its only option."""
    options = field.get("anyOf") or field.get("oneOf") or [field]
    return [inner for option in options for inner in ([option] if option is field else _options(option))]


def _section(section: Section, known: Schema) -> str:
    head = f"## {section.title} {{ #{anchor(section.title)} }}"
    required = section.schema.get("required", [])
    rows = [
        [code(name), _type(f"{section.path}.{name}".lstrip("."), field, known), _default(name, field, required), told]
        for name, field in section.fields
        for told in [_meaning(field)]
    ]
    return "\n\n".join([head, section.about, table(("field", "type", "without it", ""), rows)])


def _type(path: str, field: Schema, known: Schema) -> str:
    if field.get("type") == "array":
        inner = list(_mappings(f"{path}[]", field, known))
        links = [f"[{found.gate or 'mappings'}](#{anchor(found.title)})" for found in inner]
        return f"list of {_either(links)}"
    words = [_word(path, option, known) for option in _options(field)]
    return _either(list(dict.fromkeys(filter(None, words)))).replace("number or duration", "duration")


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _word(path: str, option: Schema, known: Schema) -> str:
    if "$ref" in option:
        found = known[option["$ref"].rpartition("/")[2]]
        return _words(found["enum"]) if "enum" in found else f"[mapping](#{anchor(path)})"
    if "const" in option or "enum" in option:
        return _words(option.get("enum", [option.get("const")]))
    match option.get("type"):
        case "null":
            return ""
        case "string":
            return {COUNT_PATTERN: "percentage", DURATION_PATTERN: "duration"}.get(option.get("pattern", ""), "text")
        case "integer":
            return "number"
        case "boolean":
            return "`true` or `false`"
        case "object" if "patternProperties" in option:
            return "mapping of text"
        case _:
            return "mapping"


def _words(values: list[Any]) -> str:
    return _either([code(str(value).lower() if isinstance(value, bool) else value) for value in values])


def _default(name: str, field: Schema, required: list[str]) -> str:
    if name in required:
        return "**required**"
    match field.get("default"):
        case None | "":
            return ""
        case [] | dict() as value:
            return "as below" if value else "none"
        case bool() as value:
            return code(str(value).lower())
        case int() as value if _is_duration(field):
            return code(in_words(value).replace(" h", "h").replace(" min", "m").replace(" s", "s").replace(" ", ""))
        case value:
            return code(value)


def _is_duration(field: Schema) -> bool:
    return any(option.get("pattern") == DURATION_PATTERN for option in _options(field))


def _meaning(field: Schema) -> str:
    """What it is for, and what is refused."""
    limits = [_limit(limit, found[limit]) for found in _limited(field) for limit in _LIMITS if limit in found]
    told = "; ".join(filter(None, dict.fromkeys(limits)))
    said = plain(field.get("description", ""))
    return f"{said} *{told[:1].upper()}{told[1:]}.*" if told else said


def _limit(limit: str, value: Any) -> str:
    """In words. Those that aren't of JSON Schema's own are of durations, in seconds."""
    if limit == "pattern" and value in _PATTERNS:
        return _PATTERNS[value]
    return _LIMITS[limit].format(f"{value} s" if limit in ("ge", "le") else value)


def _limited(field: Schema) -> list[Schema]:
    """Where bounds may stand: with the field, with each of its options, and with the values of a mapping."""
    options = [field, *field.get("anyOf", []), *(option for option in _options(field) if option is not field)]
    inner = [value for option in options for value in option.get("patternProperties", {}).values()]
    return [*{id(found): found for found in (*options, *inner)}.values()]
