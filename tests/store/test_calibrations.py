from records.calibration import NullScores, PartScores
from store.ledger import Ledger
from tests.store.examples import MODEL

SCORES = NullScores(700, (PartScores("temp", "wasserstein", (0.1, 1e-300)), PartScores("sky", "ks of missing", (1.0,))))


def test_scores_come_back_as_they_were_and_only_under_their_key(ledger: Ledger) -> None:
    assert ledger.calibrations.get(MODEL, "a") is None
    ledger.calibrations.save(MODEL, "a", SCORES)
    assert ledger.calibrations.get(MODEL, "a") == SCORES
    assert ledger.calibrations.get(MODEL, "b") is None
    assert ledger.calibrations.get("another", "a") is None


def test_what_was_kept_first_stays(ledger: Ledger) -> None:
    ledger.calibrations.save(MODEL, "a", SCORES)
    ledger.calibrations.save(MODEL, "a", NullScores(1, ()))
    assert ledger.calibrations.get(MODEL, "a") == SCORES
