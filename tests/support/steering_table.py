"""The table of messages and phases in docs/steering.md, made of the code: `python -m tests.support.steering_table`."""

from pathlib import Path

from rollwright.workflows.contract import Phase
from rollwright.workflows.steering import ANSWERS, Answer, Taken

PAGE = Path(__file__).parents[2] / "docs" / "steering.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"


def table() -> str:
    """A row for each phase, a column for each message: what comes of it, or in italics why it is refused."""
    phases = [phase for phase in Phase if not phase.is_final]
    rows = [f"| | {' | '.join(ANSWERS)} |", "|---" * (len(ANSWERS) + 1) + "|"]
    rows += [
        f"| **{phase}** | {' | '.join(_cell(ANSWERS[message][phase]) for message in ANSWERS)} |" for phase in phases
    ]
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """The page with the table as it must be."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def _cell(answer: Answer) -> str:
    return answer.effect if isinstance(answer, Taken) else f"*refused: {answer.why}*"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
