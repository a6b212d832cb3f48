//! What says again what was taken already.
//!
//! Only candidates that would be taken are compared, and only with those that were: the work is bounded
//! by what is near the cut, however many candidates there are.

use std::collections::HashSet;

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
}

/// The texts that were taken.
#[derive(Debug)]
pub struct Taken<'a> {
    rule: DuplicateRule,
    fingerprints: HashSet<u64>,
    terms: Vec<&'a Terms>,
}

impl<'a> Taken<'a> {
    /// Nothing was taken.
    #[must_use]
    pub fn new(rule: DuplicateRule) -> Self {
        Self { rule, fingerprints: HashSet::new(), terms: Vec::new() }
    }

    /// Adds a text, unless it is a duplicate of one before; says whether it was added. Texts without words
    /// are duplicates of nothing.
    pub fn add(&mut self, terms: &'a Terms) -> bool {
        let Some(fingerprint) = terms.fingerprint() else { return true };
        // Exact duplicates are near ones; the set spares them the comparisons.
        if !self.rule.is_off() && self.fingerprints.contains(&fingerprint) {
            return false;
        }
        if let Some(bits) = self.rule.near {
            let is_near =
                |taken: &&Terms| taken.distance(terms).is_some_and(|distance| distance <= bits);
            if self.terms.iter().any(is_near) {
                return false;
            }
            self.terms.push(terms);
        }
        self.fingerprints.insert(fingerprint);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(rule: DuplicateRule, texts: &[&str]) -> Vec<bool> {
        let terms: Vec<Terms> = texts.iter().map(|text| Terms::of(text)).collect();
        let mut taken = Taken::new(rule);
        terms.iter().map(|terms| taken.add(terms)).collect()
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
        assert_eq!(added(off, &texts), [true; 6]);
        assert_eq!(added(exact, &texts), [true, false, true, true, true, true]);
        assert_eq!(added(near, &texts), [true, false, false, true, true, true]);
    }
}
