"""The page of a report in a real browser, opened from a file."""

from pathlib import Path

import pytest
from playwright.async_api import Page

from rollwright.cli.reports import history, making, sources
from rollwright.cli.reports.page import page as page_of
from tests.support.record_history import HISTORIES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The page of the stored history with the most to tell."""
    (events,) = sources.from_file(HISTORIES / "gates.json")
    made = making.make([history.read(events)], history.moment(events[-1].event_time))
    path = tmp_path / "report.html"
    path.write_text(page_of(made), encoding="utf-8")
    return path


@pytest.fixture
async def said(page: Page, file: Path) -> list[str]:
    """Opens it; what the browser complains of, and what it asks for beside the page."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    await page.goto(file.as_uri())
    return said


async def test_it_opens_without_a_complaint_and_asks_for_nothing(page: Page, file: Path, said: list[str]) -> None:
    assert await page.title() == "lws/llm in namespace e2e-fee03a38: rolled back in 7.7 s"
    assert said == [file.as_uri()]


async def test_its_style_is_allowed_by_its_own_policy(page: Page, said: list[str]) -> None:
    """A style that the policy's digest doesn't fit would be passed over: the page would be black on white serif."""
    background = await page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert background == "rgb(245, 246, 248)"


async def test_a_script_would_not_run(page: Page, file: Path) -> None:
    file.write_text(file.read_text().replace("</main>", "<script>document.title = 'taken over'</script></main>"))
    await page.goto(file.as_uri())
    assert "taken over" not in await page.title()


async def test_every_group_has_a_row_that_is_seen(page: Page, said: list[str]) -> None:
    rows = page.locator("svg[aria-label^='What each group did'] rect:has(title)")
    titles = [await row.locator("title").text_content() or "" for row in await rows.all()]
    assert {title.split(":")[0] for title in titles} == {f"group {ordinal}" for ordinal in range(5)}
    boxes = [await row.bounding_box() for row in await rows.all()]
    assert all(box and box["width"] > 0 and box["height"] > 5 for box in boxes)


async def test_words_are_there_and_sections_open(page: Page, said: list[str]) -> None:
    for words in ("group 2 has restarted", "approved by ada, bob", "Where the time went", "kept"):
        assert await page.locator("td, dd, h2").filter(has_text=words).first.is_visible()
    stages = page.locator("table.stages")
    assert not await stages.is_visible()
    await page.get_by_text("Stages", exact=True).click()
    assert await stages.is_visible()


async def test_it_is_dark_where_people_want_it_dark(page: Page, said: list[str]) -> None:
    await page.emulate_media(color_scheme="dark")
    colours = await page.locator("body").evaluate(
        "body => [getComputedStyle(body).backgroundColor, getComputedStyle(body).color]"
    )
    assert colours == ["rgb(18, 22, 29)", "rgb(229, 233, 239)"]
    drawn = page.locator("rect.serving-new").first
    assert await drawn.evaluate("part => getComputedStyle(part).fill") == "rgb(45, 179, 160)"


@pytest.mark.parametrize("width", [390, 1400])
async def test_nothing_is_cut_off_on_a_telephone_either(page: Page, said: list[str], width: int) -> None:
    """What is wider scrolls within its own section."""
    await page.set_viewport_size({"width": width, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
