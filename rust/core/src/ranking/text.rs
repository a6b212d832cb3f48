//! What a ranking knows of one text: which words, how often, how long, and two fingerprints.

use super::words::{Word, for_each_word, mix};

/// Counts above it count as it.
const MOST: u64 = 0xff;

/// The words of one text. A pure function of the text: to be kept with it until it changes.
///
/// Eight bytes for each different word, and 24 for the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Words in ascending order, each with its count in the lowest byte.
    counted: Box<[u64]>,
    length: u32,
    fingerprint: u64,
    similarity: u64,
}

impl Terms {
    /// Reads a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut words: Vec<Word> = Vec::with_capacity(text.len() / 5);
        for_each_word(text, |word| words.push(word));
        let length = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let fingerprint = words.iter().fold(0, |hash, word| mix(hash ^ word).wrapping_add(*word));
        let similarity = similarity_hash(&words);
        words.sort_unstable();
        let mut counted: Vec<u64> = Vec::with_capacity(words.len());
        for word in words {
            match counted.last_mut() {
                Some(last) if *last & !MOST == word => {
                    if *last & MOST < MOST {
                        *last += 1;
                    }
                }
                _ => counted.push(word | 1),
            }
        }
        Self { counted: counted.into(), length, fingerprint, similarity }
    }

    /// How many words the text has, repetitions included.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Each different word and how often it occurs (at most 255 counts), in the order of the words.
    pub fn counted(&self) -> impl Iterator<Item = (Word, u8)> {
        self.counted.iter().map(|&word| (word & !MOST, (word & MOST) as u8))
    }

    /// How often a word occurs; 255 stands for that and more.
    #[must_use]
    pub fn count(&self, word: Word) -> u8 {
        let at = self.counted.partition_point(|&counted| counted < word);
        self.counted
            .get(at)
            .filter(|&&counted| counted & !MOST == word)
            .map_or(0, |&counted| (counted & MOST) as u8)
    }

    /// Equal for texts with the same words in the same order, whatever their case, spaces and
    /// punctuation; different for others, but for a chance of 2^-64. None without any word.
    #[must_use]
    pub fn fingerprint(&self) -> Option<u64> {
        (self.length > 0).then_some(self.fingerprint)
    }

    /// The `SimHash`; none where the text has no word.
    #[must_use]
    pub fn similarity(&self) -> Option<u64> {
        (self.length > 0).then_some(self.similarity)
    }

    /// In how many of 64 bits the `SimHash` differs. Few bits: nearly the same words in nearly the same
    /// order. None where a text has no word.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Option<u32> {
        (self.length > 0 && other.length > 0)
            .then(|| (self.similarity ^ other.similarity).count_ones())
    }

    /// Cosine of the two texts' word counts, 0 to 1; 0 where a text has no word.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f64 {
        let norm = |terms: &Self| -> f64 {
            let squares: u64 = terms.counted().map(|(_, count)| u64::from(count).pow(2)).sum();
            (squares as f64).sqrt()
        };
        let (mut left, mut right) = (self.counted().peekable(), other.counted().peekable());
        let mut product = 0u64;
        while let (Some(&(one, count)), Some(&(two, other_count))) = (left.peek(), right.peek()) {
            if one == two {
                product += u64::from(count) * u64::from(other_count);
            }
            if one <= two {
                left.next();
            }
            if two <= one {
                right.next();
            }
        }
        if product == 0 { 0.0 } else { product as f64 / (norm(self) * norm(other)) }
    }
}

/// The majority, bit by bit, of the hashes of all words and all pairs of neighbouring words.
///
/// Source: Charikar, Similarity estimation techniques from rounding algorithms (2002).
fn similarity_hash(words: &[Word]) -> u64 {
    let mut votes = Votes::default();
    for &word in words {
        votes.add(mix(word));
    }
    for pair in words.windows(2) {
        votes.add(mix(pair[0].rotate_left(23) ^ pair[1]));
    }
    votes.majority()
}

/// Counts, for each of 64 bits, how many hashes have it set.
#[derive(Default)]
struct Votes {
    /// Bit `i` of plane `k` is bit `k` of the count of bit `i`: adding one is a carry over planes.
    planes: [u64; 32],
    cast: u32,
}

impl Votes {
    fn add(&mut self, hash: u64) {
        let mut carry = hash;
        for plane in &mut self.planes {
            let both = *plane & carry;
            *plane ^= carry;
            carry = both;
            if carry == 0 {
                break;
            }
        }
        self.cast += 1;
    }

    /// The bits that more than half of all hashes have.
    fn majority(&self) -> u64 {
        // Compares the counts of all bits with half of the votes at once, from the highest plane.
        let half = self.cast / 2;
        let (mut more, mut equal) = (0u64, u64::MAX);
        for (index, &plane) in self.planes.iter().enumerate().rev() {
            if half >> index & 1 == 0 {
                more |= equal & plane;
                equal &= !plane;
            } else {
                equal &= plane;
            }
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        let terms = Terms::of("The index, the INDEXES and the table");
        assert_eq!(terms.length(), 7);
        let index = Terms::of("index").counted().next().unwrap().0;
        assert_eq!(terms.count(index), 2);
        let the = Terms::of("the").counted().next().unwrap().0;
        assert_eq!(terms.count(the), 3);
        assert_eq!(Terms::of(&"again ".repeat(300)).counted().next().unwrap().1, 255);
        assert_eq!(Terms::of("").length(), 0);
    }

    #[test]
    fn fingerprints_see_words_and_their_order_only() {
        let text = Terms::of("User prefers dark mode.");
        assert_eq!(text.fingerprint(), Terms::of("  user PREFERS\ndark mode").fingerprint());
        assert_ne!(text.fingerprint(), Terms::of("dark mode prefers user").fingerprint());
        assert_eq!(Terms::of("?!").fingerprint(), None);
        assert_eq!(Terms::of("?!").distance(&text), None);
    }

    #[test]
    fn distance_grows_with_the_difference() {
        let words: Vec<String> = (0..200).map(|number| format!("word{number}")).collect();
        let whole = Terms::of(&words.join(" "));
        let nearly = Terms::of(&words[1..].join(" "));
        let half = Terms::of(&words[100..].join(" "));
        assert_eq!(whole.distance(&whole), Some(0));
        assert!(whole.distance(&nearly) < whole.distance(&half));
        assert!((whole.cosine(&half) - 0.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(whole.cosine(&Terms::of("nothing")), 0.0);
    }

    #[test]
    fn the_majority_is_counted_bit_by_bit() {
        let mut votes = Votes::default();
        for hash in [0b1011, 0b0011, 0b0110, 0b1000] {
            votes.add(hash);
        }
        assert_eq!(votes.majority(), 0b0010, "two of four are no majority");
    }
}
