from pathlib import Path

import pytest

from models.memory import affordable, check_retraining, free_memory
from records.errors import BadData
from records.schema import Schema

NUMBERS = Schema("id", "at", "late", "classification", tuple("abcdefgh"), (), ("no", "yes"))
CATEGORIES = Schema("id", "at", "late", "classification", (), tuple("abcdefgh"), ("no", "yes"))
TREES, SPREAD = ("extra_trees", "boosting"), ("extra_trees", "linear")
GIB = 2**30


def test_all_rows_are_learned_from_where_they_fit() -> None:
    assert affordable(1_000, NUMBERS, SPREAD, max_rows=None, free_bytes=GIB) == 1_000


def test_a_sample_is_taken_where_it_is_asked_for_even_if_all_would_not_fit() -> None:
    assert affordable(10**9, NUMBERS, SPREAD, max_rows=50_000, free_bytes=GIB) == 50_000


def test_more_than_fits_is_refused_with_a_number_that_fits() -> None:
    with pytest.raises(BadData, match=r"set training\.max_rows to 357,000 or fewer") as refused:
        affordable(10**9, NUMBERS, TREES, max_rows=None, free_bytes=GIB)
    assert "10" in str(refused.value)
    assert affordable(10**9, NUMBERS, TREES, max_rows=357_000, free_bytes=GIB) == 357_000


def test_categories_take_more_where_an_estimator_gets_a_column_for_each() -> None:
    assert affordable(200_000, CATEGORIES, TREES, max_rows=None, free_bytes=GIB) == 200_000
    assert affordable(200_000, NUMBERS, SPREAD, max_rows=None, free_bytes=GIB) == 200_000
    with pytest.raises(BadData, match=r"need about 1\.6 GiB of memory .*max_rows to 124,000 or fewer"):
        affordable(200_000, CATEGORIES, SPREAD, max_rows=None, free_bytes=GIB)


def test_a_retraining_spreads_only_the_rows_that_teach_and_has_no_sample_to_advise() -> None:
    check_retraining(200_000, 50_000, CATEGORIES, SPREAD, free_bytes=GIB)
    with pytest.raises(BadData, match=r"^400,000 training rows of 10 columns need about 1\.4 GiB .* use a larger"):
        check_retraining(400_000, 50_000, CATEGORIES, SPREAD, free_bytes=GIB)


def test_the_machine_is_asked_for_its_memory() -> None:
    assert affordable(1_000, NUMBERS, SPREAD, max_rows=None) == 1_000


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """What a kernel with 8 GiB to spare tells."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: 16777216 kB\nMemAvailable: {8 * 2**20} kB\n")
    return tmp_path / "proc"


def group(folder: Path, limit: str, used: int, idle: int, *, version: int = 2) -> None:
    """A control group's files."""
    folder.mkdir(parents=True, exist_ok=True)
    most, taken = ("memory.max", "memory.current")
    if version == 1:
        most, taken = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    (folder / most).write_text(f"{limit}\n")
    (folder / taken).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{'total_' if version == 1 else ''}inactive_file {idle}\n")


def test_the_tightest_control_group_bounds_what_is_free_and_files_that_were_read_count_as_free(
    kernel: Path, tmp_path: Path
) -> None:
    groups = tmp_path / "cgroup"
    (kernel / "self/cgroup").write_text("0::/pod/box\n")
    group(groups / "pod/box", "max", 3 * GIB, 0)
    assert free_memory(kernel, groups) == 8 * GIB
    group(groups / "pod", str(4 * GIB), 3 * GIB, GIB)
    assert free_memory(kernel, groups) == 2 * GIB
    group(groups / "pod/box", str(GIB), GIB // 2, 0)
    assert free_memory(kernel, groups) == GIB // 2


def test_inside_a_container_its_own_group_is_the_topmost_whatever_path_is_named(kernel: Path, tmp_path: Path) -> None:
    (kernel / "self/cgroup").write_text("11:cpu,cpuacct:/docker/1a2b\n4:memory:/docker/1a2b\n0::/\n")
    group(tmp_path / "cgroup/memory", str(3 * GIB), GIB, 7, version=1)
    assert free_memory(kernel, tmp_path / "cgroup") == 2 * GIB + 7


def test_a_machine_without_control_groups_is_believed(kernel: Path, tmp_path: Path) -> None:
    assert free_memory(kernel, tmp_path / "none") == 8 * GIB
