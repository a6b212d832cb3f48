//! A message is worth more if the messages around it are: the answer is often next to the words that
//! were asked for.

use std::ops::Range;

use super::sums::Extremes;

/// In place of a session or a row: none.
pub const NONE: u32 = u32::MAX;

/// Who stands before and after each candidate in its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    before: Vec<u32>,
    after: Vec<u32>,
    /// Whether several candidates stand at one place.
    share_places: bool,
}

impl Neighbours {
    /// The candidate at the position before, and at the position after, within the same session.
    ///
    /// * `session`: equal numbers for the same session, [`NONE`] for candidates of no sequence;
    /// * `position`: place within the session; neighbours differ by 1.
    ///
    /// Of several candidates at one place, the first in the caller's order is the neighbour.
    #[must_use]
    pub fn of(session: &[u32], position: &[i64]) -> Self {
        let rows = session.len().min(position.len());
        let mut found =
            Self { before: vec![NONE; rows], after: vec![NONE; rows], share_places: false };
        let mut order: Vec<(u32, i64, u32)> = session
            .iter()
            .zip(position)
            .zip(0..)
            .filter(|((session, _), _)| **session != NONE)
            .map(|((&session, &position), row)| (session, position, row))
            .collect();
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let same_place =
            |one: &(u32, i64, u32), other: &(u32, i64, u32)| (one.0, one.1) == (other.0, other.1);
        let mut earlier: &[(u32, i64, u32)] = &[];
        for place in order.chunk_by(same_place) {
            found.share_places |= place.len() > 1;
            if let (Some(one), Some(other)) = (earlier.first(), place.first())
                && one.0 == other.0
                && one.1.checked_add(1) == Some(other.1)
            {
                for &(.., row) in place {
                    found.before[row as usize] = one.2;
                }
                for &(.., row) in earlier {
                    found.after[row as usize] = other.2;
                }
            }
            earlier = place;
        }
        found
    }

    /// The same for some of the candidates, given their rows, as [`Self::of`] them alone. None where that
    /// cannot be told because several stand at one place.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn among(&self, rows: &[u32]) -> Option<Self> {
        if self.share_places {
            return None;
        }
        let mut number = vec![NONE; self.len()];
        for (place, &row) in (0..).zip(rows) {
            number[row as usize] = place;
        }
        let of = |row: u32| number.get(row as usize).copied().unwrap_or(NONE);
        let some = |column: &[u32]| rows.iter().map(|&row| of(column[row as usize])).collect();
        Some(Self { before: some(&self.before), after: some(&self.after), share_places: false })
    }

    /// How many candidates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.before.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }
}

/// `(1 - weight) * s + weight * (before + after) / 2`; a neighbour that is no candidate counts as the
/// lowest score of all.
///
/// Scores are those of a ranking: sums of two of them are finite.
/// Without neighbours at all that is the same shift and scale for everybody.
#[must_use]
pub fn smooth(scores: &[f64], neighbours: Option<&Neighbours>, weight: f64) -> Vec<f64> {
    let sharing = Sharing { scores, neighbours, weight, lowest: Extremes::of(scores).least() };
    let mut smoothed = Vec::with_capacity(scores.len());
    sharing.append(0..scores.len(), &mut smoothed);
    smoothed
}

/// [`smooth`], some rows at a time.
pub(super) struct Sharing<'a> {
    pub scores: &'a [f64],
    pub neighbours: Option<&'a Neighbours>,
    pub weight: f64,
    /// The lowest score of all.
    pub lowest: f64,
}

impl Sharing<'_> {
    /// Appends the smoothed scores of some rows.
    pub(super) fn append(&self, rows: Range<usize>, smoothed: &mut Vec<f64>) {
        let &Self { scores, weight, lowest, .. } = self;
        let kept = 1.0 - weight;
        let share =
            |score: f64, before: f64, after: f64| kept * score + weight * (0.5 * (before + after));
        let own = &scores[rows.clone()];
        let Some(neighbours) = self.neighbours else {
            smoothed.extend(own.iter().map(|&score| share(score, lowest, lowest)));
            return;
        };
        let of = |row: u32| scores.get(row as usize).copied().unwrap_or(lowest);
        let around = neighbours.before[rows.clone()].iter().zip(&neighbours.after[rows]);
        smoothed.extend(
            own.iter().zip(around).map(|(&score, (&one, &two))| share(score, of(one), of(two))),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_next_to_each_other_in_one_session() {
        let session = [0, 0, 1, 0, NONE, 1, 0];
        let position = [2, 1, 5, 4, 3, 6, 1];
        let found = Neighbours::of(&session, &position);
        assert_eq!(found.before, [1, NONE, NONE, NONE, NONE, 2, NONE]);
        assert_eq!(found.after, [NONE, 0, 5, NONE, NONE, NONE, 0]);
        let ends = Neighbours::of(&[0, 0], &[i64::MAX, i64::MIN]);
        assert_eq!(
            ends,
            Neighbours { before: vec![NONE; 2], after: vec![NONE; 2], share_places: false }
        );
    }

    #[test]
    fn scores_are_shared() {
        let neighbours = Neighbours::of(&[0, 0, 0], &[0, 1, 2]);
        assert_eq!(smooth(&[0.0, 4.0, 2.0], Some(&neighbours), 0.5), [1.0, 2.5, 2.0]);
        assert_eq!(smooth(&[0.0, 4.0], None, 0.5), [0.0, 2.0]);
        assert_eq!(smooth(&[], None, 0.5), []);
    }
}
