"""The production stack: its files hold together, and the same wiring works with native processes on PostgreSQL.

No container engine is needed: what `deploy/compose.yaml` says is checked against the schema of Compose files, and its
commands and environments are run as they stand, with loopback addresses in place of the names of containers.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from benchmarks.payments import CHANGED, QUIET, week
from deploy import studio
from deploy.ports import free_ports
from deploy.processes import Service, serving
from tests import postgres
from tests.conftest import START_SECONDS
from tests.flows.conftest import World

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
OWN = ("prefect", "mlflow", "label-studio", "worker", "receiver", "driftloop")
LONG = ("prefect", "mlflow", "label-studio", "worker", "receiver", "postgres")


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def example() -> dict[str, str]:
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Fill variables in as Compose does; one that must be set and is not fails."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if values.get(name):
            return values[name]
        assert kind == "-", f"{name} is not in .env.example"
        return str(rest)

    return VARIABLE.sub(value, text)


def test_the_file_is_what_compose_files_may_be():
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", COMPOSE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_variable_is_in_the_example_and_every_secret_is_demanded():
    used = {match[1]: match[2] for match in VARIABLE.finditer(COMPOSE.read_text())}
    assert used.keys() == example().keys()
    assert all(used[name] == "?" for name, value in example().items() if "change-me" in value)


def test_nothing_has_a_secret_in_it_and_nothing_is_published_to_the_world():
    for name, service in services().items():
        for variable, value in (service.get("environment") or {}).items():
            if (
                re.search(r"PASSWORD|TOKEN$|SECRET|AUTH", variable)
                and "BANNED" not in variable
                and "LEGACY" not in variable
            ):
                assert value.startswith("${"), (name, variable)
        assert all(port.startswith("${BIND:-127.0.0.1}:") for port in service.get("ports", []))


def test_every_service_is_watched_starts_in_order_and_runs_without_root():
    found = services()
    assert set(found) == {*OWN, "postgres"}
    for name in LONG:
        assert found[name]["healthcheck"]["test"], name
        assert found[name]["restart"] == "unless-stopped"
        assert all(one["condition"] == "service_healthy" for one in found[name].get("depends_on", {}).values())
    for name in OWN:
        assert found[name]["cap_drop"] == ["ALL"]
        assert found[name]["build"]["target"] in ("driftloop", "label-studio")
    stages = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")
    for target in ("driftloop", "label-studio"):
        (stage,) = [stage for stage in stages if stage.splitlines()[0].endswith(f" AS {target}")]
        assert "USER 10001:10001" in stage


def test_images_are_pinned_to_what_the_locks_hold():
    text = (DEPLOY / "Dockerfile").read_text() + COMPOSE.read_text()
    for image in re.findall(r"(?:image: |FROM |--from=)(\S+)", text):
        assert ":" not in image or re.search(r":\d+\.\d+", image), image
    assert "latest" not in text
    from importlib.metadata import version

    assert f"image: driftloop:{version('driftloop')}\n" in text
    from flows.check_services import LABEL_STUDIO

    assert f"image: driftloop-label-studio:{LABEL_STUDIO}\n" in text


def test_what_the_image_copies_reaches_the_builder():
    """The builder is sent nothing but what is named in .dockerignore."""
    sent = {line[1:] for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied.update(line.split()[1:-1])
    assert copied == sent
    assert all((DEPLOY.parent / path).exists() for path in copied)


@dataclass(frozen=True)
class Native:
    """Runs what the Compose file says, here: with ports of our own, loopback, and folders below `home`."""

    home: Path
    values: Mapping[str, str]
    ports: Mapping[str, int]

    def here(self, text: str) -> str:
        text = filled(text, self.values)
        for host, port in (("postgres", "5432"), ("prefect", "4200"), ("mlflow", "5000"), ("label-studio", "8080")):
            text = text.replace(f"{host}:{port}", f"127.0.0.1:{port}")
        for port, number in self.ports.items():
            text = re.sub(rf"(?<!\d){port}(?!\d)", str(number), text)
        text = text.replace("0.0.0.0", "127.0.0.1").replace("/models", str(self.home / "models"))
        return re.sub(r"/data(?=/|$)", str(self.home / "data"), text)

    def environment(self, name: str) -> dict[str, str]:
        said = {key: self.here(str(value)) for key, value in (services()[name].get("environment") or {}).items()}
        said |= {"POSTGRE_HOST": "127.0.0.1"} if "POSTGRE_HOST" in said else {}
        image = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "PREFECT_HOME": str(self.home / "data" / "prefect" / name),
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.home / "data"),
            "DO_NOT_TRACK": "true",
            "NO_PROXY": "127.0.0.1",
            "PYTHONUNBUFFERED": "1",
        }
        return image | said

    def service(self, name: str, port: str, health: str) -> Service:
        command = services()[name].get("command") or _default_command("label-studio")
        program, *arguments = [self.here(str(word)) for word in command]
        place = studio.PROGRAM.parent if program == "label-studio" else Path(sys.executable).parent
        folder = self.home / name
        folder.mkdir(parents=True)
        url = f"http://127.0.0.1:{self.ports[port]}"
        return Service(
            name=name,
            command=(str(place / program), *arguments),
            environment=self.environment(name),
            folder=folder,
            port=self.ports[port],
            url=url,
            health_urls=(f"{url}{health}",),
            log=folder / "log",
        )

    def driftloop(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("driftloop"))
        return subprocess.run(
            [program, *words],
            env=self.environment("driftloop"),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )


def _default_command(target: str) -> list[str]:
    (stage,) = [one for one in (DEPLOY / "Dockerfile").read_text().split("\nFROM ") if f" AS {target}\n" in one]
    found: list[str] = json.loads(stage.split("\nCMD ")[1])
    return found


@pytest.fixture(scope="module")
def native(postgres_url: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Native:
    home = tmp_path_factory.mktemp("production")
    values = {
        name: f"word-{number}" if "change-me" in value else value
        for number, (name, value) in enumerate(example().items())
    }
    values |= {"PREFECT_AUTH": "driftloop:a-canary-secret", "LABEL_STUDIO_TOKEN": "5" * 40, "WEBHOOK_SECRET": "w" * 20}
    server = int(re.search(r":(\d+)/", postgres_url())[1])  # type: ignore[index]
    ports = dict(zip(("4200", "5000", "8080", "4201", "8090"), free_ports(5), strict=True)) | {"5432": server}
    for folder in ("models", "data/prefect", "data/mlflow", "data/driftloop"):
        (home / folder).mkdir(parents=True)
    made = Native(home, values, ports)
    binaries = postgres.programs()
    assert binaries is not None
    script = {**made.environment("postgres"), "PGHOST": "127.0.0.1", "PGPORT": str(server)}
    script["PATH"] = f"{binaries}:{script['PATH']}"
    for _ in range(2):  # the second time it changes nothing
        done = subprocess.run([DEPLOY / "databases.sh"], env=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return made


@pytest.mark.services
def test_each_service_has_a_database_that_the_others_cannot_open(native):
    for user in ("driftloop", "prefect", "mlflow", "label_studio"):
        for database in ("driftloop", "prefect", "mlflow", "label_studio"):
            address = f"host=127.0.0.1 port={native.ports['5432']} user={user} dbname={database}"
            if user == database:
                psycopg.connect(address).close()
            else:
                with pytest.raises(psycopg.OperationalError, match="permission denied"):
                    psycopg.connect(address)


@pytest.mark.services
def test_the_loop_runs_on_the_stack_as_it_is_written(native: Native, first_day: World):
    world = first_day.copy(native.home / "history")
    text = (world.folder / "driftloop.toml").read_text().replace('[services]\nmlflow = "sqlite:///mlflow.db"\n', "")
    settings = native.home / "models" / "payments.toml"
    text = text.replace("budget = 400", "budget = 40")
    settings.write_text(text.replace('url = "production.parquet"', f'url = "{world.folder}/production.parquet"'))
    servers = [
        native.service("prefect", "4200", "/api/health"),
        native.service("mlflow", "5000", "/health"),
        native.service("label-studio", "8080", "/health"),
    ]
    command = ("--config", str(settings))
    with serving(servers, timeout_seconds=START_SECONDS):
        adopted = native.driftloop("adopt", str(world.folder / "training.parquet"), *command)
        assert adopted.returncode == 0, adopted.stderr + servers[1].log.read_text()[-2000:]
        start, end = week(QUIET[0]).start, week(CHANGED[-1]).end
        filled_in = native.driftloop("backfill", "--from", f"{start:%Y-%m-%d}", "--to", f"{end:%Y-%m-%d}", *command)
        assert filled_in.returncode == 10, filled_in.stdout + filled_in.stderr
        deployed = native.driftloop("deploy", str(settings.parent), "--automations")
        assert deployed.returncode == 0, deployed.stderr
        with serving([native.service("worker", "4201", "/health")], timeout_seconds=START_SECONDS):
            told = native.driftloop("doctor", str(settings.parent), "--json")
            ill = [check for check in json.loads(told.stdout) if not check["ok"]]
        assert [check["name"] for check in ill] == ["windows"], ill  # those since the end of the test's history
        refused = Native(native.home, {**native.values, "PREFECT_AUTH": "driftloop:wrong"}, native.ports)
        told = refused.driftloop("doctor", str(settings.parent), "--json")
        (check,) = [check for check in json.loads(told.stdout) if check["name"] == "Prefect"]
        assert "PREFECT_API_AUTH_STRING" in check["sentence"]
    secrets = [value for name, value in native.values.items() if name in ("PREFECT_AUTH", "LABEL_STUDIO_TOKEN")]
    for log in native.home.glob("*/log"):
        assert not [secret for secret in secrets if secret in log.read_text()], log
