//! Which of many `SimHash`es are near one, without comparing all of them.

use std::collections::HashMap;
use std::ops::Range;

/// So many are compared one by one before they are indexed: cheaper than an index of them.
const UNINDEXED: usize = 128;
/// Beyond so many bits the pieces are so short that an index hardly tells hashes apart.
const MOST_INDEXED_BITS: u32 = 10;

/// Hashes, by their positions.
///
/// Two hashes that differ in at most *b* bits are equal in one of *b* + 1 pieces (the pigeonhole principle),
/// so only those with a piece in common are compared (Manku, Jain and Das Sarma 2007, for one table a piece).
#[derive(Debug, Default)]
pub struct NearHashes {
    most_bits: u32,
    hashes: Vec<u64>,
    indexed: usize,
    pieces: Vec<Piece>,
}

/// A piece of all hashes.
#[derive(Debug)]
struct Piece {
    bits: Range<u32>,
    /// Positions of hashes, by the value of the piece.
    positions: HashMap<u64, Vec<usize>>,
}

impl Piece {
    fn of(&self, hash: u64) -> u64 {
        let above = 64 - self.bits.end;
        hash << above >> (above + self.bits.start)
    }
}

impl NearHashes {
    /// None yet; near are hashes that differ in at most so many bits, 0 to 64.
    #[must_use]
    pub fn within(most_bits: u32) -> Self {
        let count = most_bits + 1;
        let piece = |at: u32| Piece {
            bits: at * 64 / count..(at + 1) * 64 / count,
            positions: HashMap::new(),
        };
        let is_indexed = most_bits <= MOST_INDEXED_BITS;
        let pieces = if is_indexed { (0..count).map(piece).collect() } else { Vec::new() };
        Self { most_bits, pieces, ..Self::default() }
    }

    /// Adds one behind all others.
    pub fn push(&mut self, hash: u64) {
        self.hashes.push(hash);
        if self.pieces.is_empty() || self.hashes.len() - self.indexed < UNINDEXED {
            return;
        }
        for piece in &mut self.pieces {
            for position in self.indexed..self.hashes.len() {
                let value = piece.of(self.hashes[position]);
                piece.positions.entry(value).or_default().push(position);
            }
        }
        self.indexed = self.hashes.len();
    }

    /// The positions of those that are near, in any order, some more than once.
    pub fn near(&self, hash: u64) -> impl Iterator<Item = usize> + '_ {
        let with_piece = self.pieces.iter().flat_map(move |piece| {
            piece.positions.get(&piece.of(hash)).into_iter().flatten().copied()
        });
        let rest = self.indexed..self.hashes.len();
        let is_near = move |at: &usize| (self.hashes[*at] ^ hash).count_ones() <= self.most_bits;
        with_piece.chain(rest).filter(is_near)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_near_ones_are_those_that_comparing_all_finds(
            most_bits in prop_oneof![0u32..13, Just(64)],
            bases in prop::collection::vec(any::<u64>(), 1..4),
            drawn in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0u32..14), 0..600),
        ) {
            // Some bits apart from one of a few, so that many are near each other.
            let flipped = |mut hash: u64, mut seed: u64, bits: u32| {
                for _ in 0..bits {
                    hash ^= 1 << (seed % 64);
                    seed = seed.rotate_right(6);
                }
                hash
            };
            let mut known = NearHashes::within(most_bits);
            let mut all: Vec<u64> = Vec::new();
            for (base, seed, bits) in drawn {
                let hash = flipped(*base.get(&bases), seed, bits);
                let mut found: Vec<usize> = known.near(hash).collect();
                found.sort_unstable();
                found.dedup();
                let is_near = |at: &usize| (all[*at] ^ hash).count_ones() <= most_bits;
                let expected: Vec<usize> = (0..all.len()).filter(is_near).collect();
                prop_assert_eq!(found, expected);
                known.push(hash);
                all.push(hash);
            }
        }
    }
}
