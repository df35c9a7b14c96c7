"""The pages of the command line, made of its own help: one of all verbs, and one of each."""

import re
from collections.abc import Iterator
from enum import Enum
from itertools import groupby
from typing import Any, NamedTuple, get_args

import typer

from docs.reference.markdown import code, plain, table
from rollwright.cli.main import VERBS, app

# typer's own copies of click's classes, which it does not export.
Command = Any
Parameter = Any

_WORDS = {str: "text", int: "number", float: "number"}
_EXIT_CODES, _EXAMPLES = "Exit codes:", "Examples:"
_CODE = re.compile(r"(?:^|[,;] )(?:of .*? also )?(\d+) ")


class Help(NamedTuple):
    """What a verb says of itself."""

    about: str
    exit_codes: str
    examples: str


def command(verb: str) -> Command:
    """A verb, as the command line has it."""
    group: Any = typer.main.get_command(app)
    context = type(group).context_class(group, info_name="rollwright")
    return group.resolve_command(context, [verb])[1]


def overview() -> str:
    """The page of all verbs."""
    rows = [[f"[{code(verb)}]({verb}.md)", plain(line)] for verb, line in VERBS.items()]
    return "\n\n".join(["# The command line", table(("verb", ""), rows), *_told(typer.main.get_command(app))]) + "\n"


def page(verb: str) -> str:
    """The page of one verb; one that has verbs of its own tells of each."""
    found = command(verb)
    parts = [f"# rollwright {verb}", *_told(found)]
    for name, inner in getattr(found, "commands", {}).items():
        parts += [f"## rollwright {verb} {name}", *_told(inner, level=3)]
    return "\n\n".join(parts) + "\n"


def told(found: Command) -> Help:
    """Take a help text apart."""
    text = f"{found.help or ''}\n"
    text, _, examples = text.partition(f"{_EXAMPLES}\n")
    about, _, exit_codes = text.partition(_EXIT_CODES)
    return Help(about.strip(), " ".join(exit_codes.split()), "\n".join(filter(None, map(_line, examples.splitlines()))))


def _line(example: str) -> str:
    return example.strip()


def _told(found: Command, level: int = 2) -> Iterator[str]:
    said = told(found)
    yield from (plain(" ".join(paragraph.split())) for paragraph in said.about.split("\n\n"))
    if said.examples:
        yield f"{'#' * level} Examples"
        yield f"```sh\n{said.examples}\n```"
    shown = [param for param in found.params if not getattr(param, "hidden", False)]
    arguments = [param for param in shown if param.param_type_name == "argument"]
    if arguments:
        yield f"{'#' * level} Arguments"
        yield table(("argument", ""), [[code(_metavar(param)), _meaning(param)] for param in arguments])
    yield from _options([param for param in shown if param not in arguments], level)
    if said.exit_codes:
        yield f"{'#' * level} Exit codes"
        yield _exit_codes(said.exit_codes)


def _options(options: list[Parameter], level: int) -> Iterator[str]:
    for panel, inside in groupby(sorted(options, key=_panel), key=_panel):
        yield f"{'#' * level} {panel or 'Options'}"
        yield table(("option", "value", "default", ""), [_option(param) for param in inside])


def _panel(option: Parameter) -> str:
    return option.rich_help_panel or ""


def _option(option: Parameter) -> list[str]:
    names = ", ".join(map(code, [*option.opts, *option.secondary_opts]))
    return [names, "" if _is_flag(option) else _value(option), _default(option), _meaning(option)]


def _annotation(param: Parameter) -> Any:
    """What it is read as; of one that may be left away, what it is if given."""
    annotation = param.type_descriptor.annotation
    return next((inner for inner in get_args(annotation) if inner is not type(None)), annotation)


def _is_flag(option: Parameter) -> bool:
    return _annotation(option) is bool


def _value(param: Parameter) -> str:
    annotation = _annotation(param)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(code(choice.value) for choice in annotation)
    return code(param.metavar) if param.metavar else _WORDS.get(annotation, "text")


def _metavar(argument: Parameter) -> str:
    return str(argument.metavar or argument.name.upper())


def _default(option: Parameter) -> str:
    default = option.default
    if default in (None, "", ()) or not option.show_default:
        return "**required**" if option.required else ""
    if _is_flag(option):
        return code((option.opts if default else option.secondary_opts)[0]) if option.secondary_opts else ""
    return code(default.value if isinstance(default, Enum) else default)


def _meaning(param: Parameter) -> str:
    variables = [param.envvar] if isinstance(param.envvar, str) else param.envvar or []
    also = f" Or {' or '.join(map(code, variables))}." if variables else ""
    return f"{plain(param.help or '')}{also}"


def _exit_codes(text: str) -> str:
    """Each with what it means; commas also stand inside of a meaning."""
    starts = [*_CODE.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    rows = [
        [code(match[1]), plain(text[match.end() : end].strip(" ,;").rstrip("."))]
        for match, end in zip(starts, ends, strict=True)
    ]
    return table(("code", ""), rows)
