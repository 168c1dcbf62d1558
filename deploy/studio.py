"""Label Studio's own environment, its migrated template database, and the access each copy of it gets.

Label Studio cannot share Driftloop's environment, so it is installed in `deploy/label-studio/.venv`. Its 396 database
migrations take about 70 s of CPU; they run once into a template, which every new server copies.
"""

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from records.errors import BadData, NotFound, ServiceDown

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "deploy" / "label-studio" / ".venv" / "bin" / "label-studio"
TEMPLATE = ROOT / ".local" / "label-studio-template"
DATABASE = "label_studio.sqlite3"
ACCESS = "access.json"
ADMIN = "admin@example.com"

QUIET = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How to log in to one Label Studio folder as its administrator; the secrets never appear in `repr`."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def prepare(folder: Path, *, template: Path = TEMPLATE) -> Access:
    """Make `folder` a Label Studio data folder, unless it is one, and return its administrator's access.

    A new folder gets a copy of the template and a secret key, password and token of its own, in files that only
    their owner can read. An existing one is left as it is. Raises `NotFound` if Label Studio is not installed.
    """
    if (folder / DATABASE).exists():
        return read_access(folder)
    if not PROGRAM.exists() or not (template / DATABASE).exists():
        raise NotFound(f"Label Studio is not installed in {PROGRAM.parent.parent}: run `make install` first.")
    access = Access(ADMIN, secrets.token_urlsafe(18), secrets.token_hex(20))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_secret(folder / ACCESS, json.dumps(asdict(access), indent=2) + "\n")
    _write_secret(folder / ".env", f"SECRET_KEY={secrets.token_urlsafe(50)}\n")
    half = folder / f".{DATABASE}"
    shutil.copyfile(template / DATABASE, half)
    half.replace(folder / DATABASE)  # last and in one step: a folder with a database is complete
    return access


def read_access(folder: Path) -> Access:
    """Return the access that `prepare` wrote into `folder`; raises `NotFound` or `BadData`."""
    path = folder / ACCESS
    try:
        return Access(**json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise NotFound(f"{folder} has no {ACCESS}: Label Studio was never started there by Driftloop.") from error
    except (ValueError, TypeError) as error:
        raise BadData(f"{path} does not hold email, password and token: restore it, or remove {folder}.") from error


def build_template(template: Path = TEMPLATE) -> Path:
    """Run Label Studio's migrations once into `template` (about 70 s of CPU) and return it.

    The template holds an empty database without users, keys or tokens. It is built beside its place and moved there
    in one step. Raises `NotFound` if Label Studio's environment is missing, `ServiceDown` if the migrations fail.
    """
    if not PROGRAM.exists():
        raise NotFound(f"Label Studio is not installed in {PROGRAM.parent.parent}: run `make install` first.")
    template.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(template.with_name(f".{template.name}.lock")):
        half = template.with_name(f".{template.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        done = subprocess.run(
            [PROGRAM, "version"],
            cwd=half,
            env=environment(half),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not (half / DATABASE).exists():
            raise ServiceDown(f"Label Studio's migrations failed with code {done.returncode}:\n{done.stdout[-2000:]}")
        (half / ".env").unlink(missing_ok=True)  # its key would be shared by all copies
        shutil.rmtree(template, ignore_errors=True)
        half.rename(template)
    return template


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a Label Studio that keeps everything in `folder` and tells nobody.

    Label Studio also reads its settings under bare names such as `PORT` or `PASSWORD`, so nothing but the path and
    the language is handed down to it.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, **QUIET, "HOME": str(folder), "LABEL_STUDIO_BASE_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


if __name__ == "__main__":
    build_template()
