"""`rollwright lint`: rollout files are checked without a cluster."""

from typing import Annotated

import typer

from rollwright.cli import formats, linting, options
from rollwright.cli.failure import ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Linted, Remark, Severity
from rollwright.cli.text import one_line

app = typer.Typer()


@app.command()
def lint(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Rollouts, as YAML; - reads stdin.")],
    *,
    output: options.Output = Format.TABLE,
) -> None:
    """Check rollout files: what is wrong in them, and what can hardly be meant. No cluster is asked.

    A file may hold several documents; those of other kinds are passed over. What
    is found is printed as FILE:LINE:COLUMN: error: ..., or warning. With
    target.replicas in a file, its percentages are looked at too.

    Exit codes: 0 there may be warnings, 1 there are errors, 2 a file can't be read.

    Examples:
      rollwright lint rollout.yaml
      rollwright lint rollouts/*.yaml --json
      helm template . | rollwright lint -

    """
    rollouts, remarks, code = 0, [], ExitCode.DONE
    for path in files:
        try:
            found = linting.lint(path)
        except OSError as error:
            remarks.append(linting.unreadable(path, error))
            code = ExitCode.BAD_INPUT
            continue
        rollouts += found.rollouts
        remarks += found.remarks
    linted = Linted(rollouts=rollouts, remarks=tuple(remarks))
    formats.show(linted, output, lambda: _show(linted))
    if code is ExitCode.DONE and _number(linted, Severity.ERROR):
        code = ExitCode.COULD_NOT
    raise typer.Exit(code)


def _show(linted: Linted) -> None:
    for remark in linted.remarks:
        typer.echo(_line(remark))
    counts = [(linted.rollouts, "rollout")]
    counts += [(number, str(severity)) for severity in Severity if (number := _number(linted, severity))]
    told = ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts)
    typer.echo(told if linted.remarks else f"{told}, nothing found", err=True)


def _line(remark: Remark) -> str:
    place = f":{remark.line}:{remark.column}" if remark.line else ""
    return one_line(f"{remark.file}{place}: {remark.severity}: {remark.message}")


def _number(linted: Linted, severity: Severity) -> int:
    return sum(remark.severity is severity for remark in linted.remarks)
