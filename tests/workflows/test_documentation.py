"""What the documentation says of the workflow is what the code does."""

from rollwright.workflows.contract import RETARGET, Message, Phase
from rollwright.workflows.steering import ANSWERS
from tests.support.steering_table import PAGE, with_table


def test_the_documented_table_of_messages_and_phases_is_that_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "make it anew: python -m tests.support.steering_table"


def test_every_message_has_an_answer_in_every_phase() -> None:
    assert set(ANSWERS) == {*Message, RETARGET}
    for answers in ANSWERS.values():
        assert set(answers) == {phase for phase in Phase if not phase.is_final}
