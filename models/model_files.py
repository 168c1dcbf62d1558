"""The files of a fitted model: what they hash to, and that nothing is loaded which was not logged."""

import hashlib
from pathlib import Path

from records.errors import Altered
from records.generation import Generation

_ADDED_BY_READERS = "registered_model_meta"  # MLflow writes it into what it downloads


def digest(folder: Path) -> str:
    """Return the SHA-256 of every file in a folder, names and contents, as 64 hexadecimal digits.

    Where the folder is, and in which order its files were made, is not part of it.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "MLmodel").write_text("flavors: {}")
    ...     digest(Path(folder))[:16]
    '03a9ff67fe66a8fb'
    """
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    whole = hashlib.sha256()
    for name in sorted(names.keys() - {_ADDED_BY_READERS}):
        with names[name].open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{len(name.encode())} {name} {content}\n".encode())
    return whole.hexdigest()


def address_of(generation: Generation) -> str:
    """Return where the registry has a generation: its version's address, whatever else the ledger calls it."""
    return f"models:/{generation.model}/{generation.version}"


def demand_logged(generation: Generation, found: str) -> None:
    """Raise `Altered` unless a digest is the ledger's; where the ledger knows none, any is believed."""
    if generation.digest and found != generation.digest:
        raise Altered(
            f"the files of generation {generation.number} of {generation.model!r}, version {generation.version} in the"
            f" registry, are not those that were logged (digest {found[:12]!r}, not {generation.digest[:12]!r}), so"
            " they are not loaded; restore them from a backup, or `driftloop promote` another generation"
        )
