import pytest

from models.memory import affordable
from records.errors import BadData


def test_all_rows_are_learned_from_where_they_fit() -> None:
    assert affordable(1_000, 10, max_rows=None, free_bytes=2**30) == 1_000


def test_a_sample_is_taken_where_it_is_asked_for_even_if_all_would_not_fit() -> None:
    assert affordable(10**9, 10, max_rows=50_000, free_bytes=2**30) == 50_000


def test_more_than_fits_is_refused_with_a_number_that_fits() -> None:
    with pytest.raises(BadData, match=r"set training\.max_rows to 357,000 or fewer") as refused:
        affordable(10**9, 10, max_rows=None, free_bytes=2**30)
    assert "10" in str(refused.value)
    assert affordable(10**9, 10, max_rows=357_000, free_bytes=2**30) == 357_000


def test_the_machine_is_asked_for_its_memory() -> None:
    assert affordable(1_000, 10, max_rows=None) == 1_000
