"""`make up` and `make down`: the local stack of services, which keeps running after the command ends.

A home folder holds the data of every service, their logs in one folder (`logs`), the ports they use (`ports.json`) and
what was started (`running.json`), so that `down` stops exactly that, and `up` on the demo's home serves what the demo
left behind.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import httpx
import typer
from filelock import FileLock
from rich.console import Console
from rich.table import Table

from deploy import services, studio
from deploy.ports import LOOPBACK, taken
from deploy.processes import Running, Service, alive, await_health, launch, stop
from records.errors import Conflict, DriftloopError

POOL = "driftloop"
REDIS = 6379
"""Label Studio looks for a Redis at this port of its own machine, and cannot be told not to."""

START_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback port of each service; the worker's serves its health check only."""

    prefect: int = 4200
    mlflow: int = 5000
    label_studio: int = 8080
    worker: int = 4201

    @classmethod
    def free(cls) -> "Ports":
        """Return ports that nobody uses at this moment."""
        return cls(*services.free_ports(len(fields(cls))))


@dataclass(frozen=True, slots=True)
class Stack:
    """How each service of one home is started."""

    prefect: Service
    mlflow: Service
    label_studio: Service
    worker: Service

    @property
    def servers(self) -> tuple[Service, ...]:
        """The services that need nobody else; the worker needs Prefect's server."""
        return (self.prefect, self.mlflow, self.label_studio)


def layout(home: Path, ports: Ports, *, worker_environment: Mapping[str, str] | None = None) -> Stack:
    """Describe the services of a home and keep their ports in it; the worker's flows may use Label Studio."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "ports.json").write_text(json.dumps(asdict(ports), indent=2) + "\n")
    prefect = services.prefect_server(home / "prefect", port=ports.prefect)
    label_studio = services.label_studio(home / "label-studio", port=ports.label_studio)
    access = studio.read_access(home / "label-studio")
    worker = services.prefect_worker(
        home / "prefect",
        port=ports.worker,
        server_url=prefect.url,
        pool=POOL,
        environment={"DRIFTLOOP_LABEL_STUDIO_TOKEN": access.token, **(worker_environment or {})},
    )
    mlflow, logs = services.mlflow_server(home / "mlflow", port=ports.mlflow), home.resolve() / "logs"
    return Stack(
        prefect=replace(prefect, log=logs / "prefect.log"),
        mlflow=replace(mlflow, log=logs / "mlflow.log"),
        label_studio=replace(label_studio, log=logs / "label-studio.log"),
        worker=replace(worker, log=logs / "worker.log"),
    )


def kept_ports(home: Path) -> Ports:
    """Return the ports this home used last, or the usual ones."""
    path = home / "ports.json"
    return Ports(**json.loads(path.read_text())) if path.exists() else Ports()


def default_home() -> Path:
    """Return the demo's home if there is one, or else the stack's own."""
    demo = studio.ROOT / ".local" / "demo"
    return demo if demo.exists() else studio.ROOT / ".local" / "stack"


def up(home: Path, ports: Ports, *, console: Console | None = None) -> tuple[Running, ...]:
    """Start what does not run yet, and leave it running; a failure or Ctrl-C stops what this call started."""
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".lock"):
        before = running(home)
        if before and ports != kept_ports(home):
            raise Conflict(f"The services of {home} run on other ports: stop them first with `make down`.")
        stack = layout(home, ports)
        started: list[Running] = []
        try:
            for group in (stack.servers, (stack.worker,)):
                missing = [service for service in group if service.name not in {one.name for one in before}]
                fresh = []
                for service in missing:
                    fresh.append(launch(service, tied=False))
                    started.append(fresh[-1])
                    _keep(home, (*before, *started))
                for service, one in zip(missing, fresh, strict=True):
                    if console:
                        console.print(f"Waiting for {service.name} …", style="dim")
                    await_health(service, one, timeout_seconds=START_SECONDS)
        except BaseException:
            stop(*started)
            _keep(home, before)
            raise
        return (*before, *started)


def down(home: Path) -> tuple[Running, ...]:
    """Stop what `up` started for this home and still runs, nothing else, and return it."""
    if not (home / "running.json").exists():
        return ()
    with FileLock(home / ".lock"):
        found = running(home)
        stop(*reversed(found))
        (home / "running.json").unlink()
        return found


def running(home: Path) -> tuple[Running, ...]:
    """Return the services that `up` started for this home and that still run."""
    path = home / "running.json"
    kept = json.loads(path.read_text()) if path.exists() else []
    found = (Running(**{**facts, "log": Path(facts["log"])}) for facts in kept)
    return tuple(one for one in found if alive(one))


def _keep(home: Path, found: tuple[Running, ...]) -> None:
    names = [each.name for each in fields(Running) if each.name not in ("child", "log")]
    facts = [{**{name: getattr(one, name) for name in names}, "log": str(one.log)} for one in found]
    half = home / ".running.json"
    half.write_text(json.dumps(facts, indent=2) + "\n")
    half.replace(home / "running.json")


app = typer.Typer(name="make up | down | status", no_args_is_help=True, add_completion=False, help=__doc__)
_Home = Annotated[Path | None, typer.Option("--home", envvar="DRIFTLOOP_STACK_HOME", help="Where everything is kept.")]


@app.command("up")
def up_command(
    home: _Home = None,
    prefect: Annotated[int | None, typer.Option("--prefect-port", envvar="DRIFTLOOP_PREFECT_PORT")] = None,
    mlflow: Annotated[int | None, typer.Option("--mlflow-port", envvar="DRIFTLOOP_MLFLOW_PORT")] = None,
    label_studio: Annotated[int | None, typer.Option("--label-studio-port", envvar="DRIFTLOOP_STUDIO_PORT")] = None,
    worker: Annotated[int | None, typer.Option("--worker-port", envvar="DRIFTLOOP_WORKER_PORT")] = None,
) -> None:
    """Start Prefect's server and worker, MLflow and Label Studio on loopback, and print where they are."""
    chosen = (home or default_home()).resolve()
    wanted = {"prefect": prefect, "mlflow": mlflow, "label_studio": label_studio, "worker": worker}
    ports = Ports(**{**asdict(kept_ports(chosen)), **{name: port for name, port in wanted.items() if port}})
    console = Console()
    if taken(REDIS):
        console.print(
            f"[yellow]A Redis seems to answer on port {REDIS} of {LOOPBACK}: Label Studio queues its webhooks there"
            " for a worker that nobody runs, so stop it, or run it on another port.[/]",
            soft_wrap=True,
            highlight=False,
        )
    found = up(chosen, ports, console=console)
    _show(console, chosen)
    mlflow_server = next(one for one in found if one.name == services.MLFLOW)
    console.print(f"MLflow: the generations are at {_generations(mlflow_server)}", soft_wrap=True, highlight=False)
    console.print(
        f"Label Studio: log in as [bold]{studio.ADMIN}[/]; the password is in "
        f"{chosen / 'label-studio' / studio.ACCESS}. Stop it all with `make down`.",
        soft_wrap=True,
    )


@app.command("down")
def down_command(home: _Home = None) -> None:
    """Stop what `up` started, and nothing else."""
    stopped = down((home or default_home()).resolve())
    Console().print(f"Stopped {', '.join(one.name for one in stopped)}." if stopped else "Nothing was running.")


@app.command("status")
def status_command(home: _Home = None) -> None:
    """Print what runs and where; exit code 1 if something of the stack does not run."""
    chosen = (home or default_home()).resolve()
    _show(Console(), chosen)
    raise typer.Exit(0 if len(running(chosen)) == len(fields(Ports)) else 1)


def _show(console: Console, home: Path) -> None:
    table = Table(title=f"Services of {home}", title_justify="left")
    for column in ("service", "address", "log"):
        table.add_column(column, overflow="fold")
    for one in running(home):
        table.add_row(one.name, one.url, str(one.log.relative_to(home)))
    console.print(table if table.row_count else f"Nothing runs for {home}.")


def _generations(mlflow: Running) -> str:
    """Return where MLflow lists the newest model's generations; its own front page is about chat traces."""
    query: dict[str, str | int] = {"max_results": 1, "order_by": "creation_time DESC"}
    try:
        answer = httpx.get(f"{mlflow.url}/api/2.0/mlflow/experiments/search", params=query, trust_env=False)
        newest = answer.raise_for_status().json()["experiments"][0]["experiment_id"]
    except httpx.HTTPError:
        return mlflow.url
    return f"{mlflow.url}/#/experiments/{newest}/models?workflowType=machine_learning"


def main() -> None:
    """Run the command line; an error Driftloop knows becomes one message and exit code 1."""
    try:
        app()
    except DriftloopError as error:
        Console(stderr=True).print(f"[bold red]stack:[/] {error}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
