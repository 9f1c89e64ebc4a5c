"""`python -m tests.faults --kills 100 --seed S`: a campaign of faults, and a table of what was told wrongly.

The same seed draws the same faults at the same moments; `--only 17` repeats one of them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scenarios import SCENARIOS, Fault, Unavailable, end_all

from workbench.core.home import Home


def drawn(kills: int, seed: int) -> Iterator[tuple[int, str, int]]:
    """Number, scenario and seed of each fault. Every scenario comes once before any is drawn."""
    rng = random.Random(seed)
    names, weights = list(SCENARIOS), [weight for _, weight in SCENARIOS.values()]
    for number in range(kills):
        name = names[number] if number < len(names) <= kills else rng.choices(names, weights)[0]
        yield number, name, rng.randrange(1 << 32)


def strike(name: str, seed: int) -> str:
    """One fault in a home of its own: nothing, or what was told wrongly."""
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        home = Home(Path(place) / "home")
        try:
            SCENARIOS[name][0](Fault(home, random.Random(seed)))
        except Unavailable as reason:
            return f"skipped: {reason}"
        except AssertionError as wrong:
            return str(wrong) or traceback.format_exc().splitlines()[-2].strip()
        except Exception as error:  # noqa: BLE001  # whatever a fault brings out is a finding
            return f"{type(error).__name__}: {error}"
        finally:
            end_all(home)
            time.sleep(0.05)
    return ""


def campaign(kills: int, seed: int, only: int | None = None) -> dict[str, list[str]]:
    """What each scenario came to, an empty text where nothing was wrong; told as it goes."""
    found: dict[str, list[str]] = defaultdict(list)
    for number, name, own in drawn(kills, seed):
        if only not in (None, number):
            continue
        wrong = strike(name, own)
        found[name].append(wrong)
        if wrong:
            print(f"#{number} {name}, seed {own}: {wrong}", flush=True)
    return found


def table(found: dict[str, list[str]]) -> str:
    rows = [("fault", "times", "wrong")]
    for name in SCENARIOS:
        results = found.get(name, [])
        told = [text for text in results if text and not text.startswith("skipped")]
        skipped = sum(text.startswith("skipped") for text in results)
        rows.append((name, str(len(results) - skipped), f"{len(told)}" + (f" ({skipped} skipped)" if skipped else "")))
    rows.append(("all", str(sum(int(times) for _, times, _ in rows[1:])), str(wrong_of(found))))
    return "\n".join(f"{name:<30}{times:>6}  {wrong}" for name, times, wrong in rows)


def wrong_of(found: dict[str, list[str]]) -> int:
    return sum(bool(text) and not text.startswith("skipped") for results in found.values() for text in results)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how many faults")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16), help="draws them")
    parser.add_argument("--only", type=int, help="the number of the one to repeat")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    found = campaign(given.kills, given.seed, given.only)
    print(table(found))
    return int(wrong_of(found) > 0)


if __name__ == "__main__":
    sys.exit(main())
