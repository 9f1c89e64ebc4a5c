"""Data sets of the hub: read from the cache where they are there, downloaded where they are not."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from workbench.core.errors import DataError
from workbench.core.suggest import nearest
from workbench.data.formats import faults
from workbench.models import hub


def cached_splits(name: str, config: str | None, revision: str | None) -> dict[str, tuple[Path, ...]] | None:
    """The arrow shards of each split of a data set that `datasets` prepared here, None where it did not.

    Raises DataError where several configurations are here and none is named.
    """
    builds = hub.dataset_configs(name)
    if revision:
        commit = hub.dataset_commit(name, revision)
        builds = {key: path for key, path in builds.items() if path.name.startswith(commit)}
    chosen = _config(name, builds, config)
    if chosen is None:
        return None
    shards = sorted(builds[chosen].glob("*.arrow"))
    stem = re.escape(name.rpartition("/")[2].lower())
    pattern = re.compile(rf"^{stem}-(?P<split>.+?)(?:-\d{{5}}-of-\d{{5}})?\.arrow$", re.IGNORECASE)
    splits: dict[str, tuple[Path, ...]] = {}
    for path in shards:
        if match := pattern.match(path.name):
            splits[match["split"]] = (*splits.get(match["split"], ()), path)
    order = {"train": 0, "validation": 1, "test": 2}
    return dict(sorted(splits.items(), key=lambda item: (order.get(item[0], 3), item[0]))) or None


def _config(name: str, builds: dict[str, Path], config: str | None) -> str | None:
    if config is not None:
        return config if config in builds else None
    if not builds:
        return None
    if len(builds) == 1:
        return next(iter(builds))
    if "default" in builds:
        return "default"
    raise DataError(
        "several configurations are on this machine", where=name, hint=f"set data.config to {', '.join(sorted(builds))}"
    )


def download(name: str, config: str | None, revision: str | None) -> dict[str, pa.Table]:
    """Every split, through `datasets`. Raises DataError at once where the hub cannot be reached."""
    reason = hub.why_unreachable()
    if reason is not None:
        raise _absent(name, config, reason)
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(name, name=config, revision=revision)
    except Exception as error:  # the library raises anything from ValueError to its HTTP client's own
        raise DataError(f"cannot be downloaded ({faults.quoted(error, 200)})", where=name) from error
    return {str(split): _table(part) for split, part in loaded.items()}


def _table(dataset: object) -> pa.Table:
    table: pa.Table = dataset.data.table  # type: ignore[attr-defined]  # datasets.Dataset, imported lazily
    features: pa.Schema = dataset.features.arrow_schema  # type: ignore[attr-defined]
    return table.replace_schema_metadata(features.metadata)


def _absent(name: str, config: str | None, reason: str) -> DataError:
    here = sorted(path.name.replace("___", "/") for path in _directories(hub.datasets_cache()))
    which = f" (configuration {config})" if config else ""
    return DataError(
        f"no file or directory of that name{which}, not in the cache, and {reason}{nearest(name, here)}",
        where=name,
        hint="download it where there is a network, or name a local file or builtin:reviews",
    )


def _directories(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
