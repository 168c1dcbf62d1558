"""The services of a local Driftloop: Label Studio, Prefect's server and worker, and MLflow.

Each function prepares a folder and returns how to start the service in it: on loopback, with everything it keeps
inside that folder, its log among them, and telling nobody outside. Settings of such services in the caller's own
environment are not handed down: a `PREFECT_API_DATABASE_CONNECTION_URL` set for work must not be migrated by a demo.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy import studio
from deploy.ports import LOOPBACK, free_ports
from deploy.processes import Running, Service, alive, serving, start, stop

__all__ = [
    "MLFLOW",
    "Running",
    "Service",
    "alive",
    "free_ports",
    "label_studio",
    "mlflow_server",
    "mlflow_store",
    "prefect_server",
    "prefect_worker",
    "serving",
    "start",
    "stop",
]

MLFLOW = "MLflow"
_HANDED_DOWN = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
_QUIET = {
    "PYTHONUNBUFFERED": "1",
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_LOGGING_COLORS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


def label_studio(folder: Path, *, port: int) -> Service:
    """Describe a Label Studio server that keeps its data in `folder`, made from the template if it is new.

    Its administrator's access is read with `studio.read_access(folder)`. Webhooks may call loopback addresses.
    """
    folder = folder.resolve()
    access = studio.prepare(folder)
    url = f"http://{LOOPBACK}:{port}"
    return Service(
        name="Label Studio",
        command=(
            *(str(studio.PROGRAM), "start", "--no-browser"),
            *("--internal-host", LOOPBACK, "--port", str(port)),
        ),
        environment={
            **studio.environment(folder),
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_USERNAME": access.email,
            "LABEL_STUDIO_PASSWORD": access.password,
            "LABEL_STUDIO_USER_TOKEN": access.token,
            "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "false",
            "LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS": "169.254.0.0/16",
        },
        folder=folder,
        port=port,
        url=url,
        health_urls=(f"{url}/health",),
        log=folder / "label-studio.log",
        stop_signal=signal.SIGINT,
    )


def prefect_server(folder: Path, *, port: int, database: str | None = None) -> Service:
    """Describe a Prefect server; flows reach it at `url + "/api"`.

    Its `database` is SQLite in `folder` unless a URL such as `postgresql+asyncpg://user@host/name` says otherwise.
    """
    folder = folder.resolve()
    url = f"http://{LOOPBACK}:{port}"
    return Service(
        name="Prefect server",
        command=(sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)),
        environment={
            **_environment(folder),
            **_prefect(folder, url=url),
            # Leases kept in memory leak a deployment's only slot for ever when the server restarts.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            # Of itself it deletes events only, and keeps every run with its tasks, logs and artifacts for ever.
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(90 * 24 * 3600),
            **({"PREFECT_SERVER_DATABASE_CONNECTION_URL": database} if database else {}),
        },
        folder=folder,
        port=port,
        url=url,
        health_urls=(f"{url}/api/health",),
        log=folder / "prefect-server.log",
    )


def prefect_worker(
    folder: Path, *, port: int, server_url: str, pool: str, limit: int = 2, environment: Mapping[str, str] | None = None
) -> Service:
    """Describe a worker that runs the flows of a process work pool, which it creates if it is missing.

    `port` serves its health check only, which is content before the pool exists, so the pool is asked for too. The
    flows it runs inherit `environment` on top of ours, and the caller's HOME: they are the caller's own code.
    """
    folder = folder.resolve()
    url = f"http://{LOOPBACK}:{port}"
    return Service(
        name="Prefect worker",
        command=(
            *(sys.executable, "-m", "prefect", "worker", "start", "--with-healthcheck"),
            *("--pool", pool, "--type", "process", "--name", "local", "--limit", str(limit)),
        ),
        environment={
            **_environment(Path.home()),
            **_prefect(folder, url=server_url),
            "PREFECT_WORKER_WEBSERVER_HOST": LOOPBACK,
            "PREFECT_WORKER_WEBSERVER_PORT": str(port),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",  # what its server answers while SQLite is locked
            **(environment or {}),
        },
        folder=folder,
        port=port,
        url=url,
        health_urls=(f"{url}/health", f"{server_url}/api/work_pools/{pool}"),
        log=folder / "prefect-worker.log",
    )


def mlflow_server(folder: Path, *, port: int, store: str | None = None) -> Service:
    """Describe an MLflow server over `store` (default: `mlflow_store(folder)`), artifacts in `folder`."""
    folder = folder.resolve()
    url = f"http://{LOOPBACK}:{port}"
    return Service(
        name=MLFLOW,
        command=(
            *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", store or mlflow_store(folder)),
            *("--artifacts-destination", str(folder / "mlartifacts")),
        ),
        environment={
            **_environment(folder),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its seven job processes outlive the server
        },
        folder=folder,
        port=port,
        url=url,
        health_urls=(f"{url}/health",),
        log=folder / "mlflow.log",
    )


def mlflow_store(folder: Path) -> str:
    """Return the URI of the SQLite store in `folder`, which clients can use with or without a server.

    >>> mlflow_store(Path("/data/mlflow"))
    'sqlite:////data/mlflow/mlflow.db'
    """
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _HANDED_DOWN if name in os.environ}
    return {**kept, **_QUIET, "HOME": str(home), "NO_PROXY": f"{LOOPBACK},localhost"}


def _prefect(folder: Path, *, url: str) -> dict[str, str]:
    return {"PREFECT_HOME": str(folder), "PREFECT_API_URL": f"{url}/api"}
