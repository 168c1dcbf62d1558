import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from models.average import averaged, greedy_weights, pruned_weights


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 99))
def test_weights_sum_to_one_and_no_more_than_the_most_count(n: int, most: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    said, truth = generator.normal(size=(n, 20)), generator.normal(size=20)
    weights = greedy_weights(said, lambda mean: float(((mean - truth) ** 2).mean()), most=most)
    assert abs(weights.sum() - 1) < 1e-9
    assert (weights >= 0).all()
    assert np.count_nonzero(weights) <= most


@given(st.integers(0, 99))
def test_the_average_loses_no_more_on_what_chose_it_than_the_best_candidate_alone_in_the_first_step(seed: int) -> None:
    generator = np.random.default_rng(seed)
    said, truth = generator.normal(size=(6, 30)), generator.normal(size=30)

    def loss(mean: NDArray[np.float64]) -> float:
        return float(((mean - truth) ** 2).mean())

    one = greedy_weights(said, loss, most=5, n_steps=1)
    assert loss(one @ said) == min(loss(candidate) for candidate in said)


@given(st.integers(1, 8), st.integers(0, 99))
def test_pruning_never_raises_the_loss_and_those_that_stay_share_evenly(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    said, truth = generator.normal(size=(n, 30)), generator.normal(size=30)

    def loss(mean: NDArray[np.float64]) -> float:
        return float(((mean - truth) ** 2).mean())

    weights = pruned_weights(said, loss)
    assert loss(weights @ said) <= loss(said.mean(axis=0)) + 1e-12
    assert len(set(weights[weights > 0])) == 1
    assert abs(weights.sum() - 1) < 1e-9


def test_an_averaged_classifier_says_the_weighted_mean_of_its_members_and_knows_texts_as_classes() -> None:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 3))
    y = np.where(X[:, 0] > 0, "yes", "no").astype(object)
    first, second = LogisticRegression().fit(X, y), LogisticRegression(C=0.001).fit(X, y)
    model = averaged(
        [first, second], np.array([0.75, 0.25]), X[:5], np.array(["no", "yes", "no", "yes", "no"]), "classification"
    )
    expected = 0.75 * first.predict_proba(X) + 0.25 * second.predict_proba(X)
    assert np.allclose(model.predict_proba(X), expected)
    assert model.predict(X).tolist() == np.array(["no", "yes"])[expected.argmax(axis=1)].tolist()


def test_an_averaged_regression_says_the_weighted_mean() -> None:
    X = np.array(range(20), dtype=float)[:, None]
    first, second = Ridge().fit(X, X[:, 0]), Ridge().fit(X, -X[:, 0])
    model = averaged([first, second], np.array([0.5, 0.5]), X[:5], X[:5, 0], "regression")
    assert np.allclose(model.predict(X), (first.predict(X) + second.predict(X)) / 2)
