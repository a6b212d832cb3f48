//! What a workspace and a call allow beyond plain budgets: a ceiling, floors, caps, sharing.

use crate::error::Error;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// A floor or a cap of a tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// That many tokens.
    Tokens(u64),
    /// A share, 0.0..=1.0, of the sum of all tier budgets before floors and caps, where that sum is
    /// limited to the tokens available. Rounded down, so that shares which sum to 1 never exceed it.
    Share(f64),
}

impl Amount {
    /// In tokens, of that whole.
    #[must_use]
    pub fn tokens(self, whole: u64) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens,
            // A share is at most 1.0, so that the product is no negative number and no larger one.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Self::Share(share) => ((whole as f64 * share) as u64).min(whole),
        }
    }

    fn check(self, field: &'static str) -> Result<(), Error> {
        match self {
            Self::Tokens(tokens) if tokens > MAX_COUNT => {
                Err(Error::Setting { field, value: tokens as f64, accepted: TOKENS })
            }
            Self::Share(share) if !(0.0..=1.0).contains(&share) => {
                Err(Error::Setting { field, value: share, accepted: SHARE })
            }
            _ => Ok(()),
        }
    }
}

/// In which order what all tiers left over is offered to what was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpillOver {
    /// Best score first over all tiers, ties in input order.
    ByScore,
    /// Tier by tier in [`Tier::ALL`] order, best score first within each.
    ByTier,
}

/// The limits of one call. [`Limits::NONE`] leaves every tier its budget and nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Tokens that no other tier may take from this one, in [`Tier::ALL`] order.
    pub floors: [Option<Amount>; Tier::COUNT],
    /// Tokens that a tier may use at most, whatever the others leave.
    pub caps: [Option<Amount>; Tier::COUNT],
    /// Tokens that all tiers together may use; none for as many as their budgets have. With 0 nothing
    /// is taken, not even what costs nothing, unless it is pinned.
    pub available: Option<u64>,
    /// Whether unused budget goes to other tiers, and how.
    pub spill_over: Option<SpillOver>,
    /// Least combined score that is taken, 0.0..=1.0. Pinned candidates are exempt.
    pub minimum_score: f64,
    /// Whether the best candidate of each tier that is larger than the tier's whole budget is looked
    /// for, to be cut to what the tier leaves.
    pub cut_oversized: bool,
}

const TOKENS: &str = "0 to 9007199254740991 tokens";
const SHARE: &str = "a share from 0 to 1";
const FLOORS: [&str; Tier::COUNT] =
    ["tier_floors[working]", "tier_floors[project]", "tier_floors[long_term]", "tier_floors[rag]"];
const CAPS: [&str; Tier::COUNT] =
    ["tier_caps[working]", "tier_caps[project]", "tier_caps[long_term]", "tier_caps[rag]"];

impl Limits {
    /// No ceiling, floor, cap or minimum, and nothing shared.
    pub const NONE: Self = Self {
        floors: [None; Tier::COUNT],
        caps: [None; Tier::COUNT],
        available: None,
        spill_over: None,
        minimum_score: 0.0,
        cut_oversized: false,
    };

    /// Refuses what cannot be.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first share or minimum score outside 0..=1 and the first count
    /// above [`MAX_COUNT`].
    pub fn check(&self) -> Result<(), Error> {
        let named = FLOORS.into_iter().zip(self.floors).chain(CAPS.into_iter().zip(self.caps));
        for (field, amount) in named {
            amount.map_or(Ok(()), |amount| amount.check(field))?;
        }
        if !(0.0..=1.0).contains(&self.minimum_score) {
            return Err(Error::Setting {
                field: "minimum_score",
                value: self.minimum_score,
                accepted: "a number from 0 to 1",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_amounts_are_named() {
        assert_eq!(Limits::NONE.check(), Ok(()));
        let share = |value| Some(Amount::Share(value));
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let floors = Limits { floors: [None, share(bad), None, None], ..Limits::NONE };
            let message = floors.check().unwrap_err().to_string();
            assert!(message.starts_with("tier_floors[project] must be a share"), "{message}");
            let minimum = Limits { minimum_score: bad, ..Limits::NONE };
            assert!(minimum.check().is_err());
        }
        let tokens = Some(Amount::Tokens(MAX_COUNT + 1));
        let caps = Limits { caps: [None, None, None, tokens], ..Limits::NONE };
        let message = caps.check().unwrap_err().to_string();
        assert!(message.starts_with("tier_caps[rag] must be 0 to"), "{message}");
    }

    #[test]
    fn shares_round_down() {
        assert_eq!(Amount::Share(0.5).tokens(3), 1);
        assert_eq!(Amount::Share(1.0).tokens(MAX_COUNT), MAX_COUNT);
        assert_eq!(Amount::Tokens(7).tokens(3), 7);
    }
}
