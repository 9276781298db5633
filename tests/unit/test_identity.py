"""Pseudonyms and the key they are made with."""

from __future__ import annotations

import stat
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import pytest

from streams.errors import ConfigError, ContractError
from streams.events.identity import KEY_FILE, KEY_VARIABLE, customer_key, pseudonym

KEY = bytes(range(32))


def test_a_pseudonym_is_the_keyed_digest_of_the_id() -> None:
    assert pseudonym("customer-17", KEY) == blake2b(b"customer-17", key=KEY, digest_size=16).hexdigest()
    assert pseudonym("customer-17", KEY) == pseudonym("customer-17", KEY)
    assert len(pseudonym("customer-17", KEY)) == 32


def test_other_ids_and_other_keys_give_other_pseudonyms() -> None:
    references = {
        pseudonym(name, key) for name in ("1", "01", "1 ", "１", "\u00e9", "e\u0301") for key in (KEY, KEY[1:])
    }
    assert len(references) == 12


def test_what_is_no_customer_has_no_pseudonym() -> None:
    with pytest.raises(ContractError, match=r"^customer: the id is empty$"):
        pseudonym("", KEY)
    with pytest.raises(ContractError, match=r"^customer: '\\ud800' cannot be encoded in UTF-8$"):
        pseudonym("\ud800", KEY)


@pytest.mark.parametrize("key", [b"", bytes(15), bytes(65)])
def test_a_key_of_unfit_length_is_refused(key: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^customer key: \d+ bytes \(expected 16 to 64\)$"):
        pseudonym("1", key)


def test_the_key_comes_from_the_environment_first(tmp_path: Path) -> None:
    assert customer_key(tmp_path, {KEY_VARIABLE: f" {KEY.hex()}\n"}) == KEY
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    key = customer_key(folder, {})
    assert len(key) == 32
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    assert customer_key(folder, {KEY_VARIABLE: ""}) == key
    assert customer_key(tmp_path, {}) != key


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from streams.events.identity import customer_key; "
        "sys.stdin.read(); print(customer_key(pathlib.Path(sys.argv[1]), {}).hex())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    keys = set()
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for process in processes:
        keys.add(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("text", ["hunter2", "xyz" * 30, "ab" * 15, "ab" * 65, "é" * 32])
def test_what_is_no_key_is_named_without_being_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text, encoding="utf-8")
    for env, where in (({}, str(tmp_path / KEY_FILE)), ({KEY_VARIABLE: text}, f"${KEY_VARIABLE}")):
        with pytest.raises(ConfigError) as caught:
            customer_key(tmp_path, env)
        message = str(caught.value)
        assert message.startswith(f"{where}: ")
        assert "32 to 128 hexadecimal digits" in message
        assert text not in message.removeprefix(where)


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/customer\.key: cannot be read: Not a directory$"):
        customer_key(tmp_path / "file", {})
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(ConfigError, match=r"customer\.key: cannot be read: Is a directory$"):
        customer_key(tmp_path, {})
