"""A real PostgreSQL server of the tests' own, made in a fresh folder and removed afterwards."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from deploy import processes
from deploy.ports import LOOPBACK, free_ports

MISSING = "no PostgreSQL server is installed here (`initdb` and `postgres`; on Debian: `apt install postgresql`)"


def programs() -> Path | None:
    """Return the folder that holds `initdb` and `postgres`, on PATH or where Debian puts them, newest first."""
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    found = [*([Path(on_path)] if on_path else []), *reversed(debian)]
    return next((path.resolve().parent for path in found if (path.resolve().parent / "postgres").exists()), None)


class Server:
    """A running server."""

    def __init__(self, service: processes.Service, *, timeout_seconds: float) -> None:
        self._service = service
        self._timeout_seconds = timeout_seconds
        self.port = service.port
        self._address = f"{service.url.replace('+psycopg', '')}/postgres"
        self._numbers = itertools.count()
        self._running = self._start()

    def fresh(self) -> str:
        """Make an empty database and return its URL."""
        name = f"driftloop_{next(self._numbers)}"
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{self._service.url}/{name}"

    def restart(self) -> None:
        """End every connection and every transaction, and start again."""
        self.stop()
        self._running = self._start()

    def stop(self) -> None:
        """Stop the server."""
        processes.stop(self._running)

    def _start(self) -> processes.Running:
        running = processes.launch(self._service)
        try:
            _wait(self._address, running, timeout_seconds=self._timeout_seconds)
        except BaseException:
            processes.stop(running)
            raise
        return running


@contextlib.contextmanager
def server(binaries: Path, *, timeout_seconds: float, password: str | None = None) -> Iterator[Server]:
    """Start a server in a folder of its own, and remove both afterwards; with a password it asks everybody for theirs.

    PostgreSQL refuses to run as root, so root runs it as `postgres`, or as `nobody` where there is none. pytest's
    own folders are closed to other accounts, so it gets one elsewhere.
    """
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="driftloop-postgres-"))
    if account:
        shutil.chown(folder, account)
    try:
        _initialise(binaries, folder, account=account, password=password)
        service = _service(binaries, folder, port=free_ports(1)[0], account=account, password=password)
        running = Server(service, timeout_seconds=timeout_seconds)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(binaries: Path, folder: Path, *, account: str | None, password: str | None) -> None:
    trust = ["-A", "trust"] if password is None else ["-A", "scram-sha-256", "--pwfile", "password"]
    arguments = ["-D", "data", "-U", "postgres", *trust, "-E", "UTF8", "--locale", "C", "--no-sync"]
    if password is not None:
        secret = folder / "password"
        secret.write_text(password)
        secret.chmod(0o600)
        if account:
            shutil.chown(secret, account)
    done = subprocess.run(
        [str(binaries / "initdb"), *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        user=account,
        group=None if account is None else pwd.getpwnam(account).pw_gid,
        extra_groups=None if account is None else (),
    )
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed with code {done.returncode}:\n{done.stdout}{done.stderr}")


def _service(
    binaries: Path, folder: Path, *, port: int, account: str | None, password: str | None
) -> processes.Service:
    who = "postgres" if password is None else f"postgres:{password}"
    return processes.Service(
        name="PostgreSQL",
        command=(
            *(str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder)),
            *("-c", f"listen_addresses={LOOPBACK}", "-c", "fsync=off"),
        ),
        environment={"PATH": os.environ["PATH"], "HOME": str(folder)},
        folder=folder,
        port=port,
        url=f"postgresql+psycopg://{who}@{LOOPBACK}:{port}",
        health_urls=(),
        log=folder / "postgres.log",
        stop_signal=signal.SIGINT,  # its fast shutdown, which waits for no client
        user=account,
    )


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _wait(address: str, running: processes.Running, *, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError as error:
            if not processes.alive(running) or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start; {processes.log_end(running.log)}") from error
            time.sleep(0.1)
        else:
            return
