"""Whether two models predict, on average, what people answered (calibration in the large)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.compare import gain
from models.predictions import answers, probabilities, values
from records.comparison import Bias
from records.schema import Schema


def biases(
    champion: Pipeline,
    challenger: Pipeline,
    frame: pd.DataFrame,
    inclusion: NDArray[np.float64],
    schema: Schema,
    *,
    alpha: float,
) -> tuple[Bias, ...]:
    """Return both models' mean prediction minus the mean answer on labelled rows, per class (of two, the second).

    Rows weigh 1 / inclusion; the intervals hold together with probability 1 - `alpha` (Bonferroni over classes and
    models). For a regression it is in standard deviations of the answers. Fewer than two rows give nothing. A model can
    rank rows well and be far off all the same, which thresholds and costs feel at once (Van Calster et al. 2019,
    "Calibration: the Achilles heel of predictive analytics").
    """
    if len(frame) < 2:
        return ()
    if schema.classes:
        names = schema.classes[1:] if len(schema.classes) == 2 else schema.classes
        first = len(schema.classes) - len(names)
        truth = np.eye(len(schema.classes))[answers(frame, schema)][:, first:]
        said = [probabilities(pipeline, frame, schema)[:, first:] for pipeline in (champion, challenger)]
    else:
        names = (schema.target,)
        given = frame[schema.target].to_numpy(dtype=float)
        scale = float(given.std()) or 1.0
        truth = given[:, None] / scale
        said = [values(pipeline, frame, schema)[:, None] / scale for pipeline in (champion, challenger)]
    level = alpha / (2 * len(names))
    old, new = ([gain(column, 1 / inclusion, alpha=level) for column in (each - truth).T] for each in said)
    return tuple(Bias(name, len(frame), a, b) for name, a, b in zip(names, old, new, strict=True))
