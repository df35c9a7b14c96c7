"""`rollwright schema`: JSON Schemas of what is read and printed."""

import json
from enum import StrEnum
from typing import Annotated

import typer
from pydantic import BaseModel

from rollwright.cli.outputs import (
    Demonstrated,
    Diagnosis,
    Diff,
    History,
    Linted,
    Listing,
    Plan,
    SetUp,
    Snapshot,
    Started,
    Status,
    Steered,
    Versions,
)
from rollwright.cli.reports.record import Report
from rollwright.rollout.spec import RolloutSpec

app = typer.Typer()


class Subject(StrEnum):
    """What there is a schema of: the rollout file, and what verbs print with -o json or yaml."""

    ROLLOUT = "rollout"
    START = "start"
    LINT = "lint"
    PLAN = "plan"
    STATUS = "status"
    WATCH = "watch"
    LIST = "list"
    REPORT = "report"
    HISTORY = "history"
    DIFF = "diff"
    STEERING = "steering"
    UNDO = "undo"
    DOCTOR = "doctor"
    SETUP = "setup"
    VERSIONS = "versions"
    DEMO = "demo"


MODELS: dict[Subject, type[BaseModel]] = {
    Subject.ROLLOUT: RolloutSpec,
    Subject.START: Started,
    Subject.LINT: Linted,
    Subject.PLAN: Plan,
    Subject.STATUS: Status,
    Subject.WATCH: Snapshot,
    Subject.LIST: Listing,
    Subject.REPORT: Report,
    Subject.HISTORY: History,
    Subject.DIFF: Diff,
    Subject.STEERING: Steered,
    Subject.UNDO: Started,
    Subject.DOCTOR: Diagnosis,
    Subject.SETUP: SetUp,
    Subject.VERSIONS: Versions,
    Subject.DEMO: Demonstrated,
}


@app.command()
def schema(
    of: Annotated[
        Subject,
        typer.Option(
            "--of",
            help="The rollout file, or what a verb prints with -o json; steering is of pause, resume and the like.",
        ),
    ] = Subject.ROLLOUT,
) -> None:
    """Print the JSON Schema of the rollout file, or of what a verb prints with -o json or -o yaml.

    With -o json, each of these verbs prints one object on one line, with -o yaml
    one document; watch, start --wait and undo --wait print one more whenever
    something changes. steering is of pause, resume, promote, approve, abort,
    rollback, and reject.

    Examples:
      rollwright schema > rollout.schema.json
      rollwright schema --of status

    """
    model = MODELS[of].model_json_schema(mode="validation" if of is Subject.ROLLOUT else "serialization")
    typer.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **model}, indent=2))
