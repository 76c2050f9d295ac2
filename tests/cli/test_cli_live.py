"""What a command says while it runs, as a process of its own: at once, and without leaving a terminal in disorder."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.cli import _first_words

ROOT = Path(__file__).parents[2]
ADVISOR = [sys.executable, "-m", "advisor.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("compare TASK --limit 8", "advisor compare: reading TASK"),
        ("compare --limit 8 TASK", "advisor compare: reading TASK"),
        ("recommend nowhere --model m", "advisor recommend: reading nowhere"),
        ("answer --json TASK rag", "advisor answer: reading TASK"),
        ("compare --train-limit 4", "advisor compare: starting"),
        ("compare", "advisor compare: starting"),
        ("compare TASK --help", ""),
        ("approaches rag", ""),
        ("", ""),
        ("--version", ""),
    ],
)
def test_the_first_words_name_what_is_read(typed: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    task = str(tmp_path / "task")
    assert _first_words(typed.replace("TASK", task).split()) == said.replace("TASK", task)


def test_a_name_that_is_no_path_is_shown_without_control_characters() -> None:
    assert _first_words(["profile", "\x1b[2Jgone\n"]) == "advisor profile: reading gone"
    assert _first_words(["profile", "a" * 9999]).startswith("advisor profile: reading aaa")


def test_the_first_words_come_before_anything_is_imported(tickets: Path) -> None:
    """Not by the clock, which a busy machine stretches: what takes long to import is not there when they are said."""
    script = (
        "import sys, advisor.cli as cli\n"
        "def say(text, end='\\n'):\n"
        "    print(text, sorted(m for m in sys.modules if m.startswith(('advisor.tasks', 'numpy', 'rich', 'torch'))))\n"
        "    sys.exit(0)\n"
        "cli.say = say\n"
        f"sys.argv = ['advisor', 'compare', {str(tickets)!r}]\n"
        "cli.main()\n"
    )
    run = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert run.stdout == f"advisor compare: reading {tickets} []\n"


def test_ctrl_c_leaves_a_terminal_as_it_was(tickets: Path, tmp_path: Path) -> None:
    """The cursor is there again, and no bar is left; what waits for another process says for which."""
    out = tmp_path / "run"
    out.mkdir()
    holding = (
        "import sys, time\nfrom pathlib import Path\nfrom advisor.measuring.lock import alone\n"
        "with alone(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(300)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", holding, str(out)], env=ENVIRONMENT, stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    screen, end = pty.openpty()
    script = (
        "import sys\nfrom pathlib import Path\nfrom advisor.cli import main\n"
        "from advisor.commands import compare\nfrom advisor.reporting import LiveProgress\n"
        "from advisor.measuring.lock import alone\n"
        "def waits(options):\n"
        "    with LiveProgress(), alone(Path(options.out)):\n        return 0\n"
        "compare.run = waits\nsys.exit(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "compare", str(tickets), "--out", str(out)],
        env=ENVIRONMENT,
        stdin=end,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    written, deadline = b"", time.monotonic() + 60
    try:
        while b"waiting for another advisor" not in written:
            assert time.monotonic() < deadline, written
            written += os.read(screen, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        written += os.read(screen, 65536)
    finally:
        for one in (process, holder):
            one.kill()
            one.wait()
        os.close(screen)
    assert written.startswith(b"advisor compare: reading ")
    assert f"process {holder.pid}, that is" in re.sub(r"\s+", " ", written.decode())
    assert written.rindex(b"\x1b[?25h") > written.rindex(b"\x1b[?25l")
    left = written[written.rindex(b"\x1b[2K") :].decode()
    assert "waiting for" not in left and left.rstrip().endswith("interrupted: the same command goes on from here")
