"""Parquet and Arrow files, and the directories that `datasets` writes of the latter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from workbench.data import faults
from workbench.errors import DataError

_PANDAS_INDEX = "__index_level_"


def read_parquet(path: Path) -> pa.Table:
    """The rows of a .parquet file, without the index column pandas adds. Raises DataError where it is damaged."""
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except OSError as error:
        raise _broken(path, "parquet", error) from error
    except pa.ArrowException as error:
        raise _broken(path, "parquet", error) from error
    return table.select([name for name in table.column_names if not name.startswith(_PANDAS_INDEX)])


def read_arrow(path: Path) -> pa.Table:
    """The rows of an .arrow file, in the file or the stream format, mapped rather than read where it can be."""
    try:
        source = pa.memory_map(str(path))
        head = source.read(6)
        source.seek(0)
        opener = pa.ipc.open_file if head == b"ARROW1" else pa.ipc.open_stream
        return opener(source).read_all()
    except (OSError, pa.ArrowException) as error:
        raise _broken(path, "arrow", error) from error


def _broken(path: Path, kind: str, error: Exception) -> DataError:
    try:
        size = path.stat().st_size
    except OSError as missing:
        return faults.unreadable(path, missing)
    if size == 0:
        return faults.empty(path)
    return DataError(f"cannot be read as {kind} ({faults.quoted(error, 120)})", where=str(path))


def is_saved(directory: Path) -> bool:
    """Whether `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote this directory."""
    return (directory / "dataset_dict.json").is_file() or (directory / "state.json").is_file()


def saved_splits(directory: Path) -> dict[str, tuple[Path, ...]]:
    """The arrow shards of each split in a `save_to_disk` directory; a plain Dataset is all `train`."""
    listing = directory / "dataset_dict.json"
    if not listing.is_file():
        return {"train": _shards(directory)}
    names = _json(listing).get("splits", [])
    return {str(name): _shards(directory / str(name)) for name in names}


def _shards(directory: Path) -> tuple[Path, ...]:
    files = _json(directory / "state.json").get("_data_files", [])
    return tuple(directory / str(file["filename"]) for file in files)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read ({error})", where=str(path), mend="save the data set again") from error
    if not isinstance(value, dict):
        raise DataError("is no object", where=str(path), mend="save the data set again")
    return value


def with_features(table: pa.Table, directory: Path) -> pa.Table:
    """The table with the features of `dataset_info.json` beside it, where its own schema has none."""
    info = directory / "dataset_info.json"
    metadata = dict(table.schema.metadata or {})
    if b"huggingface" in metadata or not info.is_file():
        return table
    features = _json(info).get("features")
    metadata[b"huggingface"] = json.dumps({"info": {"features": features}}).encode()
    return table.replace_schema_metadata(metadata)


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a column of ClassLabels, or of lists of them, in the order of their ids.

    They are in the metadata that `datasets` writes.
    """
    raw = (schema.metadata or {}).get(b"huggingface")
    if raw is None:
        return None
    try:
        feature = json.loads(raw)["info"]["features"][column]
        if isinstance(feature, list):
            feature = feature[0]
        feature = feature.get("feature", feature)
        if feature["_type"] == "ClassLabel":
            return [str(name) for name in feature["names"]]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        pass
    return None
