import numpy as np
import pytest
from daal4py import num_threads

from benchmarks.payments import payments
from flows.adopt import adopt
from flows.learn import learn
from flows.review import candidates_of
from flows.site import Site
from models.accelerate import is_accelerated
from records.errors import BadData
from tests.flows.conftest import World


def site_with(world: World, **training: object) -> Site:
    """A site whose `[training]` has other settings, and training data of two weeks in which frauds are rare."""
    rows = payments(2)
    rare = (rows["fraud"] == "no") | (np.random.default_rng(0).random(len(rows)) < 0.08)
    rows[rare].to_parquet(world.folder / "training.parquet")
    changed = world.settings.training.model_copy(update=training)
    return Site(world.settings.model_copy(update={"training": changed}), studio=world.studio, registry=world.registry)


def test_serving_stock_is_chosen_accelerated_and_fitted_once_more_by_scikit_learn(world: World) -> None:
    site = site_with(world, serving="stock", estimators=("linear", "random_forest"))
    generation = adopt(site, "training.parquet")
    tried = candidates_of(site, 1)
    assert [one.engines[-1].accelerated for one in tried] == [True, True]
    assert generation.fit.estimator == min(tried, key=lambda one: one.holdout_loss).estimator
    assert generation.fit.engines[-1].reason == "scikit-learn's own class"
    assert not is_accelerated(site.pipeline(generation)[-1])


def test_the_choice_counts_every_class_the_same_where_that_is_wanted(world: World) -> None:
    site = site_with(world, balance=True, estimators=("boosting", "random_forest"))
    generation = adopt(site, "training.parquet")
    tried = candidates_of(site, 1)
    alike = {one.estimator: float(dict(one.params)["holdout loss, classes alike"]) for one in tried}
    assert min(tried, key=lambda one: one.holdout_loss).estimator == "boosting"
    assert generation.fit.estimator == min(alike, key=alike.__getitem__) == "random_forest"


@pytest.mark.usefixtures("four_threads")
def test_adopting_tells_its_progress_and_keeps_to_the_cores_given(world: World) -> None:
    told = []
    site = site_with(world, cores=2)
    site.count = lambda *step: told.append((*step, num_threads()))
    adopt(site, "training.parquet")
    assert told == [("estimators", 1, 2, 2), ("estimators", 2, 2, 2)]
    assert num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_a_retraining_keeps_to_the_cores_given_and_is_refused_where_the_snapshot_does_not_fit(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = asked.folder / "driftloop.toml"
    path.write_text(path.read_text().replace("[training]", "[training]\ncores = 2"))
    asked.answer()
    with monkeypatch.context() as patch:
        patch.setattr("models.memory.BYTES_PER_VALUE", 10**12)
        with pytest.raises(BadData, match=r"training rows of 7 columns need about .* use a larger machine"):
            learn(asked.site())
    told = []
    site = asked.site()
    site.count = lambda what, *_: told.append((what, num_threads()))
    learn(site)
    assert set(told) == {("models of the snapshot", 2), ("candidates", 2), ("members", 2)}
