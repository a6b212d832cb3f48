//! Byte-pair merging of one piece: the adjacent pair of lowest rank first, of equals the leftmost,
//! until no pair is a token.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::vocabulary::{NO_RANK, Vocabulary};

/// Pieces up to this many bytes look for the lowest rank by reading them all, which no heap beats.
const SHORT: usize = 64;

/// Longer pieces are merged in windows of this many bytes at first, which keeps the heap in the cache
/// and the time linear.
const WINDOW: usize = 4096;

/// Calls `end` with the end of every token of the piece, in order.
pub(super) fn merge(vocabulary: &Vocabulary, piece: &[u8], mut end: impl FnMut(usize)) {
    if piece.len() <= 1 || vocabulary.rank(piece) != NO_RANK {
        if !piece.is_empty() {
            end(piece.len());
        }
    } else if piece.len() <= SHORT {
        merge_short(vocabulary, piece, end);
    } else {
        merge_long(vocabulary, piece, WINDOW, end);
    }
}

fn merge_short(vocabulary: &Vocabulary, piece: &[u8], mut end: impl FnMut(usize)) {
    // Part i reaches from starts[i] to starts[i + 1]; ranks[i] is that of parts i and i + 1 together.
    let mut starts = [0_usize; SHORT + 2];
    let mut ranks = [NO_RANK; SHORT + 1];
    let mut parts = piece.len();
    for (at, start) in starts.iter_mut().enumerate() {
        *start = at;
    }
    for (rank, pair) in ranks.iter_mut().zip(piece.windows(2)) {
        *rank = vocabulary.pair(pair[0], pair[1]);
    }
    loop {
        let (mut at, mut lowest) = (0, NO_RANK);
        for (place, rank) in ranks[..parts].iter().enumerate() {
            if *rank < lowest {
                (at, lowest) = (place, *rank);
            }
        }
        if lowest == NO_RANK {
            break;
        }
        starts.copy_within(at + 2..=parts, at + 1);
        ranks.copy_within(at + 1..parts, at);
        parts -= 1;
        let joined = |from: usize| {
            if from + 2 > parts {
                NO_RANK
            } else {
                vocabulary.rank(&piece[starts[from]..starts[from + 2]])
            }
        };
        ranks[at] = joined(at);
        if at > 0 {
            ranks[at - 1] = joined(at - 1);
        }
    }
    for start in &starts[1..=parts] {
        end(*start);
    }
}

/// Merges window after window. A sequence of tokens is what merging the whole piece gives if and only
/// if every two neighbours in it are what merging those two alone gives. Within a window they are, so
/// that only the pair at each seam is left to be looked at.
fn merge_long(
    vocabulary: &Vocabulary,
    piece: &[u8],
    first_window: usize,
    mut end: impl FnMut(usize),
) {
    let mut heap = HeapMerge::default();
    let (mut start, mut window) = (0, first_window);
    let part = |start: usize, window: usize| &piece[start..piece.len().min(start + window)];
    let mut ends = heap.run(vocabulary, part(start, window));
    'windows: loop {
        let here = part(start, window);
        if start + here.len() == piece.len() {
            for at in ends {
                end(start + at);
            }
            return;
        }
        // What lies beyond the window can have changed its last tokens: the seam is left of them.
        for discarded in [ends.len() / 8, ends.len() / 4, ends.len() / 2] {
            let kept = ends.len() - discarded.max(1);
            if kept == 0 {
                break;
            }
            let seam = ends[kept - 1];
            let last = &here[if kept == 1 { 0 } else { ends[kept - 2] }..seam];
            let following = part(start + seam, first_window);
            let following_ends = heap.run(vocabulary, following);
            let pair = [last, &following[..following_ends[0]]].concat();
            if heap.run(vocabulary, &pair) == [last.len(), pair.len()] {
                for at in &ends[..kept] {
                    end(start + at);
                }
                (start, window, ends) = (start + seam, first_window, following_ends);
                continue 'windows;
            }
        }
        window *= 2;
        ends = heap.run(vocabulary, part(start, window));
    }
}

/// Merging with a heap of ranks: O(n log n).
#[derive(Default)]
struct HeapMerge {
    /// The part after the one that starts here; a part that is no more points nowhere.
    next: Vec<u32>,
    previous: Vec<u32>,
    /// The rank of the part that starts here and the next one together.
    ranks: Vec<u32>,
    /// Rank and start of pairs; some are no more.
    heap: BinaryHeap<Reverse<(u32, u32)>>,
}

impl HeapMerge {
    /// The ends of the tokens of a byte string of less than 2^32 bytes.
    #[expect(clippy::cast_possible_truncation)] // positions within the piece
    fn run(&mut self, vocabulary: &Vocabulary, piece: &[u8]) -> Vec<usize> {
        let length = piece.len();
        self.next.clear();
        self.next.extend(1..=length as u32);
        self.previous.clear();
        self.previous.extend((0..length as u32).map(|at| at.saturating_sub(1)));
        self.ranks.clear();
        self.ranks.extend(piece.windows(2).map(|pair| vocabulary.pair(pair[0], pair[1])));
        self.ranks.push(NO_RANK);
        let mut pairs = std::mem::take(&mut self.heap).into_vec();
        pairs.clear();
        let ranks = self.ranks.iter().zip(0..).filter(|(rank, _)| **rank != NO_RANK);
        pairs.extend(ranks.map(|(rank, at)| Reverse((*rank, at))));
        self.heap = pairs.into();
        while let Some(Reverse((rank, at))) = self.heap.pop() {
            let start = at as usize;
            if self.ranks[start] != rank {
                continue; // one of the two has been merged since
            }
            let second = self.next[start] as usize;
            let after = self.next[second];
            self.next[start] = after;
            self.ranks[second] = NO_RANK;
            if let Some(previous) = self.previous.get_mut(after as usize) {
                *previous = at;
            }
            self.rank_again(vocabulary, piece, start);
            if start > 0 {
                self.rank_again(vocabulary, piece, self.previous[start] as usize);
            }
        }
        let mut ends = Vec::new();
        let mut at = 0;
        while at < length {
            at = self.next[at] as usize;
            ends.push(at);
        }
        ends
    }

    fn rank_again(&mut self, vocabulary: &Vocabulary, piece: &[u8], start: usize) {
        let end = self.next.get(self.next[start] as usize);
        let rank = end.map_or(NO_RANK, |end| vocabulary.rank(&piece[start..*end as usize]));
        self.ranks[start] = rank;
        if rank != NO_RANK {
            #[expect(clippy::cast_possible_truncation)] // a position within the piece
            self.heap.push(Reverse((rank, start as u32)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends_of(merge: impl FnOnce(&mut dyn FnMut(usize))) -> Vec<usize> {
        let mut ends = Vec::new();
        merge(&mut |end| ends.push(end));
        ends
    }

    proptest! {
        #[test]
        fn all_ways_to_merge_give_the_same(
            piece in prop::collection::vec(prop::sample::select(b" aabeinrst\n\xe4\xb8\xad0".to_vec()), 2..400),
            window in 16_usize..80,
        ) {
            let vocabulary = crate::tokens::vocabularies::CL100K_BASE.vocabulary();
            let whole = HeapMerge::default().run(vocabulary, &piece);
            let windows = ends_of(|end| merge_long(vocabulary, &piece, window, end));
            prop_assert_eq!(&windows, &whole);
            let beginning = &piece[..piece.len().min(SHORT)];
            let short = ends_of(|end| merge_short(vocabulary, beginning, end));
            prop_assert_eq!(short, HeapMerge::default().run(vocabulary, beginning));
        }
    }
}
