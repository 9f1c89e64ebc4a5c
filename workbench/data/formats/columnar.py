"""Parquet and Arrow files, and the directories that `datasets` writes of the latter."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet

from workbench.core.errors import DataError
from workbench.data.formats import faults, raw, records

_PANDAS_INDEX = "__index_level_"
_BATCH = 1024
_BUFFER = 1 << 20  # bytes; without one a column of a row group is read whole
_HEAP = 64  # batches that are made one chunk
_CHUNK = 64 << 20  # bytes
_ROOM = 1 << 30  # bytes that any file may unpack to
_VALIDATED = 4 << 30  # bytes


def read_parquet(path: Path) -> pa.Table:
    """The rows of a .parquet file, without the index column pandas adds. Raises DataError where it is damaged."""
    with parquet(path) as file:
        check_size(path, file)
        parts = [pa.Table.from_batches(batches) for batches in _gathered(batches_of(path, file))]
        table = (
            pa.concat_tables(part.combine_chunks() for part in parts)
            if parts
            else plain(file.schema_arrow.empty_table())
        )
        records.kinds_of(table.schema)  # raises for names that are no UTF-8
    return _with_texts(table.select(kept(table.column_names)))


def _with_texts(table: pa.Table) -> pa.Table:
    """Bytes that are UTF-8 as texts: Spark and others write strings without saying that they are."""
    for place, column in enumerate(table.schema):
        if pa.types.is_binary(column.type):
            with suppress(pa.ArrowInvalid):
                texts = table.column(place).cast(pa.string())
                table = table.set_column(place, column.with_type(pa.string()), texts)
    return table


def kept(names: Sequence[str]) -> list[str]:
    """The user's columns: pandas adds one for its index."""
    return [name for name in names if not name.startswith(_PANDAS_INDEX)]


def plain(table: pa.Table) -> pa.Table:
    """The table in the types that rows of other formats have: strings for categories and string views, lists for their
    views. (Polars writes views, pandas categories; Arrow's own functions take neither everywhere.)
    """
    for place, column in enumerate(table.schema):
        type = _plain(column.type)
        if type != column.type:
            values = table.column(place)
            # Arrow 26 makes empty lists of views of lists.
            cast = pa.chunked_array([values.to_pylist()], type) if _is_view_of_lists(column.type) else values.cast(type)
            table = table.set_column(place, column.with_type(type), cast)
    return table


def _plain(type: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(type):
        return pa.string()
    if pa.types.is_binary_view(type):
        return pa.binary()
    if pa.types.is_float16(type):
        return pa.float32()
    if isinstance(type, pa.BaseExtensionType):
        return _plain(type.storage_type)
    if pa.types.is_dictionary(type) or pa.types.is_run_end_encoded(type):
        return _plain(type.value_type)
    if pa.types.is_struct(type):
        return pa.struct([inner.with_type(_plain(inner.type)) for inner in type])
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        inner = _plain(type.value_type)
        return type if inner == type.value_type else pa.list_(inner)
    return pa.list_(_plain(type.value_type)) if _is_view_of_lists(type) else type


def _is_view_of_lists(type: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(type) or pa.types.is_large_list_view(type))


@contextmanager
def parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """An open .parquet file. Raises DataError where it cannot be read, now or within."""
    raw.check(path)
    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            yield file
    except (OSError, pa.ArrowException, MemoryError, UnicodeDecodeError) as error:
        raise _broken(path, "parquet", error) from error


def batches_of(
    path: Path, file: pyarrow.parquet.ParquetFile, groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Its rows, a thousand at a time. Raises DataError past the bounds: a value may be packed as often as it occurs."""
    most, unpacked = _most(path), 0
    for batch in file.iter_batches(batch_size=_BATCH, row_groups=groups):
        unpacked += batch.nbytes
        if unpacked > most:
            raise _too_large(path, most)
        batch.validate(full=True)
        yield from plain(pa.Table.from_batches([batch])).combine_chunks().to_batches()


def check_size(path: Path, file: pyarrow.parquet.ParquetFile) -> None:
    """Raises DataError for a file that unpacks past the bounds, before any of it is unpacked.

    Pages say how large they are. Of a text that is there once and meant a million times only the places are read.
    """
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    most = _most(path)
    unpacked = sum(group.total_byte_size for group in groups)
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    for name in {chunk.path_in_schema for chunk in chunks if _may_repeat(chunk, most)}:
        unpacked += _repeated(path, name, most)
    if unpacked > most:
        raise _too_large(path, most)


def _may_repeat(chunk: pyarrow.parquet.ColumnChunkMetaData, most: int) -> bool:
    """Whether the values of a column may come to more than `most` bytes, being few in a dictionary."""
    if chunk.physical_type != "BYTE_ARRAY" or not chunk.has_dictionary_page or "." in chunk.path_in_schema:
        return False
    words = chunk.data_page_offset - chunk.dictionary_page_offset
    by_place = chunk.total_uncompressed_size < _BUFFER * 4 or 2 * words > chunk.total_compressed_size
    return bool(by_place and chunk.num_values * chunk.total_uncompressed_size > most)


def _repeated(path: Path, name: str, most: int) -> int:
    """How many bytes the texts of a column are, or more than `most`, without making them."""
    total = 0
    with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER, read_dictionary=[name]) as file:
        for batch in file.iter_batches(batch_size=_BATCH, columns=[name]):
            if not pa.types.is_dictionary(batch.column(0).type):
                return 0
            sizes = pc.binary_length(batch.column(0).dictionary)
            total += pc.sum(sizes.take(pc.drop_null(batch.column(0).indices))).as_py() or 0
            if total > most:
                break
    return total


def _most(path: Path) -> int:
    return max(_ROOM, raw.RATIO * path.stat().st_size)


def _too_large(path: Path, most: int) -> DataError:
    bounds = f"at most {raw.RATIO} times its size, or {raw.size_of(_ROOM)}, are read"
    return raw.overflow(path, path.stat().st_size, most, bounds)


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches in heaps large enough to make one chunk of."""
    heap: list[pa.RecordBatch] = []
    for batch in batches:
        heap.append(batch)
        if sum(one.nbytes for one in heap) > _CHUNK or len(heap) == _HEAP:
            yield heap
            heap = []
    if heap:
        yield heap


def read_arrow(path: Path) -> pa.Table:
    """The rows of an .arrow file, in the file or the stream format, mapped rather than read where it can be."""
    raw.check(path)
    try:
        source = pa.memory_map(str(path))
        head = source.read(6)
        source.seek(0)
        opener = pa.ipc.open_file if head == b"ARROW1" else pa.ipc.open_stream
        table = opener(source).read_all()
        # Offsets that lead out of the file would end the process when they are followed. What is larger than memory is
        # not read for it.
        records.kinds_of(table.schema)
        table.validate(full=path.stat().st_size < _VALIDATED)
        return _with_texts(plain(table))
    except (OSError, pa.ArrowException, MemoryError, UnicodeDecodeError) as error:
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
        raise DataError(f"cannot be read ({error})", where=str(path), hint="save the data set again") from error
    if not isinstance(value, dict):
        raise DataError("is no object", where=str(path), hint="save the data set again")
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
