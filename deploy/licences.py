"""`make licences`: the licence of every package that `make install` installs, as `docs/licences.md`."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from deploy.studio import ROOT

PAGE = ROOT / "docs" / "licences.md"
_OWN = "driftloop"
_LONGEST = 40
_VAGUE = ("OSI Approved", "DFSG approved", "Other/Proprietary License")
_SAME = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache v2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "CC0": "CC0-1.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def licence(package: Distribution) -> str:
    """Return the licence a package names in its metadata.

    Its expression, else its classifiers, else the first line of its licence field or file; `unknown` without all that.
    """
    facts = package.metadata
    for expression in facts.get_all("License-Expression") or ():
        return str(expression)
    classifiers = [text.rpartition(" :: ")[2] for text in facts.get_all("Classifier") or () if "License ::" in text]
    named = [_SAME.get(text, text) for text in classifiers if text not in _VAGUE]
    if named:
        return " OR ".join(sorted(set(named)))
    files = (path for path in package.files or () if path.name.upper().startswith("LICEN"))
    for text in (*(facts.get_all("License") or ()), *(path.read_text() for path in files)):
        if head := re.sub(r"\s+", " ", text.strip().partition("\n")[0]):
            return _SAME.get(head, head[:_LONGEST])
    return "unknown"


def page(places: Iterable[tuple[str, Iterable[Distribution]]]) -> str:
    """Return the page about several environments, each a title and its packages."""
    parts = [
        "# Licences",
        "Driftloop is under the [Apache License 2.0](../LICENSE). These are the packages that `make install` installs,"
        " pinned with hashes in the lock files, with the licence that each names itself. Written by `make licences`.",
        "Known vulnerabilities change by the day: `make audit` looks them up where there is a network.",
    ]
    for title, found in places:
        rows = sorted(set(_rows(found)), key=lambda row: row[0].lower())
        counts = Counter(row[2] for row in rows)
        summary = ", ".join(f"{n} {name}" for name, n in counts.most_common())
        parts += [f"## {title}", f"{len(rows)} packages: {summary}."]
        lines = [f"| {name} | {version} | {said} |" for name, version, said in rows]
        parts.append("\n".join(["| package | version | licence |", "|---|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"


def installed() -> str:
    """Return the page about what is installed in this folder."""
    studio = next((ROOT / "deploy" / "label-studio" / ".venv" / "lib").glob("python3*/site-packages"))
    return page([("Driftloop", distributions()), ("Label Studio", distributions(path=[str(studio)]))])


def _rows(found: Iterable[Distribution]) -> Iterator[tuple[str, str, str]]:
    for one in found:
        name = one.metadata["Name"]
        if name and name.lower() != _OWN:
            yield name, one.version, licence(one)


if __name__ == "__main__":
    PAGE.write_text(installed(), encoding="utf-8")
    print(f"Written to {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}.")
