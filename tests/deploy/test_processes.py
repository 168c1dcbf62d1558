"""Starting and stopping, tried with small real programs."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import processes, proctable
from deploy.ports import LOOPBACK, answers, free_ports, taken
from deploy.processes import Service
from records.errors import Conflict, ServiceDown

ROOT = Path(__file__).resolve().parent.parent.parent
WEB_SERVER = (sys.executable, "-m", "http.server", "--bind", LOOPBACK)
IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def service(folder: Path, *command: str, port: int | None = None, stop_signal: int = signal.SIGTERM) -> Service:
    port = port or free_ports(1)[0]
    url = f"http://{LOOPBACK}:{port}"
    return Service(
        name="Example",
        command=command or (*WEB_SERVER, str(port)),
        environment={"PATH": os.environ["PATH"], "TOKEN": "very-secret"},
        folder=folder,
        port=port,
        url=url,
        health_urls=(url,),
        log=folder / "example.log",
        stop_signal=stop_signal,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "this did not happen within a minute"
        time.sleep(0.02)


def test_a_started_service_answers_and_a_stopped_one_leaves_nothing(tmp_path: Path) -> None:
    running = processes.start(service(tmp_path), timeout_seconds=60)

    assert answers(running.url)
    assert processes.alive(running)

    processes.stop(running)

    assert not processes.alive(running)
    assert processes.family(running) == frozenset()
    assert not taken(running.port)


def test_stopping_twice_does_nothing(tmp_path: Path) -> None:
    running = processes.start(service(tmp_path), timeout_seconds=60)

    processes.stop(running)
    processes.stop(running)

    assert not processes.alive(running)


def test_children_that_left_the_process_group_are_stopped_too(tmp_path: Path) -> None:
    program = f"import os; os.spawnlp(os.P_NOWAIT, 'setsid', 'setsid', {sys.executable!r}, '-c', {IGNORES_SIGTERM!r})"
    running = processes.launch(service(tmp_path, sys.executable, "-c", f"{program}; import time; time.sleep(600)"))
    wait_until(lambda: len(processes.family(running)) == 2)

    processes.stop(running, grace_seconds=0.5)

    assert processes.family(running) == frozenset()


def test_a_program_that_ignores_its_signal_is_killed_after_the_grace_period(tmp_path: Path) -> None:
    running = processes.launch(service(tmp_path, sys.executable, "-c", IGNORES_SIGTERM))

    processes.stop(running, grace_seconds=0.5)

    assert not processes.alive(running)


def test_a_program_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = service(tmp_path, sys.executable, "-c", "raise SystemExit('the database is on fire')")

    with pytest.raises(ServiceDown, match=r"(?s)Example ended with code 1.*example\.log.*the database is on fire"):
        processes.start(broken, timeout_seconds=60)


def test_a_program_that_is_late_is_reported_and_stopped(tmp_path: Path) -> None:
    program = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    slow = service(tmp_path, sys.executable, "-c", program)

    with pytest.raises(ServiceDown, match=r"did not answer within 2 s"):
        processes.start(slow, timeout_seconds=2)

    assert proctable.start_ticks(int((tmp_path / "pid").read_text())) is None


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ServiceDown, match="'/no/such/program'"):
        processes.start(service(tmp_path, "/no/such/program"), timeout_seconds=1)


def test_a_taken_port_is_reported_before_anything_starts(tmp_path: Path) -> None:
    running = processes.start(service(tmp_path), timeout_seconds=60)
    try:
        with pytest.raises(Conflict, match=f"Port {running.port} .* already in use"):
            processes.start(service(tmp_path / "second", port=running.port), timeout_seconds=60)
        assert not (tmp_path / "second").exists()
    finally:
        processes.stop(running)


def test_somebody_else_answering_on_the_port_is_not_taken_for_the_service(tmp_path: Path) -> None:
    stranger = processes.start(service(tmp_path), timeout_seconds=60)
    try:
        idle = replace(
            service(tmp_path, sys.executable, "-c", "import time; time.sleep(600)"), health_urls=(stranger.url,)
        )
        with pytest.raises(ServiceDown, match="did not answer"):
            processes.start(replace(idle, health_urls=(stranger.url,)), timeout_seconds=1)
    finally:
        processes.stop(stranger)


def test_secrets_of_the_environment_do_not_appear_when_a_service_is_printed(tmp_path: Path) -> None:
    assert "very-secret" not in repr(service(tmp_path))


def test_a_service_is_stopped_by_a_process_that_did_not_start_it(tmp_path: Path) -> None:
    running = processes.start(service(tmp_path), timeout_seconds=60)
    facts = {name: getattr(running, name) for name in ("name", "url", "port", "pid", "start_ticks", "mark")}
    program = f"""
        from pathlib import Path
        from deploy import processes
        running = processes.Running(log=Path("unused"), stop_signal=15, **{facts!r})
        assert processes.alive(running)
        processes.stop(running)
    """

    run(program).wait(60)

    assert not processes.alive(running)


def test_a_process_that_got_the_same_id_later_is_left_alone(tmp_path: Path) -> None:
    running = processes.start(service(tmp_path), timeout_seconds=60)
    earlier = replace(running, start_ticks=running.start_ticks - 1, mark="another", child=None)

    processes.stop(earlier, grace_seconds=0.1)

    assert not processes.alive(earlier)
    assert processes.alive(running)
    processes.stop(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_services_end_with_the_program_that_started_them(tmp_path: Path, number: int) -> None:
    port = free_ports(1)[0]
    parent = run(serving_program(tmp_path, port))
    wait_until(lambda: (tmp_path / "ready").exists())

    parent.send_signal(number)
    parent.wait(60)

    wait_until(lambda: not taken(port))
    wait_until(lambda: proctable.marked((tmp_path / "ready").read_text()) == frozenset())


def test_a_background_job_that_ignores_sigint_does_not_hand_that_down(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    prefix = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    parent = run(serving_program(tmp_path, port, stop_signal=signal.SIGINT, until="return"), prefix=prefix)

    assert parent.wait(60) == 0
    assert "Keyboard interrupt received" in (tmp_path / "example.log").read_text()


def serving_program(folder: Path, port: int, *, stop_signal: int = signal.SIGTERM, until: str = "wait") -> str:
    return f"""
        import time
        from pathlib import Path
        from deploy import processes
        from tests.deploy.test_processes import service
        one = service(Path({str(folder)!r}), port={port}, stop_signal={int(stop_signal)})
        with processes.serving([one], timeout_seconds=60) as (running,):
            Path({str(folder)!r}, "half").write_text(running.mark)
            Path({str(folder)!r}, "half").rename(Path({str(folder)!r}, "ready"))
            while {until!r} == "wait":
                time.sleep(0.1)
    """


def run(program: str, *, prefix: str = "") -> "subprocess.Popen[bytes]":
    code = f"{prefix}\n{textwrap.dedent(program)}"
    command = ["env", "--default-signal=INT", sys.executable, "-c", code]  # a shell's background jobs ignore it
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
