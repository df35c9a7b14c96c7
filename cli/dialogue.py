"""The keys of `watch` that steer: what is asked before a message is sent, and what comes of it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from rollwright.cli import keys, steering
from rollwright.cli.failure import CommandError
from rollwright.cli.footlines import Said
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.cli.text import one_line
from rollwright.workflows.contract import Intervention, Message, RolloutStatus, Steering
from rollwright.workflows.steering import Answer

_QUESTION, _REFUSED, _SENT = "bold reverse", "bold red", "bold"


class Dialogue:
    """With one rollout. `changed` is called when there is something new to show."""

    def __init__(self, run: Run, by: Intervention, changed: Callable[[], None]) -> None:
        self.seen: RolloutStatus | None = None
        """What is on the screen: messages are about that."""
        self.said = Said("")
        self.helps = False
        """Whether the keys are explained in place of the rollout."""
        self.left = False
        self._run = run
        self._by = by
        self._changed = changed
        self._asked: Steering | None = None
        self._sending: asyncio.Task[None] | None = None

    def press(self, key: str) -> bool:
        """Take a key; False if it is none of these."""
        if key == keys.LEAVE:
            self.left = True
        elif self.helps:
            self.helps = False
        elif self._asked:
            self._answer(key, self._asked)
        elif key == keys.HELP:
            self.helps = True
        elif message := keys.MESSAGES.get(key):
            self._ask(message)
        else:
            return False
        return True

    def answers(self) -> Mapping[Message, Answer]:
        """What would come of each key now."""
        messages, seen = keys.MESSAGES.values(), self.seen
        if seen is None:
            return dict.fromkeys(messages, keys.UNSEEN)
        return {message: keys.verdict(message, keys.steering(message, seen, self._by), seen) for message in messages}

    async def sent(self) -> None:
        """Wait until what was confirmed is sent."""
        if self._sending:
            await self._sending

    def end(self) -> None:
        """Send nothing more."""
        if self._sending:
            self._sending.cancel()

    def _ask(self, message: Message) -> None:
        found = self.answers()[message]
        if self._sending:
            self.said = Said("the answer to the last message is not there yet")
        elif self.seen is None or keys.why_not(found):
            self.said = Said(f"{message} is of no use now: {keys.why_not(found)}")
        else:
            self._asked = keys.steering(message, self.seen, self._by)
            self.said = Said(keys.question(self._asked, found), _QUESTION)

    def _answer(self, key: str, asked: Steering) -> None:
        self._asked = None
        if key in keys.YES:
            self.said = Said(f"sending {asked.message} …")
            self._sending = asyncio.create_task(self._send(asked))
        else:
            self.said = Said(f"{asked.message}: not sent")

    async def _send(self, given: Steering) -> None:
        """As the verbs do, but only to the rollout that is seen: another one may be open by now."""
        try:
            with suppress(NoAnswerError):
                if not await self._run.is_open():
                    raise CommandError(f"{self._run.rollout} has ended: there is nothing to {given.message}")
            steered = await steering.send(self._run, given)
            self.said = Said(one_line(steering.told(steered).replace("\n", ": ")), _SENT)
        except CommandError as error:
            self.said = Said(one_line(f"{error.what}. {error.todo}"), _REFUSED)
        finally:
            self._sending = None
            self._changed()
