//! The score order of many candidates, without sorting them.
//!
//! Only the best few hundred of a million candidates ever fit a budget. So approximate scores are
//! looked at in one pass, and what lies below a *floor* is left where it is. The floor is a guess
//! (from a sample, raised while the pass goes on); if it was too high, another pass looks at what
//! lies below it, and at nothing but what still fits. [`Lane`] takes the candidates in the exact
//! order, whatever the guess was: the guess decides about time, never about the result.

use super::lane::Lane;
use crate::tier::Tier;

/// In place of a tier: a row that is no candidate.
pub const NOT_A_CANDIDATE: u8 = u8::MAX;

/// Candidates whose scores are known approximately at once and exactly on demand.
///
/// For every candidate `exact <= max(0, approximate + error_bound)` must hold, with an exact score
/// in 0.0..=1.0 that is never -0.0. An approximation is never NaN.
pub trait Ranking {
    /// Whether an exact score costs no more than a look into a column.
    const EXACT_IS_KNOWN: bool = false;

    /// How many rows there are, candidates or not.
    fn rows(&self) -> usize;

    /// Approximate scores of the rows from `start`, the same whenever asked. Rows that are no
    /// candidates get any number.
    fn approximate(&self, start: usize, scores: &mut [f32]);

    /// For the rows from `start` the index of each candidate's tier, or something larger, as
    /// [`NOT_A_CANDIDATE`].
    fn tiers(&self, start: usize, tiers: &mut [u8]);

    /// As [`Self::tiers`], for one row.
    fn tier(&self, row: u32) -> u8;

    /// How far below the exact score an approximation can lie, at most.
    fn error_bound(&self) -> f64;

    /// The score that decides.
    fn exact(&self, row: u32) -> f64;

    /// What a candidate costs.
    fn tokens(&self, row: u32) -> u64;

    /// Flags with 1, among the rows from `start`, all whose cost may be `most` or less, and with 0 what
    /// surely costs more.
    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]);

    /// Whether a candidate of that cost can be taken where `rest` is left. What does not fit once never
    /// fits again.
    fn fits(&self, _row: u32, tokens: u64, rest: u64) -> bool {
        tokens <= rest
    }

    /// Hears of a candidate that was taken, before the next one is asked for.
    fn took(&self, _row: u32, _tokens: u64) {}

    /// No candidate of the tier costs less than this.
    fn least_tokens(&self, _tier: Tier) -> u64 {
        0
    }

    /// As [`Self::least_tokens`], asked when every row has been asked for its approximate score.
    fn least_tokens_seen(&self, tier: Tier) -> u64 {
        self.least_tokens(tier)
    }
}

/// Sizes that decide about speed alone.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Rows of the sample that the first floors are guessed from; more where there are very many.
    pub sample: usize,
    /// Rows that are looked at together; one block's columns fit the first-level cache.
    pub block: usize,
    /// Candidates a tier keeps above its floor, at least ...
    pub keep_least: usize,
    /// ... and at most, in the first pass.
    pub keep_most: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { sample: 768, block: 1024, keep_least: 128, keep_most: 512 }
    }
}

/// Neighbouring rows of the sample; they share cache lines.
const SAMPLE_STEP: usize = 8;
/// One in that many rows is in the sample at least.
const SAMPLE_ONE_IN: usize = 512;
/// One in that many candidates is kept in the first pass.
const KEEP_ONE_IN: usize = 128;
/// By how much each further pass widens what is kept, so that the number of passes is logarithmic.
const WIDEN: usize = 4;

/// What [`super::score_order`] takes of each tier within its budget, best first, with scores. Asks for
/// the approximate score of every row once at least.
///
/// # Panics
/// With more than 2^32 rows.
#[must_use]
pub fn select(
    ranking: &impl Ranking,
    budgets: [u64; Tier::COUNT],
    tuning: Tuning,
) -> [Vec<(u32, f64)>; Tier::COUNT] {
    assert!(u32::try_from(ranking.rows()).is_ok(), "at most 2^32 - 1 rows");
    let bound = ranking.error_bound();
    let mut lanes =
        Tier::ALL.map(|tier| Lane::new(budgets[tier.index()], ranking.least_tokens(tier), bound));
    guess_floors(ranking, &mut lanes, tuning);
    collect(ranking, &mut lanes, tuning.block);
    for (lane, tier) in lanes.iter_mut().zip(Tier::ALL) {
        lane.learn(ranking.least_tokens_seen(tier));
    }
    loop {
        for lane in &mut lanes {
            lane.take(ranking);
            lane.widen(WIDEN);
        }
        if lanes.iter().all(Lane::is_finished) {
            break;
        }
        collect_fitting(ranking, &mut lanes, tuning.block);
    }
    lanes.map(Lane::into_taken)
}

/// Sets each lane's floor, and how many candidates it keeps, from a sample spread evenly.
fn guess_floors(ranking: &impl Ranking, lanes: &mut [Lane; Tier::COUNT], tuning: Tuning) {
    let rows = ranking.rows();
    let stretches = (tuning.sample.min(rows / 16).max(rows / SAMPLE_ONE_IN) / SAMPLE_STEP).max(1);
    let stride = (rows / stretches / SAMPLE_STEP * SAMPLE_STEP).max(SAMPLE_STEP);
    let mut samples: [Vec<f32>; Tier::COUNT] = Default::default();
    let mut tokens = [0u128; Tier::COUNT];
    let mut seen = 0;
    for start in (0..rows).step_by(stride) {
        let length = SAMPLE_STEP.min(rows - start);
        let (mut approximate, mut tiers) = ([0.0; SAMPLE_STEP], [NOT_A_CANDIDATE; SAMPLE_STEP]);
        ranking.approximate(start, &mut approximate[..length]);
        ranking.tiers(start, &mut tiers[..length]);
        seen += length;
        for offset in 0..length {
            let tier = usize::from(tiers[offset]);
            if tier < Tier::COUNT {
                samples[tier].push(approximate[offset]);
                tokens[tier] += u128::from(ranking.tokens(row_number(start + offset)));
            }
        }
    }
    for ((lane, sample), tokens) in lanes.iter_mut().zip(&mut samples).zip(tokens) {
        let expected = sample.len() * rows / seen.max(1);
        let average = (tokens / sample.len().max(1) as u128).max(1);
        // One and a half budgets of tokens usually fill the budget to the last few.
        let needed = u128::from(lane.rest()) * 3 / 2 / average;
        let needed = usize::try_from(needed).unwrap_or(usize::MAX);
        let usual = (expected / KEEP_ONE_IN).clamp(tuning.keep_least, tuning.keep_most);
        let keep = usual.max(needed).max(1);
        // A little lower than where that many should lie: a sample errs.
        let share = keep.saturating_mul(3) / 2;
        let rank = sample.len().saturating_mul(share) / expected.max(1) + 2;
        let floor = if rank < sample.len() {
            *sample.select_nth_unstable_by(rank, |a, b| b.total_cmp(a)).1
        } else {
            f32::NEG_INFINITY
        };
        lane.start(keep, floor);
    }
}

/// One in that many rows above the lowest floor are few enough to be asked for their tiers.
const FEW: usize = 8;
/// Blocks until it is tried again whether they are few.
const PATIENCE: u32 = 32;

/// The first pass: gives each unfinished lane what lies above its floor.
fn collect(ranking: &impl Ranking, lanes: &mut [Lane; Tier::COUNT], block: usize) {
    let rows = ranking.rows();
    let mut approximate = vec![0.0; block];
    let mut tiers = vec![NOT_A_CANDIDATE; block];
    let mut flags = flags_for(block);
    let mut wait = 0;
    for start in (0..rows).step_by(block) {
        let length = block.min(rows - start);
        let approximate = &mut approximate[..length];
        ranking.approximate(start, approximate);
        flags[length..].fill(0);
        let floors = lanes.each_ref().map(Lane::floor);
        if wait > 0 {
            wait -= 1;
            let tiers = &mut tiers[..length];
            ranking.tiers(start, tiers);
            flag_above(approximate, tiers, floors, &mut flags);
            for_each_flag(&flags, |offset| {
                let row = row_number(start + offset);
                let lane = &mut lanes[usize::from(tiers[offset])];
                lane.push(approximate[offset], row);
            });
            continue;
        }
        // Where the floors lie close together, comparing with the lowest leaves little to ask.
        let lowest = floors.into_iter().fold(f32::INFINITY, f32::min);
        for (flag, score) in flags.iter_mut().zip(&*approximate) {
            *flag = u8::from(*score >= lowest);
        }
        let mut flagged = 0;
        for_each_flag(&flags, |offset| {
            flagged += 1;
            let row = row_number(start + offset);
            if let Some(lane) = lanes.get_mut(usize::from(ranking.tier(row))) {
                lane.push(approximate[offset], row);
            }
        });
        if flagged > length / FEW {
            wait = PATIENCE;
        }
    }
}

/// A further pass: gives each unfinished lane what lies between its floor and its ceiling and still
/// fits. That is usually little, so costs are looked at before scores.
fn collect_fitting(ranking: &impl Ranking, lanes: &mut [Lane; Tier::COUNT], block: usize) {
    let rows = ranking.rows();
    let mut approximate = vec![0.0; block];
    let mut flags = flags_for(block);
    let unfinished = lanes.iter().filter(|lane| !lane.is_finished());
    let most = unfinished.map(Lane::rest).max().unwrap_or(0);
    for start in (0..rows).step_by(block) {
        let length = block.min(rows - start);
        flags[length..].fill(0);
        ranking.may_cost(start, most, &mut flags[..length]);
        if flags.iter().all(|flag| *flag == 0) {
            continue;
        }
        let approximate = &mut approximate[..length];
        ranking.approximate(start, approximate);
        for_each_flag(&flags, |offset| {
            let row = row_number(start + offset);
            let Some(lane) = lanes.get_mut(usize::from(ranking.tier(row))) else { return };
            let score = approximate[offset];
            if (lane.floor()..lane.ceiling()).contains(&score)
                && ranking.fits(row, ranking.tokens(row), lane.rest())
            {
                lane.push(score, row);
            }
        });
    }
}

/// A multiple of eight, so that flags can be asked for eight at a time.
fn flags_for(block: usize) -> Vec<u8> {
    vec![0; block.next_multiple_of(8)]
}

/// Visits the positions of the flags that are 1, eight at a time where they are 0.
fn for_each_flag(flags: &[u8], mut visit: impl FnMut(usize)) {
    for (eighth, word) in flags.as_chunks::<8>().0.iter().enumerate() {
        let mut word = u64::from_le_bytes(*word);
        while word != 0 {
            visit(eighth * 8 + word.trailing_zeros() as usize / 8);
            word &= word - 1;
        }
    }
}

/// Flags the candidates at or above their tier's floor.
fn flag_above(scores: &[f32], tiers: &[u8], floors: [f32; Tier::COUNT], flags: &mut [u8]) {
    for ((flag, &score), &tier) in flags.iter_mut().zip(scores).zip(tiers) {
        let mut passes = 0;
        for (index, floor) in (0..).zip(floors) {
            passes |= u8::from(score >= floor) & u8::from(tier == index);
        }
        *flag = passes;
    }
}

#[expect(clippy::cast_possible_truncation)] // select refuses more than 2^32 rows
fn row_number(row: usize) -> u32 {
    row as u32
}
