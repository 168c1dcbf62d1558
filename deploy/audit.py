"""`make audit`: the known vulnerabilities of every package in the lock files, where their database can be reached."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.studio import ROOT
from records.errors import ServiceDown

LOCKS = {"Driftloop": ROOT, "Label Studio": ROOT / "deploy" / "label-studio"}
FOUND, NOT_CHECKED = 1, 3
_TOOL = "pip-audit==2.10.1"
_UV = ROOT / ".tools" / "bin"


def look_up(project: Path) -> dict[str, Any]:
    """Return what pip-audit reports about the lock file of a project; raises `ServiceDown` if it cannot tell."""
    locked = _run(_UV / "uv", "export", "--frozen", "--all-groups", "--all-extras", "--no-emit-project", place=project)
    how = ("--require-hashes", "--disable-pip", "--vulnerability-service", "osv", "--progress-spinner", "off")
    told = _run(_UV / "uvx", "--from", _TOOL, "pip-audit", *how, "--format", "json", "-r", "/dev/stdin", given=locked)
    try:
        report: dict[str, Any] = json.loads(told)
        return report
    except ValueError:
        raise ServiceDown(f"pip-audit printed no report but {told[:100]!r}") from None


def told(title: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a line about a lock file, then one per known vulnerability and per package that was not looked up.

    >>> flaw = {"id": "PYSEC-2019-179", "fix_versions": ["1.0"]}
    >>> for line in told("Driftloop", {"dependencies": [{"name": "flask", "version": "0.5", "vulns": [flaw]}]}):
    ...     print(line)
    Driftloop: 1 of 1 packages checked, 1 known vulnerability.
    vulnerable: flask 0.5 has PYSEC-2019-179, mended in 1.0
    """
    every = report["dependencies"]
    checked = [one for one in every if "skip_reason" not in one]
    flaws = [
        f"vulnerable: {one['name']} {one['version']} has {flaw['id']},"
        f" mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for one in checked
        for flaw in one["vulns"]
    ]
    left_out = [f"not checked: {one['name']}: {one['skip_reason']}" for one in every if "skip_reason" in one]
    known = "1 known vulnerability" if len(flaws) == 1 else f"{len(flaws)} known vulnerabilities"
    return f"{title}: {len(checked)} of {len(every)} packages checked, {known}.", *flaws, *left_out


def main() -> int:
    """Print what is known; return 0 for nothing, 1 for a vulnerability, 3 if something could not be checked."""
    lines: list[str] = []
    for title, project in LOCKS.items():
        try:
            lines += told(title, look_up(project))
        except ServiceDown as error:
            lines.append(f"not checked: the packages of {title}, since {error}")
    print("\n".join(lines))
    if any(line.startswith("vulnerable: ") for line in lines):
        return FOUND
    return NOT_CHECKED if any(line.startswith("not checked: ") for line in lines) else 0


def _run(program: Path, *words: str, place: Path = ROOT, given: str = "") -> str:
    """Return what a program printed; pip-audit's code 1 with a report means that it found something."""
    try:
        done = subprocess.run([program, *words], cwd=place, input=given, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ServiceDown(f"{program} cannot be run ({error}); run `make install`") from error
    if done.returncode not in (0, 1) or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1]
        raise ServiceDown(f"{program.name} did not succeed: {last[:300]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
