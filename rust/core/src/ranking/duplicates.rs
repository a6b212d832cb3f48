//! What says again what was taken already.
//!
//! Only candidates that would be taken are compared, and only with those that were: the work is bounded
//! by what is near the cut, however many candidates there are.

use std::collections::HashMap;

use super::near::NearHashes;
use super::text::Terms;

/// Which texts count as the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DuplicateRule {
    /// The same words in the same order, whatever their case, spaces and punctuation.
    pub exact: bool,
    /// `SimHash`es that differ in at most so many of 64 bits; 3 is usual.
    pub near: Option<u32>,
}

impl DuplicateRule {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_off(self) -> bool {
        self == Self::default()
    }

    /// Whether one text says what the other says. Texts without words repeat nothing.
    #[must_use]
    pub fn is_same(self, one: &Terms, other: &Terms) -> bool {
        let has_words = one.fingerprint().is_some();
        let is_equal = has_words && one.fingerprint() == other.fingerprint();
        let is_near = |bits| one.distance(other).is_some_and(|distance| distance <= bits);
        !self.is_off() && (is_equal || self.near.is_some_and(is_near))
    }

    /// Texts that say the same, in pairs of what stands for them, as they come; none where there are more
    /// than `most` pairs. A text may have parts that stand for the same.
    #[must_use]
    pub fn pairs<'a>(
        self,
        texts: impl Iterator<Item = (usize, &'a Terms)>,
        most: usize,
    ) -> Option<Vec<(usize, usize)>> {
        let mut pairs = Vec::new();
        if self.is_off() {
            return Some(pairs);
        }
        // Texts with the same words, or near ones: those are among the near ones.
        let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut near = self.near.map(NearHashes::within);
        let mut stands_for = Vec::new();
        for (place, terms) in texts {
            let words = terms.fingerprint().zip(terms.similarity());
            let Some((fingerprint, hash)) = words else { continue };
            let mut pair = |&other: &usize| {
                let other: usize = stands_for[other];
                pairs.extend((other != place).then_some((other, place)));
            };
            if let Some(near) = &mut near {
                near.near(hash).for_each(|other| pair(&other));
                near.push(hash);
            } else {
                let group = groups.entry(fingerprint).or_default();
                group.iter().for_each(pair);
                group.push(stands_for.len());
            }
            stands_for.push(place);
            if pairs.len() > most {
                return None;
            }
        }
        Some(pairs)
    }
}

/// The texts that were taken.
#[derive(Debug)]
pub struct Taken {
    rule: DuplicateRule,
    fingerprints: HashMap<u64, u32>,
    /// Where near ones count: what is known of them, and whose they are.
    near: Option<(NearHashes, Vec<u32>)>,
}

impl Taken {
    /// Nothing was taken.
    #[must_use]
    pub fn new(rule: DuplicateRule) -> Self {
        let near = rule.near.map(|bits| (NearHashes::within(bits), Vec::new()));
        Self { rule, fingerprints: HashMap::new(), near }
    }

    /// Adds the text of a row, unless it repeats one before: then gives the row of that. Texts without
    /// words repeat nothing.
    pub fn add(&mut self, row: u32, terms: &Terms) -> Option<u32> {
        let earlier = self.find(terms);
        if earlier.is_none() {
            self.hold(row, terms);
        }
        earlier
    }

    /// Adds the text of a row, whatever it repeats.
    pub fn hold(&mut self, row: u32, terms: &Terms) {
        let (Some(fingerprint), Some(hash)) = (terms.fingerprint(), terms.similarity()) else {
            return;
        };
        self.fingerprints.entry(fingerprint).or_insert(row);
        if let Some((hashes, rows)) = &mut self.near {
            hashes.push(hash);
            rows.push(row);
        }
    }

    /// The row of what a text repeats.
    #[must_use]
    pub fn find(&self, terms: &Terms) -> Option<u32> {
        let fingerprint = terms.fingerprint()?;
        if self.rule.is_off() {
            return None;
        }
        // Exact duplicates are near ones; the map spares them the comparisons.
        if let Some(&earlier) = self.fingerprints.get(&fingerprint) {
            return Some(earlier);
        }
        let (hashes, rows) = self.near.as_ref()?;
        hashes.near(terms.similarity()?).min().map(|first| rows[first])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(rule: DuplicateRule, texts: &[&str]) -> Vec<Option<u32>> {
        let terms: Vec<Terms> = texts.iter().map(|text| Terms::of(text)).collect();
        let mut taken = Taken::new(rule);
        (0..).zip(&terms).map(|(row, terms)| taken.add(row, terms)).collect()
    }

    #[test]
    fn exact_and_near() {
        let text = "The user stores orders in PostgreSQL and reads them through a view every morning \
                    at nine, before the first meeting of the day begins in the large room upstairs.";
        let nearly = text.replace("nine", "ten");
        let texts = [text, &text.to_uppercase(), &nearly, "Something else.", "", ""];
        let off = DuplicateRule::default();
        let exact = DuplicateRule { exact: true, near: None };
        let near = DuplicateRule { exact: false, near: Some(8) };
        assert_eq!(repeated(off, &texts), [None; 6]);
        assert_eq!(repeated(exact, &texts), [None, Some(0), None, None, None, None]);
        assert_eq!(repeated(near, &texts), [None, Some(0), Some(0), None, None, None]);
    }
}
