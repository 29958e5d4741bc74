"""Tables and columns of pandas, polars and pyarrow as raw bytes, and back; must not know the wire form.

A library is never imported to send something: who has one of its objects has it loaded.
"""

from __future__ import annotations

import io
from typing import Any, Callable, NamedTuple

from ._arrays import Unserialisable, library


class RawTable:
    """A table received by a process without a library to read it: the bytes of an Arrow IPC stream."""

    __slots__ = ("data",)

    def __init__(self, data: Any) -> None:
        self.data = data

    def __repr__(self) -> str:
        return "RawTable(%d bytes)" % len(self.data)


class Columns(NamedTuple):
    """A table column by column, where nothing writes Arrow. The first `labels` of them are labels of the rows."""

    entries: list[tuple[Any, Any]]
    labels: int


def as_table(value: Any) -> Callable[[], Any] | None:
    """How to view `value` if it is a table or a column of one: as an array where it holds numbers, else as a table."""
    pandas = library("pandas", "DataFrame")
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            return lambda: _of_pandas(pandas, value)
        if isinstance(value, (pandas.Series, pandas.Index)):
            return lambda: _column_of_pandas(pandas, value)
    polars = library("polars", "DataFrame")
    if polars is not None:
        if isinstance(value, polars.DataFrame):
            return lambda: _of_polars(value)
        if isinstance(value, polars.Series):
            return lambda: _column_of_polars(polars, value)
        if isinstance(value, polars.LazyFrame):
            raise Unserialisable("a LazyFrame is a plan, not a table; collect it first")
    arrow = library("pyarrow", "ipc")
    if arrow is not None:
        if isinstance(value, (arrow.Table, arrow.RecordBatch)):
            return lambda: _stream(arrow, value)
        if isinstance(value, (arrow.Array, arrow.ChunkedArray)):
            return lambda: _column_of_arrow(arrow, value)
        if isinstance(value, arrow.Scalar):
            return lambda: value.as_py()
    return None


def read_stream(data: Any) -> Any:
    """The table in an Arrow IPC stream: of pandas if it came from there, else of pyarrow, else of polars.

    Raises `ValueError` if it is none.
    """
    arrow = _imported("pyarrow")
    if arrow is not None:
        table = arrow.ipc.open_stream(arrow.py_buffer(data)).read_all()
        if b"pandas" in (table.schema.metadata or {}) and _imported("pandas") is not None:
            return table.to_pandas()
        return table
    polars = _imported("polars")
    if polars is not None:
        try:
            return polars.read_ipc_stream(io.BytesIO(data))
        except polars.exceptions.PolarsError as error:
            raise ValueError(str(error)) from None
    return RawTable(bytes(data))


def read_columns(columns: Columns) -> Any:
    """The table of these columns: of pandas if that is here, else a dict of its columns.

    Raises `TypeError` where a name cannot be a label.
    """
    entries, count = columns
    pandas = _imported("pandas")
    if pandas is None:
        return dict(entries)
    labels, rest = entries[:count], entries[count:]
    index = None
    if len(labels) == 1:
        index = pandas.Index(labels[0][1], name=labels[0][0])
    elif labels:
        index = pandas.MultiIndex.from_arrays([column for _, column in labels], names=[name for name, _ in labels])
    # By position at first: names may be given twice.
    frame = pandas.DataFrame({place: column for place, (_, column) in enumerate(rest)}, index=index)
    frame.columns = [name for name, _ in rest]
    return frame


def _imported(name: str) -> Any:
    try:
        return __import__(name)
    except Exception:  # it is not here, or refuses this interpreter
        return None


def _of_pandas(pandas: Any, frame: Any) -> RawTable | Columns:
    arrow = library("pyarrow", "ipc")
    if arrow is not None:
        try:
            return _stream(arrow, arrow.Table.from_pandas(frame))
        except (arrow.ArrowException, ValueError, TypeError):
            pass  # a column of mixed objects, or two of one name
    has_labels = type(frame.index) is not pandas.RangeIndex or frame.index.name is not None
    labels = frame.index.to_frame(index=False) if has_labels else None
    entries = [] if labels is None else list(zip(frame.index.names, _items_of(pandas, labels)))
    count = len(entries)
    entries += zip(frame.columns, _items_of(pandas, frame))
    return Columns(entries, count)


def _items_of(pandas: Any, frame: Any) -> list[Any]:
    return [_items(pandas, frame.iloc[:, place]) for place in range(frame.shape[1])]


def _items(pandas: Any, series: Any) -> Any:
    """An array where NumPy has the type, else a list with None for what is missing."""
    if _is_of_numpy(series.dtype):
        return series.to_numpy()
    return series.astype(object).where(series.notna(), None).tolist()


def _is_of_numpy(dtype: Any) -> bool:
    numpy = library("numpy", "generic")
    return numpy is not None and isinstance(dtype, numpy.dtype) and not dtype.hasobject


def _column_of_pandas(pandas: Any, column: Any) -> Any:
    if isinstance(column, pandas.MultiIndex):
        return _of_pandas(pandas, column.to_frame(index=False))
    if _is_of_numpy(column.dtype):
        return column.to_numpy()
    series = column.to_series() if isinstance(column, pandas.Index) else column
    table = _of_pandas(pandas, series.reset_index(drop=True).to_frame())
    return _items(pandas, series) if isinstance(table, Columns) else table


def _of_polars(frame: Any) -> RawTable:
    sink = io.BytesIO()
    frame.write_ipc_stream(sink)
    return RawTable(sink.getbuffer())


def _column_of_polars(polars: Any, series: Any) -> Any:
    kind = series.dtype
    is_plain = kind.is_integer() or kind.is_float() or kind == polars.Boolean
    if is_plain and not series.null_count() and "128" not in str(kind) and library("numpy", "generic") is not None:
        return series.to_numpy()
    return _of_polars(series.to_frame())


def _column_of_arrow(arrow: Any, column: Any) -> Any:
    kind = column.type
    types = arrow.types
    is_plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if is_plain and not column.null_count and library("numpy", "generic") is not None:
        return column.to_numpy(zero_copy_only=False)
    return _stream(arrow, arrow.table([column], names=[""]))


def _stream(arrow: Any, table: Any) -> RawTable:
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return RawTable(memoryview(sink.getvalue()).cast("B"))
