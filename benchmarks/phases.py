"""Run one phase of the loop in a process of its own, to which something may happen on the way."""

import importlib
import json
import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.points import Strike
from benchmarks.victim import Phase, Place
from benchmarks.victim import run as run_phase

_PROCESSES = multiprocessing.get_context("fork")  # each starts with everything loaded


def ended(
    place: Place,
    phase: Phase,
    act: Callable[[], None] | None = None,
    outside: Callable[[], None] | None = None,
    *,
    number: int | None = None,
    name: str | None = None,
    passed: Path | None = None,
) -> int | None:
    """Run a phase and return its exit code.

    At the point of a number, or the first of a name, `act` is done in it; without one it waits there until `outside`
    was done here.
    """
    here, there = _PROCESSES.Pipe()
    strike = None
    if act or outside:
        strike = Strike(partial(_struck, place, act or partial(_ask, there)), number, name)
    _clear(place)
    process = _started(place, phase, strike, passed)
    try:
        while process.is_alive():
            if here.poll(0.02) and outside is not None:
                here.recv()
                outside()
                here.send(True)
    finally:
        process.kill()  # it may wait for what will not come; one that has ended is ended
        process.join()
    return process.exitcode


def whole(place: Place, phase: Phase, *, passed: Path | None = None) -> None:
    """Run a phase to which nothing happens; raises `RuntimeError` if it fails all the same."""
    if ended(place, phase, passed=passed) != 0:
        raise RuntimeError(f"{phase} fails without any fault; nothing can be measured")


def rehearsed(place: Place, phase: Phase) -> list[str]:
    """Run a phase to which nothing happens, and return the points it passed.

    The modules it loaded are loaded here too: loading them anew in every process would take most of the time.
    """
    passed = place.folder.with_name(f"points of {place.folder.name}.json")
    whole(place, phase, passed=passed)
    told = json.loads(passed.read_text(encoding="utf-8"))
    for name in told["modules"]:
        with suppress(Exception):  # not every name there can be asked for
            importlib.import_module(name)
    points: list[str] = told["points"]
    return points


def together(place: Place, phase: Phase) -> list[int]:
    """Run a phase in two processes that start at the same time, and return their exit codes."""
    _clear(place)
    both = [_started(place, phase, None, None) for _ in range(2)]
    for process in both:
        process.join()
    return [process.exitcode or 0 for process in both]


def _clear(place: Place) -> None:
    place.said.unlink(missing_ok=True)
    place.struck.unlink(missing_ok=True)


def _started(place: Place, phase: Phase, strike: Strike | None, passed: Path | None) -> BaseProcess:
    process = _PROCESSES.Process(target=run_phase, args=(place, phase, strike, passed))
    process.start()
    return process


def _struck(place: Place, act: Callable[[], None]) -> None:
    place.struck.touch()
    act()


def _ask(there: Connection) -> None:
    there.send(True)
    there.recv()
