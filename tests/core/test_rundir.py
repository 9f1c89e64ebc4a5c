"""Run ids sort by age, locks die with their holders, files are replaced whole."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.core.errors import BadInput
from workbench.core.home import Home, Settings
from workbench.core.rundir import hold_lock, is_locked, new_run_id, write_atomic


def test_ids_sort_by_the_time_they_were_made():
    made = [new_run_id(1_800_000_000 + 60 * n) for n in range(50)]
    assert made == sorted(made)
    assert all(len(made_id) == 9 and made_id.isalnum() for made_id in made)


def test_a_lock_dies_with_its_holder(tmp_path: Path):
    path = tmp_path / "lock"
    script = (
        "import sys, time; from pathlib import Path; from workbench.core.rundir import hold_lock\n"
        f"hold_lock(Path({str(path)!r})); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    assert is_locked(path)
    assert hold_lock(path, patience=0.05) is None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not is_locked(path)
    assert hold_lock(path) is not None


def test_what_does_not_exist_is_not_locked(tmp_path: Path):
    assert not is_locked(tmp_path / "none")


def test_files_are_replaced_whole_and_private(tmp_path: Path):
    path = tmp_path / "f"
    write_atomic(path, "one")
    write_atomic(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_home_is_private_and_chosen_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "env"))
    assert Home.resolve(tmp_path / "option").path == tmp_path / "option"
    home = Home.resolve().ensure()
    assert home.path == tmp_path / "env"
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    monkeypatch.delenv("WORKBENCH_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert Home.resolve().path == tmp_path / "xdg" / "workbench"


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="choose another with --home"):
        Home(tmp_path / "file" / "home").ensure()


def test_settings_that_are_not_toml_say_where(tmp_path: Path):
    home = Home(tmp_path).ensure()
    assert Settings.load(home) == Settings()
    home.settings.write_text("theme = ")
    with pytest.raises(BadInput, match=r"settings\.toml"):
        Settings.load(home)
    home.settings.write_text('theme = "nord"\ncolumns = ["name"]\n[keys]\nquit = "x"\n')
    assert Settings.load(home) == Settings(theme="nord", columns=("name",), keys={"quit": "x"})
