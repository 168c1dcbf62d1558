"""The production stack: its files hold together, and the same wiring works with native processes on PostgreSQL.

No container engine is needed: what `deploy/compose.yaml` says is checked against the schema of Compose files, and its
commands and environments are run as they stand, with loopback addresses in place of the names of containers.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from benchmarks.payments import CHANGED, QUIET, week
from deploy import bots, studio
from deploy.ports import free_ports
from deploy.processes import Service, serving
from flows.receive import HEADER
from records.decay import Judgement
from store.ledger import open_ledger
from tests import postgres
from tests.conftest import START_SECONDS
from tests.flows.conftest import World

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
OWN = ("prefect", "mlflow", "label-studio", "worker", "receiver", "driftloop")
ADMINISTRATOR = "canary-administrator"
PASSWORDS = {
    "driftloop": "DRIFTLOOP_DB_PASSWORD",
    "prefect": "PREFECT_DB_PASSWORD",
    "mlflow": "MLFLOW_DB_PASSWORD",
    "label_studio": "LABEL_STUDIO_DB_PASSWORD",
}
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
    """Runs what the Compose file says, here: with ports of our own, loopback, and folders below `home`.

    `said` is what every command of Driftloop wrote.
    """

    home: Path
    values: Mapping[str, str]
    ports: Mapping[str, int]
    said: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        text = filled(text, self.values)
        if text.startswith("--allowed-hosts="):
            return text
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

    @property
    def ledger(self) -> str:
        return self.environment("driftloop")["DRIFTLOOP_SERVICES__LEDGER"]

    def address(self, user: str, password: str, *, database: str | None = None) -> str:
        place = f"host=127.0.0.1 port={self.ports['5432']} dbname={database or user}"
        return f"{place} user={user} password={password}"

    def watched_by_the_worker(self, moment: datetime) -> str:
        """Start a run of the deployment watch, as a person does in Prefect's UI; return the type of its last state."""
        user, _, password = self.values["PREFECT_AUTH"].partition(":")
        place = f"http://127.0.0.1:{self.ports['4200']}/api"
        with httpx.Client(base_url=place, auth=(user, password), timeout=60, trust_env=False) as client:
            deployment = client.get("/deployments/name/watch/payments").raise_for_status().json()["id"]
            asked = {"parameters": {"moment": moment.isoformat()}}
            run = client.post(f"/deployments/{deployment}/create_flow_run", json=asked).raise_for_status().json()["id"]
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline:
                state: str = client.get(f"/flow_runs/{run}").raise_for_status().json()["state_type"]
                if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                    return state
                time.sleep(1)
        raise AssertionError(f"the worker did not end the run in time; it is {state}")

    def driftloop(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("driftloop"))
        done = subprocess.run(
            [program, *words],
            env=self.environment("driftloop"),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        self.said.append(done.stdout + done.stderr)
        return done

    def troubles(self) -> list[dict[str, Any]]:
        """What `doctor` finds wrong."""
        told = self.driftloop("doctor", str(self.home / "models"), "--json")
        return [check for check in json.loads(told.stdout) if not check["ok"]]


def _default_command(target: str) -> list[str]:
    (stage,) = [one for one in (DEPLOY / "Dockerfile").read_text().split("\nFROM ") if f" AS {target}\n" in one]
    found: list[str] = json.loads(stage.split("\nCMD ")[1])
    return found


def database_tool(
    server: postgres.Server, native: Native, *words: str | Path, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs, or a script that does, as the administrator of a server."""
    binaries = postgres.programs()
    assert binaries is not None
    environment = {**native.environment("postgres"), "PGHOST": "127.0.0.1", "PGPORT": str(server.port)}
    environment |= {"PATH": f"{binaries}:{environment['PATH']}", "PGPASSWORD": native.values["POSTGRES_PASSWORD"]}
    done = subprocess.run(words, env=environment, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def rows_of(native: Native) -> dict[str, int]:
    """How many rows each table of each service has, read with the service's own password."""
    found: dict[str, int] = {}
    for user, password in PASSWORDS.items():
        with psycopg.connect(native.address(user, native.values[password])) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                (n_rows,) = connection.execute(f'SELECT count(*) FROM "{table}"'.encode()).fetchone() or (0,)
                found[f"{user}.{table}"] = n_rows
    return found


def restores(dump: str, native: Native) -> None:
    """What `pg_dumpall` writes, a server at its first start takes, with every row and every password.

    The container has run `databases.sh` by then, so what the dump makes once more is there.
    """
    before, binaries = rows_of(native), postgres.programs()
    assert binaries is not None
    assert before["driftloop.promotions"] > 0
    with postgres.server(binaries, timeout_seconds=START_SECONDS, password=ADMINISTRATOR) as empty:
        restored = replace(native, ports={**native.ports, "5432": empty.port})
        database_tool(empty, restored, DEPLOY / "databases.sh")
        told = database_tool(empty, restored, "psql", "--username", "postgres", given=dump).stderr
        roles, databases = ("postgres", *PASSWORDS), tuple(PASSWORDS)
        there = [f'role "{name}" already exists' for name in roles]
        there += [f'database "{name}" already exists' for name in databases]
        assert sorted(line.partition("ERROR:  ")[2] for line in told.splitlines()) == sorted(there), told
        assert rows_of(restored) == before
        ledgers = [open_ledger(one.ledger) for one in (native, restored)]
        old, new = [(one.generations.champion("payments"), one.promotions.history("payments")) for one in ledgers]
        assert new == old
        for ledger in ledgers:
            ledger.close()


def tables_with(text: str, dump: str) -> set[str]:
    """The tables of a dump in which a text stands; "" is everything beside them."""
    found, table = set(), ""
    for line in dump.split("\n"):
        table = line.split()[1] if line.startswith("COPY ") else table
        if text in line:
            found.add(table)
        table = "" if line == "\\." else table
    return found


def secrets_of(native: Native) -> dict[str, str]:
    """Every secret by its name; Prefect's also without its user, and as it travels."""
    found = {name: native.values[name] for name, value in example().items() if "change-me" in value}
    both = found["PREFECT_AUTH"]
    header = base64.b64encode(both.encode()).decode()
    return found | {"Prefect's password": both.partition(":")[2], "Prefect's header": header}


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip(postgres.MISSING)
    with postgres.server(binaries, timeout_seconds=START_SECONDS, password=ADMINISTRATOR) as running:
        yield running


@pytest.fixture(scope="module")
def native(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Native:
    home = tmp_path_factory.mktemp("production")
    values = {
        name: f"canary-{number}-secret" if "change-me" in value else value
        for number, (name, value) in enumerate(example().items())
    }
    values |= {
        "PREFECT_AUTH": "driftloop:a-canary-secret",
        "LABEL_STUDIO_TOKEN": "5" * 40,
        "POSTGRES_PASSWORD": ADMINISTRATOR,
    }
    ports = dict(zip(("4200", "5000", "8080", "4201", "8090"), free_ports(5), strict=True)) | {"5432": server.port}
    values |= {"MLFLOW_HOSTS": f"127.0.0.1:{ports['5000']}"}
    for folder in ("models", "data/prefect", "data/mlflow", "data/driftloop"):
        (home / folder).mkdir(parents=True)
    made = Native(home, values, ports)
    for _ in range(2):  # the second time it changes nothing
        database_tool(server, made, DEPLOY / "databases.sh")
    return made


@pytest.mark.services
def test_each_service_has_a_database_that_the_others_cannot_open(native):
    for user, password in PASSWORDS.items():
        for database in PASSWORDS:
            address = native.address(user, native.values[password], database=database)
            if user == database:
                psycopg.connect(address).close()
            else:
                with pytest.raises(psycopg.OperationalError, match="permission denied"):
                    psycopg.connect(address)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(native.address(user, "another"))


@pytest.mark.services
@pytest.mark.timeout(1800)
def test_the_loop_runs_on_the_stack_as_it_is_written(native: Native, server: postgres.Server, first_day: World):
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
        others = [native.service("worker", "4201", "/health"), native.service("receiver", "8090", "/health")]
        with serving(others, timeout_seconds=START_SECONDS):
            assert native.watched_by_the_worker(end) == "COMPLETED", others[0].log.read_text()[-3000:]
            for secret, code in (({}, 401), ({HEADER: native.values["WEBHOOK_SECRET"]}, 202)):
                call = httpx.post(f"{others[1].url}/label-studio", json={}, headers=secret, trust_env=False)
                assert call.status_code == code
            ill = native.troubles()
        assert [check["name"] for check in ill] == ["windows"], ill  # those since the end of the test's history
        refused = replace(native, values={**native.values, "PREFECT_AUTH": "driftloop:wrong"})
        (check,) = [check for check in refused.troubles() if check["name"] == "Prefect"]
        assert "PREFECT_API_AUTH_STRING" in check["sentence"]
        for host, code in (("mlflow:5000", 200), (f"127.0.0.1:{native.ports['5000']}", 200), ("evil.example", 403)):
            place = f"{servers[1].url}/api/2.0/mlflow/experiments/search?max_results=1"
            assert httpx.get(place, headers={"Host": host}, trust_env=False, timeout=60).status_code == code, host
        ledger = open_ledger(native.ledger)
        (item,) = ledger.requests.open("payments")
        assert item.project is not None
        url, schema = servers[2].url, world.schema
        people = bots.hire(url, native.values["LABEL_STUDIO_TOKEN"])
        said = bots.answer_all(url, people, item.project, world.truth, schema.classes, error_rate=0, skip_rate=0)
        assert said.n_answered == len(item.request.asks) == 40
        learned = native.driftloop("learn", *command)
        assert learned.returncode == 0, learned.stdout + learned.stderr
        assert len(ledger.labels.of("payments", window=item.request.window)) == 40
        assert ledger.steps.get("payments", item.request.window, "judge", Judgement) is not None
        ledger.close()
    dump = database_tool(server, native, "pg_dumpall", "--username", "postgres").stdout
    restores(dump, native)
    kept = {"LABEL_STUDIO_TOKEN": {"public.authtoken_token"}}  # Label Studio's own, which it must know again
    assert len(native.said) == 6
    files = [path for path in native.home.rglob("*") if path.is_file()]
    assert {"log", "MLmodel", "review.html"} <= {path.name for path in files}
    for name, canary in secrets_of(native).items():
        assert tables_with(canary, dump) == kept.get(name, set()), name
        assert not [said for said in native.said if canary in said], name
        assert not [path for path in files if canary.encode() in path.read_bytes()], name
