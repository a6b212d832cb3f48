"""Arrow structs filled by hand: what is checked before it is followed, and that all is given back once.

A producer that lies about lengths cannot be found out; these are the lies that can.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int64, c_void_p, pointer, py_object
from typing import Any

import pytest

from memory_budget_allocator import ArgumentValueError, MemoryBudgetAllocator

NUMBER = ctypes.c_double * 3
COUNTS = c_int64 * 3


class Schema(Structure):
    """struct ArrowSchema."""


class Array(Structure):
    """struct ArrowArray."""


ReleaseSchema = CFUNCTYPE(None, POINTER(Schema))
ReleaseArray = CFUNCTYPE(None, POINTER(Array))
Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(Schema))),
    ("dictionary", POINTER(Schema)),
    ("release", ReleaseSchema),
    ("private_data", c_void_p),
]
Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(Array))),
    ("dictionary", POINTER(Array)),
    ("release", ReleaseArray),
    ("private_data", c_void_p),
]

capsule = ctypes.pythonapi.PyCapsule_New
capsule.restype = py_object
capsule.argtypes = (c_void_p, c_char_p, c_void_p)


class Producer:
    """A table of one batch: column names to (format, buffers); other options spoil it."""

    def __init__(self, columns: dict[str, tuple[bytes, list[Any]]], length: int = 3) -> None:
        self.keep: list[Any] = []
        self.released: list[str] = []
        self.release_schema = ReleaseSchema(self.schema_is_released)
        self.release_array = ReleaseArray(self.array_is_released)
        schemas = [
            Schema(kind, name.encode(), None, 0, 0, None, None, ReleaseSchema(), None)
            for name, (kind, _) in columns.items()
        ]
        arrays = [
            Array(length, 0, 0, len(buffers), 0, self.pointers(buffers), None, None, ReleaseArray(), None)
            for _, buffers in columns.values()
        ]
        self.children = arrays
        self.fields = schemas
        children = (POINTER(Schema) * len(schemas))(*map(pointer, schemas))
        self.schema = Schema(b"+s", b"", None, 0, len(schemas), children, None, self.release_schema, None)
        columns_of = (POINTER(Array) * len(arrays))(*map(pointer, arrays))
        self.array = Array(
            length, 0, 0, 1, len(arrays), self.pointers([None]), columns_of, None, self.release_array, None
        )
        self.keep += [children, columns_of]

    def pointers(self, buffers: list[Any]) -> Any:
        addresses = (c_void_p * max(len(buffers), 1))()
        for place, buffer in enumerate(buffers):
            addresses[place] = None if buffer is None else ctypes.addressof(buffer)
        self.keep += [buffers, addresses]
        return addresses

    def schema_is_released(self, schema: Any) -> None:
        self.released.append("schema")
        schema.contents.release = ReleaseSchema()

    def array_is_released(self, array: Any) -> None:
        self.released.append("array")
        array.contents.release = ReleaseArray()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return (
            capsule(ctypes.addressof(self.schema), b"arrow_schema", None),
            capsule(ctypes.addressof(self.array), b"arrow_array", None),
        )


def producer(**more: tuple[bytes, list[Any]]) -> Producer:
    return Producer(
        {
            "relevance_score": (b"g", [None, NUMBER(0.1, 0.9, 0.5)]),
            "token_count": (b"l", [None, COUNTS(1, 2, 3)]),
            **more,
        }
    )


def positions(given: Producer) -> list[int]:
    return MemoryBudgetAllocator().allocate("q", given).selected_positions


def test_a_well_formed_one_is_read_and_released_once() -> None:
    given = producer()
    assert positions(given) == [1, 2, 0]
    assert sorted(given.released) == ["array", "schema"]


def test_it_is_used_up_then() -> None:
    given = producer()
    positions(given)
    with pytest.raises(ArgumentValueError, match="already used up"):
        positions(given)
    assert len(given.released) == 2


def spoil(path: str, value: Any) -> Any:
    """What sets one member of the structs."""
    *path_to, member = path.split(".")

    def spoil_it(given: Producer) -> None:
        target: Any = given
        for name in path_to:
            target = target[int(name)] if name.isdigit() else getattr(target, name)
        setattr(target, member, value)

    return spoil_it


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (spoil("array.length", -1), "a negative length or offset"),
        (spoil("array.offset", -1), "a negative length or offset"),
        (spoil("array.n_children", 1), "number of columns is not that of its fields"),
        (spoil("array.n_children", -1), "number of columns is not that of its fields"),
        (spoil("array.children", None), "a table without its columns"),
        (spoil("array.length", 4), "a column of 3 rows in a table of 4"),
        (spoil("array.offset", 1), "a column of 3 rows in a table of 3"),
        (spoil("children.1.length", 2), "a column of 2 rows in a table of 3"),
        (spoil("children.1.length", 2**62), "a length beyond all memory"),
        (spoil("children.1.offset", 2**63 - 1), "a length beyond all memory"),
        (spoil("children.1.offset", -8), "a negative length or offset"),
        (spoil("children.0.n_buffers", 1), "a missing buffer"),
        (spoil("children.0.n_buffers", -1), "a missing buffer"),
        (spoil("children.0.buffers", None), "a missing buffer"),
        (spoil("schema.n_children", -1), "a negative number of fields"),
        (spoil("schema.children", None), "a table without its fields"),
        (spoil("schema.format", None), "a schema without a format"),
        (spoil("fields.0.format", None), "a schema without a format"),
    ],
)
def test_what_can_be_found_out_is(spoiled: Any, message: str) -> None:
    given = producer()
    spoiled(given)
    with pytest.raises(ArgumentValueError, match=f"Arrow data that cannot be read: .*{message}"):
        positions(given)
    assert sorted(given.released) == ["array", "schema"]


def test_missing_values() -> None:
    given = producer(importance_score=(b"g", [None, None]))
    with pytest.raises(ArgumentValueError, match="a missing buffer"):
        positions(given)


def text(*bounds: int, kind: Any = ctypes.c_int32) -> Any:
    return (kind * len(bounds))(*bounds)


DATA = ctypes.create_string_buffer("añb".encode(), 4)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        (text(0, 1, 3, 4), None),
        (text(0, 1, 2, 4), "malformed Arrow data, no UTF-8"),  # cut within a character
        (text(0, 3, 1, 4), "an offset out of bounds"),
        (text(-1, 1, 3, 4), "an offset out of bounds"),
        (text(0, 1, 9, 4), "an offset out of bounds"),
        (text(0, 1, 3, -4), "a negative offset of a text"),
    ],
)
@pytest.mark.parametrize("wide", [False, True])
def test_offsets_of_texts(offsets: Any, message: str | None, wide: bool) -> None:
    if wide:
        offsets = text(*offsets, kind=c_int64)
    given = producer(text=(b"U" if wide else b"u", [None, offsets, DATA]))
    if message is None:
        found = MemoryBudgetAllocator().allocate("q", given)
        assert [memory.text for memory in found] == ["ñ", "b", "a"]
    else:
        with pytest.raises(ArgumentValueError, match=message):
            positions(given)
    assert sorted(given.released) == ["array", "schema"]


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ((13, 0, 0, 0), None),
        ((14, 0, 0, 0), "an offset out of bounds"),
        ((13, 0, 0, 1), "an offset out of bounds"),
        ((13, 0, 1, 0), "an offset out of bounds"),
        ((13, 0, -1, 0), "an offset out of bounds"),
        ((13, 0, 0, -1), "an offset out of bounds"),
        ((-1, 0, 0, 0), "an offset out of bounds"),
        ((2**31 - 1, 0, 0, 2**31 - 1), "an offset out of bounds"),
    ],
)
def test_views_of_texts(view: tuple[int, ...], message: str | None) -> None:
    long = ctypes.create_string_buffer(b"thirteen more", 13)
    views = (ctypes.c_int32 * 12)(*view, 1, ord("x"), 0, 0, 0, 0, 0, 0)
    given = producer(text=(b"vu", [None, views, long, (c_int64 * 1)(13)]))
    if message is None:
        found = MemoryBudgetAllocator().allocate("q", given)
        assert [memory.text for memory in found] == ["x", "", "thirteen more"]
    else:
        with pytest.raises(ArgumentValueError, match=message):
            positions(given)


def test_views_without_their_lengths() -> None:
    views = (ctypes.c_int32 * 12)()
    for buffers in ([None, views], [None, views, None, None]):
        with pytest.raises(ArgumentValueError, match="a missing buffer"):
            positions(producer(text=(b"vu", buffers)))


@pytest.mark.parametrize("key", [-1, 2, 127])
def test_keys_out_of_the_dictionary(key: int) -> None:
    given = producer(tier=(b"c", [None, (ctypes.c_int8 * 3)(0, key, 1)]))
    names = ctypes.create_string_buffer(b"ragproject", 10)
    values = Array(
        2, 0, 0, 3, 0, given.pointers([None, text(0, 3, 10), names]), None, None, ReleaseArray(), None
    )
    kind = Schema(b"u", b"", None, 0, 0, None, None, ReleaseSchema(), None)
    given.children[2].dictionary = pointer(values)
    given.fields[2].dictionary = pointer(kind)
    with pytest.raises(ArgumentValueError, match="column tier, row 1: malformed Arrow data"):
        positions(given)


def test_a_dictionary_that_is_missing() -> None:
    given = producer(tier=(b"c", [None, (ctypes.c_int8 * 3)(0, 0, 0)]))
    given.fields[2].dictionary = pointer(Schema(b"u", b"", None, 0, 0, None, None, ReleaseSchema(), None))
    with pytest.raises(ArgumentValueError, match="a missing array"):
        positions(given)
