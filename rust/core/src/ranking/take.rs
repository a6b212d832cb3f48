//! Packing by order keys, without sorting all of them.
//!
//! Greatest key first over all tiers, ties in input order; what does not fit into its tier's room is
//! skipped and the next one is tried. Only the best few of many are ever sorted: those above a guessed key,
//! then those below it that still fit, and so on. The result is that of the full sort whatever the guesses
//! were.

use crate::tier::Tier;

/// Tokens there is room for. Room never grows while it is charged.
pub trait Room {
    /// What one more candidate of the tier may cost.
    fn room(&self, tier: Tier) -> u64;

    /// Charges what was taken, at most the room.
    fn charge(&mut self, tier: Tier, tokens: u64);
}

/// What each tier has left of a budget of its own.
impl Room for [u64; Tier::COUNT] {
    fn room(&self, tier: Tier) -> u64 {
        self[tier.index()]
    }

    fn charge(&mut self, tier: Tier, tokens: u64) {
        self[tier.index()] -= tokens;
    }
}

/// Candidates with the keys they are ordered by: one value per candidate.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<'a> {
    /// Tiers.
    pub tiers: &'a [Tier],
    /// Keys; none is NaN.
    pub keys: &'a [f64],
    /// Costs.
    pub tokens: &'a [u64],
}

/// Rows that are sorted together at first.
const FIRST: usize = 1024;
/// How many times more with every further step.
const WIDEN: usize = 8;
/// One in that many keys is in the sample that guesses.
const SAMPLE: usize = 64;

/// Takes candidates in the order of their keys; gives their rows in that order, all tiers together.
///
/// `admits` is asked for each row that would be taken, in that order and once, whether it may be.
///
/// # Panics
/// With 2^32 rows or more.
pub fn by_key(
    candidates: Keyed<'_>,
    room: &mut impl Room,
    mut admits: impl FnMut(u32) -> bool,
) -> Vec<u32> {
    let Keyed { tiers, keys, tokens } = candidates;
    let rows = u32::try_from(keys.len()).expect("fewer than 2^32 rows");
    let mut taken = Vec::new();
    let mut size = FIRST;
    let threshold = nth_greatest((0..rows).map(|row| keys[row as usize]), size);
    let mut head: Vec<(u64, u32)> = Vec::new();
    for_each_where(
        keys,
        |key| key >= threshold,
        |row| {
            head.push((descending(keys[row as usize]), row));
        },
    );
    // Below the threshold, which rows there are nobody asks before what is left of the room is known.
    let mut waiting: Option<Vec<u32>> = None;
    loop {
        head.sort_unstable();
        for (_, row) in head.drain(..) {
            let (tier, cost) = (tiers[row as usize], tokens[row as usize]);
            if cost <= room.room(tier) && admits(row) {
                room.charge(tier, cost);
                taken.push(row);
            }
        }
        let rooms = Tier::ALL.map(|tier| room.room(tier));
        let fits = |row: u32| tokens[row as usize] <= rooms[tiers[row as usize].index()];
        if let Some(waiting) = &mut waiting {
            waiting.retain(|&row| fits(row));
        }
        let waiting = waiting.get_or_insert_with(|| {
            let mut fitting = Vec::new();
            let most = rooms.into_iter().max().unwrap_or(0);
            let is_below = |row: u32| keys[row as usize] < threshold;
            for_each_where(
                tokens,
                |tokens| tokens <= most,
                |row| {
                    if is_below(row) && fits(row) {
                        fitting.push(row);
                    }
                },
            );
            fitting
        });
        if waiting.is_empty() {
            return taken;
        }
        size *= WIDEN;
        let threshold = nth_greatest(waiting.iter().map(|&row| keys[row as usize]), size);
        waiting.retain(|&row| {
            let key = keys[row as usize];
            if key >= threshold {
                head.push((descending(key), row));
            }
            key < threshold
        });
    }
}

/// Rows that are looked at together.
const BLOCK: usize = 16;

/// Visits the rows whose value is wanted. Best where few are: that nobody is, is seen for all of a block at
/// once.
fn for_each_where<T: Copy>(column: &[T], wanted: impl Fn(T) -> bool, mut visit: impl FnMut(u32)) {
    for (block, first) in column.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        if block.iter().fold(false, |any, &value| any | wanted(value)) {
            let rows = (first..).zip(block).filter(|(_, value)| wanted(**value));
            rows.for_each(|(row, _)| visit(row));
        }
    }
}

/// Bits whose ascending order is the descending order of the values; -0.0 is 0.0.
fn descending(key: f64) -> u64 {
    let bits = (key + 0.0).to_bits();
    let ascending = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    !ascending
}

/// A key that about `size` are not below; below all of them if there are not many more.
fn nth_greatest(keys: impl ExactSizeIterator<Item = f64>, size: usize) -> f64 {
    if keys.len() <= 2 * size {
        return f64::NEG_INFINITY;
    }
    let mut sample: Vec<f64> = keys.step_by(SAMPLE).collect();
    let at = (size / SAMPLE).min(sample.len() - 1);
    let (_, key, _) = sample.select_nth_unstable_by(at, |one, other| other.total_cmp(one));
    *key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_descend() {
        let keys = [f64::INFINITY, 1e300, 1.0, 0.0, -5e-324, -1.0, f64::NEG_INFINITY];
        assert!(keys.map(descending).is_sorted());
        assert_eq!(descending(0.0), descending(-0.0));
    }

    #[test]
    fn what_does_not_fit_is_skipped() {
        let candidates = Keyed {
            tiers: &[Tier::Working, Tier::Working, Tier::Rag, Tier::Working],
            keys: &[3.0, 2.0, -1.0, 1.0],
            tokens: &[5, 6, 1, 4],
        };
        let mut room = [9, 0, 0, 1];
        assert_eq!(by_key(candidates, &mut room, |_| true), [0, 3, 2]);
        assert_eq!(room, [0; 4]);
        assert_eq!(by_key(candidates, &mut [9, 0, 0, 1], |row| row != 0), [1, 2]);
    }
}
