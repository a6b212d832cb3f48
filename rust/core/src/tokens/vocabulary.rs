//! A vocabulary: which byte strings are tokens, and in which order they are merged.

use super::plain_word::PlainWords;

/// No token; above every rank.
pub(super) const NO_RANK: u32 = u32::MAX;

/// Byte strings by rank and ranks by byte string.
pub(super) struct Vocabulary {
    bytes: &'static [u8],
    /// Where the token of a rank starts in `bytes`; one more entry than tokens.
    starts: Box<[u32]>,
    /// Open addressing: the high half of a hash and rank + 1 in the low half; 0 for a free place.
    table: Box<[u64]>,
    /// Rank of each pair of bytes.
    pairs: Box<[u32]>,
    longest: usize,
    /// Tokens that need no rank, because nearly all text is made of them.
    words: PlainWords,
}

impl Vocabulary {
    /// Reads what `benches/tokenization/convert.py` wrote: the number of tokens, the length of each
    /// in one byte, then their bytes, in order of rank.
    ///
    /// # Panics
    ///
    /// If the data is not of that form: it is part of the program.
    pub fn new(data: &'static [u8]) -> Self {
        let (count, rest) = data.split_first_chunk().expect("a vocabulary starts with its size");
        let count = u32::from_le_bytes(*count) as usize;
        let (lengths, bytes) = rest.split_at(count);
        let mut starts = Vec::with_capacity(count + 1);
        let mut end = 0;
        starts.push(end);
        for length in lengths {
            end += u32::from(*length);
            starts.push(end);
        }
        assert_eq!(end as usize, bytes.len(), "the lengths of a vocabulary add up");
        let tokens = starts.windows(2).map(|ends| &bytes[ends[0] as usize..ends[1] as usize]);
        let words = PlainWords::new(tokens);
        let mut vocabulary = Self {
            bytes,
            starts: starts.into(),
            table: vec![0; (2 * count).next_power_of_two()].into(),
            pairs: vec![NO_RANK; 1 << 16].into(),
            longest: lengths.iter().copied().max().unwrap_or(0).into(),
            words,
        };
        for (rank, _) in lengths.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation)] // the size is a u32
            vocabulary.insert(rank as u32);
        }
        vocabulary
    }

    /// The tokens that are plain words.
    #[inline]
    pub fn words(&self) -> &PlainWords {
        &self.words
    }

    fn token(&self, rank: u32) -> &'static [u8] {
        let rank = rank as usize;
        &self.bytes[self.starts[rank] as usize..self.starts[rank + 1] as usize]
    }

    fn insert(&mut self, rank: u32) {
        let token = self.token(rank);
        let hash = hash(token);
        let mask = self.table.len() - 1;
        let mut place = low_half(hash) & mask;
        while self.table[place] != 0 {
            place = (place + 1) & mask;
        }
        self.table[place] = hash & HIGH | u64::from(rank + 1);
        if let [first, second] = *token {
            self.pairs[usize::from(first) << 8 | usize::from(second)] = rank;
        }
    }

    /// The rank of a byte string, or [`NO_RANK`].
    #[inline]
    pub fn rank(&self, token: &[u8]) -> u32 {
        if token.len() > self.longest {
            return NO_RANK;
        }
        let hash = hash(token);
        let mask = self.table.len() - 1;
        let mut place = low_half(hash) & mask;
        loop {
            let entry = self.table[place];
            if entry == 0 {
                return NO_RANK;
            }
            if entry & HIGH == hash & HIGH {
                #[expect(clippy::cast_possible_truncation)] // the low half is the rank
                let rank = entry as u32 - 1;
                if self.token(rank) == token {
                    return rank;
                }
            }
            place = (place + 1) & mask;
        }
    }

    /// The rank of two bytes.
    #[inline]
    pub fn pair(&self, first: u8, second: u8) -> u32 {
        self.pairs[usize::from(first) << 8 | usize::from(second)]
    }
}

const HIGH: u64 = !(u32::MAX as u64);

#[expect(clippy::cast_possible_truncation)] // on purpose
fn low_half(word: u64) -> usize {
    word as u32 as usize
}

/// Spreads a byte string over 64 bits. Vocabularies are fixed, so nobody can choose collisions that
/// an attack would need: what is looked up is compared, never stored.
#[inline]
fn hash(token: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = token.len() as u64 ^ 0x51_7c_c1_b7;
    let mut rest = token;
    while let Some((word, more)) = rest.split_first_chunk::<8>() {
        state = mixed(state ^ u64::from_le_bytes(*word), FACTOR);
        rest = more;
    }
    let tail = match *rest {
        [] => 0,
        [a] => u64::from(a),
        [a, ref middle @ .., z] if rest.len() < 4 => {
            u64::from(a) << 16 | u64::from(middle.first().copied().unwrap_or(0)) << 8 | u64::from(z)
        }
        _ => {
            let (first, _) = rest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
            let (_, last) = rest.split_last_chunk::<4>().unwrap_or((&[], &[0; 4]));
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
    };
    mixed(state ^ tail, FACTOR)
}

/// Both halves of the product, folded.
#[inline]
fn mixed(value: u64, factor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    #[expect(clippy::cast_possible_truncation)]
    let folded = (product >> 64) as u64 ^ product as u64;
    folded
}
