//! Token budgets per tier.

use crate::complexity::Level;
use crate::error::Error;
use crate::limits::{Amount, Limits};
use crate::settings::Settings;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// `max_total_tokens * share * multiplier` in `f64`, rounded half to even, at most [`MAX_COUNT`].
///
/// A multiplier above 1 exceeds `max_total_tokens` by design: that is a base budget, not a ceiling.
///
/// Source: the token budget calculation of the design document.
#[must_use]
pub fn tier_budget(max_total_tokens: u64, share: f64, multiplier: f64) -> u64 {
    let tokens = (max_total_tokens as f64 * share * multiplier).round_ties_even();
    // `as` saturates, and NaN (an infinite product times zero) becomes 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let tokens = tokens as u64;
    tokens.min(MAX_COUNT)
}

/// The budgets of all tiers for a query of that level, in [`Tier::ALL`] order.
#[must_use]
pub fn tier_budgets(settings: &Settings, level: Level) -> [u64; Tier::COUNT] {
    let multiplier = settings.multiplier(level);
    settings.shares.map(|share| tier_budget(settings.max_total_tokens, share, multiplier))
}

/// Refuses floors in tokens that no call of a workspace can keep under the workspace's own ceiling,
/// whatever the level of its query and whatever is reserved. What depends on the call, as floors that
/// are shares do, is for [`tier_budgets_within`]. A ceiling of 0 is for calls that select nothing: it
/// counts as none here.
///
/// # Errors
/// [`Error::FloorAboveCap`], where a share counts of the largest sum of budgets there can be, or
/// [`Error::FloorsAboveAvailable`], where even a ceiling without reserves leaves too little.
pub fn check_floors(
    settings: &Settings,
    limits: &Limits,
    max_prompt_tokens: Option<u64>,
) -> Result<(), Error> {
    let ceiling = max_prompt_tokens.filter(|ceiling| *ceiling > 0).unwrap_or(u64::MAX);
    let sums = Level::ALL.map(|level| tier_budgets(settings, level).iter().sum::<u64>());
    let most = sums.into_iter().max().unwrap_or(0).min(ceiling);
    let mut sum = 0;
    for tier in Tier::ALL {
        let Some(Amount::Tokens(floor)) = limits.floors[tier.index()] else { continue };
        let cap = limits.caps[tier.index()].map_or(u64::MAX, |cap| cap.tokens(most));
        if floor > cap {
            return Err(Error::FloorAboveCap { tier, floor, cap });
        }
        sum += floor;
    }
    if sum > ceiling {
        return Err(Error::FloorsAboveAvailable { floors: sum, available: ceiling });
    }
    Ok(())
}

/// Budgets within limits, all in tokens and in [`Tier::ALL`] order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What each tier may use of its own.
    pub budgets: [u64; Tier::COUNT],
    /// The part of it that no other tier may have; 0 where there is no floor.
    pub floors: [u64; Tier::COUNT],
    /// What each tier may use with what others left; [`u64::MAX`] where there is no cap.
    pub caps: [u64; Tier::COUNT],
    /// What all tiers together may use; the budgets do not sum to more.
    pub available: Option<u64>,
}

/// The budgets of all tiers, raised to their floors, cut to their caps, and scaled down where
/// together they exceed what is available: floors first, then what is left of it in proportion to
/// what each budget has above its floor, by largest remainder (ties: the earlier tier). Scaled
/// budgets sum to `available` exactly. Where nothing is available, nobody has anything: there is no
/// floor to keep.
///
/// # Errors
/// [`Error::FloorAboveCap`], or [`Error::FloorsAboveAvailable`] where the floors alone exceed it.
pub fn tier_budgets_within(
    settings: &Settings,
    level: Level,
    limits: &Limits,
) -> Result<Bounds, Error> {
    if limits.available == Some(0) {
        let caps = limits.caps.map(|cap| cap.map_or(u64::MAX, |cap| cap.tokens(0)));
        let none = [0; Tier::COUNT];
        return Ok(Bounds { budgets: none, floors: none, caps, available: Some(0) });
    }
    let mut budgets = tier_budgets(settings, level);
    let whole = budgets.iter().sum::<u64>().min(limits.available.unwrap_or(u64::MAX));
    let floors = limits.floors.map(|floor| floor.map_or(0, |floor| floor.tokens(whole)));
    let caps = limits.caps.map(|cap| cap.map_or(u64::MAX, |cap| cap.tokens(whole)));
    for tier in Tier::ALL {
        let (floor, cap) = (floors[tier.index()], caps[tier.index()]);
        if floor > cap {
            return Err(Error::FloorAboveCap { tier, floor, cap });
        }
        let budget = &mut budgets[tier.index()];
        *budget = (*budget).clamp(floor, cap);
    }
    if let Some(available) = limits.available
        && budgets.iter().sum::<u64>() > available
    {
        let floor: u64 = floors.iter().sum();
        let rest = available
            .checked_sub(floor)
            .ok_or(Error::FloorsAboveAvailable { floors: floor, available })?;
        let above = Tier::ALL.map(|tier| budgets[tier.index()] - floors[tier.index()]);
        let parts = apportion(rest, above);
        budgets = Tier::ALL.map(|tier| floors[tier.index()] + parts[tier.index()]);
    }
    Ok(Bounds { budgets, floors, caps, available: limits.available })
}

/// Parts of `total` in proportion to the weights, by largest remainder; among equal remainders the
/// earlier part gets more. Where `total` is no more than the sum of the weights, no part exceeds its
/// weight. All parts are zero where all weights are.
pub(crate) fn apportion(total: u64, weights: [u64; Tier::COUNT]) -> [u64; Tier::COUNT] {
    let sum: u128 = weights.into_iter().map(u128::from).sum();
    if sum == 0 {
        return [0; Tier::COUNT];
    }
    let products = weights.map(|weight| u128::from(total) * u128::from(weight));
    // A quotient is no more than the total.
    let mut parts = products.map(|product| u64::try_from(product / sum).unwrap_or(total));
    let mut order = Tier::ALL.map(Tier::index);
    order.sort_by_key(|&part| std::cmp::Reverse(products[part] % sum));
    let missing = total - parts.iter().sum::<u64>();
    for part in order.into_iter().zip(0..missing).map(|(part, _)| part) {
        parts[part] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_budgets_come_out() {
        let settings = Settings::default();
        assert_eq!(tier_budgets(&settings, Level::Complex), [3686, 3072, 2458, 3072]);
        assert_eq!(tier_budgets(&settings, Level::Medium), [2458, 2048, 1638, 2048]);
    }

    #[test]
    fn halves_go_to_even_and_extremes_saturate() {
        assert_eq!(tier_budget(5, 0.5, 1.0), 2);
        assert_eq!(tier_budget(7, 0.5, 1.0), 4);
        assert_eq!(tier_budget(1 << 40, 1.0, 2.0), 1 << 41);
        assert_eq!(tier_budget(8192, 1.0, 1e308), MAX_COUNT);
        assert_eq!(tier_budget(MAX_COUNT, f64::MAX, 0.0), 0);
    }

    #[test]
    fn a_ceiling_scales_by_largest_remainder() {
        let settings = Settings::default();
        let within = |limits| tier_budgets_within(&settings, Level::Medium, &limits);
        let limits = Limits { available: Some(1000), ..Limits::NONE };
        // Of 2458, 2048, 1638, 2048: 300.05, 250.00, 199.95, 250.00.
        assert_eq!(within(limits).unwrap().budgets, [300, 250, 200, 250]);
        let ample = Limits { available: Some(8192), ..Limits::NONE };
        assert_eq!(within(ample).unwrap().budgets, [2458, 2048, 1638, 2048]);
        let floors = [None, None, Some(Amount::Tokens(700)), Some(Amount::Share(0.25))];
        let limits = Limits { floors, ..limits };
        // 50 are left above the floors of 700 and 250: of 2458, 2048, 938, 1798.
        assert_eq!(within(limits).unwrap().budgets, [17, 14, 707, 262]);
    }

    #[test]
    fn floors_that_cannot_be_are_refused_with_the_numbers() {
        let settings = Settings::default();
        let tokens = |tokens| Some(Amount::Tokens(tokens));
        let limits = Limits {
            floors: [tokens(600), tokens(500), None, None],
            available: Some(1000),
            ..Limits::NONE
        };
        let refused = tier_budgets_within(&settings, Level::Medium, &limits).unwrap_err();
        assert_eq!(refused, Error::FloorsAboveAvailable { floors: 1100, available: 1000 });
        let limits = Limits { caps: [tokens(599), None, None, None], ..limits };
        let refused = tier_budgets_within(&settings, Level::Medium, &limits).unwrap_err();
        assert_eq!(refused, Error::FloorAboveCap { tier: Tier::Working, floor: 600, cap: 599 });
    }

    #[test]
    fn floors_that_no_call_can_keep_are_refused_before_any() {
        let settings = Settings::default(); // 16384 tokens at most, for an expert's query
        let tokens = |tokens| Some(Amount::Tokens(tokens));
        let working = |floor, cap| Limits {
            floors: [floor, None, None, None],
            caps: [cap, None, None, None],
            ..Limits::NONE
        };
        let check = |limits: &Limits, ceiling| check_floors(&settings, limits, ceiling);
        let above = |cap| Err(Error::FloorAboveCap { tier: Tier::Working, floor: 600, cap });
        for ceiling in [None, Some(0), Some(9999)] {
            assert_eq!(check(&working(tokens(600), tokens(600)), ceiling), Ok(()));
            assert_eq!(check(&working(tokens(600), tokens(599)), ceiling), above(599));
        }
        let share = |share| Some(Amount::Share(share));
        assert_eq!(check(&working(tokens(600), share(0.0367)), None), Ok(()));
        assert_eq!(check(&working(tokens(600), share(0.0366)), None), above(599));
        assert_eq!(check(&working(tokens(600), share(0.5)), Some(1199)), above(599));
        // A call may have too few tokens for a share to be one.
        assert_eq!(check(&working(share(0.5), tokens(0)), Some(1000)), Ok(()));
        let both = Limits { floors: [tokens(600), share(1.0), tokens(500), None], ..Limits::NONE };
        for ceiling in [None, Some(0), Some(1100)] {
            assert_eq!(check(&both, ceiling), Ok(()));
        }
        let refused = Error::FloorsAboveAvailable { floors: 1100, available: 1099 };
        assert_eq!(check(&both, Some(1099)), Err(refused));
        let most = Limits { floors: [tokens(MAX_COUNT); Tier::COUNT], ..Limits::NONE };
        assert!(check(&most, Some(MAX_COUNT)).is_err());
    }

    #[test]
    fn nothing_available_is_nothing_for_anybody() {
        let limits = Limits {
            floors: [Some(Amount::Tokens(600)); Tier::COUNT],
            caps: [Some(Amount::Share(0.5)); Tier::COUNT],
            available: Some(0),
            ..Limits::NONE
        };
        let bounds = tier_budgets_within(&Settings::default(), Level::Medium, &limits).unwrap();
        assert_eq!((bounds.budgets, bounds.floors, bounds.caps), ([0; 4], [0; 4], [0; 4]));
    }

    proptest! {
        #[test]
        fn what_is_refused_before_any_call_no_call_can_keep(
            floors in prop::array::uniform4(prop::option::of(0u64..30)),
            caps in prop::array::uniform4(prop::option::of(prop_oneof![
                (0u64..30).prop_map(Amount::Tokens),
                (0.0..=1.0f64).prop_map(Amount::Share),
            ])),
            ceiling in prop::option::of(1u64..60),
            max_total_tokens in 0u64..40,
        ) {
            let settings = Settings { max_total_tokens, ..Settings::default() };
            let floors = floors.map(|it| it.map(Amount::Tokens));
            let mut limits = Limits { floors, caps, ..Limits::NONE };
            let is_accepted = check_floors(&settings, &limits, ceiling).is_ok();
            let mut is_kept = false;
            for available in (1..=ceiling.unwrap_or(200)).map(Some).chain([ceiling]) {
                limits.available = available;
                for level in Level::ALL {
                    is_kept |= tier_budgets_within(&settings, level, &limits).is_ok();
                }
            }
            prop_assert_eq!(is_accepted, is_kept);
        }

        #[test]
        fn parts_sum_to_the_total_and_stay_within_their_weights(
            weights in prop::array::uniform4(prop_oneof![0u64..20, 0..=MAX_COUNT]),
            share in 0.0..=1.0f64,
        ) {
            let sum: u64 = weights.iter().sum();
            let total = Amount::Share(share).tokens(sum);
            let parts = apportion(total, weights);
            prop_assert_eq!(parts.iter().sum::<u64>(), total);
            for (part, weight) in parts.into_iter().zip(weights) {
                prop_assert!(part <= weight);
                // Within one token of the exact quota.
                let product = u128::from(total) * u128::from(weight);
                let quota = product.checked_div(sum.into()).unwrap_or(0);
                prop_assert!((quota..=quota + 1).contains(&u128::from(part)));
            }
        }
    }
}
