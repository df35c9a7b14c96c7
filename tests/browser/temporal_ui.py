"""The Temporal UI as a person uses it. What it is to show is looked for until it is there, or time is over."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from playwright.async_api import Error, FrameLocator, Locator, Page, expect

from tests.devcluster.standin.namespace import until

DEADLINE_SECONDS = 90.0
_PRESS_SECONDS = 10.0
expect.set_options(timeout=DEADLINE_SECONDS * 1000)


class TemporalUi:
    """The UI of one server, in one page of the browser."""

    def __init__(self, page: Page, address: str) -> None:
        page.set_default_timeout(DEADLINE_SECONDS * 1000)
        self.page = page
        self._workflows = f"{address}/namespaces/default/workflows"

    async def lists(self, query: str, *rollouts: str) -> None:
        """Wait until a query finds just these: what is searched for is written a moment after the fact."""

        async def found() -> set[str]:
            await self._search(query)
            return set(await self._links.all_inner_texts())

        await until(found, lambda seen: seen == set(rollouts), DEADLINE_SECONDS)

    @property
    def _links(self) -> Locator:
        return self.page.get_by_role("link", name="rollout/")

    async def _search(self, query: str) -> None:
        """Open the list of what a query finds, and wait until it is there."""
        await self.page.goto(f"{self._workflows}?query={quote(query)}")
        nothing = self.page.get_by_text("No Workflows Found")
        await expect(self._links.first.or_(nothing)).to_be_visible()

    async def open(self, rollout: str) -> None:
        """Open a rollout's page from the list."""
        await self.lists(f'WorkflowId = "{rollout}"', rollout)
        await self.page.get_by_role("link", name=rollout).first.click()
        await expect(self.page.get_by_role("button", name="More Actions")).to_be_visible()

    async def tab(self, name: str) -> None:
        """Go to one of its tabs."""
        await self.page.get_by_role("tab", name=name).click()

    async def shows(self, *words: str) -> None:
        """Wait until the page says all of this."""
        for told in words:
            await expect(self.page.get_by_text(told).first).to_be_visible()

    async def details(self, *words: str) -> str:
        """The current details once they say all of this. They are not live, so the page is loaded again and again."""
        await self.tab("User Metadata")
        await self.page.wait_for_url("**/user-metadata")

        async def read() -> str:
            await self.page.reload()
            return await self.current.locator("body").inner_text()

        return await until(read, lambda text: all(told in text for told in words), DEADLINE_SECONDS)

    @property
    def current(self) -> FrameLocator:
        """The frame of the current details: the last one, after those of summary and details where there are any."""
        return self.page.locator("iframe").last.content_frame

    async def signal(self, name: str, data: str = "") -> None:
        """Send a signal, chosen from the list."""
        dialog = await self.dialog("Send a Signal", name)
        await self.fill(dialog, data)
        await self.submit(dialog, expect(dialog).to_be_hidden)

    async def update(self, name: str, data: str = "") -> None:
        """Send an update that is taken, chosen from the list."""
        dialog = await self.dialog("Send an Update", name)
        await self.fill(dialog, data)
        await self.submit(dialog, expect(dialog).to_be_hidden)

    async def refusal(self, name: str, data: str, why: str) -> str:
        """Send an update that is refused for this reason; all that the dialog says then."""
        dialog = await self.dialog("Send an Update", name)
        await self.fill(dialog, data)
        await self.submit(dialog, partial(expect(dialog).to_contain_text, why))
        told = await dialog.inner_text()
        await self.cancel(dialog)
        return told

    async def submit(self, dialog: Locator, shown: Callable[..., Awaitable[None]]) -> None:
        """Press Submit, again if nothing comes of it: while the field lays data out, the button is not where it was."""
        for _ in range(round(DEADLINE_SECONDS / _PRESS_SECONDS)):
            with suppress(Error):
                await dialog.get_by_role("button", name="Submit").click(timeout=_PRESS_SECONDS * 1000)
            with suppress(AssertionError):
                await shown(timeout=_PRESS_SECONDS * 1000)
                return
        await shown()

    async def cancel(self, dialog: Locator) -> None:
        """Close a dialog."""
        await dialog.get_by_role("button", name="Cancel").last.click()
        await expect(dialog).to_be_hidden()

    async def dialog(self, action: str, name: str) -> Locator:
        """Open the dialog of an action and choose a message; again if the page closes a menu as it is drawn anew.

        On a fresh page: one that is opened within a moment after a message was sent never closes.
        """
        for _ in range(round(DEADLINE_SECONDS / _PRESS_SECONDS) - 1):
            with suppress(Error):
                return await self._dialog(action, name, _PRESS_SECONDS)
        return await self._dialog(action, name, DEADLINE_SECONDS)

    async def _dialog(self, action: str, name: str, seconds: float) -> Locator:
        await self.page.reload()
        dialog = self.page.get_by_role("dialog").filter(has_text=action)
        for pressed in (
            self.page.get_by_role("button", name="More Actions"),
            self.page.get_by_role("menuitem", name=action),
            dialog.locator("button[aria-haspopup]").first,
            dialog.get_by_role("option", name=name).first,
        ):
            await pressed.click(timeout=seconds * 1000)
        return dialog

    async def fill(self, dialog: Locator, data: str) -> None:
        """Paste data, and leave the field."""
        if data:
            field = dialog.get_by_role("textbox").last
            await field.fill(data)
            await field.blur()
