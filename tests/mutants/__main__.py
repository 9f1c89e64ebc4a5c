"""`python -m tests.mutants --rooms data registry --seed S --count N`: are there tests that notice a wrong program?

N changes of meaning are drawn in each room, and each is made alone in a copy of the tree, where the tests run that bear
on the changed file. Those that no test notices are listed; a table by room comes last. The same seed draws the same
changes; `--at workbench/data/tables/splits.py:174` makes all those of one line. Takes hours for a whole house.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from changes import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 900  # seconds for the tests of one change: what hangs is noticed

# Where the folder of tests has not the name of the room, or is not enough.
FOLDERS = {
    "api.py": ["python"],
    "display": ["display", "cli"],
    "contracts": ["contracts", "lab"],
    "models": ["models", "train"],
}
_APART = {"benchmarks", "device", "gpu", "story", "faults", "mutants", "docs"}  # measure, want a machine, or are slow


def rooms() -> dict[str, list[Path]]:
    """The files of each room, relative to the root."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "workbench").rglob("*.py")):
        relative = path.relative_to(ROOT)
        if relative.name not in ("__init__.py", "__main__.py"):
            found.setdefault(relative.parts[1], []).append(relative)
    return found


def related(file: Path) -> list[str]:
    """The tests that bear on a file: those that name the module, then all others of the room's folders."""
    module, stem = ".".join(file.with_suffix("").parts), file.stem
    parent = module.rpartition(".")[0]
    named = re.compile(rf"\b{re.escape(module)}\b|from {re.escape(parent)} import .*\b{stem}\b")
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    importing = [
        test
        for test in tests
        if not _APART & set(test.relative_to(ROOT / "tests").parts) and named.search(test.read_text("utf-8"))
    ]
    room = file.parts[1]
    importing.sort(key=lambda test: (stem not in test.stem, room not in test.parts))  # the likeliest to notice first
    folders = [ROOT / "tests" / folder for folder in FOLDERS.get(room, [room])]
    rest = [test for folder in folders for test in sorted(folder.glob("test_*.py")) if test not in importing]
    return [str(test.relative_to(ROOT)) for test in (*importing, *rest)]


def drawn(wanted: list[str], count: int, seed: int) -> Iterator[tuple[str, Path, Mutant]]:
    """Room, file and change; of a room every change is as likely as any other."""
    for room in wanted:
        every = [(file, mutant) for file in rooms()[room] for mutant in mutants((ROOT / file).read_text("utf-8"))]
        rng = random.Random(f"{seed} {room}")
        for file, mutant in rng.sample(every, min(count, len(every))):
            yield room, file, mutant


def of_line(place: str) -> Iterator[tuple[str, Path, Mutant]]:
    file, _, line = place.rpartition(":")
    for mutant in mutants((ROOT / file).read_text("utf-8")):
        if mutant.line == int(line):
            yield Path(file).parts[1], Path(file), mutant


def failing(copy: Path, tests: list[str], *words: str) -> set[str]:
    """The files of tests that fail in the copy. Its package comes before an installed one, in child processes too."""
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "--tb=no", "-rfE", "--timeout=120", *words, *tests]
    process = subprocess.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        said = process.communicate(timeout=LIMIT)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return set(tests)
    if process.returncode == 0:
        return set()
    return set(re.findall(r"^(?:FAILED|ERROR) (tests/[^:\s]+)", said, re.M)) or set(tests)


def campaign(chosen: Iterator[tuple[str, Path, Mutant]]) -> tuple[Counter[str], Counter[str]]:
    """How many changes there were in each room and how many no test noticed, told as they are found."""
    tried, survived = Counter[str](), Counter[str]()
    known, unsound = set[str](), set[str]()
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        copy = Path(place) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "venv", "__pycache__", ".*_cache"))
        for room, file, mutant in chosen:
            tests = related(file)
            if new := [test for test in tests if test not in known]:
                known.update(new)
                unsound |= failing(copy, new)  # what fails without any change would notice everything
                for test in unsound & set(new):
                    print(f"left out, it fails as it is: {test}", flush=True)
            (copy / file).write_text(mutant.source, "utf-8")
            noticed = failing(copy, [test for test in tests if test not in unsound], "-x")
            shutil.copyfile(ROOT / file, copy / file)
            tried[room] += 1
            if not noticed:
                survived[room] += 1
                print(f"survived: {file}:{mutant.line}  {mutant.change}", flush=True)
    return tried, survived


def table(tried: Counter[str], survived: Counter[str]) -> list[str]:
    rows = [
        f"{room:<12}{tried[room]:>8}{tried[room] - survived[room]:>10}{1 - survived[room] / tried[room]:>9.0%}"
        for room in tried
    ]
    return [f"{'room':<12}{'changes':>8}{'noticed':>10}{'share':>9}", *rows]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--rooms", nargs="+", choices=list(rooms()), default=list(rooms()))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20, help="changes in each room")
    parser.add_argument("--at", metavar="FILE:LINE", help="all changes of one line instead")
    asked = parser.parse_args()
    tried, survived = campaign(of_line(asked.at) if asked.at else drawn(asked.rooms, asked.count, asked.seed))
    print("\n".join(table(tried, survived)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
