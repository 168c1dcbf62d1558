"""The page of licences tells what the lock files install."""

import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.licences import PAGE, licence
from deploy.studio import ROOT

LOCKS = {"Driftloop": ROOT / "uv.lock", "Label Studio": ROOT / "deploy" / "label-studio" / "uv.lock"}
UV = ROOT / ".tools" / "bin" / "uv"
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
LINUX |= {"python_version": "3.11", "python_full_version": "3.11.13", "platform_python_implementation": "CPython"}


def installed(lock: Path) -> set[tuple[str, str]]:
    """What `make install` takes from a lock file, on the machine that the page was written on."""
    words = ("export", "--frozen", "--offline", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate")
    done = subprocess.run([UV, *words], cwd=lock.parent, capture_output=True, text=True, check=True)
    wanted = [Requirement(line) for line in done.stdout.splitlines()]
    taken = [one for one in wanted if one.marker is None or one.marker.evaluate(LINUX)]
    return {(one.name, next(iter(one.specifier)).version) for one in taken}


@pytest.mark.parametrize("title", LOCKS)
def test_the_page_has_what_the_lock_installs_and_no_more_each_with_a_licence(title: str) -> None:
    text = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", text, flags=re.MULTILINE)[1:]
    told = {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version, _ in rows}
    assert len(told) > 100
    assert told == installed(LOCKS[title]), "run `make licences`"
    assert not [name for name, _, said in rows if said == "unknown"]


def test_a_licence_is_an_expression_where_there_is_one_and_a_short_name_else() -> None:
    assert licence(distribution("pandas")).startswith("BSD")
    assert licence(distribution("cleanlab")) == "Apache-2.0"
