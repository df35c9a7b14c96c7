"""Alerts and dashboard: Prometheus itself says when an alert fires, and every metric they name is one that there is."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollwright.devcluster.build import EXTRAS, ensure_binaries
from tests.chart.helm import CHART, DATA, Ended, Helm, values_of
from tests.docs.pages import ROOT

EVERYTHING = f"--values={values_of('everything')}"
PAGE = ROOT / "docs" / "observation.md"
_METRIC = re.compile(r"\b(?:rollwright|temporal)_\w+(?=[{\s\[)])")
_PART = re.compile(r"_(bucket|sum|count)$")
"""Of a histogram."""


@pytest.mark.real
async def test_alerts_fire_when_they_should_and_not_before(helm: Helm, tmp_path: Path) -> None:
    """The cases are in tests/data/chart/alerts.test.yaml."""
    (rule,) = (item for item in await helm.objects(EVERYTHING) if item["kind"] == "PrometheusRule")
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": rule["spec"]["groups"]}))
    cases = shutil.copy(DATA / "alerts.test.yaml", tmp_path)

    checked = await promtool("check", "rules", "--lint-fatal", rules)
    assert checked.code == 0, checked
    tested = await promtool("test", "rules", cases)
    assert tested.code == 0, tested


async def promtool(*arguments: str | Path) -> Ended:
    program = await ensure_binaries(EXTRAS, print) / "promtool"
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, error = await process.communicate()
    return Ended(process.returncode or 0, output.decode(), error.decode())


def test_every_alert_has_a_case_and_is_told_of() -> None:
    named = re.findall(r"alert: (\w+)", (CHART / "templates" / "prometheusrule.yaml").read_text(encoding="utf-8"))
    fires = {
        case["alertname"]
        for test in yaml.safe_load((DATA / "alerts.test.yaml").read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    page = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    assert set(named) == fires == set(re.findall(r"^\| (Rollout\w+) \|", page, re.MULTILINE))


@pytest.mark.parametrize("name", ["dashboard.json", "templates/prometheusrule.yaml"])
def test_every_metric_that_is_named_is_documented(name: str) -> None:
    named = set(_METRIC.findall(text_of(CHART / name)))
    assert len(named) >= 4
    documented = set(re.findall(r"\b(?:rollwright|temporal)_\w+", PAGE.read_text(encoding="utf-8")))
    assert {_PART.sub("", metric) for metric in named} - documented == set()


def text_of(path: Path) -> str:
    """Of a dashboard, what it asks for alone."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return text
    return "\n".join(target["expr"] for panel in panels(json.loads(text)) for target in panel["targets"])


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard["panels"]
    return found


def test_no_panel_of_the_dashboard_hides_another_and_each_says_what_it_shows() -> None:
    dashboard = json.loads((CHART / "dashboard.json").read_text(encoding="utf-8"))
    cells: list[tuple[int, int]] = []
    for panel in panels(dashboard):
        place = panel["gridPos"]
        cells += [
            (column, row)
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        ]
        assert panel["title"]
        assert panel["description"]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24
