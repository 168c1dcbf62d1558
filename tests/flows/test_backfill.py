"""Windows that were missed are watched in order, once, as the schedule would have."""

import io
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from benchmarks.payments import CHANGED, QUIET, week
from flows.backfill import catch_up, fill, missed, overdue
from flows.operation_tables import progress
from flows.watch import by_hand, watch
from records.errors import BadSettings, NotAllowed, NotFound, ServiceDown, StorageFull

FROM, TO = week(QUIET[0]).start, week(CHANGED[-1]).end


def test_every_missed_window_is_watched_in_order_and_an_open_request_stops_nothing(adopted):
    site = adopted.site()
    watch(site, week(QUIET[1]))
    done = list(fill(site, missed(site, FROM, TO)))
    assert [item.window for item in done] == [week(k) for k in (*QUIET, *CHANGED)]
    assert [item.outcome for item in done][:2] == ["quiet", "done before"]
    asked = [item for item in done if item.n_asked]
    assert len(asked) == 1  # while people are at work, further alarms ask nobody
    again = list(fill(adopted.site(), missed(site, FROM, TO)))
    assert {item.outcome for item in again} == {"done before"}
    assert [item.n_asked for item in again] == [item.n_asked for item in done]


def test_a_service_that_is_away_stops_it_and_the_same_call_goes_on_there(adopted):
    """Nothing is lost or done twice whichever step of whichever window it is."""
    n_steps = 0

    def broken(step, *arguments):
        nonlocal n_steps
        n_steps += 1
        if n_steps == 8:  # the third step of the second window
            raise ServiceDown("a service is away, says the test")
        return by_hand(step, *arguments)

    site = adopted.site()
    windows = missed(site, FROM, TO)
    with pytest.raises(ServiceDown):
        list(fill(site, windows, run=broken))
    assert site.ledger.steps.windows("payments") == (windows[0], windows[1])
    done = list(fill(adopted.site(), windows))
    assert [item.outcome for item in done][:2] == ["done before", "quiet"]


def test_a_window_that_was_missed_or_left_half_way_is_watched_before_the_next(adopted):
    site = adopted.site()
    assert overdue(site, week(CHANGED[0]).end) == ()  # nothing is overdue before the first window was watched
    watch(site, week(QUIET[0]))
    done = list(catch_up(site, week(CHANGED[1])))
    assert [item.window for item in done] == [week(QUIET[1]), week(CHANGED[0])]
    assert overdue(site, week(CHANGED[1]).start) == ()
    assert list(catch_up(adopted.site(), week(CHANGED[1]))) == []


def test_only_the_last_of_many_missed_windows_are_gone_back_to(adopted):
    file = adopted.folder / "driftloop.toml"
    file.write_text(file.read_text().replace("[windows]", "[windows]\ncatch_up = 1"))
    site = adopted.site()
    watch(site, week(QUIET[0]))
    assert [item.window for item in catch_up(site, week(CHANGED[1]))] == [week(CHANGED[0])]
    file.write_text(file.read_text().replace("catch_up = 1", "catch_up = 0"))
    assert list(catch_up(adopted.site(), week(CHANGED[1]))) == []


def test_what_an_earlier_grid_covered_was_not_missed(adopted):
    watch(adopted.site(), week(QUIET[0]))
    file = adopted.folder / "driftloop.toml"
    file.write_text(file.read_text().replace("[windows]", "[windows]\nlength_hours = 24"))
    late = overdue(adopted.site(), week(QUIET[1]).end)
    assert [window.start for window in late] == [week(QUIET[1]).start + timedelta(days=k) for k in range(7)]


def test_what_no_grid_covered_was_missed_whatever_came_later(adopted):
    site = adopted.site()
    watch(site, week(QUIET[0]))
    watch(site, week(CHANGED[0]))
    file = adopted.folder / "driftloop.toml"
    file.write_text(file.read_text().replace("[windows]", "[windows]\nlength_hours = 24"))
    late = overdue(adopted.site(), week(CHANGED[0]).end)
    assert [window.start for window in late] == [week(QUIET[1]).start + timedelta(days=k) for k in range(7)]


@pytest.mark.parametrize("error", [ServiceDown, NotAllowed, NotFound, StorageFull])
def test_where_something_is_away_or_refuses_nothing_more_is_gone_back_to_and_nothing_is_raised(adopted, error):
    def broken(step, *arguments):
        raise error("a service is away, says the test")

    site = adopted.site()
    watch(site, week(QUIET[0]))
    (item,) = catch_up(site, week(CHANGED[2]), run=broken)
    assert (item.window, item.outcome) == (week(QUIET[1]), "failed")
    assert "is away" in item.reason


def test_a_window_without_rows_or_with_bad_ones_is_named_and_the_next_follows(adopted):
    path = adopted.folder / "production.parquet"
    rows = pd.read_parquet(path)
    empty = rows["at"].between(week(QUIET[0]).start, week(QUIET[0]).end - timedelta(microseconds=1))
    bad = rows["at"].between(week(QUIET[1]).start, week(QUIET[1]).end - timedelta(microseconds=1))
    rows.loc[bad, "id"] = "the same"
    path.unlink()
    rows[~empty].to_parquet(path)
    site = adopted.site()
    done = list(fill(site, missed(site, FROM, week(CHANGED[0]).end)))
    assert [item.outcome for item in done][:2] == ["empty", "failed"]
    assert "repeat a key" in done[1].reason
    assert done[2].outcome in ("quiet", "alarm")


def test_moments_without_a_complete_window_between_them_are_refused(adopted):
    site = adopted.site()
    with pytest.raises(BadSettings, match="no complete window"):
        missed(site, FROM, FROM + timedelta(days=6))
    site.now = lambda: week(QUIET[0]).end - timedelta(seconds=1)
    with pytest.raises(BadSettings, match="no complete window"):
        missed(site, FROM, TO)


def test_the_bar_tells_how_many_windows_are_done_and_when_the_rest_will_be():
    console, seconds = Console(file=io.StringIO(), force_terminal=True, width=120, no_color=True), 0.0
    bar = progress(console, silent=False)
    bar.get_time = lambda: seconds
    task = bar.add_task("payments", total=5)
    for _ in range(3):
        seconds += 10
        bar.advance(task)
    shown = "".join(part.text for part in console.render(bar.get_renderable()))
    assert "payments" in shown
    assert "3/5" in shown
    assert "ETA 0:00:20" in shown  # two more windows of 10 seconds


def test_the_command_prints_what_became_of_each_window(adopted):
    """Quiet windows need no service but the ledger and the table."""
    program = [str(Path(sys.executable).with_name("driftloop")), "backfill", "--config"]
    options = [str(adopted.folder / "driftloop.toml"), "--from", "2024-02-26", "--to", "2024-03-11"]
    site = adopted.site()
    for number in QUIET:
        watch(site, week(number))
    done = subprocess.run([*program, *options, "--json"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert [item["outcome"] for item in json.loads(done.stdout)] == ["done before", "done before"]
    shown = subprocess.run([*program, *options], capture_output=True, text=True, timeout=300, check=False)
    assert "payments: 2 windows: 2 done before" in shown.stdout
