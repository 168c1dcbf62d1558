from dataclasses import replace

import pytest

from records.errors import Conflict, NotFound
from store.ledger import Ledger
from tests.store.examples import MODEL, generation


def test_generations_are_numbered_from_one(ledger: Ledger) -> None:
    assert ledger.generations.next_number(MODEL) == 1
    ledger.generations.save(generation(1))
    assert ledger.generations.next_number(MODEL) == 2
    assert ledger.generations.next_number("other") == 1


def test_a_generation_comes_back_as_it_was(ledger: Ledger) -> None:
    second = replace(generation(2), parent=1, cause="2013-03-04_2013-03-11")
    ledger.generations.save(second)
    ledger.generations.save(generation(1))
    assert ledger.generations.get(MODEL, 2) == second
    assert ledger.generations.all(MODEL) == (generation(1), second)
    with pytest.raises(NotFound, match=r"has no generation 3; it has \[1, 2\]"):
        ledger.generations.get(MODEL, 3)


def test_saving_again_is_no_change_and_another_under_its_number_is_a_conflict(ledger: Ledger) -> None:
    ledger.generations.save(generation(1))
    ledger.generations.set_status(MODEL, 1, "rejected")
    ledger.generations.save(generation(1))
    assert ledger.generations.get(MODEL, 1).status == "rejected"
    with pytest.raises(Conflict, match="is on the ledger with run 'run1'"):
        ledger.generations.save(replace(generation(1), mlflow_run_id="other"))


def test_a_model_has_at_most_one_champion(ledger: Ledger) -> None:
    assert ledger.generations.champion(MODEL) is None
    ledger.generations.save(generation(1, "champion"))
    ledger.generations.save(generation(1, "champion", model="other"))
    ledger.generations.save(generation(2))
    with pytest.raises(Conflict, match="generation 1 is"):
        ledger.generations.save(generation(3, "champion"))
    with pytest.raises(Conflict, match="generation 1 is"):
        ledger.generations.set_status(MODEL, 2, "champion")
    assert ledger.generations.champion(MODEL) == generation(1, "champion")
    ledger.generations.set_status(MODEL, 1, "champion")
    assert ledger.generations.champion(MODEL) == generation(1, "champion")


def test_a_digest_that_an_older_driftloop_did_not_keep_is_noted_once(ledger: Ledger) -> None:
    ledger.generations.save(generation(1, "champion"))
    for _ in range(2):
        ledger.generations.note_digest(MODEL, 1, "0a" * 32)
    assert ledger.generations.champion(MODEL) == replace(generation(1, "champion"), digest="0a" * 32)
    with pytest.raises(Conflict, match="has the digest '0a0a0a0a0a0a', not 'ffffffffffff'; restore its files"):
        ledger.generations.note_digest(MODEL, 1, "f" * 64)
    with pytest.raises(NotFound, match="has no generation 2"):
        ledger.generations.note_digest(MODEL, 2, "f" * 64)
