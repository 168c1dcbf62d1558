"""`make demo` as a command, on a week of real flights with the real services."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.ports import taken
from deploy.stack import kept_ports

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]


def ports_in_use(home: Path) -> list[int]:
    ports = kept_ports(home)
    return [port for port in (ports.prefect, ports.mlflow, ports.label_studio) if taken(port)]


def test_a_week_of_the_demo_ends_with_a_table_and_leaves_no_process(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    words = [sys.executable, "-m", "deploy.demo", "--weeks", "1", "--home", str(home)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    for words_shown in ("flights: windows", "flights: generations", "1 week in", "make up", "driftloop explain 1"):
        assert words_shown in done.stdout
    assert ports_in_use(home) == []

    program = Path(sys.executable).with_name("driftloop")
    told = subprocess.run(
        [program, "status", "--json", "-c", home / "driftloop.toml"], capture_output=True, text=True, check=True
    )
    state = json.loads(told.stdout)
    assert [len(state["windows"]), [one["status"] for one in state["generations"]]] == [1, ["champion"]]


def test_ctrl_c_in_the_middle_stops_every_service(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    # A shell's background jobs ignore Ctrl-C, and so would what they start.
    words = ["env", "--default-signal=INT", sys.executable, "-m", "deploy.demo", "--weeks", "1", "--home", str(home)]
    child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 240
    while not (home / ".driftloop" / "ledger.db").exists():  # the services answer, and the first model is in work
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.2)
    assert len(ports_in_use(home)) == 3

    os.kill(child.pid, signal.SIGINT)
    output, _ = child.communicate(timeout=120)

    assert (child.returncode, "Stopped, and the services with it." in output) == (130, True), output
    assert ports_in_use(home) == []


def test_ctrl_c_inside_an_executed_string_ends_with_its_number_too(tmp_path: Path) -> None:
    """Python remembers such an interrupt though it is caught, and `python -m` would end by the signal."""
    (tmp_path / "interrupted.py").write_text(
        "from deploy import demo\n"
        "demo._stage = lambda home: exec('raise KeyboardInterrupt')\n"
        "raise SystemExit(demo.main())\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    words = [sys.executable, "-m", "interrupted", "--home", str(tmp_path / "demo")]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert (done.returncode, "Stopped, and the services with it." in done.stdout) == (130, True), done.stderr
