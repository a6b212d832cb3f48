//! Selecting without sorting, by approximate scores of any quality, equals the stable sort.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memory_budget_core::pack::{NOT_A_CANDIDATE, Ranking, Tuning, select};
use memory_budget_core::tier::Tier;
use memory_budget_fuzz::count;

#[derive(Arbitrary, Debug)]
struct Case {
    rows: Vec<(u8, u16, i8, u64)>,
    /// How often the rows are repeated: equal scores in large numbers.
    repeat: u8,
    bound: u8,
    budgets: [u32; 4],
    tuning: [u8; 4],
    knows_least: bool,
}

struct Rough {
    tier: Vec<u8>,
    score: Vec<f64>,
    tokens: Vec<u64>,
    approximate: Vec<f32>,
    bound: f64,
    knows_least: bool,
}

impl Ranking for Rough {
    fn rows(&self) -> usize {
        self.tier.len()
    }

    fn approximate(&self, start: usize, scores: &mut [f32]) {
        scores.copy_from_slice(&self.approximate[start..start + scores.len()]);
    }

    fn tiers(&self, start: usize, tiers: &mut [u8]) {
        tiers.copy_from_slice(&self.tier[start..start + tiers.len()]);
    }

    fn tier(&self, row: u32) -> u8 {
        self.tier[row as usize]
    }

    fn error_bound(&self) -> f64 {
        self.bound
    }

    fn exact(&self, row: u32) -> f64 {
        self.score[row as usize]
    }

    fn tokens(&self, row: u32) -> u64 {
        self.tokens[row as usize]
    }

    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]) {
        for (flag, tokens) in flags.iter_mut().zip(&self.tokens[start..]) {
            *flag = u8::from(*tokens <= most);
        }
    }

    fn least_tokens(&self, tier: Tier) -> u64 {
        let members = self.tier.iter().zip(&self.tokens);
        let of_tier = members.filter(|it| *it.0 == tier as u8).map(|it| *it.1);
        if self.knows_least { of_tier.min().unwrap_or(0) } else { 0 }
    }
}

fuzz_target!(|case: Case| {
    // The least bound is what rounding to f32 alone may cost.
    let bound = f64::from(f32::EPSILON) / 2.0 + f64::from(case.bound) / 512.0;
    let repeat = usize::from(case.repeat % 16) + 1;
    let mut ranking = Rough {
        tier: Vec::new(),
        score: Vec::new(),
        tokens: Vec::new(),
        approximate: Vec::new(),
        bound,
        knows_least: case.knows_least,
    };
    for &(tier, score, error, tokens) in case.rows.iter().cycle().take(case.rows.len() * repeat) {
        let score = f64::from(score) / f64::from(u16::MAX);
        // Within the bound, and what is left of it for the rounding.
        let error = f64::from(error) / 128.0 * (bound - f64::from(f32::EPSILON) / 2.0);
        ranking.tier.push(if tier % 8 < 7 { tier % 4 } else { NOT_A_CANDIDATE });
        ranking.score.push(score);
        ranking.tokens.push(count(tokens));
        #[expect(clippy::cast_possible_truncation)] // rounding is what is wanted
        ranking.approximate.push((score + error).clamp(0.0, 1.0) as f32);
    }
    let budgets = case.budgets.map(u64::from);
    let [sample, block, least, most] = case.tuning.map(usize::from);
    let keep_least = least + 1;
    let tuning = Tuning { sample, block: block + 1, keep_least, keep_most: keep_least + most };
    let taken = select(&ranking, budgets, tuning);
    for tier in Tier::ALL {
        let mut members: Vec<u32> = (0..u32::try_from(ranking.rows()).unwrap())
            .filter(|row| ranking.tier(*row) == tier as u8)
            .collect();
        members.sort_by(|left, right| ranking.exact(*right).total_cmp(&ranking.exact(*left)));
        let mut left = budgets[tier.index()];
        members.retain(|row| {
            let fits = ranking.tokens(*row) <= left;
            left -= if fits { ranking.tokens(*row) } else { 0 };
            fits
        });
        let taken: Vec<_> = taken[tier.index()].iter().map(|it| it.0).collect();
        assert_eq!(taken, members, "{tier:?}");
    }
});
