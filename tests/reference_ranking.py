"""What rankings mean, in plain Python: slow, obvious, and the judge of the native code.

Equal to the bit: words, BM25, normalised signals, scores, order keys, and with them every selection. All sums
are in the stated order. `math.log`, `math.exp` and `math.sqrt` are those of the C library on both sides.

Not stated here: the search of the exact knapsack, whose result is checked against every subset instead.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Candidate",
    "Ranking",
    "bm25",
    "evidence",
    "normalised",
    "query_words",
    "rank",
    "repeats",
    "smoothed",
    "superseded",
    "take",
    "words",
]

MOST_COUNTED = 255

ALL_BITS = 2**64 - 1

INVISIBLE = "\u00ad\u200d\u2060\ufeff"

# First and last characters of scripts without spaces: Thai, Lao, Burmese, Khmer, kana, Han; and Hangul.
UNSPACED = (
    (0xE01, 0xE3A), (0xE40, 0xE4E), (0xE81, 0xECE), (0x1000, 0x103F), (0x1050, 0x108F),
    (0x1780, 0x17D3), (0x3005, 0x3007), (0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA),
    (0x30FC, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)  # fmt: skip


def is_unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in UNSPACED)


def stem(word: str) -> str:
    """Without the endings of English inflection; for lower-case words of ASCII letters."""
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and word[-2] not in "su":
        word = word[:-1]
    cut = word
    if len(word) > 5 and word.endswith("ing"):
        cut = word[:-3]
    elif len(word) > 4 and word.endswith("ed"):
        cut = word[:-2]
    if cut != word and any(letter in cut for letter in "aeiouy"):
        word = cut
        if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeioulsz":
            word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word


def words(text: str) -> list[str]:
    """The words of a text, in order; pairs of characters in scripts without spaces."""
    found: list[str] = []
    word = ""
    run = ""

    def end() -> None:
        nonlocal word, run
        if word:
            is_plain = all("a" <= letter <= "z" for letter in word)
            found.append(stem(word) if is_plain else word)
        if len(run) == 1:
            found.append(run)
        found.extend(run[at : at + 2] for at in range(len(run) - 1))
        word = run = ""

    for character in unicodedata.normalize("NFKC", text):
        kind = unicodedata.category(character)[0]
        if character in INVISIBLE:
            continue
        if is_unspaced(character):
            if word:
                end()
            run += character
        elif kind in "LN" or (kind == "M" and word):
            if run and kind != "M":
                end()
            word += "".join(upper.lower() for upper in character.upper())
        elif kind != "M":
            end()
    end()
    return found


def query_words(query: str) -> list[str]:
    """The different words, in the order of their first appearance."""
    return list(dict.fromkeys(words(query)))


def mixed(bits: int) -> int:
    """Every bit spread over 64 bits: the finaliser of MurmurHash3."""
    bits = (bits ^ (bits >> 33)) * 0xFF51AFD7ED558CCD & ALL_BITS
    bits = (bits ^ (bits >> 33)) * 0xC4CEB9FE1A85EC53 & ALL_BITS
    return bits ^ (bits >> 33)


def word_hash(word: str) -> int:
    """FNV-1a of the UTF-8, mixed, in the upper 56 of 64 bits."""
    found = 0xCBF29CE484222325
    for byte in word.encode():
        found = (found ^ byte) * 0x100000001B3 & ALL_BITS
    return mixed(found) & ~0xFF


def simhash(found: Sequence[str]) -> int:
    """The bits that more than half of the hashes of all words and pairs of neighbours have."""
    hashes = [word_hash(word) for word in found]
    votes = [mixed(each) for each in hashes]
    for one, two in pairwise(hashes):
        turned = (one << 23 | one >> 41) & ALL_BITS
        votes.append(mixed(turned ^ two))
    return sum(1 << bit for bit in range(64) if 2 * sum(vote >> bit & 1 for vote in votes) > len(votes))


def repeats(one: str, other: str, *, exact: bool, near: int | None) -> bool:
    """Whether one text says what the other says. Texts without words repeat nothing."""
    first, second = words(one), words(other)
    if not first or not second or not (exact or near is not None):
        return False
    return first == second or (near is not None and (simhash(first) ^ simhash(second)).bit_count() <= near)


def bm25(query: str, texts: Sequence[str], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """BM25 of each text, with the statistics of these texts."""
    counted = [Counter(words(text)) for text in texts]
    lengths = [counts.total() for counts in counted]
    average = sum(lengths) / len(texts) if texts else 0.0
    scores = [0.0] * len(texts)
    for word in query_words(query):
        containing = sum(1 for counts in counted if word in counts)
        if containing == 0 or 2 * containing > len(texts):
            continue
        worth = math.log((len(texts) + 2.0) / (2.0 * containing + 1.0))
        for row, counts in enumerate(counted):
            if word in counts:
                count = float(min(counts[word], MOST_COUNTED))
                damping = k1 * (1.0 - b + b * float(lengths[row]) / average)
                scores[row] += worth * (count * (k1 + 1.0) / (count + damping))
    return scores


def summed(values: Sequence[float]) -> float:
    """Value i goes to partial sum i % 8; then the partial sums are added up."""
    lanes = [0.0] * 8
    for position, value in enumerate(values):
        lanes[position % 8] += value
    total = lanes[0]
    for lane in lanes[1:]:
        total += lane
    return total


def to_unit(values: Sequence[float]) -> list[float] | None:
    """Least 0, greatest 1; None if they are equal but for rounding."""
    if not values:
        return None
    least, greatest = min(values), max(values)
    low, span = least * 0.5, greatest * 0.5 - least * 0.5
    if span <= 1e-9 * (max(abs(least), abs(greatest)) * 0.5) or not math.isfinite(1.0 / span):
        return None
    return [(value * 0.5 - low) * (1.0 / span) for value in values]


def normalised(values: Sequence[float], kind: str) -> list[float]:
    """Kinds: "none", "z", "min_max", "rank". What is not finite is not known: the mean."""
    known = [value for value in values if math.isfinite(value)]
    result: list[float]
    mean = 0.0
    if kind == "none":
        result = known
    elif kind == "rank":
        steps = float(max(len(known) - 1, 1))
        result = [
            (sum(1 for other in known if other < value) - sum(1 for other in known if other > value)) / steps
            for value in known
        ]
    else:
        unit = to_unit(known)
        result = [0.0] * len(known) if unit is None else unit
        if kind == "z" and unit is not None:
            count = float(len(unit))
            center = summed(unit) / count
            deviation = math.sqrt(summed([(value - center) * (value - center) for value in unit]) / count)
            result = [(value - center) * (1.0 / deviation) for value in unit]
    if kind in ("none", "min_max") and result:
        count = float(len(result))
        mean = summed([value / count for value in result])
    filled = iter(result)
    return [next(filled) if math.isfinite(value) else mean for value in values]


@dataclass
class Candidate:
    """One candidate; times in microseconds since 1970 UTC, None: not known."""

    text: str = ""
    relevance: float = 0.0
    importance: float = 0.5
    timestamp_us: int | None = None
    tokens: int = 1
    tier: int = 0
    session: int | None = None
    position: int = 0
    identity: int = 0
    replaces: int | None = None


@dataclass
class Ranking:
    """Options of a ranking, with the names and defaults of the documented formula."""

    kind: str = "weighted"
    weights: tuple[float, float, float] = (0.5, 0.3, 0.2)
    normalisation: str = "none"
    lexical_weight: float = 0.0
    freshness_shape: str = "exponential"
    freshness_floor: float = 0.0
    half_life_hours: tuple[float, float, float, float] = (168.0, 168.0, 168.0, 168.0)
    smoothing: float = 0.0
    cost_exponent: float = 0.0
    cost_floor: int = 32
    supersession: bool = False
    relevance_gate: float | None = None
    minimum_score: float | None = None


def evidence() -> Ranking:
    """The ranking that keeps most evidence."""
    return Ranking(
        kind="evidence",
        weights=(1.0, 0.25, 0.0),
        normalisation="z",
        lexical_weight=0.5,
        half_life_hours=(720.0, 720.0, 720.0, 720.0),
        smoothing=0.3,
        cost_exponent=1.0,
        supersession=True,
    )


def freshness(candidate: Candidate, ranking: Ranking, now_us: int) -> float:
    fresh = 1.0
    if candidate.timestamp_us is not None and ranking.freshness_shape != "none":
        hours = float(max(now_us - candidate.timestamp_us, 0)) / 1e6 / 3600.0
        half_life = ranking.half_life_hours[candidate.tier]
        if ranking.freshness_shape == "exponential":
            fresh = math.exp(-0.693 * hours / half_life)
        else:
            fresh = 1.0 / math.sqrt(1.0 + 3.0 * hours / half_life)
    return max(fresh, ranking.freshness_floor)


def smoothed(scores: Sequence[float], candidates: Sequence[Candidate], weight: float) -> list[float]:
    """Each shares in the scores before and after it; who has no neighbour there gets the lowest."""
    lowest = min(scores, default=0.0)
    first: dict[tuple[int, int], float] = {}
    for candidate, score in zip(candidates, scores, strict=True):
        if candidate.session is not None:
            first.setdefault((candidate.session, candidate.position), score)
    result: list[float] = []
    for candidate, score in zip(candidates, scores, strict=True):
        before = after = lowest
        if candidate.session is not None:
            before = first.get((candidate.session, candidate.position - 1), lowest)
            after = first.get((candidate.session, candidate.position + 1), lowest)
        result.append((1.0 - weight) * score + weight * ((before + after) / 2.0))
    return result


def superseded(candidates: Sequence[Candidate]) -> list[bool]:
    """Who is named by another candidate, unless the name is part of a circle of names."""
    named: dict[int, int] = {}
    present = {candidate.identity for candidate in candidates}
    for candidate in candidates:
        if candidate.replaces in present and candidate.replaces != candidate.identity:
            assert candidate.replaces is not None
            named[candidate.identity] = candidate.replaces

    def leads_back(start: int) -> bool:
        at = named.get(start)
        for _ in named:
            if at is None or at == start:
                break
            at = named.get(at)
        return at == start

    dropped: set[int] = set()
    for candidate in candidates:
        name = candidate.replaces
        if name is None or name == candidate.identity:
            continue
        if named.get(candidate.identity) == name and leads_back(candidate.identity):
            continue
        dropped.add(name)
    return [candidate.identity in dropped for candidate in candidates]


@dataclass
class Rated:
    """Scores and order keys per candidate, and who is not tried, with the reason."""

    scores: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)


def finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def fused_match(query: str, candidates: Sequence[Candidate], ranking: Ranking) -> list[float]:
    """Relevance and words together, made comparable."""
    is_weighted = ranking.kind == "weighted"
    given = [candidate.relevance for candidate in candidates]
    fused = normalised([finite(value) for value in given] if is_weighted else given, ranking.normalisation)
    if ranking.lexical_weight > 0.0:
        matches = bm25(query, [candidate.text for candidate in candidates])
        fused = [
            value + match * ranking.lexical_weight
            for value, match in zip(fused, normalised(matches, ranking.normalisation), strict=True)
        ]
    return fused if is_weighted else normalised(fused, "z")


def score(candidate: Candidate, match: float, ranking: Ranking, now_us: int) -> float:
    weight_relevance, weight_importance, weight_freshness = ranking.weights
    importance = finite(candidate.importance)
    if ranking.kind == "weighted":
        total = match * weight_relevance + importance * weight_importance
        total += freshness(candidate, ranking, now_us) * weight_freshness
        if ranking.normalisation == "none" and ranking.lexical_weight == 0.0:
            return min(total, 1.0) if total > 0.0 else 0.0
    else:
        total = match + min(max(importance, 0.0), 1.0) * weight_importance
        if weight_freshness != 0.0:
            total += freshness(candidate, ranking, now_us) * weight_freshness
    return 0.0 if math.isnan(total) else min(max(total, -1e300), 1e300)


def verdict(candidate: Candidate, score: float, is_replaced: bool, ranking: Ranking) -> str:
    relevance = finite(candidate.relevance) if ranking.kind == "weighted" else candidate.relevance
    if is_replaced:
        return "superseded"
    if ranking.relevance_gate is not None and math.isfinite(relevance) and relevance < ranking.relevance_gate:
        return "below_gate"
    if ranking.minimum_score is not None and score < ranking.minimum_score:
        return "below_minimum"
    return "kept"


def rank(query: str, candidates: Sequence[Candidate], ranking: Ranking, now_us: int) -> Rated:
    """Rate every candidate."""
    matches = fused_match(query, candidates, ranking)
    scores = [
        score(candidate, match, ranking, now_us) for candidate, match in zip(candidates, matches, strict=True)
    ]
    if ranking.smoothing > 0.0:
        scores = smoothed(scores, candidates, ranking.smoothing)
    keys = [
        rated
        if ranking.cost_exponent == 0.0
        else rated - ranking.cost_exponent * math.log(float(max(candidate.tokens, ranking.cost_floor)))
        for candidate, rated in zip(candidates, scores, strict=True)
    ]
    replaced = superseded(candidates) if ranking.supersession else [False] * len(candidates)
    verdicts = [
        verdict(candidate, rated, is_replaced, ranking)
        for candidate, rated, is_replaced in zip(candidates, scores, replaced, strict=True)
    ]
    return Rated(scores, keys, verdicts)


def take(
    candidates: Sequence[Candidate],
    rated: Rated,
    budgets: Sequence[int],
    is_same: Callable[[str, str], bool] | None = None,
) -> list[list[int]]:
    """Rows taken per tier: greatest key first, ties in input order; what does not fit is skipped."""
    taken: list[list[int]] = [[] for _ in budgets]
    left = list(budgets)
    for row in sorted(range(len(candidates)), key=lambda row: (-rated.keys[row], row)):
        candidate = candidates[row]
        if rated.verdicts[row] != "kept" or candidate.tokens > left[candidate.tier]:
            continue
        if is_same is not None and any(
            is_same(candidate.text, candidates[other].text) for rows in taken for other in rows
        ):
            continue
        left[candidate.tier] -= candidate.tokens
        taken[candidate.tier].append(row)
    return taken
