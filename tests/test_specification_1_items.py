"""Section 1: a memory is a dataclass to every observer, whatever class of memory it is."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import weakref
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import reference
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [each.name for each in dataclasses.fields(reference.Memory)]
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "memory_id": "m\ud800",
    "text": "some text",
    "tier": MemoryTier.LONG_TERM,
    "timestamp": MOMENT,
    "user_id": "somebody",
    "metadata": {"tags": ["a", "b"], "nested": {"key": (1, 2)}},
    "relevance_score": 0.1,
    "importance_score": 0.2,
    "freshness_score": 0.3,
    "combined_score": 0.4,
    "token_count": 5,
    "access_count": 6,
    "last_accessed": datetime(2026, 1, 3),
    "promotion_score": 0.7,
    "pinned": True,
    "evergreen": True,
    "session_id": "talk",
    "position": 8,
    "supersedes": "older",
}
POSITIONAL = list(VALUES)[:-5]


class Plain(MemoryItem):
    """A user's subclass with nothing but methods."""

    def shout(self) -> str:
        return self.text.upper()


@dataclass
class Extended(MemoryItem):
    """A user's dataclass with fields of its own."""

    source: str = "nowhere"
    links: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Slotted(MemoryItem):
    """The same with slots."""

    source: str = "nowhere"


@dataclass
class Redeclared(MemoryItem):
    """One that gives a documented field another default."""

    importance_score: float = 0.9


class Computed(MemoryItem):
    """One whose relevance is computed, and remembers what was assigned."""

    @property
    def relevance_score(self) -> float:
        return float(self.metadata.get("relevance", 0.1))

    @relevance_score.setter
    def relevance_score(self, value: float) -> None:
        self.metadata["relevance"] = value


KINDS = [MemoryItem, Plain, Extended, Slotted, Redeclared, Computed]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def make(kind: type[Any], **changes: Any) -> Any:
    return kind(**copy.deepcopy(VALUES) | changes)


def contents(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in NAMES}


@every_kind
def test_it_is_a_dataclass_with_the_documented_fields(kind: type[Any]) -> None:
    assert dataclasses.is_dataclass(kind)
    assert dataclasses.is_dataclass(make(kind))
    names = [each.name for each in dataclasses.fields(kind)]
    assert names[: len(NAMES)] == NAMES
    assert names[len(NAMES) :] == {Extended: ["source", "links"], Slotted: ["source"]}.get(kind, [])
    arguments: tuple[str, ...] = vars(kind).get("__match_args__", MemoryItem.__match_args__)
    assert arguments[: len(POSITIONAL)] == tuple(POSITIONAL)


def test_the_fields_describe_themselves_as_a_dataclass_would() -> None:
    for own, expected in zip(
        dataclasses.fields(MemoryItem), dataclasses.fields(reference.Memory), strict=True
    ):
        assert (own.name, own.default, own.init, own.repr, own.compare, own.hash, own.kw_only) == (
            *(expected.name, expected.default, expected.init, expected.repr),
            *(expected.compare, expected.hash, expected.kw_only),
        )
    by_name = {each.name: each for each in dataclasses.fields(MemoryItem)}
    assert by_name["metadata"].default_factory is dict


@every_kind
def test_what_was_given_reads_back(kind: type[Any]) -> None:
    item = make(kind)
    expected = copy.deepcopy(VALUES)
    if kind is Computed:
        expected["metadata"]["relevance"] = 0.1
    assert contents(item) == expected
    assert item.timestamp is VALUES["timestamp"] or item.timestamp == MOMENT
    given = copy.deepcopy(VALUES)
    first = [given.pop(name) for name in POSITIONAL]
    positional = kind(*first, **given)
    assert contents(positional) == expected


@every_kind
def test_defaults(kind: type[Any]) -> None:
    item = kind("m", "text", MemoryTier.RAG, None)
    found = contents(item)
    assert found.pop("importance_score") == (0.9 if kind is Redeclared else 0.5)
    expected = contents(reference.Memory("m", "text", "rag", None))
    if kind is Computed:
        found["metadata"], found["relevance_score"] = {}, 0.0
    del expected["importance_score"]
    assert found == expected


@every_kind
def test_mutable_defaults_are_not_shared(kind: type[Any]) -> None:
    one, other = kind("a", "", "rag", None), kind("b", "", "rag", None)
    one.metadata["key"] = 1
    assert "key" not in other.metadata
    assert one.metadata["key"] == 1


@every_kind
def test_as_dictionary_and_tuple(kind: type[Any]) -> None:
    item = make(kind)
    as_dictionary = dataclasses.asdict(item)
    assert list(as_dictionary)[: len(NAMES)] == NAMES
    assert {name: as_dictionary[name] for name in NAMES} == contents(item)
    assert as_dictionary["metadata"] is not item.metadata
    assert dataclasses.astuple(item)[: len(NAMES)] == tuple(contents(item).values())


@every_kind
def test_replace(kind: type[Any]) -> None:
    item = make(kind)
    changed = dataclasses.replace(item, text="another text", tier="rag", relevance_score=0.99)
    assert type(changed) is kind
    assert (changed.text, changed.tier, changed.relevance_score) == ("another text", MemoryTier.RAG, 0.99)
    assert changed.metadata is item.metadata
    assert (changed.last_accessed, changed.access_count) == (item.last_accessed, 6)
    assert item.text == "some text"
    with pytest.raises(TypeError):
        dataclasses.replace(item, colour="red")


DUPLICATES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(lambda item, p=protocol: pickle.loads(pickle.dumps(item, p)) for protocol in range(2, 6)),
]


@every_kind
@pytest.mark.parametrize(
    "duplicate", DUPLICATES, ids=["copy", "deepcopy", *(f"pickle{p}" for p in range(2, 6))]
)
def test_copies_and_pickles(kind: type[Any], duplicate: Callable[[Any], Any]) -> None:
    item = make(kind)
    if kind in {Extended, Slotted}:
        item.source = "a book"
    twin = duplicate(item)
    assert type(twin) is kind
    assert twin is not item
    assert contents(twin) == contents(item)
    assert getattr(twin, "source", None) == getattr(item, "source", None)
    assert (twin.metadata is item.metadata) == (duplicate is copy.copy)
    assert twin == item
    twin.relevance_score, twin.text = 0.55, "changed"
    assert item.text == "some text"


def test_a_plain_subclass_keeps_attributes_of_its_own_when_copied() -> None:
    item = make(Plain)
    item.colour = "red"
    for duplicate in DUPLICATES:
        assert duplicate(item).colour == "red"


@every_kind
def test_equality(kind: type[Any]) -> None:
    item = make(kind)
    assert item == make(kind)
    assert not item != make(kind)  # noqa: SIM202 - both operators are under test
    others: list[tuple[str, Any]] = [
        *(("memory_id", "x"), ("text", "x"), ("tier", "rag"), ("timestamp", None), ("user_id", None)),
        *(("metadata", {}), ("relevance_score", 0.8), ("importance_score", 0.8), ("freshness_score", 0.8)),
        *(("combined_score", 0.8), ("token_count", 8), ("access_count", 8), ("last_accessed", None)),
        ("promotion_score", 0.8),
    ]
    for name, other in others:
        changed = make(kind, **{name: other})
        assert item != changed, name
        assert not item == changed, name  # noqa: SIM201 - both operators are under test
    assert item != reference.Memory(**VALUES)
    assert item != "m"
    assert item.__eq__("m") is NotImplemented


def test_a_subclass_is_not_equal_to_its_base() -> None:
    assert make(MemoryItem) != make(Plain)
    assert make(Extended) != make(MemoryItem)
    assert make(Extended, source="a") != make(Extended, source="b")


@every_kind
def test_it_is_not_hashable(kind: type[Any]) -> None:
    assert kind.__hash__ is None
    with pytest.raises(TypeError, match="unhashable"):
        hash(make(kind))


@every_kind
def test_the_representation_is_the_dataclasses(kind: type[Any]) -> None:
    item = make(kind)
    inner = ", ".join(f"{each.name}={getattr(item, each.name)!r}" for each in dataclasses.fields(kind))
    assert repr(item) == f"{kind.__qualname__}({inner})"
    assert "tier=<MemoryTier.LONG_TERM: 'long_term'>" in repr(item)


@every_kind
def test_the_representation_of_a_cycle_ends(kind: type[Any]) -> None:
    item = make(kind)
    item.metadata["self"] = item
    assert "..." in repr(item)


@every_kind
def test_match_statements(kind: type[Any]) -> None:
    match make(kind):
        case MemoryItem("m\ud800", text, MemoryTier.LONG_TERM, datetime() as timestamp, access_count=6):
            assert (text, timestamp) == ("some text", MOMENT)
        case _:
            pytest.fail("no case matched")


@every_kind
def test_weak_references_and_cycles_are_collected(kind: type[Any]) -> None:
    if kind is Slotted:
        assert weakref.ref(make(kind)) is not None
    item = make(kind)
    item.metadata["self"] = item
    reference_to_it = weakref.ref(item)
    assert reference_to_it() is item
    del item
    gc.collect()
    assert reference_to_it() is None


def test_an_unknown_attribute() -> None:
    item: Any = make(MemoryItem)
    with pytest.raises(AttributeError, match="colour"):
        item.colour = "red"
    with pytest.raises(AttributeError, match="colour"):
        _ = item.colour
    assert not hasattr(item, "__dict__")
    slotted = make(Slotted)
    assert slotted.source == "nowhere"
    plain = make(Plain)
    plain.colour = "red"
    assert (plain.colour, plain.shout()) == ("red", "SOME TEXT")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), {}),
        (("m", "text", "rag"), {}),
        (("m", "text", "rag", None), {"colour": "red"}),
        (("m", "text", "rag", None), {"memory_id": "again"}),
        (tuple(VALUES[name] for name in POSITIONAL), {"promotion_score": 1.0}),
        (tuple(VALUES.values()), {}),  # the last ones go by keyword
    ],
)
def test_arguments_that_do_not_fit(arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        MemoryItem(*arguments, **options)


@every_kind
def test_every_kind_is_allocated_scored_and_evaluated(kind: type[Any]) -> None:
    item = make(kind, tier="project", relevance_score=0.5)
    allocator = MemoryBudgetAllocator(log_allocations=False)
    default = allocator.workspace_configs["default"]
    result = allocator.allocate_memory_budget("", [item], current_time=MOMENT)
    (entry,) = result["tiers"]["project"]["selected_memories"]
    assert (entry["relevance_score"], entry["access_count"]) == (0.5, 7)
    expected = 0.5 * 0.5 + 0.2 * 0.3 + 1.0 * 0.2
    assert (item.access_count, item.last_accessed, item.combined_score) == (7, MOMENT, expected)
    assert allocator.calculate_memory_score(item, default, MOMENT) == expected
    evaluated = allocator.evaluate_promotion_demotion([item], default, MOMENT)
    assert item.promotion_score == 0.5 * expected + 0.3 * 1.0 + 0.2 * 1.0
    moved = allocator.apply_tier_changes([item], evaluated)["moved"]
    assert len(moved) == len(evaluated["promotions"])


def test_a_property_is_read_instead_of_the_field() -> None:
    class Doubled(MemoryItem):
        @property
        def text(self) -> str:
            return "x" * 80

        @text.setter
        def text(self, value: str) -> None:
            pass

    item = Doubled("m", "short", MemoryTier.WORKING, None)
    MemoryBudgetAllocator().allocate_memory_budget("", [item])
    assert (item.text, item.token_count) == ("x" * 80, 20)


def test_a_redeclared_field_is_the_one_that_counts() -> None:
    item = Redeclared("m", "text", MemoryTier.WORKING, None, relevance_score=0.0)
    MemoryBudgetAllocator().allocate_memory_budget("", [item], current_time=MOMENT)
    assert item.combined_score == 0.0 * 0.5 + 0.9 * 0.3 + 1.0 * 0.2
