"""The file that says whom to tell: who wants what, when it is read anew, and that nothing of it is ever said."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollwright.activities.messages import News, Tell
from rollwright.activities.recipients import NotifyFileError, Recipient, Recipients, read
from rollwright.rollout.spec import Target, TargetKind

SECRET = "s3cr3tT0ken"


def written(path: Path, *recipients: Any) -> Path:
    path.write_text(yaml.safe_dump({"notify": list(recipients)}))
    return path


def told(news: News = News.STALLED, kind: TargetKind = TargetKind.LEADER_WORKER_SET, namespace: str = "a") -> Tell:
    target = Target(kind=kind, namespace=namespace, name="llm")
    return Tell(target=target, rollout=target.workflow_id, news=news, line="", at="")


@pytest.mark.parametrize(
    ("given", "told", "wants"),
    [
        ({}, told(), True),
        ({"targets": ["lws/a/*"]}, told(), True),
        ({"targets": ["lws/a/*"]}, told(namespace="b"), False),
        ({"targets": ["lws/a/*"]}, told(kind=TargetKind.STATEFUL_SET), False),
        ({"targets": ["sts/*", "*/a/llm"]}, told(), True),
        ({"targets": ["LWS/A/*"]}, told(), False),
        ({"events": ["stalled", "rolled back"]}, told(News.ROLLED_BACK), True),
        ({"events": ["stalled", "rolled back"]}, told(News.COMPLETED), False),
    ],
)
def test_it_is_told_to_those_whose_targets_and_events_it_is_of(
    tmp_path: Path, given: dict[str, Any], told: Tell, *, wants: bool
) -> None:
    (recipient,) = read(written(tmp_path / "notify.yaml", {"callback": "http://ci.internal/", **given}))
    assert recipient.wants(told) is wants


HOSTILE = [
    pytest.param(f"notify:\n  - url: 'slack://{SECRET}\n", "line 3: this is no YAML", id="no YAML"),
    pytest.param(f"notify: [@{SECRET}]", "line 1: this is no YAML", id="a bad character"),
    pytest.param(f"notify: *{SECRET}", "this is no YAML", id="an alias of nothing"),
    pytest.param(f"slack://{SECRET}", "Input should be", id="a plain address"),
    pytest.param(f"notify:\n  - slack://{SECRET}", "notify 1: Input should be", id="a list of addresses"),
    pytest.param(
        f"notify:\n  - slack://{SECRET}: x", "notify 1: there is a field that is not known", id="an address as a field"
    ),
    pytest.param(f"notify:\n  - url: slack://{SECRET}", "apprise knows no such service, or", id="half an address"),
    pytest.param(f"notify:\n  - url: {SECRET}://x/", "apprise knows no such service, or", id="an unknown scheme"),
    pytest.param(f"notify:\n  - url: 'http://[{SECRET}/'", "apprise knows no such", id="a bad host for apprise"),
    pytest.param(f"notify:\n  - url: {{{SECRET}: 1}}", "notify 1: url: Input should be a valid string", id="no text"),
    pytest.param(f"notify:\n  - callback: 'http://[{SECRET}'", "this is no address with http", id="a bad host"),
    pytest.param(f"notify:\n  - callback: 'http://{SECRET}\u2100/'", "this is no address with http", id="a bad letter"),
    pytest.param(f"notify:\n  - callback: ftp://u:{SECRET}@x/", "this is no address with http", id="another scheme"),
    pytest.param(f"notify:\n  - {{callback: 'http://x/{SECRET}', url: 'json://x/{SECRET}'}}", "give either", id="both"),
    pytest.param(
        f"notify:\n  - {{callback: 'http://x/{SECRET}', events: [{SECRET}]}}", "events 1: Input should be", id="events"
    ),
    pytest.param(
        f"notify:\n  - {{callback: 'http://x/{SECRET}', hmacKeyFile: /not/there}}", "hmacKeyFile can't be", id="no key"
    ),
    pytest.param(
        f"notify:\n  - {{callback: 'http://169.254.169.254/{SECRET}'}}", "the address is link-local", id="link-local"
    ),
    pytest.param(
        f"notify:\n  - {{callback: 'http://[::ffff:169.254.169.254]/{SECRET}'}}", "is link-local", id="mapped"
    ),
    pytest.param("", "Input should be", id="nothing"),
]


@pytest.mark.parametrize(("content", "says"), HOSTILE)
def test_a_bad_file_is_refused_with_what_is_wrong_and_nothing_that_is_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str, says: str
) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(content)
    with caplog.at_level(logging.DEBUG), pytest.raises(NotifyFileError) as refused:
        Recipients(path)
    assert str(refused.value).startswith(str(path))
    assert says in str(refused.value)
    assert SECRET not in f"{refused.value} {refused.getrepr(style='native')} {caplog.text}"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotifyFileError, match="can't be read: No such file or directory"):
        Recipients(tmp_path / "notify.yaml")


def test_a_recipient_does_not_show_its_address(tmp_path: Path) -> None:
    known = read(written(tmp_path / "notify.yaml", {"url": f"json://user:{SECRET}@localhost/"}))
    assert SECRET not in repr(known)


def test_a_file_that_changes_is_read_anew_and_a_bad_one_counts_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "notify.yaml", {"callback": "http://one/"})
    recipients = Recipients(path)
    first = recipients.known()

    path.write_text(f"notify: [{{url: 'slack://{SECRET}'}}]")
    with caplog.at_level(logging.INFO):
        assert recipients.known() == first
        assert recipients.known() == first
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # said once
    assert SECRET not in caplog.text

    os.replace(written(tmp_path / "other.yaml", {"callback": "http://two/"}), path)
    assert [recipient.callback.get_secret_value() for recipient in recipients.known() if recipient.callback] == [
        "http://two/"
    ]


def test_the_documentation_names_every_event_and_every_field() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
    assert [news for news in News if f"\n| {news} | " not in documented] == []
    fields = [str(field.alias) for field in Recipient.model_fields.values()]
    assert [field for field in fields if f"\n| `{field}` | " not in documented] == []


def test_the_documented_file_can_be_used(tmp_path: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
    file = documented.partition('```yaml title="/etc/rollwright/notify.yaml"\n')[2].partition("```")[0]
    key = tmp_path / "hmac-key"
    key.write_text("a key")
    file = file.replace("/etc/rollwright/hmac-key", str(key))
    path = tmp_path / "notify.yaml"
    path.write_text(file)
    assert [recipient.wants(told(News.GATED, namespace="other")) for recipient in read(path)] == [True, False, True]
