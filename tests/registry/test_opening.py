"""Opening the registry: fast, from nothing, without the right to write, and from another time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workbench.core.errors import BadInput
from workbench.core.home import Home
from workbench.registry import Ingestor, Registry
from workbench.registry.database import connect


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def test_the_road_to_the_first_frame_loads_nothing_heavy(home):
    with Registry.open(home):
        pass
    code = (
        "import sys, pathlib\nfrom workbench.registry import Registry\nfrom workbench.core.home import Home\n"
        "with Registry.open(Home(pathlib.Path(sys.argv[1]))) as r: r.runs('bert sort:name', limit=50); r.count()\n"
        "heavy = {'sqlite_utils', 'pandas', 'numpy', 'pydantic', 'rich', 'click', 'tomlkit', 'textual', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = python(code, home.path)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_a_home_with_no_registry_opens_empty_and_to_read_it_writes_nothing(tmp_path):
    home = Home(tmp_path / "nowhere")
    with Registry.open(home, readonly=True) as registry:
        assert registry.runs() == []
        assert registry.count("state:running") == 0
    assert not home.path.exists()
    with Registry.open(home) as registry:
        assert registry.runs() == []
    assert os.stat(home.registry).st_mode & 0o777 == 0o600
    assert os.stat(home.path).st_mode & 0o777 == 0o700


def test_a_reader_sees_what_a_writer_adds(write_run, home, ingestor):
    with Registry.open(home, readonly=True) as reader:
        assert reader.runs() == []
        run = write_run().loss(1, 1.0)
        ingestor.poll()
        assert [row.id for row in reader.runs()] == [run.id]


def test_a_file_in_place_of_the_home_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    for make in (Registry.open, Ingestor):
        with pytest.raises(BadInput, match="home cannot be used"):
            make(Home(tmp_path / "file"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_home_is_read_if_it_may_be_and_never_written(write_run, home, ingestor, tmp_path):
    run = write_run().loss(1, 1.0)
    ingestor.poll()
    ingestor.close()
    for path in [tmp_path, *tmp_path.parents, *home.path.rglob("*"), home.path]:
        if path.owner() == "root" and "pytest" in str(path):
            path.chmod(0o755 if path.is_dir() else 0o644)
    code = (
        "import os, sys, pathlib\nfrom workbench.core.home import Home\n"
        "from workbench.registry import Registry, Ingestor\nfrom workbench.core.errors import BadInput\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "home = Home(pathlib.Path(sys.argv[1]))\n"
        "with Registry.open(home, readonly=True) as r: print([row.id for row in r.runs()])\n"
        "for make in (Registry.open, Ingestor):\n"
        "    try: make(home)\n    except BadInput as error: print(error)\n"
    )
    ran = python(code, home.path)
    assert ran.stderr == ""
    listed, *refused = ran.stdout.splitlines()
    assert listed == f"['{run.id}']"
    assert len(refused) == 2
    assert all("not writable" in line and "--home" in line for line in refused)


def test_a_registry_of_a_newer_workbench_is_refused_and_left_as_it_is(home):
    with Registry.open(home):
        pass
    connection = connect(home.registry)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    for readonly in (False, True):
        with pytest.raises(BadInput, match="made by a newer workbench"):
            Registry.open(home, readonly=readonly)
    assert list(home.path.glob("*damaged*")) == []


def test_many_processes_may_make_the_registry_at_once(home):
    code = (
        "import sys, pathlib\nfrom workbench.core.home import Home\nfrom workbench.registry import Registry\n"
        "Registry.open(Home(pathlib.Path(sys.argv[1]))).close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(home.path)], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate()[1] for process in processes] == [""] * 4


def test_migrations_are_recorded_and_run_once(home):
    with Registry.open(home) as registry:
        applied = registry._connection.execute("SELECT name FROM _sqlite_migrations").fetchall()
    with Registry.open(home) as registry:
        assert registry._connection.execute("SELECT name FROM _sqlite_migrations").fetchall() == applied
        assert len(applied) == registry._connection.execute("PRAGMA user_version").fetchone()[0]
