//! A plan by a ranking: the counterpart of [`crate::plan::plan`].

use super::duplicates::Taken;
use super::pack::{Packed, pack};
use super::text::Terms;
use super::{Ranked, RankingOptions, Signals, Verdict, rank};
use crate::budget::{Bounds, tier_budgets_within};
use crate::candidates::Candidates;
use crate::complexity::Level;
use crate::decay;
use crate::error::Error;
use crate::limits::Limits;
use crate::plan::{Limited, Plan, Selected, assemble, count_equal};
use crate::score::{NonFinite, Scores, combined, finite_or_zero, non_finite};
use crate::settings::Settings;
use crate::tier::Tier;

/// What a call decided by a ranking, and all that can explain it.
#[derive(Clone, Debug)]
pub struct RankedPlan {
    /// Who is taken. Scores of the selected are those of the documented formula; their order is that of
    /// the keys.
    pub plan: Plan,
    /// Scores and keys of the ranking.
    pub ranked: Ranked,
    /// What was passed over as a duplicate, and certificates.
    pub packed: Packed,
    /// What has to be counted as 0.0 in documented scores.
    pub non_finite: Option<NonFinite>,
}

/// Rates the candidates at `now_us` ([`rate`]) and packs every tier within its budget and the limits
/// ([`plan_rated`]), for a query of `level`. `terms` gives what is known of a candidate's text.
///
/// # Errors
/// [`Error::ColumnLength`] if a signal has another length than the candidates; what
/// [`tier_budgets_within`] and [`pack`] refuse.
///
/// # Panics
/// With 2^32 candidates or more.
#[expect(clippy::too_many_arguments)] // those of a plan, and what a ranking needs beyond them
pub fn plan_ranked<'a>(
    candidates: &Candidates<'_>,
    settings: &Settings,
    limits: &Limits,
    level: Level,
    signals: &Signals<'_>,
    options: &RankingOptions,
    now_us: i64,
    terms: impl Fn(u32) -> Option<&'a Terms>,
) -> Result<RankedPlan, Error> {
    let ranked = rate(candidates, settings, limits.minimum_score, signals, options, now_us)?;
    let (plan, packed) =
        plan_rated(candidates, settings, limits, level, &ranked, options, now_us, terms)?;
    Ok(RankedPlan { plan, ranked, packed, non_finite: non_finite(candidates) })
}

/// As [`rank`], leaving out what is below the minimum of the documented score, which limits are about with
/// every ranking. Documented scores of the selected alone are computed, but for such a minimum: whoever
/// shows all has them of [`Scores::of`].
///
/// # Errors
/// Those of [`rank`].
pub fn rate(
    candidates: &Candidates<'_>,
    settings: &Settings,
    minimum_score: f64,
    signals: &Signals<'_>,
    options: &RankingOptions,
    now_us: i64,
) -> Result<Ranked, Error> {
    let mut ranked = rank(candidates, signals, options, now_us)?;
    if minimum_score > 0.0 {
        let scores = Scores::of(candidates, settings, now_us);
        ranked.leave_out_below(minimum_score, &scores.combined);
    }
    Ok(ranked)
}

/// Packs candidates that [`rate`] rated: every tier within its budget and the limits.
///
/// # Errors
/// What [`tier_budgets_within`] and [`pack`] refuse.
///
/// # Panics
/// With 2^32 candidates or more.
#[expect(clippy::too_many_arguments)] // as above
pub fn plan_rated<'a>(
    candidates: &Candidates<'_>,
    settings: &Settings,
    limits: &Limits,
    level: Level,
    ranked: &Ranked,
    options: &RankingOptions,
    now_us: i64,
    terms: impl Fn(u32) -> Option<&'a Terms>,
) -> Result<(Plan, Packed), Error> {
    let bounds = tier_budgets_within(settings, level, limits)?;
    let packed = pack(candidates, ranked, options, &bounds, limits.spill_over, &terms)?;
    let available = Tier::ALL.map(|tier| count_equal(candidates.tier(), tier));
    let details = |row: u32| {
        let at = row as usize;
        let relevance = finite_or_zero(candidates.relevance()[at]);
        let importance = finite_or_zero(candidates.importance()[at]);
        let half_life = settings.freshness_half_life_hours;
        let freshness = decay::freshness(candidates.timestamp_us()[at], now_us, half_life);
        Selected {
            index: row,
            tier: candidates.tier()[at],
            tokens: candidates.tokens()[at],
            relevance,
            importance,
            freshness,
            combined: combined(relevance, importance, freshness, settings.weights),
            pinned: candidates.pinned().binary_search(&row).is_ok(),
            key: ranked.keys[at],
        }
    };
    let taken = packed.taken.each_ref().map(|rows| rows.iter().copied().map(details));
    let mut plan = assemble(settings, level, packed.budgets, available, taken);
    if *limits != Limits::NONE || !candidates.pinned().is_empty() {
        plan.limited = Some(Box::new(Limited {
            limits: *limits,
            bounds,
            oversized: if limits.cut_oversized {
                let known = Taken::new(options.watched());
                oversized(candidates, ranked, &packed, &bounds, known, &terms)
                    .map(|row| row.map(details))
            } else {
                [None; Tier::COUNT]
            },
        }));
    }
    Ok((plan, packed))
}

/// What [`Limited::oversized`] holds: here the best is what has the greatest key, and repeats nothing that
/// was taken, or is cut for a tier before.
fn oversized<'a>(
    candidates: &Candidates<'_>,
    ranked: &Ranked,
    packed: &Packed,
    bounds: &Bounds,
    mut known: Taken,
    terms: impl Fn(u32) -> Option<&'a Terms>,
) -> [Option<u32>; Tier::COUNT] {
    for &row in packed.taken.iter().flatten() {
        if let Some(terms) = terms(row) {
            known.hold(row, terms);
        }
    }
    let key = |row: u32| ranked.keys[row as usize];
    Tier::ALL.map(|wanted| {
        let (budget, taken) = (bounds.budgets[wanted.index()], &packed.taken[wanted.index()]);
        let mut best: Option<u32> = None;
        for (row, (&tier, &tokens)) in (0..).zip(candidates.tier().iter().zip(candidates.tokens()))
        {
            if tier == wanted
                && budget > 0
                && tokens > budget
                && ranked.verdict(row as usize) == Verdict::Kept
                && best.is_none_or(|best| key(row) > key(best))
                && !taken.contains(&row)
                && terms(row).is_none_or(|terms| known.find(terms).is_none())
            {
                best = Some(row);
            }
        }
        if let Some((row, terms)) = best.and_then(|row| Some((row, terms(row)?))) {
            known.hold(row, terms);
        }
        best
    })
}
