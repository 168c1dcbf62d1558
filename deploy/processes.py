"""Services as processes: started, watched until they answer, and stopped with everything they started.

Each service leads a process group of its own, so a Ctrl-C in the terminal reaches the program that started it and not
the service: that program stops what it started, in order, and waits for it. When that program is killed outright,
the kernel sends the service a signal instead (Linux, `PR_SET_PDEATHSIG`).
"""

import contextlib
import ctypes
import os
import pwd
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy import ports, proctable
from records.errors import Conflict, ServiceDown

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.2
_LOG_LINES = 15


@dataclass(frozen=True, slots=True)
class Service:
    """What to start and how to know that it is up.

    `environment` is the whole environment of the process, not an addition to ours: it may hold secrets and never
    appears in `repr`. `url` is where people and clients go; all `health_urls` answer 200 once it works. `stop_signal`
    is what makes this program end by itself. `user` is another account to run as, which only root may ask for.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    port: int
    url: str
    health_urls: tuple[str, ...]
    log: Path
    stop_signal: int = signal.SIGTERM
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A started service: plain facts that another process can use to find and stop exactly this one."""

    name: str
    url: str
    log: Path
    port: int
    pid: int
    start_ticks: int
    mark: str
    stop_signal: int
    child: "subprocess.Popen[bytes] | None" = field(default=None, repr=False, compare=False)


def launch(service: Service, *, tied: bool = True) -> Running:
    """Start the process and return at once; its output is appended to `service.log`.

    With `tied`, the kernel ends the service when the *thread* that launched it ends, so launch from the main thread.
    Raises `Conflict` if the port is taken and `ServiceDown` if the program cannot be started at all.
    """
    if ports.taken(service.port):
        raise Conflict(
            f"Port {service.port} on {ports.LOOPBACK}, meant for {service.name}, is already in use: "
            "stop what listens there or choose another port."
        )
    if tied and threading.current_thread() is not threading.main_thread():
        raise Conflict(f"{service.name} must be launched from the main thread, because it ends with its thread.")
    service.folder.mkdir(parents=True, exist_ok=True)
    service.log.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(16)
    with service.log.open("ab") as log:
        try:
            child = subprocess.Popen(
                service.command,
                cwd=service.folder,
                env={**service.environment, proctable.MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_prepare(service.stop_signal if tied else None),
                user=service.user,
                group=None if service.user is None else pwd.getpwnam(service.user).pw_gid,
                extra_groups=None if service.user is None else (),
            )
        except OSError as error:
            raise ServiceDown(f"{service.name} cannot be started with {service.command[0]!r}: {error}.") from error
    ticks = proctable.start_ticks(child.pid) or 0  # 0: it has died already, which `await_health` reports
    return Running(
        service.name, service.url, service.log, service.port, child.pid, ticks, mark, service.stop_signal, child
    )


def await_health(service: Service, running: Running, *, timeout_seconds: float) -> None:
    """Wait until the service holds its port itself and answers 200 on its health URLs.

    Raises `ServiceDown`, quoting the end of its log, when it dies or is not up in time; it is *not* stopped then.
    """
    deadline = time.monotonic() + timeout_seconds
    while not (proctable.listens(family(running), port=service.port) and all(map(ports.answers, service.health_urls))):
        if not alive(running):
            code = running.child.poll() if running.child else None
            raise ServiceDown(f"{service.name} ended with code {code} instead of starting; {log_end(service.log)}")
        if time.monotonic() > deadline:
            raise ServiceDown(f"{service.name} did not answer within {timeout_seconds:g} s; {log_end(service.log)}")
        time.sleep(_POLL_SECONDS)


def start(service: Service, *, timeout_seconds: float, tied: bool = True) -> Running:
    """Start one service and wait until it answers; on any failure or Ctrl-C it is stopped again."""
    running = launch(service, tied=tied)
    try:
        await_health(service, running, timeout_seconds=timeout_seconds)
    except BaseException:
        stop(running)
        raise
    return running


def stop(*running: Running, grace_seconds: float = 10.0) -> None:
    """Ask the services to end, all at once; after the grace period kill whatever of theirs is left.

    Stopping what has stopped already does nothing. A Ctrl-C meanwhile is ignored.
    """
    with _undisturbed():
        known = {one.mark: family(one) for one in running}
        identities = {pid: proctable.start_ticks(pid) for pids in known.values() for pid in pids}
        for one in running:
            if alive(one):
                _signal(one.pid, one.stop_signal)
        deadline = time.monotonic() + grace_seconds
        while (left := _left(running, identities)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 4)
        while left:
            for pid in left:
                _signal(pid, signal.SIGKILL)
            time.sleep(_POLL_SECONDS / 4)
            left = _left(running, identities)


@contextlib.contextmanager
def serving(
    services: Sequence[Service],
    *,
    timeout_seconds: float,
    on_ready: Callable[[Running], None] | None = None,
) -> Iterator[tuple[Running, ...]]:
    """Start services side by side, wait for each (`on_ready` hears of it), and stop them all on the way out."""
    running: list[Running] = []
    try:
        for service in services:
            running.append(launch(service))
        for service, one in zip(services, running, strict=True):
            await_health(service, one, timeout_seconds=timeout_seconds)
            if on_ready:
                on_ready(one)
        yield tuple(running)
    finally:
        stop(*reversed(running))


def alive(running: Running) -> bool:
    """Return whether the service's own process still runs."""
    if running.child is not None:
        return running.child.poll() is None
    return proctable.start_ticks(running.pid) == running.start_ticks


def family(running: Running) -> frozenset[int]:
    """Return the ids of the service's living processes: its own, its group's, and all that inherited its mark."""
    mine = proctable.group(running.pid) if alive(running) else frozenset()
    return mine | proctable.marked(running.mark)


def log_end(log: Path) -> str:
    """Return the last lines of a log with where to read the rest."""
    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
    return f"the end of {log} says:\n" + "\n".join(f"    {line}" for line in lines or ["(nothing)"])


def _left(running: Sequence[Running], identities: Mapping[int, int | None]) -> frozenset[int]:
    for one in running:
        if one.child is not None:
            one.child.poll()  # collects the exit code, so that no zombie stays
    known = frozenset(pid for pid, ticks in identities.items() if ticks and proctable.start_ticks(pid) == ticks)
    return known.union(*(family(one) for one in running))


def _prepare(parent_death_signal: int | None) -> Callable[[], None]:
    """Return what the child does between fork and exec: async-signal-safe calls on what was loaded before."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        # A shell's background job hands down an ignored SIGINT, and Prefect's worker would then never stop.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if parent_death_signal is not None:
            prctl(_PR_SET_PDEATHSIG, int(parent_death_signal))
            if os.getppid() != parent:
                os._exit(1)

    return prepare


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
