"""The page of licences tells what the lock files install."""

import re
import tomllib
from importlib.metadata import distribution

import pytest

from deploy.licences import PAGE, licence
from deploy.studio import ROOT

LOCKS = {"Driftloop": ROOT / "uv.lock", "Label Studio": ROOT / "deploy" / "label-studio" / "uv.lock"}


@pytest.mark.parametrize("title", LOCKS)
def test_the_page_has_the_locked_versions_and_a_licence_for_each(title: str) -> None:
    text = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", text, flags=re.MULTILINE)[1:]
    locked = {(one["name"], one["version"]) for one in tomllib.loads(LOCKS[title].read_text())["package"]}
    told = {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version, _ in rows}
    assert len(told) > 100
    assert not told - locked, "run `make licences`"
    assert not [name for name, _, said in rows if said == "unknown"]


def test_a_licence_is_an_expression_where_there_is_one_and_a_short_name_else() -> None:
    assert licence(distribution("pandas")).startswith("BSD")
    assert licence(distribution("cleanlab")) == "Apache-2.0"
