//! Who claims a place in a text under a ceiling, and how firmly.
//!
//! Those are whoever the plan took, and who may move up when others must leave: what the same call would select
//! with twice the tokens, and what each tier would within its floor alone.

use super::fit::{Claim, Hold};
use crate::limits::{Amount, Limits};
use crate::settings::Settings;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// The same call with twice the tokens.
#[must_use]
pub fn wider(settings: &Settings, limits: &Limits) -> (Settings, Limits) {
    let doubled = |tokens: u64| tokens.saturating_mul(2).min(MAX_COUNT);
    let max_total_tokens = doubled(settings.max_total_tokens);
    let settings = Settings { max_total_tokens, ..settings.clone() };
    let available = limits.available.map(doubled);
    (settings, Limits { available, cut_oversized: false, ..*limits })
}

/// Each tier within its floor alone, whose pinned memories have those tokens; none where there is no floor.
#[must_use]
pub fn covered(
    settings: &Settings,
    limits: &Limits,
    floors: [u64; Tier::COUNT],
    pinned: [u64; Tier::COUNT],
) -> Option<(Settings, Limits)> {
    if floors == [0; Tier::COUNT] {
        return None;
    }
    let budgets = Tier::ALL.map(|tier| floors[tier.index()].max(pinned[tier.index()]));
    let floors = budgets.map(|budget| Some(Amount::Tokens(budget))); // to the token
    let minimum_score = limits.minimum_score;
    Some((settings.with_budgets(budgets), Limits { floors, minimum_score, ..Limits::NONE }))
}

/// A candidate for a text.
#[derive(Clone, Copy, Debug)]
pub struct Claimant {
    /// Its tier.
    pub tier: Tier,
    /// What it costs its tier.
    pub tokens: u64,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Whether the plan took it.
    pub is_in_plan: bool,
    /// Whether the plan took it for what it is beside others, and did not simply take the greatest key.
    pub is_chosen: bool,
}

/// What each of the candidates, in the order of a plan, claims: the best that the plan selected of a tier are
/// its floor. Others are not, so that a ceiling that is wide enough changes nothing.
pub fn claims(
    candidates: impl Iterator<Item = Claimant>,
    mut floors: [u64; Tier::COUNT],
) -> Vec<Claim> {
    let claim = |Claimant { tier, tokens, is_pinned, is_in_plan, is_chosen }| {
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
            _ if is_chosen => Hold::Chosen,
            _ => Hold::Free,
        };
        Claim { tokens, hold }
    };
    candidates.map(claim).collect()
}
