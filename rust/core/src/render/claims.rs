//! What the candidates for a text claim of their tiers.

use super::fit::{Claim, Hold};
use crate::tier::Tier;

/// A candidate for a text.
#[derive(Clone, Copy, Debug)]
pub struct Claimant {
    /// Its tier.
    pub tier: Tier,
    /// What it costs its tier.
    pub tokens: u64,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Whether the plan took it, or it would only move up.
    pub is_in_plan: bool,
}

/// What each of the candidates, in the order of a plan, claims: the best that the plan selected of a tier are
/// its floor. Others are not, so that a ceiling that is wide enough changes nothing. Where `is_chosen`, the plan
/// did not simply take the greatest keys, and those who would move up come after what it chose.
pub fn claims(
    candidates: impl Iterator<Item = Claimant>,
    mut floors: [u64; Tier::COUNT],
    is_chosen: bool,
) -> Vec<Claim> {
    let claim = |Claimant { tier, tokens, is_pinned, is_in_plan }| {
        let floor = &mut floors[tier.index()];
        let hold = match floor.checked_sub(tokens) {
            rest if is_pinned => {
                *floor = rest.unwrap_or(0);
                Hold::Pinned
            }
            Some(rest) if *floor > 0 && is_in_plan => {
                *floor = rest;
                Hold::Floor
            }
            _ if is_chosen && is_in_plan => Hold::Chosen,
            _ => Hold::Free,
        };
        Claim { tokens, hold }
    };
    candidates.map(claim).collect()
}
