"""The straightforward Rust port, and the time to read its columns once: the library in benches/baseline."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from comparison.side import MissingSideError, Prepared
from comparison.workload import BUDGETS, CONFIG, NOW_US, WEIGHTS

if TYPE_CHECKING:
    from comparison.workload import Selection, Workload

FOLDER = Path(__file__).resolve().parent.parent / "baseline"
FILE_NAMES = {"darwin": "libstraightforward_port.dylib", "win32": "straightforward_port.dll"}


class Call(ctypes.Structure):
    """The struct `Call` of benches/baseline/src/lib.rs."""

    _fields_ = (
        ("rows", ctypes.c_size_t),
        ("relevance", ctypes.c_void_p),
        ("importance", ctypes.c_void_p),
        ("timestamp_us", ctypes.c_void_p),
        ("tokens", ctypes.c_void_p),
        ("tier", ctypes.c_void_p),
        ("now_us", ctypes.c_int64),
        ("weights", ctypes.c_double * 3),
        ("half_life_hours", ctypes.c_double),
        ("budgets", ctypes.c_int64 * 4),
        ("selected", ctypes.c_void_p),
        ("counts", ctypes.c_size_t * 4),
    )


@cache
def library() -> ctypes.CDLL:
    path = FOLDER / "target" / "release" / FILE_NAMES.get(sys.platform, "libstraightforward_port.so")
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError:
        raise MissingSideError("the Rust port is not built: make baseline") from None
    loaded.allocate.argtypes = loaded.read_once.argtypes = [ctypes.POINTER(Call)]
    loaded.allocate.restype, loaded.read_once.restype = None, ctypes.c_uint64
    return loaded


def prepared_call(workload: Workload) -> tuple[Call, np.ndarray]:
    selected = np.empty(workload.rows, np.uint32)
    call = Call(
        rows=workload.rows,
        relevance=workload.relevance.ctypes.data,
        importance=workload.importance.ctypes.data,
        timestamp_us=workload.timestamp_us.ctypes.data,
        tokens=workload.tokens.ctypes.data,
        tier=workload.tier.ctypes.data,
        now_us=NOW_US,
        weights=WEIGHTS,
        half_life_hours=CONFIG.freshness_half_life_hours,
        budgets=tuple(BUDGETS),
        selected=selected.ctypes.data,
    )
    call.keeps_alive = workload  # whose memory it points to
    return call, selected


def port(workload: Workload) -> Prepared:
    allocate = library().allocate
    call, selected = prepared_call(workload)
    pointer = ctypes.byref(call)

    def rows(_: None) -> Selection:
        ends = np.cumsum([0, *call.counts])
        return [selected[start:end].tolist() for start, end in pairwise(ends)]

    return Prepared(lambda: allocate(pointer), rows)


def reading_once(workload: Workload) -> Prepared:
    read_once = library().read_once
    call, _ = prepared_call(workload)
    pointer = ctypes.byref(call)
    return Prepared(lambda: read_once(pointer), None)
