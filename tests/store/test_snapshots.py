import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from records.errors import BadData, NotFound, StorageFull
from store.snapshots import read, read_frame, write, write_frame


def rows(n: int, *, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    carrier = rng.choice(np.array(["B6", "ключ", "", None], dtype=object), n)
    return pd.DataFrame(
        {
            "flight": [f"f{number}" for number in range(n)],
            "at": pd.date_range("2013-01-01", periods=n, freq="h", tz="UTC").as_unit("ns"),
            "temp": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "carrier": carrier,
            "late": rng.choice(["no", "yes"], n),
            "weight": 1.0,
        }
    )


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    train, holdout = rows(50), rows(20, seed=2)
    snapshot = write(train, holdout, tmp_path)
    assert (snapshot.n_train, snapshot.n_holdout) == (50, 20)
    assert snapshot.train == tmp_path / snapshot.digest / "train.parquet"
    for found, given_ in zip(read(snapshot), (train, holdout), strict=True):
        assert_frame_equal(found, given_)


def test_the_same_data_is_the_same_snapshot_whenever_it_is_written(tmp_path: Path) -> None:
    first = write(rows(50), rows(20), tmp_path)
    before = first.train.stat()
    shuffled_index = rows(50).set_index(pd.Index(range(100, 150)))
    assert write(shuffled_index, rows(20), tmp_path) == first
    assert first.train.stat().st_mtime_ns == before.st_mtime_ns
    assert write(rows(50), rows(20), tmp_path / "elsewhere").digest == first.digest
    assert {path.name for path in tmp_path.iterdir()} == {first.digest, "elsewhere"}


def test_the_digest_is_a_promise_to_later_versions(tmp_path: Path) -> None:
    frame = pd.DataFrame({"key": ["a", None], "x": [0.5, np.nan], "at": pd.to_datetime(["2013-01-01"] * 2, utc=True)})
    assert write(frame, frame.head(0), tmp_path).digest == "fc7749af6b696476f7cb2e49dd58fb16"


def test_any_changed_cell_name_or_order_is_another_snapshot(tmp_path: Path) -> None:
    base, holdout = rows(30), rows(5)
    changed = [
        base.iloc[::-1].reset_index(drop=True),
        base[base.columns[::-1]],
        base.rename(columns={"temp": "heat"}),
        base.assign(carrier=base["carrier"].fillna("")),
        base.assign(weight=np.where(base.index == 7, 1.0 + 2**-52, 1.0)),
        base.assign(late=base["late"].where(base.index != 3, "other")),
        base.assign(at=base["at"] + pd.Timedelta(1, "ns")),
    ]
    digests = [write(frame, holdout, tmp_path).digest for frame in [base, *changed]]
    digests += [write(holdout, base, tmp_path).digest, write(base, holdout.head(4), tmp_path).digest]
    assert len(set(digests)) == len(digests)


CELLS = st.one_of(st.none(), st.text(max_size=3))
NUMBERS = st.floats(width=64)


@settings(max_examples=40)
@given(st.lists(st.tuples(CELLS, NUMBERS), min_size=1, max_size=8))
def test_any_texts_and_numbers_survive(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, float]]
) -> None:
    frame = pd.DataFrame(
        {
            "text": pd.Series([text for text, _ in cells], dtype=object),
            "number": np.array([number for _, number in cells], dtype=np.float64),
        }
    )
    snapshot = write(frame, frame.head(0), tmp_path_factory.mktemp("any"))
    found, none = read(snapshot)
    assert_frame_equal(found, frame, check_exact=True)
    assert len(none) == 0


def test_tampered_rows_are_noticed(tmp_path: Path) -> None:
    snapshot = write(rows(50), rows(20), tmp_path)
    changed = rows(50)
    changed.loc[7, "late"] = "yes" if changed.loc[7, "late"] == "no" else "no"
    changed.to_parquet(snapshot.train, index=False)
    with pytest.raises(BadData, match=f"{snapshot.digest} .* was changed after it was written"):
        read(snapshot)
    with pytest.raises(BadData, match="was changed"):
        write(rows(50), rows(20), tmp_path)


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    snapshot = write(rows(50), rows(20), tmp_path)
    snapshot.train.write_bytes(snapshot.train.read_bytes()[:100])
    with pytest.raises(BadData, match=r"train\.parquet' cannot be read"):
        read(snapshot)
    snapshot.train.unlink()
    with pytest.raises(NotFound, match=r"train\.parquet' does not exist"):
        read(snapshot)


def test_values_parquet_cannot_hold_are_bad_data_and_leave_nothing(tmp_path: Path) -> None:
    mixed = pd.DataFrame({"x": [1, "a", object()]})
    for refuse in (lambda: write(mixed, mixed, tmp_path), lambda: write_frame(mixed, tmp_path / "a.parquet")):
        with pytest.raises(BadData):
            refuse()
    assert list(tmp_path.iterdir()) == []


def test_a_frame_replaces_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "batches" / "week.parquet"
    for frame in (rows(5), rows(9)):
        assert write_frame(frame, path) == path
        assert_frame_equal(read_frame(path), frame)
    assert [found.name for found in path.parent.iterdir()] == ["week.parquet"]


def test_a_full_disk_leaves_no_half_snapshot_and_spoils_no_older_one(tiny_disk: Path) -> None:
    kept = write(rows(200), rows(50), tiny_disk)
    frame_path = write_frame(rows(100), tiny_disk / "week.parquet")
    before = {path: path.read_bytes() for path in tiny_disk.rglob("*.parquet")}
    with pytest.raises(StorageFull, match=r"No space left on device.*nothing of it was kept"):
        write(rows(20_000), rows(50), tiny_disk)
    with pytest.raises(StorageFull, match="No space left on device"):
        write_frame(rows(20_000), frame_path)
    assert {path: path.read_bytes() for path in tiny_disk.rglob("*.parquet")} == before
    assert sorted(path.name for path in tiny_disk.iterdir()) == sorted([kept.digest, "week.parquet"])
    assert len(read(kept)[0]) == 200


LIMITED = """
import resource, sys
from pathlib import Path
from records.errors import StorageFull
from store.snapshots import write, write_frame
from tests.store.test_snapshots import rows
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
folder = Path(sys.argv[1])
for attempt in (lambda: write(rows(20_000), rows(5), folder), lambda: write_frame(rows(20_000), folder / "a.parquet")):
    try:
        attempt()
    except StorageFull as error:
        print(error)
"""


def test_a_file_size_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout.count("File too large") == 2
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import store.snapshots as snapshots
from tests.store.test_snapshots import rows
real = os.fsync
calls = 0
def dying(handle):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(handle)
os.fsync = dying
snapshots.write(rows(50), rows(20), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("fsync", [1, 2, 3, 4])
def test_a_kill_at_any_moment_leaves_a_whole_snapshot_or_none(fsync: int, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path, str(fsync)], check=False, cwd=Path.cwd())
    left = [path for path in tmp_path.iterdir() if not path.name.startswith(".partial-")]
    assert len(left) == (1 if fsync == 4 else 0)
    snapshot = write(rows(50), rows(20), tmp_path)
    assert len(read(snapshot)[0]) == 50


def test_what_a_killed_process_left_is_swept_up_a_day_later(tmp_path: Path) -> None:
    for name in (".partial-old", ".partial-new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.parquet").touch()
    os.utime(tmp_path / ".partial-old", (0, 0))
    snapshot = write(rows(5), rows(3), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".partial-new", snapshot.digest}


def test_two_processes_that_write_the_same_snapshot_both_succeed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from store.snapshots import write; "
        "from tests.store.test_snapshots import rows; print(write(rows(5000), rows(20), Path(sys.argv[1])).digest)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    digests = {process.communicate()[0] for process in processes}
    assert len(digests) == 1
    assert [path.name for path in tmp_path.iterdir()] == [digests.pop().strip()]
