//! A plan over columns, which scores exactly only what it takes, is the plan that scores everything.

#![expect(clippy::cast_possible_truncation)] // small numbers, and rounding is what is wanted

use memory_budget_core::candidates::Candidates;
use memory_budget_core::columns::{ColumnTuning, Columns, Doubts, Numbers};
use memory_budget_core::complexity::Level;
use memory_budget_core::decay::{FIRST_US, NO_TIME};
use memory_budget_core::limits::{Amount, Limits, SpillOver};
use memory_budget_core::pack::Tuning;
use memory_budget_core::plan::{plan, plan_within};
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use proptest::collection::vec;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000_000;

/// Columns that own their values.
#[derive(Clone, Debug)]
struct Owned {
    tier: Vec<u8>,
    relevance: Vec<f64>,
    importance: Vec<f64>,
    timestamp_us: Vec<i64>,
    tokens: Vec<u64>,
    /// Whether relevance and importance are handed over as `f32`.
    single: [bool; 2],
    /// Whether importance is the same for all rows, and times are not known at all.
    constant: bool,
    timeless: bool,
}

const SURE: Doubts = Doubts { tiers: false, tokens: false, times: false };

impl Owned {
    fn check(&self, settings: &Settings, now_us: i64, tuning: ColumnTuning) {
        let narrow = |column: &[f64]| column.iter().map(|it| *it as f32).collect::<Vec<_>>();
        let (relevance, importance) = (narrow(&self.relevance), narrow(&self.importance));
        let widened = |single: bool, wide: &[f64], narrow: &[f32]| {
            if single { narrow.iter().map(|it| f64::from(*it)).collect() } else { wide.to_vec() }
        };
        let constant = 0.5;
        let columns = Columns {
            tier: &self.tier,
            relevance: if self.single[0] {
                Numbers::F32(&relevance)
            } else {
                Numbers::F64(&self.relevance)
            },
            importance: match (self.constant, self.single[1]) {
                (true, _) => Numbers::All(constant),
                (false, true) => Numbers::F32(&importance),
                (false, false) => Numbers::F64(&self.importance),
            },
            timestamp_us: (!self.timeless).then_some(&self.timestamp_us),
            tokens: &self.tokens,
        };
        let rows = self.tier.len();
        let tier: Vec<_> = self.tier.iter().map(|it| Tier::ALL[usize::from(*it)]).collect();
        let wide_relevance = widened(self.single[0], &self.relevance, &relevance);
        let mut wide_importance = widened(self.single[1], &self.importance, &importance);
        let mut times = self.timestamp_us.clone();
        if self.constant {
            wide_importance = vec![constant; rows];
        }
        if self.timeless {
            times = vec![NO_TIME; rows];
        }
        let candidates =
            Candidates::new(&tier, &wide_relevance, &wide_importance, &times, &self.tokens);
        let candidates = candidates.unwrap();
        let (expected, scores) = plan(&candidates, settings, Level::Medium, now_us);
        let found = columns.plan(settings, Level::Medium, now_us, tuning);
        assert_eq!(found.plan, expected);
        let bits = |it: &memory_budget_core::plan::Selected| {
            [it.relevance, it.importance, it.freshness, it.combined].map(f64::to_bits)
        };
        let all_bits = |plan: &memory_budget_core::plan::Plan| -> Vec<_> {
            plan.selected.iter().map(bits).collect()
        };
        assert_eq!(all_bits(&found.plan), all_bits(&expected));
        assert_eq!(found.non_finite, scores.non_finite);
        // Whether a time is one is a question of the calendar: some that are may be doubted, too.
        let far = |time: &i64| time.wrapping_sub(FIRST_US).cast_unsigned() >= 1 << 58;
        let doubtful = !self.timeless && self.timestamp_us.iter().any(far);
        assert_eq!(found.doubts, Doubts { times: doubtful, ..SURE });
        let pinned: Vec<u32> = (0..rows as u32).filter(|row| row % 97 == 13).collect();
        let share = |share| Some(Amount::Share(share));
        for (available, spill_over) in [
            (None, SpillOver::ByScore),
            (Some(0), SpillOver::ByScore),
            (Some(900), SpillOver::ByTier),
        ] {
            let limits = Limits {
                floors: [None, share(0.2), None, None],
                caps: [share(0.4), None, None, None],
                available,
                spill_over: Some(spill_over),
                minimum_score: 0.25,
                cut_oversized: available.is_some(),
            };
            let candidates = candidates.with_pinned(&pinned);
            let expected = plan_within(&candidates, settings, &limits, Level::Medium, now_us);
            let found =
                columns.plan_within(settings, &limits, &pinned, Level::Medium, now_us, tuning);
            if let Ok(found) = &found {
                assert_eq!(found.doubts, Doubts { times: doubtful, ..SURE });
                assert_eq!(found.non_finite, scores.non_finite);
            }
            assert_eq!(found.map(|found| found.plan), expected.map(|(plan, _)| plan));
        }
    }
}

// Strategies are boxed: unboxed, a debug build moves more of them about than a test thread's stack holds.

/// Components that approximations go wrong on.
fn component() -> BoxedStrategy<f64> {
    prop_oneof![
        12 => 0.0..=1.0f64,
        4 => (0u32..4).prop_map(|step| f64::from(step) / 3.0),
        2 => (0u32..50).prop_map(|step| 0.5 + f64::from(step) * 1e-9),
        1 => -2.0..=2.0f64,
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e300), Just(-0.0),
            Just(5e-324), Just(1e7), -1e6..1e6f64
        ],
    ]
    .boxed()
}

fn tame() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..=1.0f64, 1 => (0u32..3).prop_map(|step| f64::from(step) / 2.0)]
}

fn column(rows: usize) -> BoxedStrategy<Vec<f64>> {
    prop_oneof![
        3 => vec(tame(), rows),
        2 => vec(component(), rows),
        1 => component().prop_map(move |value| vec![value; rows]),
    ]
    .boxed()
}

/// Times before and after `now_us`, the same for many rows, unknown, and at the ends of the calendar.
fn time(now_us: i64) -> BoxedStrategy<i64> {
    let (start, end) = (FIRST_US, 253_402_300_799_999_999);
    let time = prop_oneof![
        12 => (0i64..3_000).prop_map(move |hours| now_us - hours * HOUR),
        2 => (0i64..1_000_000).prop_map(move |step| now_us - step),
        2 => (0i64..100).prop_map(move |hours| now_us + hours * HOUR),
        2 => Just(now_us),
        1 => Just(NO_TIME),
        1 => start..=end,
    ];
    time.prop_map(move |time| if time == NO_TIME { time } else { time.clamp(start, end) }).boxed()
}

fn tokens() -> BoxedStrategy<u64> {
    prop_oneof![
        12 => 1u64..60,
        1 => Just(0),
        1 => 5_000u64..9_000,
        1 => prop_oneof![Just(MAX_COUNT), 0..=MAX_COUNT],
    ]
    .boxed()
}

fn owned(now_us: i64) -> impl Strategy<Value = Owned> {
    (0usize..600).prop_flat_map(move |rows| {
        let times = prop_oneof![
            3 => vec(time(now_us), rows),
            1 => time(now_us).prop_map(move |time| vec![time; rows]),
        ];
        let tiers = prop_oneof![vec(0u8..4, rows), (0u8..4).prop_map(move |it| vec![it; rows])];
        let flags = (any::<[bool; 2]>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
        (tiers, column(rows), column(rows), times, vec(tokens(), rows), flags).prop_map(
            |(tier, relevance, importance, timestamp_us, tokens, (single, constant, timeless))| {
                Owned {
                    tier,
                    relevance,
                    importance,
                    timestamp_us,
                    tokens,
                    single,
                    constant,
                    timeless,
                }
            },
        )
    })
}

fn weight() -> BoxedStrategy<f64> {
    prop_oneof![6 => 0.0..=1.0f64, 1 => Just(0.0), 1 => 0.0..1e7f64, 1 => Just(1e300), 1 => Just(5e-324)]
    .boxed()
}

fn settings() -> BoxedStrategy<Settings> {
    let half_life =
        prop_oneof![4 => 1.0..1e3f64, 1 => 1e-9..1e13f64, 1 => Just(5e-324), 1 => Just(f64::MAX)];
    let budget = prop_oneof![1 => Just(0), 6 => 0u64..9_000, 1 => Just(MAX_COUNT)];
    let weights = prop_oneof![
        3 => Just([0.5, 0.3, 0.2]),
        2 => [weight(), weight(), weight()],
    ];
    let shares = prop_oneof![3 => Just([0.3, 0.25, 0.2, 0.25]), 1 => Just([0.0, 1.0, 0.0, 0.1])];
    (half_life, budget, weights, shares)
        .prop_map(|(freshness_half_life_hours, max_total_tokens, weights, shares)| Settings {
            freshness_half_life_hours,
            max_total_tokens,
            shares,
            weights: Weights {
                relevance: weights[0],
                importance: weights[1],
                freshness: weights[2],
            },
            ..Settings::default()
        })
        .boxed()
}

fn tuning() -> BoxedStrategy<ColumnTuning> {
    let search = (1usize..200, 1usize..1500, 1usize..40, 0usize..40).prop_map(
        |(sample, block, keep_least, more)| Tuning {
            sample,
            block,
            keep_least,
            keep_most: keep_least + more,
        },
    );
    prop_oneof![
        1 => Just(ColumnTuning::default()),
        4 => search.prop_map(|search| ColumnTuning { sort_below: 0, search }),
    ]
    .boxed()
}

/// Moments of this age, before 1970, and at the ends of the calendar.
fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => Just(490_000 * HOUR),
        1 => Just(-490_000 * HOUR),
        1 => Just(0),
        1 => Just(FIRST_US),
        1 => Just(253_402_300_799_999_999),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_over_columns_is_the_plan_that_scores_everything(
        (now_us, owned) in moment().prop_flat_map(|now_us| (Just(now_us), owned(now_us))),
        settings in settings(),
        tuning in tuning(),
    ) {
        owned.check(&settings, now_us, tuning);
    }

    #[test]
    fn what_columns_may_not_hold_is_seen(
        mut owned in owned(490_000 * HOUR),
        place in any::<prop::sample::Index>(),
        wrong in 0..3,
        tuning in tuning(),
    ) {
        prop_assume!(!owned.tier.is_empty());
        let row = place.index(owned.tier.len());
        owned.timestamp_us.fill(0);
        match wrong {
            0 => owned.tier[row] = 4 + (row % 200) as u8,
            1 => owned.tokens[row] = MAX_COUNT + 1 + (row as u64).wrapping_mul(0x0100_0000_0000_0001),
            _ => owned.timestamp_us[row] = if row % 2 == 0 { i64::MAX } else { i64::MIN + 1 },
        }
        let columns = Columns {
            tier: &owned.tier,
            relevance: Numbers::F64(&owned.relevance),
            importance: Numbers::All(0.5),
            timestamp_us: Some(&owned.timestamp_us),
            tokens: &owned.tokens,
        };
        let found = columns.plan(&Settings::default(), Level::Medium, 490_000 * HOUR, tuning);
        let expected = Doubts { tiers: wrong == 0, tokens: wrong == 1, times: wrong == 2 };
        prop_assert_eq!(found.doubts, expected);
    }
}

#[test]
fn many_rows() {
    let now_us = 490_000 * HOUR;
    let scrambled = |index: u64| {
        let bits = index.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    let fraction = |index: u64| (scrambled(index) >> 11) as f64 / (1u64 << 53) as f64;
    for rows in [384, 2_000, 30_000, 100_001] {
        for distinct in [1.0, 3.0, 1e15] {
            let value = |index: u64| (fraction(index) * distinct).floor() / distinct;
            let owned = Owned {
                tier: (0..rows).map(|row| (scrambled(row) % 4) as u8).collect(),
                relevance: (0..rows).map(|row| value(row + 1_000_000)).collect(),
                importance: (0..rows).map(|row| value(row + 2_000_000)).collect(),
                timestamp_us: (0..rows)
                    .map(|row| now_us - (value(row + 3_000_000) * 2e3) as i64 * HOUR)
                    .collect(),
                tokens: (0..rows).map(|row| 20 + scrambled(row + 4_000_000) % 60).collect(),
                single: [true, false],
                constant: false,
                timeless: false,
            };
            owned.check(&Settings::default(), now_us, ColumnTuning::default());
        }
    }
}
