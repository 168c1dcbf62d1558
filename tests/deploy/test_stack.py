"""`make up` and `make down`, as commands."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy import proctable, services, stack
from deploy.ports import answers, taken
from deploy.stack import Ports

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.timeout(900)


def command(verb: str, home: Path) -> list[str]:
    return [sys.executable, "-m", "deploy.stack", verb, "--home", str(home)]


def call(verb: str, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(verb, home), cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def keep_ports(home: Path) -> Ports:
    ports = Ports.free()
    home.mkdir(exist_ok=True)
    (home / "ports.json").write_text(json.dumps(asdict(ports)))
    return ports


def test_a_home_keeps_its_ports(tmp_path: Path) -> None:
    assert stack.kept_ports(tmp_path) == Ports(prefect=4200, mlflow=5000, label_studio=8080, worker=4201)
    assert stack.kept_ports(tmp_path) != keep_ports(tmp_path) == stack.kept_ports(tmp_path)


def test_all_logs_are_in_one_folder(tmp_path: Path) -> None:
    laid_out = stack.layout(tmp_path, Ports.free())
    logs = [service.log.relative_to(tmp_path) for service in (*laid_out.servers, laid_out.worker)]
    assert [str(log) for log in logs] == [
        f"logs/{name}.log" for name in ("prefect", "mlflow", "label-studio", "worker")
    ]


@pytest.mark.parametrize("by", ["option", "variable"])
@pytest.mark.parametrize(
    ("option", "variable", "name"),
    [
        ("--prefect-port", "DRIFTLOOP_PREFECT_PORT", "prefect"),
        ("--mlflow-port", "DRIFTLOOP_MLFLOW_PORT", "mlflow"),
        ("--label-studio-port", "DRIFTLOOP_STUDIO_PORT", "label_studio"),
        ("--worker-port", "DRIFTLOOP_WORKER_PORT", "worker"),
    ],
)
def test_a_port_is_chosen_by_its_option_or_its_variable_and_kept(option, variable, name, by, tmp_path: Path) -> None:
    """The port of Prefect's server is taken, so that nothing is started and the message names it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken_port, chosen = other.getsockname()[1], services.free_ports(1)[0]
        before = replace(keep_ports(tmp_path), **({} if name == "prefect" else {"prefect": taken_port}))
        (tmp_path / "ports.json").write_text(json.dumps(asdict(before)))
        port = str(taken_port if name == "prefect" else chosen)
        words = [option, port] if by == "option" else []
        variables = {variable: port} if by == "variable" else {}
        done = CliRunner().invoke(stack.app, ["up", "--home", str(tmp_path), *words], env=variables)
    assert f"Port {taken_port} on 127.0.0.1, meant for Prefect server, is already in use" in str(done.exception)
    assert stack.kept_ports(tmp_path) == replace(before, **{name: int(port)})
    assert stack.running(tmp_path) == ()


@pytest.mark.parametrize("there", [True, False])
def test_a_redis_that_label_studio_would_queue_its_jobs_in_is_told(there: bool, tmp_path: Path) -> None:
    """The port of Prefect's server is taken, so that nothing is started."""
    if taken(stack.REDIS):
        pytest.skip("something else answers at Redis's port")
    with socket.socket() as redis, socket.socket() as other:
        if there:
            redis.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            redis.bind(("127.0.0.1", stack.REDIS))
            redis.listen()
        other.bind(("127.0.0.1", 0))
        other.listen()
        keep_ports(tmp_path)
        words = ["up", "--home", str(tmp_path), "--prefect-port", str(other.getsockname()[1])]
        done = CliRunner().invoke(stack.app, words)
    assert ("A Redis seems to answer on port 6379 of 127.0.0.1" in done.output) == there
    assert stack.running(tmp_path) == ()


def test_stopping_what_was_never_started_is_fine(tmp_path: Path) -> None:
    done = call("down", tmp_path / "nothing")

    assert (done.returncode, done.stdout) == (0, "Nothing was running.\n")
    assert not (tmp_path / "nothing").exists()


def test_the_status_of_nothing_is_told_and_is_not_success(tmp_path: Path) -> None:
    done = call("status", tmp_path)

    assert done.returncode == 1
    assert done.stdout.startswith("Nothing runs for")


@pytest.mark.services
def test_the_stack_outlives_its_command_starts_once_and_stops_completely(tmp_path: Path) -> None:
    ports = keep_ports(tmp_path)
    try:
        first = call("up", tmp_path)
        assert first.returncode == 0, first.stdout + first.stderr
        found = stack.running(tmp_path)
        again = call("up", tmp_path)

        assert [one.name for one in found] == ["Prefect server", "MLflow", "Label Studio", "Prefect worker"]
        assert again.returncode == 0, again.stderr
        assert stack.running(tmp_path) == found
        assert answers(f"http://127.0.0.1:{ports.label_studio}/health")
        assert f"http://127.0.0.1:{ports.mlflow}/#/experiments/0/models" in first.stdout
        assert (json.loads((tmp_path / "label-studio" / "access.json").read_text())["password"]) not in first.stdout
        assert call("status", tmp_path).returncode == 0
    finally:
        last = call("down", tmp_path)

    assert last.returncode == 0, last.stderr
    assert [proctable.marked(one.mark) for one in found] == [frozenset()] * 4
    assert not any(taken(port) for port in asdict(ports).values())
    assert stack.running(tmp_path) == ()


@pytest.mark.services
def test_ctrl_c_while_starting_stops_what_was_started(tmp_path: Path) -> None:
    ports = keep_ports(tmp_path)
    words = ["env", "--default-signal=INT", *command("up", tmp_path)]  # a shell's background jobs ignore it
    child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120
    while len(stack.running(tmp_path)) < 3:
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.1)
    started = stack.running(tmp_path)

    os.kill(child.pid, signal.SIGINT)
    output, _ = child.communicate(timeout=120)

    assert child.returncode != 0, output
    assert [proctable.marked(one.mark) for one in started] == [frozenset()] * 3
    assert stack.running(tmp_path) == ()
    assert not any(taken(port) for port in asdict(ports).values())


@pytest.mark.services
def test_a_taken_port_is_told_in_one_message_and_nothing_stays_started(tmp_path: Path) -> None:
    ports = keep_ports(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports.mlflow))
        other.listen()
        done = call("up", tmp_path)

    assert done.returncode == 1
    assert f"Port {ports.mlflow} on 127.0.0.1, meant for MLflow, is already in use" in done.stderr
    assert stack.running(tmp_path) == ()
    assert not taken(ports.prefect)
