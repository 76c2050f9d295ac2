"""What others took of the processor: from the kernel's counts, and beside a process that spins."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest

from advisor.models.contention import ENOUGH, Contention, Stand, between, busy_seconds, look

#     user nice system idle iowait irq softirq steal guest guest_nice
STAT = """cpu  900 20 300 5000 50 6 14 110 500 0
cpu0 100 10 50 2000 30 4 6 20 100 0
cpu1 600 5 150 1000 10 1 4 80 400 0
cpu2 200 5 100 2000 10 1 4 10 0 0
intr 1234 0 0
ctxt 99
"""
QUIET = Stand(seconds=10.0, busy=100.0, own=50.0, cores=(0, 1))


def test_busy_is_all_but_idle_and_waiting_and_stolen_time_counts() -> None:
    assert busy_seconds(STAT, (0,), 100) == pytest.approx(1.9)
    assert busy_seconds(STAT, (0, 1), 100) == pytest.approx(1.9 + 8.4)  # a guest's time is the user's already


@pytest.mark.parametrize(
    ("stat", "cores"),
    [(STAT, (0, 7)), (STAT.replace("cpu1 ", "cpu11 "), (1,)), ("cpu0 0 0 0 0 0 0 0 0 0 0\n", (0,)), ("", (0,))],
)
def test_counts_that_are_not_there_are_not_guessed(stat: str, cores: tuple[int, ...]) -> None:
    assert busy_seconds(stat, cores, 100) is None


def test_what_this_process_did_not_do_others_did() -> None:
    after = replace(QUIET, seconds=14.0, busy=106.0, own=53.0)
    load = between(QUIET, after)
    assert (load.seconds, load.taken, load.of) == (4.0, 3.0, 8.0)
    assert load.share == pytest.approx(3 / 8)
    assert load.gpu_share is None


def test_moments_without_a_gap_add_up_however_short_they_are() -> None:
    """Counts move in steps, so that a short moment may seem to have had less than nothing taken."""
    total, before = Contention(), QUIET
    for number in range(1, 101):
        after = replace(QUIET, seconds=10 + number * 0.008, busy=100 + number * 0.016 // 0.01 * 0.01, own=50.0)
        short = between(before, after)
        assert short.share is None
        total.add(short)
        before = after
    assert total.share == pytest.approx(1.0, abs=0.02)


def test_a_share_is_never_below_nought_or_above_one() -> None:
    assert between(QUIET, replace(QUIET, seconds=11.0, busy=100.9, own=51.0)).share == 0.0
    assert between(QUIET, replace(QUIET, seconds=11.0, busy=102.1)).share == 1.0


def test_nothing_is_known_without_counts_or_where_the_cores_changed() -> None:
    for before, after in ((None, QUIET), (QUIET, None), (QUIET, replace(QUIET, seconds=12.0, cores=(0,)))):
        assert between(before, after).share is None


@pytest.mark.parametrize(
    ("others", "group", "share"),
    [(1.0, 2.0, 0.0), (3.0, 2.0, 0.5), (4.0, 2.0, 1.0), (0.5, 3.0, 0.25), (3.5, 2.5, 0.75)],
)
def test_of_a_container_others_take_what_it_may_not_have_or_what_is_used_up_within(
    others: float, group: float, share: float
) -> None:
    """Two cores' worth of four: the machine's other work costs nothing until fewer than two cores are left."""
    before = Stand(0.0, 0.0, 0.0, (0, 1, 2, 3), quota=2.0, group=0.0)
    after = Stand(2.0, 2.0 * others + 2.0, 2.0, (0, 1, 2, 3), quota=2.0, group=group)
    load = between(before, after)
    assert load.of == 4.0
    assert load.share == pytest.approx(share)


def test_the_gpus_seconds_are_told_apart_from_the_processors() -> None:
    load = between(replace(QUIET, gpu=3.0), replace(QUIET, seconds=12.0, gpu=4.0))
    assert (load.gpu_share, load.share) == (0.5, 0.0)


@pytest.mark.skipif(look() is None, reason="this system keeps no such counts")
def test_a_process_that_spins_is_seen_and_a_child_of_ones_own_is_not() -> None:
    """A process that is no descendant any more against one that is; whatever else runs here counts on both sides."""
    spin = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
    child = subprocess.Popen([sys.executable, "-c", spin])
    try:
        before, worked = look(), 0.0
        time.sleep(4 * ENOUGH)
        after = look()
        assert before is not None
        assert after is not None
        worked = after.own - before.own
        assert worked > 0.1 * (after.seconds - before.seconds)  # the child's work is ours, even beside others
    finally:
        child.kill()
        child.wait()
    spinning = (
        f"subprocess.Popen([sys.executable, '-c', {spin!r}], stdout=-3, stderr=-3)"  # DEVNULL: no pipe is waited for
    )
    start = f"import subprocess, sys\nprint({spinning}.pid)"
    told = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True).stdout
    try:
        before = look()
        time.sleep(4 * ENOUGH)
        load = between(before, look())
        assert load.taken > 0.1 * load.seconds
    finally:
        subprocess.run(["kill", "-9", told.strip()], check=True)
