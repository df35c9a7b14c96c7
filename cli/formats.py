"""How results are printed, alike by every verb: drawn for people, or as JSON or YAML for programs."""

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:  # importing it takes longer than some verbs do
    from pydantic import BaseModel


_COMMAND = re.compile(r"##\[|^\s*::", re.MULTILINE)
"""What GitHub's runner takes for a command, wherever it stands in the log."""


class Format(StrEnum):
    """What -o may be."""

    TABLE = "table"
    WIDE = "wide"
    """As a table, with more of what is known where there is more."""
    JSON = "json"
    YAML = "yaml"

    @property
    def is_data(self) -> bool:
        """Whether programs read it: then there is nothing else on stdout."""
        return self in (Format.JSON, Format.YAML)


def show(made: "BaseModel", output: Format, draw: Callable[[], None], *, sparse: bool = False) -> None:
    """Print a result as asked for; `draw` prints it for people. `sparse`: what isn't known is left out of the data."""
    if output.is_data:
        emit(made, output, sparse=sparse)
    else:
        draw()


def emit(made: "BaseModel", output: Format, *, sparse: bool = False) -> None:
    """Print one result for programs: a line of JSON, or a YAML document, of which a stream can hold many."""
    emit_content(made.model_dump(mode="json", by_alias=True, exclude_none=sparse), output)


def emit_content(content: Mapping[str, Any], output: Format) -> None:
    """Print what is plain data already, as `emit` does."""
    typer.echo(_yaml(content) if output is Format.YAML else _json(content), nl=output is not Format.YAML)


def _json(content: Mapping[str, Any]) -> str:
    # Everything but ASCII is escaped: what a cluster says can't move the cursor or change the direction of text.
    return json.dumps(content, separators=(",", ":")).replace("##[", "\\u0023#[")


def _yaml(content: Mapping[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - seldom wanted

    # Everything but ASCII is escaped here too.
    dumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(dict(content), Dumper=dumper, sort_keys=False, explicit_start=True, width=120)
    return f"--- {_json(content)}\n" if _COMMAND.search(text) else text  # JSON is YAML, too
