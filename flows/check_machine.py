"""Checks of the machine: the folder of snapshots and samples, and the space that is left."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flows.site import Site
from records.check import Check

LEAST_BYTES = 1_000_000_000
LEAST_SHARE = 0.05
_ADVICE = "correct services.folder, or its owner"


def folder(site: Site, repair: bool) -> Iterator[Check]:
    """Look whether snapshots, samples and reports can be written."""
    place = site.settings.folder
    if not os.path.exists(place):  # which says no, and does not raise, where we may not look
        yield _made(place) if repair else _missing(place)
        return
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Check("folder", False, f"{place} cannot be written ({error.strerror})", _ADVICE)
    else:
        yield Check("folder", True, f"{place} can be written")


def disk(site: Site, _: bool) -> Iterator[Check]:
    """Look whether there is room for the next windows."""
    space = shutil.disk_usage(_existing(site.settings.folder))
    ok = space.free >= LEAST_BYTES and space.free >= LEAST_SHARE * space.total
    said = f"{space.free / 1e9:,.1f} GB free of {space.total / 1e9:,.1f} GB"
    yield Check("disk", ok, said, "" if ok else "make room before a snapshot cannot be written")


def _made(place: Path) -> Check:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Check("folder", False, f"{place} cannot be made ({error.strerror})", _ADVICE)
    return Check("folder", True, f"{place} can be written", repaired="made the folder")


def _missing(place: Path) -> Check:
    above = _existing(place)
    ok = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    can = "does not exist yet and can be made" if ok else f"does not exist and cannot be made in {above}"
    return Check("folder", ok, f"{place} {can}", "" if ok else _ADVICE)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if os.path.exists(one))
