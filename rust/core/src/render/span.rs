//! How far a decision reaches that compares sums with a ceiling and with budgets.

use crate::tier::Tier;

/// The ceilings and budgets with which the same is decided, all else equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The least ceiling above the present one with which it may be something else.
    pub ceiling_below: u64,
    /// Per tier the least budget with which it is the same ...
    pub budgets_from: [u64; Tier::COUNT],
    /// ... and the least above it with which it may not be.
    pub budgets_below: [u64; Tier::COUNT],
}

impl Span {
    /// No bound was met yet.
    pub const ALL: Self = Self {
        ceiling_below: u64::MAX,
        budgets_from: [0; Tier::COUNT],
        budgets_below: [u64::MAX; Tier::COUNT],
    };

    /// Whether a text of that many tokens fits, as the ceiling is.
    pub fn fits(&mut self, tokens: u64, ceiling: u64) -> bool {
        let fits = tokens <= ceiling;
        if !fits {
            self.ceiling_below = self.ceiling_below.min(tokens);
        }
        fits
    }

    /// Whether a tier may be charged that much, as its budget is.
    pub fn may_charge(&mut self, tier: usize, tokens: u64, budget: u64) -> bool {
        let may = tokens <= budget;
        if may {
            self.budgets_from[tier] = self.budgets_from[tier].max(tokens);
        } else {
            self.budgets_below[tier] = self.budgets_below[tier].min(tokens);
        }
        may
    }

    /// Whether the same is decided with a ceiling that is no lower, and with these budgets.
    pub fn holds_for(&self, ceiling: u64, budgets: &[u64; Tier::COUNT]) -> bool {
        let ends = self.budgets_from.iter().zip(&self.budgets_below);
        let mut ends = budgets.iter().zip(ends);
        ceiling < self.ceiling_below
            && ends.all(|(budget, (from, below))| from <= budget && budget < below)
    }
}
