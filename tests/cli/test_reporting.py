"""What is told of an end, whatever it comes from."""

import pytest
import typer

from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Snapshot
from rollwright.cli.reporting import Ending, Report


class Listener:
    """Is told."""

    def __init__(self) -> None:
        self.codes: list[ExitCode] = []

    def begins(self) -> None:
        """Nothing to be ready for."""

    def sees(self, seen: Snapshot) -> None:
        """Nothing to take in."""

    def ends(self, ending: Ending) -> None:
        self.codes.append(ending.code)


@pytest.mark.parametrize(
    ("error", "raised", "code"),
    [
        (CommandError("no", code=ExitCode.BAD_INPUT), typer.Exit, ExitCode.BAD_INPUT),
        (ZeroDivisionError(), ZeroDivisionError, ExitCode.COULD_NOT),
        (KeyboardInterrupt(), KeyboardInterrupt, ExitCode.COULD_NOT),
    ],
)
def test_an_end_is_told_once_however_it_comes(
    error: BaseException, raised: type[BaseException], code: ExitCode
) -> None:
    listener = Listener()
    with pytest.raises(raised), Report([listener]).of_failures():
        raise error
    assert listener.codes == [code]


def test_an_end_that_was_told_is_not_told_again() -> None:
    listener = Listener()
    report = Report([listener])
    with report.of_failures():
        report.ends(ExitCode.DONE)
    assert listener.codes == [ExitCode.DONE]
