"""The one door to sklearnex: its estimators, imported explicitly, and what it really accelerated.

Accelerated forests are other forests than scikit-learn's (another random generator, binned splits), but statistically
alike. They fall back on scikit-learn for `sample_weight`, missing values, sparse input and `criterion="entropy"`;
logistic regression does so for class and sample weights. So weights become resampling (`models.recipe`), and the
pipeline imputes and encodes densely (`models.pipeline`). Gradient boosting is a rival that is not accelerated.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_info, threadpool_limits

from records.errors import BadSettings
from records.generation import StepEngine
from records.schema import Task

ESTIMATORS = ("random_forest", "extra_trees", "linear", "neighbors", "support_vectors", "boosting")
N_TREES = 100
MOST_SUPPORTED = 10_000
"""From how many rows support vectors learn at most: what they take grows with the square of it."""
FEW_SUPPORTED = 1_000
"""From how many they learn at most as one candidate among many."""
_ONE_AT_A_TIME = threading.RLock()  # the level of sklearnex's logger is shared by every thread
_GIVEN: ContextVar[int | None] = ContextVar("cores given", default=None)


def estimator(
    name: str, task: Task, *, seed: int, accelerated: bool = True, n_jobs: int | None = None, n_trees: int = N_TREES
) -> BaseEstimator:
    """Return an unfitted estimator: sklearnex's class when `accelerated`, scikit-learn's own otherwise.

    `linear` is logistic regression or its twin ridge regression; `logistic` and `ridge` are accepted for it.
    `neighbors` is the mean of the 15 nearest rows. `support_vectors` (RBF kernel) gives probabilities by a sigmoid
    fitted to what three folds say of each other (Platt 1999). `boosting` is gradient boosting on histograms, which
    sklearnex does not have: it is scikit-learn's own either way. `n_jobs` None uses every core, or those of `bounded`.
    Raises `BadSettings` for an unknown name.

    >>> estimator("linear", "regression", seed=0, accelerated=False)
    Ridge(random_state=0)
    """
    if name not in (*ESTIMATORS, "logistic", "ridge"):
        raise BadSettings(f"there is no estimator {name!r}; use one of {', '.join(ESTIMATORS)}")
    classification = task == "classification"
    if name == "boosting":
        from sklearn import ensemble as rivals

        kind = rivals.HistGradientBoostingClassifier if classification else rivals.HistGradientBoostingRegressor
        # Stopping early would set labels aside, of which there are few.
        return kind(max_iter=n_trees, max_leaf_nodes=15, min_samples_leaf=10, early_stopping=False, random_state=seed)
    if accelerated:
        from sklearnex import ensemble, linear_model, neighbors, svm
    else:
        from sklearn import ensemble, linear_model, neighbors, svm
    if name == "support_vectors":
        return CalibratedClassifierCV(svm.SVC(), cv=3, ensemble=False) if classification else svm.SVR()
    if name == "neighbors":
        kind = neighbors.KNeighborsClassifier if classification else neighbors.KNeighborsRegressor
        return kind(n_neighbors=15, n_jobs=n_jobs)
    if name in ("linear", "logistic", "ridge"):
        if classification:
            # On 20 000 flights in 116 columns C=1 took sklearnex 369 steps (scikit-learn 101), C=0.1 took it 152 (92),
            # at the same Brier loss. lbfgs draws nothing, so there is no seed.
            return linear_model.LogisticRegression(C=0.1, max_iter=1000)
        return linear_model.Ridge(random_state=seed)
    kind = ("RandomForest" if name == "random_forest" else "ExtraTrees") + (
        "Classifier" if classification else "Regressor"
    )
    return getattr(ensemble, kind)(
        n_estimators=n_trees,
        min_samples_leaf=10,
        max_features="sqrt" if classification else 1 / 3,
        bootstrap=True,
        random_state=seed,
        n_jobs=n_jobs if accelerated or n_jobs else _GIVEN.get() or -1,
    )


@contextmanager
def bounded(cores: int | None) -> Iterator[None]:
    """Compute in at most so many threads meanwhile; None, or a number above what was set before, changes nothing.

    oneDAL has a number of threads of its own for the whole process, which an `n_jobs` of None leaves as it is; OpenMP
    and BLAS have theirs; scikit-learn's forests start threads by the `n_jobs` that `estimator` gives them. joblib's
    `parallel_config` would not do: sklearnex does not ask it, and scikit-learn would start processes for a preparation.

    >>> with bounded(1):
    ...     estimator("random_forest", "regression", seed=0, accelerated=False).n_jobs
    1
    """
    if cores is None:
        yield
        return
    from daal4py import daalinit, num_threads

    before = num_threads()
    within = min(cores, _GIVEN.get() or cores)
    given = _GIVEN.set(within)
    try:
        daalinit(min(within, before))
        with threadpool_limits({one["prefix"]: min(within, one["num_threads"]) for one in threadpool_info()}):
            yield
    finally:
        daalinit(before)
        _GIVEN.reset(given)


def learns_from_few(model: object) -> bool:
    """Whether what an estimator takes grows with the square of the rows it learns from.

    >>> learns_from_few(estimator("support_vectors", "regression", seed=0, accelerated=False))
    True
    """
    return type(_inner(model)).__name__ in ("SVC", "SVR")


def is_accelerated(step: object) -> bool:
    """Whether an object is of one of sklearnex's own classes, which need sklearnex to be loaded again.

    >>> is_accelerated(Pipeline([]))
    False
    """
    return type(step).__module__.partition(".")[0] in ("sklearnex", "daal4py", "onedal")


@contextmanager
def record_engines(pipeline: Pipeline) -> Iterator[Callable[[], tuple[StepEngine, ...]]]:
    """Listen to sklearnex while `pipeline` is fitted; what is yielded tells afterwards who fitted each step.

    sklearnex says per call whether it ran or fell back, and why, in its log. The last word on a `fit` counts: logistic
    regression says "running accelerated" first and takes it back in a second line. A step sklearnex says nothing about
    was not accelerated. Its log lines are kept from the handlers meanwhile; other threads wait for their turn.

    >>> from sklearn.linear_model import Ridge
    >>> pipeline = Pipeline([("model", Ridge())])
    >>> with record_engines(pipeline) as engines:
    ...     _ = pipeline.fit([[0.0], [1.0]], [0.0, 1.0])
    >>> engines()
    (StepEngine(step='model', estimator='Ridge', accelerated=False, reason="scikit-learn's own class"),)
    """
    lines: list[str] = []
    here = threading.get_ident()

    def listen(record: logging.LogRecord) -> bool:
        if record.thread == here:
            lines.append(record.getMessage())
            return False
        return record.levelno >= logging.WARNING

    logger = logging.getLogger("sklearnex")
    with _ONE_AT_A_TIME:
        level = logger.level
        logger.addFilter(listen)
        logger.setLevel(logging.DEBUG)
        try:
            yield lambda: tuple(_engine(name, step, lines) for name, step in pipeline.steps)
        finally:
            logger.setLevel(level)
            logger.removeFilter(listen)


def _inner(model: object) -> object:
    """The estimator that learns: what is inside one that only makes probabilities of its scores."""
    return model.estimator if isinstance(model, CalibratedClassifierCV) else model


def _engine(name: str, step: object, lines: list[str]) -> StepEngine:
    step = _inner(step)
    kind = type(step).__name__
    if not is_accelerated(step):
        return StepEngine(name, kind, False, "scikit-learn's own class")
    said = [line.partition(": ")[2] for line in lines if line.partition(": ")[0].endswith(f".{kind}.fit")]
    verdicts = [place for place, text in enumerate(said) if "accelerated version" in text or "fallback" in text]
    if not verdicts:
        return StepEngine(name, kind, False, "sklearnex reported no fit")
    if said[verdicts[-1]].startswith("running accelerated"):
        return StepEngine(name, kind, True, "")
    since = verdicts[-2] + 1 if len(verdicts) > 1 else 0
    causes = [
        text.removeprefix("patching failed with cause - ") for text in said[since : verdicts[-1]] if "cause" in text
    ]
    return StepEngine(name, kind, False, " ".join(causes) or said[verdicts[-1]])
