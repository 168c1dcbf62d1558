import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from monitors.harm import _p_value, find_harmful
from records.errors import BadData
from records.schema import Schema

SCHEMA = Schema("id", "at", "y", "classification", ("hour", "amount"), ("channel",), ("no", "yes"))


def labelled(n: int, seed: int) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Labelled rows, drawn four times as often through the channel `app`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": [f"r{k}" for k in range(n)],
            "hour": rng.integers(0, 24, n).astype(float),
            "amount": rng.lognormal(3, 1, n),
            "channel": rng.choice(np.array(["app", "web", "shop"], dtype=object), n, p=[0.5, 0.3, 0.2]),
        }
    )
    return frame, np.where(frame.channel == "app", 0.8, 0.2)


def mistakes(chance: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    return (np.random.default_rng(seed).random(len(chance)) < chance).astype(float)


def test_the_slice_in_which_the_model_errs_is_found_with_its_share_of_the_loss() -> None:
    frame, inclusion = labelled(3000, 1)
    bad = ((frame.hour >= 18) & (frame.channel != "app")).to_numpy()
    losses = mistakes(np.where(bad, 0.7, 0.1), 2)
    (found,) = find_harmful(frame, losses, inclusion, SCHEMA)
    assert found.name == "hour >= 18 and channel in {shop, web}"
    weights = 1 / inclusion
    assert found.share_reference == pytest.approx(np.average(bad, weights=weights), abs=0.05)
    assert found.share_current == pytest.approx(np.average(bad, weights=weights * losses), abs=0.1)
    assert found.ratio.value == pytest.approx(found.share_current / found.share_reference)
    assert found.ratio.low < np.average(losses[bad], weights=weights[bad]) / np.average(losses, weights=weights)
    assert found.n_current == bad.sum()
    assert set(found.examples) <= set(frame["id"][bad & (losses == 1)])


def test_graded_losses_are_searched_too() -> None:
    frame, inclusion = labelled(2000, 3)
    losses = np.random.default_rng(4).gamma(1.0, np.where(frame.hour < 6, 4.0, 1.0))
    assert [slice_.name for slice_ in find_harmful(frame, losses, inclusion, SCHEMA)] == ["hour < 6"]


def test_where_every_row_is_as_bad_there_is_rarely_a_harmful_slice() -> None:
    found = []
    for seed in range(20):
        frame, inclusion = labelled(400, 10 + seed)
        found.append(find_harmful(frame, mistakes(np.full(400, 0.2), seed), inclusion, SCHEMA, seed=seed))
    assert sum(map(bool, found)) <= 2


@pytest.mark.parametrize("n", [0, 1, 2, 60])
def test_a_handful_of_labels_finds_nothing(n: int) -> None:
    frame, inclusion = labelled(n, 5)
    losses = mistakes(np.where(frame.hour >= 18, 0.5, 0.2), 6)
    assert find_harmful(frame, losses, inclusion, SCHEMA) == ()


def test_without_any_loss_nothing_is_harmful() -> None:
    frame, inclusion = labelled(300, 6)
    assert find_harmful(frame, np.zeros(300), inclusion, SCHEMA) == ()


def test_chance_is_called_harm_as_often_as_the_level_says_however_rows_were_drawn() -> None:
    rng = np.random.default_rng(7)
    p_values = []
    for seed in range(200):
        inside = rng.random(80) < 0.3
        weights = 1 / np.where(inside, 0.8, rng.uniform(0.1, 0.5, 80))
        p_values.append(_p_value(inside, mistakes(np.full(80, 0.3), 1000 + seed), weights, seed))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1  # 0.05 promised, 200 draws


@pytest.mark.parametrize(
    ("losses", "inclusion", "sentence"),
    [
        ([0.1], [0.5, 0.5], "2 labelled rows, 1 losses and 2 inclusion probabilities"),
        ([0.1, -1.0], [0.5, 0.5], "a loss is -1.0; each must be 0 or more"),
        ([0.1, np.nan], [0.5, 0.5], "a loss is nan; each must be 0 or more"),
        ([0.1, 0.2], [0.5, 0.0], "an inclusion probability is 0.0; each must be above 0 and at most 1"),
    ],
)
def test_labels_that_cannot_be_are_refused(losses: list[float], inclusion: list[float], sentence: str) -> None:
    frame, _ = labelled(2, 8)
    with pytest.raises(BadData, match=sentence):
        find_harmful(frame, np.array(losses), np.array(inclusion), SCHEMA)
