"""What a new batch is compared with."""

import pandas as pd

from flows.evidence import settled
from flows.site import Site
from records.generation import Generation
from records.window import Window
from store.snapshots import read


def reference_rows(site: Site, generation: Generation) -> tuple[pd.DataFrame, tuple[Window, ...]]:
    """Return a generation's snapshot together with every settled window, features only, in order of time.

    A window whose labels led to a decision is known ground. Without it, a change that people have looked at and
    accepted would alarm, and buy labels, again every week. The steps of one window share what is read once.
    """
    known = settled(site)
    key = (generation.snapshot.digest, known)
    if site.reference is None or site.reference[0] != key:
        site.reference = (key, _read(site, generation, known))
    return site.reference[1], known


def _read(site: Site, generation: Generation, known: tuple[Window, ...]) -> pd.DataFrame:
    columns = list(site.schema.production)
    frames = [*read(generation.snapshot), *(site.sample(window) for window in known)]
    together = pd.concat([frame[columns] for frame in frames], ignore_index=True)
    unique = together.drop_duplicates(site.schema.row_key)
    return unique.sort_values(site.schema.time, kind="stable", ignore_index=True)


def training_times(site: Site) -> pd.Series:
    """When the rows of the first snapshot happened; later ones also hold labelled rows, a few of each window."""
    first = site.ledger.generations.get(site.model, 1)
    return pd.concat(read(first.snapshot), ignore_index=True)[site.schema.time]
