//! The order in which memories stand in the prompt.

use std::cmp::Ordering;

use crate::tier::Tier;

/// How memories are ordered: within their tier where they are grouped by it, else over all tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Best score first.
    Score,
    /// Oldest first; those of unknown age before all others.
    Chronological,
    /// The best first, the second best last, the rest towards the middle: models read the edges of a long
    /// context best.
    Edges,
    /// By tier, then best score first.
    Tier,
}

impl Order {
    /// All orders.
    pub const ALL: [Self; 4] = [Self::Score, Self::Chronological, Self::Edges, Self::Tier];

    /// The name used in templates.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Chronological => "chronological",
            Self::Edges => "edges",
            Self::Tier => "tier",
        }
    }

    /// The order of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }
}

/// What an order looks at.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The memory's tier.
    pub tier: Tier,
    /// What it is ordered by, greatest first: its combined score, or the key of another ranking.
    pub score: f64,
    /// Its creation time in microseconds, or [`crate::decay::NO_TIME`].
    pub timestamp_us: i64,
}

/// Orders `rows`, whose keys `key` gives. Ties keep the order they come in.
pub fn arrange(rows: &mut [usize], order: Order, grouped: bool, key: impl Fn(usize) -> Key) {
    let by_score =
        |a: &usize, b: &usize| key(*b).score.partial_cmp(&key(*a).score).unwrap_or(Ordering::Equal);
    match order {
        Order::Score | Order::Edges | Order::Tier => rows.sort_by(by_score),
        Order::Chronological => {
            rows.sort_by_key(|&row| key(row).timestamp_us);
        }
    }
    if !grouped {
        if order == Order::Edges {
            to_the_edges(rows);
        }
        return;
    }
    rows.sort_by_key(|&row| key(row).tier);
    if order == Order::Edges {
        for group in rows.chunk_by_mut(|&a, &b| key(a).tier == key(b).tier) {
            to_the_edges(group);
        }
    }
}

/// From best first to the best at both ends.
pub(super) fn to_the_edges<T: Copy>(rows: &mut [T]) {
    let best_first = rows.to_vec();
    let (front, back) = rows.split_at_mut(best_first.len().div_ceil(2));
    for (place, row) in front.iter_mut().zip(best_first.iter().step_by(2)) {
        *place = *row;
    }
    for (place, row) in back.iter_mut().rev().zip(best_first.iter().skip(1).step_by(2)) {
        *place = *row;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::NO_TIME;

    fn arranged(order: Order, grouped: bool) -> Vec<usize> {
        let keys = [
            (Tier::Rag, 0.9, 5),
            (Tier::Working, 0.5, NO_TIME),
            (Tier::Rag, 0.7, 1),
            (Tier::Working, 0.7, 9),
            (Tier::Rag, 0.1, 7),
        ];
        let mut rows = vec![0, 1, 2, 3, 4];
        arrange(&mut rows, order, grouped, |row| {
            let (tier, score, timestamp_us) = keys[row];
            Key { tier, score, timestamp_us }
        });
        rows
    }

    #[test]
    fn each_order_within_and_across_tiers() {
        assert_eq!(arranged(Order::Score, false), [0, 2, 3, 1, 4]);
        assert_eq!(arranged(Order::Score, true), [3, 1, 0, 2, 4]);
        assert_eq!(arranged(Order::Tier, true), [3, 1, 0, 2, 4]);
        assert_eq!(arranged(Order::Chronological, false), [1, 2, 0, 4, 3]);
        assert_eq!(arranged(Order::Chronological, true), [1, 3, 2, 0, 4]);
        assert_eq!(arranged(Order::Edges, false), [0, 3, 4, 1, 2]);
        assert_eq!(arranged(Order::Edges, true), [3, 1, 0, 4, 2]);
    }
}
