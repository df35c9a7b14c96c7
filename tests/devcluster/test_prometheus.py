"""A real Prometheus scrapes what a test sets, and what it answers then."""

import re
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from rollwright.devcluster import DevClusterError, processes
from rollwright.devcluster.prometheus import PART, Prometheus
from tests.support.exporter import Exporter
from tests.support.prometheus import query, query_until

pytestmark = pytest.mark.real


@pytest.mark.parametrize(("value", "text"), [(0.25, "0.25"), (3, "3"), (1e21, "1e+21"), (-5e-324, "-5e-324")])
async def test_a_query_gives_what_was_set_and_then_what_was_set_instead(
    prometheus: Prometheus, exporter: Exporter, value: float, text: str
) -> None:
    exporter.set("error_rate", 1, version="new")
    await query_until(prometheus, 'error_rate{version="new"}', lambda answer: answer.values == ["1"])

    exporter.set("error_rate", value, version="new")

    await query_until(prometheus, 'error_rate{version="new"}', lambda answer: answer.values == [text])


@pytest.mark.parametrize("text", ['say "no"', "C:\\new", "two\nlines", "naïve", ""])
async def test_a_label_is_scraped_as_it_was_written(prometheus: Prometheus, exporter: Exporter, text: str) -> None:
    exporter.set("requests", 1, model=text)

    answer = await query_until(prometheus, "requests", lambda answer: answer.values == ["1"])

    assert text == answer.series[0][0].get("model", "")  # to Prometheus an empty label is none


async def test_every_combination_of_labels_is_a_series(prometheus: Prometheus, exporter: Exporter) -> None:
    exporter.set("requests", 1, version="old")
    exporter.set("errors", 2)
    exporter.set("requests", 3, version="new")

    await query_until(prometheus, "sum(requests) * on() errors", lambda answer: answer.values == ["8"])


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf"])
async def test_what_is_no_finite_number_is_a_value_and_not_nothing(
    prometheus: Prometheus, exporter: Exporter, text: str
) -> None:
    exporter.set("error_rate", float(text))

    await query_until(prometheus, "error_rate", lambda answer: answer.values == [text])


async def test_of_an_exporter_that_is_gone_nothing_is_left_until_it_is_there_again(
    prometheus: Prometheus, exporter: Exporter
) -> None:
    exporter.set("error_rate", 1)
    await query_until(prometheus, "error_rate", lambda answer: answer.values == ["1"])

    await exporter.go()

    await query_until(prometheus, "error_rate", lambda answer: answer.series == [])
    await query_until(prometheus, "up", lambda answer: answer.values == ["0"])

    await exporter.come()

    await query_until(prometheus, "error_rate", lambda answer: answer.values == ["1"])


async def test_of_an_exporter_that_answers_too_late_nothing_is_left(prometheus: Prometheus, exporter: Exporter) -> None:
    exporter.set("error_rate", 1)
    await query_until(prometheus, "error_rate", lambda answer: answer.values == ["1"])

    exporter.delay_seconds = 5.0

    await query_until(prometheus, "up unless on() error_rate", lambda answer: answer.values == ["0"])


async def test_of_an_exporter_that_serves_nothing_only_that_it_is_up_is_left(
    prometheus: Prometheus, exporter: Exporter
) -> None:
    exporter.set("error_rate", 1)
    await query_until(prometheus, "error_rate", lambda answer: answer.values == ["1"])

    exporter.clear()

    await query_until(prometheus, "up unless on() error_rate", lambda answer: answer.values == ["1"])


async def test_a_query_that_is_none_is_told_apart_from_an_empty_answer(prometheus: Prometheus) -> None:
    empty, bad = await query(prometheus, "no_such_metric"), await query(prometheus, "sum(")

    assert (empty.status, empty.body["status"], empty.series) == (200, "success", [])
    assert (bad.status, bad.body["status"], bad.body["errorType"]) == (400, "error", "bad_data")


def test_nothing_listens_beyond_loopback(prometheus: Prometheus) -> None:
    (process,) = processes.find(prometheus.log.parent, PART)
    port = int(prometheus.url.rpartition(":")[2])

    assert [f"0100007F:{port:04X}"] == listens_on(process.pid)


async def test_a_prometheus_that_was_stopped_goes_on_with_its_port_and_what_it_scraped(tmp_path: Path) -> None:
    async with (
        Exporter() as exporter,
        Prometheus(tmp_path, [exporter.target], interval_seconds=0.1, report=print) as prometheus,
    ):
        exporter.set("error_rate", 1)
        await query_until(prometheus, "error_rate", lambda answer: answer.values == ["1"])
        exporter.clear()

        await prometheus.stop()

        assert processes.find(tmp_path) == []
        with pytest.raises(aiohttp.ClientConnectionError):
            await query(prometheus, "error_rate")

        await prometheus.start()

        assert (await query(prometheus, "max_over_time(error_rate[5m])")).values == ["1"]
        with pytest.raises(DevClusterError, match="runs already: stop it first"):
            await prometheus.start()
    assert processes.find(tmp_path) == []


async def test_a_prometheus_that_ends_by_itself_says_why(tmp_path: Path) -> None:
    with pytest.raises(DevClusterError, match=r"Prometheus ended by itself(.|\n)*is not a valid hostname"):
        async with Prometheus(tmp_path, ["no/target"], interval_seconds=0.1, report=print):
            pass


async def test_a_prometheus_that_is_not_ready_in_time_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollwright.devcluster.prometheus.START_TIMEOUT_SECONDS", 0.0)

    with pytest.raises(DevClusterError, match="not ready within 0 s; see its log"):
        async with Prometheus(tmp_path, [], interval_seconds=0.1, report=print):
            pass

    assert processes.find(tmp_path) == []


def listens_on(pid: int) -> list[str]:
    """Addresses and ports that a process accepts TCP connections on, in the hexadecimal of proc_net_tcp(5)."""
    links = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(link.readlink().name)
    inodes = {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}
    tables = [Path(f"/proc/{pid}/net/{table}").read_text() for table in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table.splitlines()[1:]]
    return [socket[1] for socket in sockets if socket[3] == "0A" and socket[9] in inodes]
