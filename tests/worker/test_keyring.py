"""The file of keys: what may stand in it, and that nothing of it is told where it can't be used."""

import base64
from pathlib import Path

import pytest

from rollwright.worker import keyring
from rollwright.worker.keyring import KeysError

KEY = base64.b64encode(bytes(range(32))).decode()


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.yaml"
    path.write_text(text)
    return path


def test_ids_are_read_as_they_are_written(tmp_path: Path) -> None:
    """To YAML the first would be a date, the second a number, the third a truth."""
    ring = keyring.read(written(tmp_path, f"active: 2026-11-01\nkeys:\n  2026-11-01: {KEY}\n  7: {KEY}\n  on: {KEY}\n"))
    assert ring.active == "2026-11-01"
    assert list(ring.keys) == ["2026-11-01", "7", "on"]
    assert set(ring.keys.values()) == {bytes(range(32))}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it doesn't look as expected"),
        (f"keys: {{a: {KEY}}}", "it doesn't look as expected"),
        (f"active: a\nkeys: {{a: {KEY}}}\nmore: 1", "it doesn't look as expected"),
        (f"active: b\nkeys: {{a: {KEY}}}", "the active key is none of the keys"),
        ("active: a\nkeys: {}", "the active key is none of the keys"),
        (f"active: a\nkeys: {{a: {KEY[:-8]}}}", "key 'a' is not 32 bytes in base64"),
        (f"active: a\nkeys: {{a: '{KEY[:-1]}!'}}", "key 'a' is not 32 bytes in base64"),
        (f"active: a\nkeys: {{a: [{KEY}]}}", "key 'a' is not 32 bytes in base64"),
        (f"active: a\nkeys: {{a b: {KEY}}}", "an id has letters, digits, '.', '_' and '-', at most 63"),
        (f"active: a\nkeys: {{a: {KEY}", "it is no YAML"),
    ],
)
def test_what_can_not_be_used_is_told_without_the_keys(tmp_path: Path, text: str, why: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(KeysError) as raised:
        keyring.read(path)
    assert str(raised.value).startswith(f"the keys in {path} (ROLLWRIGHT_KEYS) can't be used: {why}; it holds")
    assert KEY[:8] not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"none\.yaml \(ROLLWRIGHT_KEYS\) can't be read: No such file"):
        keyring.read(tmp_path / "none.yaml")


def test_keys_are_shown_nowhere(tmp_path: Path) -> None:
    assert "keys" not in repr(keyring.read(written(tmp_path, f"active: a\nkeys: {{a: {KEY}}}")))


def test_without_the_setting_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(keyring.SETTING, raising=False)
    assert keyring.from_environment() is None
