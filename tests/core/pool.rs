//! The pool: the same selection as over plain columns, versions that do not change, no lost count.

#![expect(clippy::cast_possible_truncation)] // small numbers, and rounding is what is wanted

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::error::Error;
use memory_budget_core::limits::{Amount, Limits, SpillOver};
use memory_budget_core::pack::Tuning;
use memory_budget_core::plan::plan_within;
use memory_budget_core::pool::{Cells, Cost, Entry, Key, Missing, Pool, Query, Relevance, Row};
use memory_budget_core::promotion::Ladder;
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use memory_budget_core::token_cell::Counter;
use memory_budget_core::tokens::MAX_COUNT;
use proptest::collection::vec;
use proptest::prelude::*;

/// A key that collides often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(u32);

impl Key for Id {
    fn hash(&self) -> u64 {
        u64::from(self.0 % 7) << 60 | u64::from(self.0 % 3)
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

type Memories = Pool<Id, u32>;

fn entry(id: u32, row: Row) -> Entry<Id, u32> {
    let extra = id.is_multiple_of(5).then_some(id);
    Entry { row, payload: Id(id), extra, cells: Cells { count: Some(0), ..Cells::default() } }
}

fn filled(rows: &[Row]) -> Memories {
    let pool = Memories::new();
    pool.change(|draft| {
        for (id, row) in (0..).zip(rows) {
            draft.put(entry(id, *row));
        }
    });
    pool
}

fn instant() -> impl Strategy<Value = i64> {
    let now = 1_790_000_000_000_000i64;
    prop_oneof![
        6 => now - 40_000_000_000_000..now + 1_000_000_000_000,
        1 => -62_135_596_800_000_000i64..253_402_300_800_000_000,
        1 => Just(NO_TIME),
    ]
}

fn component() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.0..=1.0,
        2 => prop_oneof![Just(0.0), Just(-0.0), Just(0.5), Just(1.0)],
        1 => -50.0..50.0f64,
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

/// Components without surprises: whole chunks that are approximated.
fn tame() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..=1.0, 1 => Just(0.5)]
}

fn cost() -> impl Strategy<Value = Cost> {
    prop_oneof![
        8 => (0u64..300).prop_map(Cost::Tokens),
        1 => prop_oneof![Just(MAX_COUNT), 0..=MAX_COUNT].prop_map(Cost::Tokens),
        4 => (0u64..900).prop_map(Cost::CodePoints),
        1 => (0..=MAX_COUNT).prop_map(Cost::CodePoints),
        1 => ((1u64 << 31) - 3..(1 << 31) + 3).prop_map(Cost::Tokens),
    ]
}

fn row(component: BoxedStrategy<f64>) -> impl Strategy<Value = Row> {
    let flags = (prop::bool::weighted(0.02), prop::bool::weighted(0.1), any::<bool>());
    (0..Tier::COUNT, component.clone(), component, instant(), cost(), 0u32..3, flags).prop_map(
        |(tier, relevance, importance, timestamp_us, cost, user, (pinned, evergreen, mark))| Row {
            tier: Tier::ALL[tier],
            relevance,
            importance,
            timestamp_us,
            cost,
            user,
            pinned,
            evergreen,
            mark,
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop_oneof![
        3 => vec(row(tame().boxed()), 0..300),
        2 => vec(row(component().boxed()), 0..300),
        1 => (row(tame().boxed()), 0usize..300).prop_map(|(row, times)| vec![row; times]),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let weight = || prop_oneof![6 => 0.0..1.0, 1 => Just(0.0), 1 => Just(1e300), 1 => Just(5e-324)];
    let half_life = prop_oneof![4 => Just(168.0), 3 => 1e-3..1e5f64, 1 => Just(f64::MIN_POSITIVE), 1 => Just(1e15)];
    let total = prop_oneof![5 => 0u64..20_000, 1 => Just(MAX_COUNT)];
    (total, [weight(), weight(), weight()], half_life, prop_oneof![Just(0.25), 0.0..3.0]).prop_map(
        |(max_total_tokens, [relevance, importance, freshness], half_life, tokens_per_char)| {
            Settings {
                max_total_tokens,
                weights: Weights { relevance, importance, freshness },
                freshness_half_life_hours: half_life,
                tokens_per_char,
                ..Settings::default()
            }
        },
    )
}

fn tuning() -> impl Strategy<Value = Tuning> {
    (1usize..200, 1usize..70, 1usize..40).prop_map(|(sample, block, keep)| Tuning {
        sample,
        block,
        keep_least: keep,
        keep_most: keep,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let share = || (0.0..=1.0f64).prop_map(Amount::Share);
    let spill_over = prop_oneof![
        1 => Just(None),
        1 => Just(Some(SpillOver::ByScore)),
        1 => Just(Some(SpillOver::ByTier)),
    ];
    let available = prop::option::of(0u64..9000);
    let minimum = prop_oneof![Just(0.0), 0.0..1.0f64];
    let some =
        (prop::option::of(share()), prop::option::of(share()), available, spill_over, minimum);
    let some = some.prop_map(|(floor, cap, available, spill_over, minimum_score)| Limits {
        floors: [None, None, floor.filter(|_| cap.is_none()), None],
        caps: [cap, None, cap, None],
        available,
        spill_over,
        minimum_score,
        cut_oversized: true,
    });
    prop_oneof![1 => Just(Limits::NONE), 2 => some]
}

type Expected = (memory_budget_core::plan::Plan, Option<(usize, usize, &'static str)>);

/// The same call over plain columns of the candidates.
fn expected(
    rows: &BTreeMap<u32, Row>,
    query: &Query<'_>,
    relevance: impl Fn(u32, &Row) -> Option<f64>,
) -> Result<Expected, Error> {
    let candidates: Vec<(u32, Row, f64)> = rows
        .iter()
        .filter(|(_, row)| query.user.is_none_or(|user| row.user == user))
        .filter(|(_, row)| query.tiers[row.tier.index()])
        .filter_map(|(number, row)| Some((*number, *row, relevance(*number, row)?)))
        .collect();
    let tier: Vec<_> = candidates.iter().map(|it| it.1.tier).collect();
    let relevance: Vec<_> = candidates.iter().map(|it| it.2).collect();
    let importance: Vec<_> = candidates.iter().map(|it| it.1.importance).collect();
    let fresh_until = |row: &Row| if row.evergreen { NO_TIME } else { row.timestamp_us };
    let timestamp: Vec<_> = candidates.iter().map(|it| fresh_until(&it.1)).collect();
    let pinned: Vec<u32> =
        (0..).zip(&candidates).filter(|(_, it)| it.1.pinned).map(|(row, _)| row).collect();
    let tokens: Vec<_> =
        candidates.iter().map(|it| it.1.cost.tokens(query.settings.tokens_per_char)).collect();
    let columns = Candidates::new(&tier, &relevance, &importance, &timestamp, &tokens)
        .unwrap()
        .with_pinned(&pinned);
    let (mut plan, scores) =
        plan_within(&columns, query.settings, &query.limits, query.level, query.now_us)?;
    let oversized = plan.limited.iter_mut().flat_map(|it| it.oversized.iter_mut().flatten());
    for selected in plan.selected.iter_mut().chain(oversized) {
        selected.index = candidates[selected.index as usize].0;
    }
    let non_finite = scores
        .non_finite
        .map(|it| (it.count, candidates[it.first_index].0 as usize, it.first_field));
    Ok((plan, non_finite))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_pool_selects_what_plain_columns_select(
        rows in rows(),
        removed in vec(any::<prop::sample::Index>(), 0..30),
        settings in settings(),
        level in 0usize..4,
        times in [instant(), instant()],
        given in vec(component(), 300),
        tame in any::<bool>(),
        kind in 0usize..5,
        user in prop_oneof![3 => Just(None), 1 => (0u32..4).prop_map(Some)],
        tiers in prop_oneof![3 => Just([true; 4]), 1 => any::<[bool; 4]>()],
        sort_below in prop_oneof![3 => Just(0), 1 => Just(512)],
        (tuning, limits) in (tuning(), limits()),
    ) {
        let pool = filled(&rows);
        let mut live: BTreeMap<u32, Row> = (0..).zip(rows.iter().copied()).collect();
        for index in removed.iter().filter(|_| !rows.is_empty()) {
            let number = index.index(rows.len()) as u32;
            live.remove(&number);
            pool.change(|draft| draft.remove(number));
        }
        let snapshot = pool.snapshot();
        let given: Vec<f64> = given
            .into_iter()
            .take(rows.len())
            .map(|it| if tame { it.abs().min(1.0) } else { it })
            .map(|it| if it.is_nan() && tame { 0.5 } else { it })
            .collect();
        let single: Vec<f32> = given.iter().map(|it| *it as f32).collect();
        let some: Vec<(u32, f64)> =
            (0..).zip(given.iter().copied()).filter(|(number, _)| number % 3 == 0).collect();
        // Twice: the second call finds decay columns of the first, perhaps with another landmark.
        for now_us in times.into_iter().filter(|it| *it != NO_TIME) {
            let query = Query {
                relevance: match kind {
                    0 => Relevance::Stored,
                    1 => Relevance::F32(&single),
                    2 => Relevance::F64(&given),
                    3 => Relevance::Rows(&some, Missing::Zero),
                    _ => Relevance::Rows(&some, Missing::Exclude),
                },
                user,
                tiers,
                sort_below,
                tuning,
                limits,
                ..Query::new(&settings, Level::ALL[level], now_us)
            };
            let expected = expected(&live, &query, |number, row| match kind {
                0 => Some(row.relevance),
                1 => Some(f64::from(single[number as usize])),
                2 => Some(given[number as usize]),
                3 if number % 3 != 0 => Some(0.0),
                _ => (number % 3 == 0).then(|| given[number as usize]),
            });
            let found = query.plan(&snapshot).map(|found| {
                let non_finite = found.non_finite;
                (found.plan, non_finite.map(|it| (it.count, it.first_index, it.first_field)))
            });
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn one_importance_that_is_not_known_is_noticed(
        mut rows in vec(row(tame().boxed()), 1..300),
        at in any::<prop::sample::Index>(),
        settings in settings(),
        tuning in tuning(),
    ) {
        at.get_mut(&mut rows).importance = f64::NAN;
        let live: BTreeMap<u32, Row> = (0..).zip(rows.iter().copied()).collect();
        let query = Query { sort_below: 0, tuning, ..Query::new(&settings, Level::Medium, 1_790_000_000_000_000) };
        let expected = expected(&live, &query, |_, row| Some(row.relevance));
        let found = query.plan(&filled(&rows).snapshot()).map(|found| {
            let non_finite = found.non_finite;
            (found.plan, non_finite.map(|it| (it.count, it.first_index, it.first_field)))
        });
        prop_assert_eq!(found, expected);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u32, Row),
    Remove(u32),
    Select(u32),
    Compact,
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0u32..60;
    prop_oneof![
        8 => (id.clone(), row(component().boxed())).prop_map(|(id, row)| Step::Put(id, row)),
        4 => id.clone().prop_map(Step::Remove),
        4 => id.prop_map(Step::Select),
        1 => Just(Step::Compact),
        1 => Just(Step::Look),
    ]
}

type Seen = Vec<(u32, Id, Option<u32>, [u64; 2], i64, Cost)>;

fn seen(snapshot: &memory_budget_core::pool::Snapshot<Id, u32>) -> Seen {
    let rows = 0..snapshot.rows() as u32;
    rows.filter_map(|number| {
        let row = snapshot.row(number)?;
        let payload = *snapshot.payload(number)?;
        let bits = [row.relevance.to_bits(), row.importance.to_bits()];
        Some((number, payload, snapshot.extra(number).copied(), bits, row.timestamp_us, row.cost))
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_pool_is_a_map_whose_versions_stay(steps in vec(step(), 0..200)) {
        let pool = Memories::new();
        let mut model: BTreeMap<u32, (u32, Row, u64)> = BTreeMap::new();
        let mut next = 0;
        let mut views = Vec::new();
        for step in steps {
            let version = pool.snapshot().version();
            match step {
                Step::Put(id, row) => {
                    let number = pool.change(|draft| draft.put(entry(id, row)));
                    let kept = model.get(&id).map(|known| known.0);
                    prop_assert_eq!(number, kept.unwrap_or(next));
                    next += u32::from(kept.is_none());
                    model.insert(id, (number, row, 0));
                    prop_assert!(pool.snapshot().version() > version);
                }
                Step::Remove(id) => {
                    let gone = pool.change(|draft| {
                        let number = draft.find_key(&Id(id));
                        number.inspect(|number| draft.remove(*number))
                    });
                    prop_assert_eq!(gone, model.remove(&id).map(|known| known.0));
                }
                Step::Select(id) => {
                    if let Some(known) = model.get_mut(&id) {
                        known.2 += 1;
                        prop_assert_eq!(pool.snapshot().count_access(known.0, 5), Ok(known.2));
                    }
                }
                Step::Compact => {
                    let former = pool.compact();
                    let mut order: Vec<_> = model.values_mut().collect();
                    order.sort_by_key(|known| known.0);
                    let numbers: Vec<u32> = order.iter().map(|known| known.0).collect();
                    prop_assert_eq!(former, numbers);
                    next = order.len() as u32;
                    for (number, known) in (0..).zip(order) {
                        known.0 = number;
                    }
                }
                Step::Look => {
                    let snapshot = pool.snapshot();
                    views.push((seen(&snapshot), snapshot));
                }
            }
            let snapshot = pool.snapshot();
            prop_assert_eq!(snapshot.len(), model.len());
            prop_assert_eq!(snapshot.rows(), next as usize);
        }
        let snapshot = pool.snapshot();
        for (id, (number, row, count)) in &model {
            prop_assert_eq!(pool.look_up(|rows| rows.find(Id(*id).hash(), |it| it.0 == *id)), Some(*number));
            prop_assert_eq!(snapshot.access(*number).unwrap().count, *count);
            let found = snapshot.row(*number).unwrap();
            prop_assert_eq!(found.importance.to_bits(), row.importance.to_bits());
            prop_assert_eq!(found.relevance.to_bits(), row.relevance.to_bits());
            let others = |row: &Row| Row { relevance: 0.0, importance: 0.0, ..*row };
            prop_assert_eq!(others(&found), others(row));
        }
        for (before, snapshot) in views {
            prop_assert_eq!(seen(&snapshot), before);
        }
    }
}

fn plain(index: u64) -> Row {
    let mut bits = index.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    Row {
        tier: Tier::ALL[index as usize % Tier::COUNT],
        relevance: (bits % 1000) as f64 / 1000.0,
        importance: (bits >> 20 & 1023) as f64 / 1024.0,
        timestamp_us: (bits >> 40).cast_signed() * 1_000_000,
        cost: Cost::Tokens(1 + bits % 200),
        user: 0,
        pinned: false,
        evergreen: false,
        mark: false,
    }
}

#[test]
fn chunks_are_crossed_and_grown() {
    let rows: Vec<Row> = (0..10_000).map(plain).collect();
    let pool = filled(&rows[..4_000]);
    let settings = Settings::default();
    let mut live: BTreeMap<u32, Row> = (0..).zip(rows[..4_000].iter().copied()).collect();
    for (number, row) in (0..).zip(&rows).skip(4_000).step_by(1_500).map(|it| it.0).zip(0..) {
        let query = Query::new(&settings, Level::Medium, 20_000_000_000_000);
        let expected = expected(&live, &query, |_, row| Some(row.relevance));
        let found = query.plan(&pool.snapshot());
        assert_eq!(found.map(|it| it.plan).as_ref(), expected.as_ref().map(|it| &it.0));
        let sorted = Query { sort_below: usize::MAX, ..query }.plan(&pool.snapshot());
        assert_eq!(sorted.map(|it| it.plan), expected.map(|it| it.0));
        // In bulk, then alone, then one of the middle of an old chunk.
        let more = number..(number + 1_500).min(10_000);
        pool.change(|draft| {
            for id in more.clone() {
                draft.put(entry(id, rows[id as usize]));
            }
        });
        live.extend(more.map(|id| (id, rows[id as usize])));
        let changed = Row { timestamp_us: 19_000_000_000_000, importance: 0.9, ..rows[row] };
        pool.change(|draft| draft.put(entry(row as u32, changed)));
        live.insert(row as u32, changed);
    }
}

#[test]
fn gathered_tokens_are_those_of_the_counter_and_holes_have_none() {
    let cost = |row: u32| match row % 3 {
        0 => Cost::CodePoints(row.into()),
        1 => Cost::Tokens(row.into()),
        _ => Cost::CodePoints(0),
    };
    let rows: Vec<Row> =
        (0..5_000).map(|row| Row { cost: cost(row), ..plain(row.into()) }).collect();
    let pool = filled(&rows);
    for number in (0..5_000).step_by(9) {
        pool.change(|draft| draft.remove(number));
    }
    let snapshot = pool.snapshot();
    let count = |numbers: &[u32]| {
        Ok::<_, Error>(numbers.iter().map(|&number| 7 * u64::from(number)).collect())
    };
    let counts = snapshot.counts(Counter::UNNAMED, count).unwrap();
    let settings = Settings::default();
    let query = Query { counts: Some(&counts), ..Query::new(&settings, Level::Medium, 0) };
    let gathered = query.gather(&snapshot, 0.0);
    let expected = |&number: &u32| match cost(number) {
        Cost::CodePoints(0) => 0,
        Cost::CodePoints(_) => 7 * u64::from(number),
        Cost::Tokens(tokens) => tokens,
    };
    let numbers: Vec<u32> = (0..5_000).filter(|number| number % 9 != 0).collect();
    assert_eq!(gathered.numbers, numbers);
    let tokens: Vec<u64> = numbers.iter().map(expected).collect();
    assert_eq!(gathered.candidates().tokens(), tokens);
}

#[test]
fn no_count_is_lost_while_rows_come_go_and_move() {
    const READERS: usize = 3;
    const ROUNDS: u64 = 400;
    let rows: Vec<Row> = (0..700).map(plain).collect();
    let pool = Arc::new(filled(&rows));
    let (start, done) = (Arc::new(Barrier::new(READERS + 1)), Arc::new(AtomicBool::new(false)));
    let counted = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (pool, start, counted) = (pool.clone(), start.clone(), counted.clone());
            thread::spawn(move || {
                start.wait();
                let settings = Settings { max_total_tokens: 2_000, ..Settings::default() };
                for round in 0..ROUNDS {
                    let snapshot = pool.snapshot();
                    let query = Query::new(
                        &settings,
                        Level::Medium,
                        20_000_000_000_000 + round.cast_signed(),
                    );
                    let plan = query.plan(&snapshot).unwrap().plan;
                    assert!(plan.tiers.iter().all(|tier| tier.used <= tier.budget));
                    for selected in &plan.selected {
                        let id = *snapshot.payload(selected.index).unwrap();
                        let count = snapshot.count_access(selected.index, query.now_us);
                        let count = count.ok().or_else(|| {
                            pool.count_moved(id.hash(), |it| it.is_same(&id), query.now_us)
                        });
                        counted.fetch_add(u64::from(count.is_some()), Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let writer = {
        let (pool, start, done) = (pool.clone(), start.clone(), done.clone());
        thread::spawn(move || {
            start.wait();
            let mut round = 0u32;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                // Comes and goes with a cost that no budget has: it is never selected.
                let costly = Row { cost: Cost::Tokens(1 << 40), ..plain(u64::from(round)) };
                pool.change(|draft| draft.put(entry(1_000 + round % 50, costly)));
                pool.change(|draft| {
                    if let Some(number) = draft.find_key(&Id(1_000 + (round + 7) % 50)) {
                        draft.remove(number);
                    }
                });
                if round.is_multiple_of(3) {
                    pool.compact();
                }
            }
        })
    };
    for reader in readers {
        reader.join().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let snapshot = pool.snapshot();
    let total: u64 =
        (0..snapshot.rows() as u32).map(|row| snapshot.access(row).unwrap().count).sum();
    assert_eq!(total, counted.load(Ordering::Relaxed));
    assert!(total > 0);
}

#[test]
fn evaluation_scores_with_the_access_counts_of_the_moment() {
    let pool = filled(&[plain(1), plain(2)]);
    let snapshot = pool.snapshot();
    snapshot.count_access(1, 7).unwrap();
    let settings = Settings { promotion_access_threshold: 1, ..Settings::default() };
    let query = Query::new(&settings, Level::Medium, 7);
    let mut counts = Vec::new();
    query.evaluate(
        &snapshot,
        Ladder::default(),
        |row| snapshot.access(row).unwrap(),
        |it| counts.push((it.row, it.record.access_count, it.record.last_accessed_us)),
    );
    assert_eq!(counts, [(0, 0, NO_TIME), (1, 1, 7)]);
}
