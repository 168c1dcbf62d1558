"""Label Studio's data folder and its secrets."""

import stat
from pathlib import Path

import pytest

from deploy import studio
from records.errors import BadData, NotFound


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    (folder / studio.DATABASE).write_bytes(b"an empty database")
    return folder


def test_a_new_folder_gets_the_template_and_secrets_only_its_owner_can_read(tmp_path: Path, template: Path) -> None:
    folder = tmp_path / "new"

    access = studio.prepare(folder, template=template)

    assert (folder / studio.DATABASE).read_bytes() == b"an empty database"
    assert len(access.token) == 40
    for name in (studio.ACCESS, ".env"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_folders_share_no_secret(tmp_path: Path, template: Path) -> None:
    first, second = (studio.prepare(tmp_path / name, template=template) for name in ("first", "second"))

    assert first.password != second.password
    assert first.token != second.token
    assert (tmp_path / "first" / ".env").read_text() != (tmp_path / "second" / ".env").read_text()


def test_a_folder_in_use_keeps_its_data_and_its_access(tmp_path: Path, template: Path) -> None:
    folder = tmp_path / "used"
    first = studio.prepare(folder, template=template)
    (folder / studio.DATABASE).write_bytes(b"a week of answers")

    again = studio.prepare(folder, template=template)

    assert again == first == studio.read_access(folder)
    assert (folder / studio.DATABASE).read_bytes() == b"a week of answers"


def test_secrets_are_not_printed(tmp_path: Path, template: Path) -> None:
    access = studio.prepare(tmp_path / "new", template=template)

    assert access.password not in repr(access)
    assert access.token not in repr(access)


def test_without_an_installation_the_message_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="`make install`"):
        studio.prepare(tmp_path / "new", template=tmp_path / "no-template")

    assert not (tmp_path / "new").exists()


def test_a_folder_that_was_never_started_has_no_access(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="never started"):
        studio.read_access(tmp_path)


def test_a_damaged_access_file_is_named(tmp_path: Path) -> None:
    (tmp_path / studio.ACCESS).write_text('{"email": "admin@example.com"}')

    with pytest.raises(BadData, match=r"access\.json does not hold"):
        studio.read_access(tmp_path)


def test_settings_of_the_caller_do_not_reach_label_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_HOST", "https://work.example.com")
    monkeypatch.setenv("PASSWORD", "mine")

    environment = studio.environment(tmp_path)

    assert {"LABEL_STUDIO_HOST", "PASSWORD"}.isdisjoint(environment)
    assert environment["HOME"] == str(tmp_path)
