"""What the soak says of a doctor that is not content."""

from pathlib import Path

from benchmarks import soak
from benchmarks.payments import TOML
from benchmarks.soaked import Runs


def scene(folder: Path) -> soak.Scene:
    return soak.Scene(folder, "http://127.0.0.1:9", "http://127.0.0.1:9", (), {})


def test_the_page_quotes_the_doctors_own_lines_and_guesses_nothing(tmp_path):
    (tmp_path / "payments-a.toml").write_text(TOML.replace("budget", "buget"))
    (trouble,) = scene(tmp_path).troubles()
    assert trouble.startswith("payments-a ✘ settings: ")
    assert "unknown key 'labels.buget'" in trouble
    ill, well = (
        soak._findings(1, Runs(()), [], n_ill=len(said), troubles=said).tables[0].note for said in ((trouble,), ())
    )
    assert ill.endswith(f"end with an error. The doctor said:\n\n* {trouble}")
    assert well.endswith("end with an error.")


def test_a_doctor_that_cannot_look_is_quoted_too(tmp_path):
    (trouble,) = scene(tmp_path / "absent").troubles()
    assert "absent" in trouble
