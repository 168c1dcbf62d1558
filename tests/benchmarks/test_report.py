import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import Findings, Steps, Table, run

FOUND = Findings("What was measured.", [Table("Times", ("what", "s"), [("a|b", 0.12345)], "A note.")], {"share": 0.5})


def measure(quick: bool, steps: Steps) -> Findings:
    with steps.counted("work", 2) as count:
        count()
    return FOUND


@pytest.mark.parametrize("quick", [True, False])
def test_the_last_line_is_json_and_a_full_run_alone_writes_the_page(
    quick: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(sys, "argv", ["it", *(["--quick"] if quick else [])])
    run("it", measure, about="About it.")
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == {"share": 0.5}
    assert "| a\\|b | 0.123 |" in lines
    assert (tmp_path / "docs" / "it.md").exists() == (not quick)
    code = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert (f", at commit {code.stdout[:12]}, with Python" in "\n".join(lines)) == (code.returncode == 0)


def test_a_figure_that_is_undefined_is_null(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["it", "--quick"])
    run("it", lambda *_: Findings("", [], {"rate": float("nan"), "by": {"a": 1}}), about="")
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"rate": None, "by": {"a": 1}}
