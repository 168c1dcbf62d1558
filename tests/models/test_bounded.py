"""That work keeps to the cores it was given, told by the threads that ran."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from daal4py import num_threads
from threadpoolctl import threadpool_info

from models.accelerate import bounded, estimator

PROBE = """
import json, os, sys, threading
os.sched_setaffinity(0, range(os.cpu_count()))  # a test may have been pinned to one core
started = []
import numpy as np
from models.accelerate import ESTIMATORS, bounded, estimator
from models.choice import Candidate, _cross_validated
from models.how import How
from models.lessons import lessons
from models.recipe import RECIPES
from tests.models.conftest import FLIGHTS, flights

def begun(*_):
    sys.setprofile(None)
    started.append(threading.current_thread().name)

threading.setprofile(begun)  # every thread of Python calls it once, of which none may be left later

def ran():
    '''How long each thread but this one ran until now, in nanoseconds.'''
    spent = {}
    for name in set(os.listdir("/proc/self/task")) - {str(os.getpid())}:
        try:
            spent[name] = int(open(f"/proc/self/task/{name}/schedstat").read().split()[0])
        except OSError:  # it has just ended
            pass
    return spent

def helpers(work):
    '''How many threads helped for a millisecond or more, or were started.'''
    before, n_before = ran(), len(started)
    work()
    return sum(spent - before.get(name, 0) >= 1_000_000 for name, spent in ran().items()) + len(started) - n_before

def fit(name, accelerated):
    estimator(name, "classification", seed=0, accelerated=accelerated, n_trees=50).fit(X, y).predict_proba(X)

def try_out(name):
    _cross_validated(taught, Candidate(RECIPES[0], name), None, np.arange(300) % 3, taught.old[:50], FLIGHTS, 0)

X = np.random.default_rng(0).normal(size=(1500, 8))
y = np.where(X[:, 0] > 0, "a", "b")
kinds = [(name, accelerated) for name in ESTIMATORS for accelerated in (True, False)]
with bounded(1):
    taught = lessons(flights(3000, seed=1), flights(300, seed=2), flights(0, seed=3), FLIGHTS, How("brier", 0, "stock"))
    within = {f"{name} {accelerated}": helpers(lambda: fit(name, accelerated)) for name, accelerated in kinds}
tried = {name: helpers(lambda: try_out(name)) for name in ESTIMATORS}
X, y = np.tile(X, (10, 1)), np.tile(y, 10)
free = [helpers(lambda: fit("random_forest", accelerated)) for accelerated in (True, False)]
print(json.dumps([within, tried, free]))
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not tell which threads ran")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core shows nothing")
def test_no_second_thread_runs_within_one_core_nor_while_a_candidate_is_tried() -> None:
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    project = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE],
        cwd=project,
        env=free,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    within, tried, unbounded = json.loads(done.stdout.splitlines()[-1])
    assert set(within.values()) == set(tried.values()) == {0}, (within, tried)
    assert min(unbounded) > 0  # else nothing was seen


def counts() -> tuple[int, int | None, list[int]]:
    """What oneDAL, forests of scikit-learn, and OpenMP and BLAS are allowed."""
    forest = estimator("random_forest", "classification", seed=0, accelerated=False)
    return num_threads(), forest.n_jobs, [one["num_threads"] for one in threadpool_info()]


@pytest.mark.usefixtures("four_threads")
def test_bounds_only_ever_lower_and_end_with_the_work_also_when_it_fails() -> None:
    before = counts()
    with bounded(None):
        assert counts() == before
    with bounded(2):
        assert counts()[:2] == (2, 2)
        assert counts()[2] == [min(2, one) for one in before[2]]
        with bounded(3):
            assert counts()[:2] == (2, 2)
    assert counts() == before
    with pytest.raises(KeyError), bounded(2):
        raise KeyError
    assert counts() == before
