"""How the loop scales: `python -m benchmarks.scale [--quick]`."""

from benchmarks.report import Findings, Steps, run
from benchmarks.tables import tables

ABOUT = "Seconds and memory of a window of production, from its table to its facts and its sample."


def measure(quick: bool, steps: Steps) -> Findings:
    """Measure every part; `quick` at a tenth of the size."""
    table, figures = tables(quick, steps)
    return Findings(ABOUT, [table], figures)


if __name__ == "__main__":
    run("scale", measure, about=ABOUT)
