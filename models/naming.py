"""Names and texts as MLflow accepts and shows them."""

import math
import re
from collections.abc import Iterable, Mapping

import pandas as pd

from records.drift import Estimate
from records.generation import FitRecord

OLD_LOSS = "loss on old rows"
"""The param that holds it, as text."""
_WORDS = ((">=", "from"), ("<=", "to"), ("<", "below"), (">", "above"), ("=", "is"))


def metric_name(text: str) -> str:
    """Return a metric's name with only the characters MLflow allows: letters, digits, `_ - . space : /`.

    >>> metric_name("gain/hour >= 18 and carrier in {B6, EV}")
    'gain/hour from 18 and carrier in B6 EV'
    >>> metric_name("20.5 <= temp < 30")
    '20.5 to temp below 30'
    """
    for sign, word in _WORDS:
        text = text.replace(sign, f" {word} ")
    allowed = re.sub(r"[^\w\-. :/]+", " ", text, flags=re.ASCII)
    return re.sub(r" {2,}", " ", allowed).strip(" /.")[:200] or "unnamed"


def defined(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that are numbers, under names MLflow accepts; an undefined one (`nan`) is left out.

    >>> defined({"auc": 0.5, "f1 [late]": float("nan")})
    {'auc': 0.5}
    """
    return {metric_name(name): float(value) for name, value in metrics.items() if math.isfinite(value)}


def bounded(name: str, estimate: Estimate) -> dict[str, float]:
    """Return an estimate as three metrics: the value, and its interval under the name with `.low` and `.high`.

    >>> bounded("gain.evenings", Estimate(0.5, 0.25, 0.75))
    {'gain.evenings': 0.5, 'gain.evenings.low': 0.25, 'gain.evenings.high': 0.75}
    """
    return {name: estimate.value, f"{name}.low": estimate.low, f"{name}.high": estimate.high}


def fit_metrics(fit: FitRecord) -> dict[str, float]:
    """Return what a fit reached, under the names that a generation and its candidates share.

    What was cross-validated only lost its `old rows` loss on rows of the snapshot that were set aside, and has no
    holdout loss; what was fitted without a choice has neither that nor `cv` nor `forgotten`.

    >>> record = FitRecord("linear", "all data", (("cross-validated loss", "0.21000"),), (), 0.5, "brier", 0.2)
    >>> fit_metrics(record)
    {'holdout.brier': 0.2, 'fit seconds': 0.5, 'cv.brier': 0.21}
    """
    metrics = {
        f"holdout.{fit.loss}": held_loss(fit),
        "fit seconds": fit.fit_seconds,
        f"old rows.{fit.loss}": old_loss(fit),
    }
    for param, name in (("cross-validated loss", f"cv.{fit.loss}"), ("forgotten", "forgotten")):
        metrics[name] = float(dict(fit.params).get(param, "nan"))
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def old_loss(fit: FitRecord) -> float:
    """Return the mean loss on old rows set aside while choosing, `nan` for what was fitted without a choice.

    An older Driftloop kept that of a candidate in place of the holdout's.

    >>> old_loss(FitRecord("linear", "all data", (("share", "0.25"),), (), 0.5, "brier", 0.14))
    0.14
    """
    params = dict(fit.params)
    return float(params.get(OLD_LOSS, fit.holdout_loss if "share" in params else "nan"))


def held_loss(fit: FitRecord) -> float:
    """Return the mean loss on the holdout, `nan` for a candidate, which was only cross-validated."""
    return float("nan") if "share" in dict(fit.params) else fit.holdout_loss


def approved(tags: Mapping[str, str]) -> str:
    """Return the reason in the tag `approved`; a plain no is none.

    >>> approved({"approved": "looks right to me"}), approved({"approved": "No"}), approved({})
    ('looks right to me', '', '')
    """
    reason = tags.get("approved", "").strip()
    return "" if reason.lower() in ("no", "false", "0") else reason


def shortened(text: str, limit: int) -> str:
    """Return a text cut to what a field holds, with a sign that something is missing.

    >>> shortened("carrier in {B6, EV}", 10)
    'carrier i…'
    """
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def fit_params(fit: FitRecord) -> dict[str, str]:
    """Return what is worth comparing between two fits, as MLflow params.

    >>> fit_params(FitRecord("linear", "all data", (("rows", "9"),), (), 0.5, "brier", 0.2))
    {'estimator': 'linear', 'recipe': 'all data', 'loss': 'brier', 'rows': '9'}
    """
    engines = {
        f"engine.{engine.step}": f"{engine.estimator}, "
        + ("accelerated" if engine.accelerated else f"not accelerated: {engine.reason}")
        for engine in fit.engines
    }
    params = {"estimator": fit.estimator, "recipe": fit.recipe, "loss": fit.loss} | dict(fit.params) | engines
    return {re.sub(r"[^\w\-. :/]+", " ", name, flags=re.ASCII): shortened(value, 500) for name, value in params.items()}


def candidate_table(candidates: Iterable[FitRecord]) -> pd.DataFrame:
    """Return one row per candidate: what it was, and how it did; what is known of none has no column."""
    rows = [
        {
            "estimator": one.estimator,
            "recipe": one.recipe,
            "share": float(dict(one.params).get("share", "nan")),
            "cross-validated loss": dict(one.params).get("cross-validated loss", ""),
            f"old rows {one.loss} loss": round(old_loss(one), 5),
            f"holdout {one.loss} loss": round(held_loss(one), 5),
            "fit seconds": round(one.fit_seconds, 2),
            "accelerated": any(engine.accelerated for engine in one.engines),
        }
        for one in candidates
    ]
    return pd.DataFrame(rows).dropna(axis="columns", how="all")
