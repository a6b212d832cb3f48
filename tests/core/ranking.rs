//! Properties of rankings: what must hold for any candidates.

use memory_budget_core::budget::Bounds;
use memory_budget_core::candidates::Candidates;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::pack::score_order;
use memory_budget_core::ranking::knapsack::{SEARCH_LIMIT, knapsack};
use memory_budget_core::ranking::lexical::{Index, K1, QueryWords, bm25};
use memory_budget_core::ranking::normalise::Normalisation;
use memory_budget_core::ranking::pack::pack;
use memory_budget_core::ranking::smooth::{NONE, Neighbours, smooth};
use memory_budget_core::ranking::supersede::superseded;
use memory_budget_core::ranking::take::{Keyed, by_key};
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::ranking::{
    Explained, Kind, Ranked, RankingOptions, Signals, Term, Verdict, rank,
};
use memory_budget_core::score::Scores;
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug, Default)]
struct Columns {
    tier: Vec<Tier>,
    relevance: Vec<f64>,
    importance: Vec<f64>,
    timestamp_us: Vec<i64>,
    tokens: Vec<u64>,
    terms: Vec<Terms>,
    session: Vec<u32>,
    position: Vec<i64>,
}

type Row = (Tier, f64, f64, i64, u64, String, u32, i64);

impl Columns {
    fn of(rows: &[Row]) -> Self {
        let mut columns = Self::default();
        for (tier, relevance, importance, timestamp_us, tokens, text, session, position) in rows {
            columns.tier.push(*tier);
            columns.relevance.push(*relevance);
            columns.importance.push(*importance);
            columns.timestamp_us.push(*timestamp_us);
            columns.tokens.push(*tokens);
            columns.terms.push(Terms::of(text));
            columns.session.push(*session);
            columns.position.push(*position);
        }
        columns
    }

    fn candidates(&self) -> Candidates<'_> {
        Candidates::new(
            &self.tier,
            &self.relevance,
            &self.importance,
            &self.timestamp_us,
            &self.tokens,
        )
        .unwrap()
    }

    fn explain(
        &self,
        row: usize,
        query: &str,
        ranked: &Ranked,
        options: &RankingOptions,
    ) -> Explained {
        let lexical = bm25(&QueryWords::of(query), self.terms.iter());
        let signals = Signals { lexical: Some(&lexical), ..Signals::default() };
        ranked.explain(row, &self.candidates(), &signals, options, NOW)
    }

    fn rank(&self, query: &str, options: &RankingOptions) -> Ranked {
        let lexical = bm25(&QueryWords::of(query), self.terms.iter());
        let neighbours = Neighbours::of(&self.session, &self.position);
        let signals =
            Signals { lexical: Some(&lexical), neighbours: Some(&neighbours), superseded: None };
        rank(&self.candidates(), &signals, options, NOW).unwrap()
    }
}

fn bounds(budgets: [u64; Tier::COUNT]) -> Bounds {
    Bounds { budgets, floors: [0; 4], caps: [u64::MAX; 4], available: None }
}

const NOW: i64 = 1_700_000_000_000_000;
const DAY: i64 = 86_400_000_000;

fn tier() -> impl Strategy<Value = Tier> {
    (0..Tier::COUNT).prop_map(|index| Tier::ALL[index])
}

/// Sentences of few words, so that words are shared.
fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "tea",
        "train",
        "index",
        "indexes",
        "order",
        "the",
        "and",
        "数据库",
        "数据",
        "café",
        "",
    ]);
    vec(word, 0..12).prop_map(|words| words.join(" "))
}

fn relevance() -> impl Strategy<Value = f64> {
    prop_oneof![6 => 0.0..=1.0, 1 => prop::sample::select(vec![0.0, 0.5, 1.0])]
}

/// Any bits at all.
fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits)]
}

fn row(relevance: impl Strategy<Value = f64>) -> impl Strategy<Value = Row> {
    let time = prop_oneof![1 => Just(NO_TIME), 4 => (-400 * DAY..DAY).prop_map(|ago| NOW + ago)];
    let session = prop_oneof![1 => Just(NONE), 3 => 0u32..3];
    let tokens = prop_oneof![9 => 0u64..400, 1 => 0..=MAX_COUNT];
    (tier(), relevance, 0.0..=1.0, time, tokens, text(), session, 0i64..8)
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec(row(relevance()), 0..40)
}

fn options() -> impl Strategy<Value = RankingOptions> {
    let normalisation = prop::sample::select(vec![
        Normalisation::None,
        Normalisation::Z,
        Normalisation::MinMax,
        Normalisation::Rank,
    ]);
    let parts =
        (normalisation, 0.0..2.0, 0.0..=1.0, prop_oneof![Just(0.0), Just(1.0), 0.0..2.0], 1u64..80);
    (any::<bool>(), parts).prop_map(
        |(is_evidence, (normalisation, lexical, smoothing, exponent, floor))| RankingOptions {
            normalisation,
            lexical_weight: lexical,
            smoothing,
            cost_exponent: exponent,
            cost_floor: floor,
            ..if is_evidence {
                RankingOptions::evidence()
            } else {
                RankingOptions::weighted(&Settings::default())
            }
        },
    )
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

proptest! {
    #[test]
    fn the_formula_is_the_formula(rows in vec(row(wild()), 0..60)) {
        let columns = Columns::of(&rows);
        let settings = Settings::default();
        let ranked = columns.rank("tea", &RankingOptions::weighted(&settings));
        let scores = Scores::of(&columns.candidates(), &settings, NOW);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&ranked.scores), bits(&scores.combined));
        prop_assert_eq!(bits(&ranked.keys), bits(&scores.combined));
        let budgets = [900, 700, 500, 300];
        let packed = pack(
            &columns.candidates(),
            &ranked,
            &RankingOptions::weighted(&settings),
            &bounds(budgets),
            None,
            |row| columns.terms.get(row as usize),
        )
        .unwrap();
        let expected = score_order(&columns.tier, &scores.combined, &columns.tokens, budgets);
        for (rows, range) in packed.taken.iter().zip(expected.taken) {
            prop_assert_eq!(rows, &expected.rows[range]);
        }
    }

    #[test]
    fn keys_are_numbers_whatever_comes_in(
        rows in vec(row(wild()), 0..40),
        importance in vec(wild(), 40),
        options in options(),
    ) {
        let mut columns = Columns::of(&rows);
        columns.importance.copy_from_slice(&importance[..rows.len()]);
        let ranked = columns.rank("tea train", &options);
        for (row, (score, key)) in ranked.scores.iter().zip(&ranked.keys).enumerate() {
            prop_assert!(score.is_finite() && !key.is_nan(), "{score} {key}");
            let found = columns.explain(row, "tea train", &ranked, &options);
            prop_assert_eq!((found.score, found.key), (*score, *key));
        }
    }

    /// What receipts show of a score.
    #[test]
    fn terms_add_up_to_the_score_and_with_the_cost_to_the_key(
        rows in rows(),
        importance in vec(-3.0..3.0f64, 40),
        unknown in prop::option::of(any::<prop::sample::Index>()),
        options in options(),
    ) {
        let mut columns = Columns::of(&rows);
        columns.importance.copy_from_slice(&importance[..rows.len()]);
        if let Some(at) = unknown.filter(|_| !rows.is_empty()) {
            columns.relevance[at.index(rows.len())] = f64::NAN;
        }
        let ranked = columns.rank("tea train", &options);
        for row in 0..rows.len() {
            let found = columns.explain(row, "tea train", &ranked, &options);
            let sum: f64 = found.terms.iter().map(Term::product).sum();
            let size: f64 = found.terms.iter().map(|term| term.product().abs()).sum();
            prop_assert!((sum - found.score).abs() <= 1e-8 * (1.0 + size), "{sum} {found:?}");
            prop_assert_eq!(found.score + found.cost.map_or(0.0, |cost| cost.product()), found.key);
        }
    }

    /// Relevance in percent, or shifted, is the same relevance.
    #[test]
    fn a_change_of_scale_changes_nothing(
        rows in rows(),
        scale in prop_oneof![1e-3..1e3, Just(100.0)],
        shift in -100.0..100.0f64,
        normalisation in prop::sample::select(vec![Normalisation::Z, Normalisation::MinMax]),
    ) {
        let columns = Columns::of(&rows);
        let mut other = columns.clone();
        for relevance in &mut other.relevance {
            *relevance = *relevance * scale + shift;
        }
        // What is left of a difference after the shift: the rounding of one value.
        let spread = columns.relevance.iter().copied().fold(f64::MIN, f64::max)
            - columns.relevance.iter().copied().fold(f64::MAX, f64::min);
        let rounding = 4.0 * f64::EPSILON * (scale + shift.abs()) / (scale * spread);
        prop_assume!(rows.len() < 2 || rounding < 1e-9);
        for options in [
            RankingOptions { normalisation, ..RankingOptions::evidence() },
            RankingOptions { normalisation, ..RankingOptions::weighted(&Settings::default()) },
        ] {
            let (one, two) = (columns.rank("tea index", &options), other.rank("tea index", &options));
            for (left, right) in one.keys.iter().zip(&two.keys) {
                prop_assert!((left - right).abs() <= 1e-6, "{left} {right}");
            }
        }
    }

    #[test]
    fn ranks_see_nothing_but_order(rows in rows()) {
        let columns = Columns::of(&rows);
        let mut other = columns.clone();
        for relevance in &mut other.relevance {
            *relevance = relevance.exp() * 3.0 - 40.0;
        }
        let options =
            RankingOptions { normalisation: Normalisation::Rank, ..RankingOptions::evidence() };
        // exp may merge neighbouring doubles; then they are ties on one side only.
        let mut distinct = other.relevance.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let mut before = columns.relevance.clone();
        before.sort_by(f64::total_cmp);
        before.dedup();
        prop_assume!(distinct.len() == before.len());
        prop_assert_eq!(columns.rank("tea", &options).keys, other.rank("tea", &options).keys);
    }

    /// Without anything to go by, importance decides, then cost.
    #[test]
    fn without_relevance_and_words_importance_decides(rows in rows(), constant in 0.0..1.0, missing: bool) {
        let mut columns = Columns::of(&rows);
        columns.relevance.fill(if missing { f64::NAN } else { constant });
        let options = RankingOptions { smoothing: 0.0, cost_exponent: 0.0, ..RankingOptions::evidence() };
        for query in ["", "?!", "zebra"] {
            let ranked = columns.rank(query, &options);
            for (score, importance) in ranked.scores.iter().zip(&columns.importance) {
                prop_assert_eq!(*score, 0.25 * importance);
            }
        }
    }

    /// A relevance that is not known is an average one.
    #[test]
    fn the_unknown_neither_helps_nor_harms(rows in vec(row(relevance()), 2..40), at in any::<prop::sample::Index>()) {
        let mut columns = Columns::of(&rows);
        let at = at.index(rows.len());
        columns.relevance[at] = f64::NAN;
        let options =
            RankingOptions { lexical_weight: 0.0, smoothing: 0.0, ..RankingOptions::evidence() };
        let ranked = columns.rank("", &options);
        let found = columns.explain(at, "", &ranked, &options);
        prop_assert!(found.terms[0].value == 0.0 && found.terms[0].given.is_nan());
        prop_assert!(found.terms.iter().all(|term| term.name != "mean"), "{found:?}");
    }

    /// What a candidate that has no word of the query and some relevance can change for the others:
    /// their relevance terms become an increasing affine function of what they were, and no BM25 moves
    /// further than stated.
    #[test]
    fn an_irrelevant_candidate_changes_little(
        rows in vec(row(relevance()), 3..40),
        low in 0.0..=1.0,
        length in 0usize..60,
    ) {
        let query = QueryWords::of("tea index");
        let columns = Columns::of(&rows);
        let mut more = columns.terms.clone();
        more.push(Terms::of(&"filler ".repeat(length)));
        let (before, after) = (bm25(&query, columns.terms.iter()), bm25(&query, more.iter()));
        let (count, words) = (rows.len() as f64, 2.0);
        let total: f64 = columns.terms.iter().map(|terms| f64::from(terms.length())).sum();
        let average = total / count;
        if total > 0.0 {
            let bound = (K1 + 1.0) * words
                * (((count + 3.0) / (count + 2.0)).ln()
                    + ((count + 3.0) / 3.0).ln() * (length as f64 - average).abs() / (total + length as f64));
            for (one, other) in before.iter().zip(&after) {
                prop_assert!((one - other).abs() <= bound + 1e-12, "{one} {other} {bound}");
            }
        }
        let one = columns.relevance.clone();
        prop_assume!(deviation(&one) > 1e-3);
        let mut other = one.clone();
        other.push(low);
        let distance = (low - one.iter().sum::<f64>() / count) / deviation(&one);
        let one = Normalisation::Z.of(&one);
        let other = Normalisation::Z.of(&other);
        let scale = (count / (count + 1.0) + count * distance * distance / (count + 1.0).powi(2)).sqrt();
        for (one, other) in one.iter().zip(&other) {
            let expected = (one - distance / (count + 1.0)) / scale;
            prop_assert!((other - expected).abs() < 1e-9, "{other} {expected}");
        }
        prop_assert!(scale >= (count / (count + 1.0)).sqrt());
    }

    #[test]
    fn a_list_and_an_index_agree(
        texts in vec(text(), 0..30),
        candidates in vec(any::<bool>(), 30),
        removed in vec(any::<bool>(), 30),
        query in text(),
        backwards: bool,
    ) {
        let terms: Vec<Terms> = texts.iter().map(|text| Terms::of(text)).collect();
        let query = QueryWords::of(&query);
        let mut index = Index::default();
        let mut order: Vec<usize> = (0..terms.len()).collect();
        if backwards {
            order.reverse();
        }
        for row in order {
            index.add(u32::try_from(row).unwrap(), &terms[row]);
        }
        prop_assert_eq!(index.bm25(&query), bm25(&query, terms.iter()));
        for row in (0..terms.len()).filter(|&row| removed[row]) {
            index.remove(u32::try_from(row).unwrap(), &terms[row]);
        }
        let among: Vec<usize> =
            (0..terms.len()).filter(|&row| candidates[row] && !removed[row]).collect();
        let chosen: Vec<&Terms> = among.iter().map(|&row| &terms[row]).collect();
        let list = bm25(&query, chosen.into_iter());
        let mut scores = vec![0.0; terms.len()];
        for (&row, score) in among.iter().zip(list) {
            scores[row] = score;
        }
        prop_assert_eq!(index.bm25_among(&query, &candidates), scores);
    }

    #[test]
    fn packing_by_key_is_that_of_a_full_sort(
        rows in vec((tier(), -3.0..3.0, 0u64..60), 0..80),
        copies in prop::sample::select(vec![1usize, 1, 60]),
        budgets in prop::array::uniform4(0u64..900),
    ) {
        // Copies: enough for several steps, with ties.
        let rows: Vec<_> = (0..copies).flat_map(|_| rows.iter().copied()).collect();
        let tiers: Vec<Tier> = rows.iter().map(|row| row.0).collect();
        let keys: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let tokens: Vec<u64> = rows.iter().map(|row| row.2).collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&one, &other| keys[other].total_cmp(&keys[one]).then(one.cmp(&other)));
        let (mut left, mut expected) = (budgets, vec![Vec::new(); Tier::COUNT]);
        for row in order {
            let tier = tiers[row].index();
            if tokens[row] <= left[tier] && row % 7 != 3 {
                left[tier] -= tokens[row];
                expected[tier].push(u32::try_from(row).unwrap());
            }
        }
        let candidates = Keyed { tiers: &tiers, keys: &keys, tokens: &tokens };
        let mut room = budgets;
        let mut asked = Vec::new();
        let taken = by_key(candidates, &mut room, |row| {
            asked.push(row);
            row % 7 != 3
        });
        prop_assert_eq!(room, left);
        for (tier, expected) in Tier::ALL.into_iter().zip(expected) {
            let rows: Vec<u32> =
                taken.iter().copied().filter(|&row| tiers[row as usize] == tier).collect();
            prop_assert_eq!(rows, expected);
        }
        asked.sort_unstable();
        prop_assert!(asked.windows(2).all(|pair| pair[0] < pair[1]), "asked twice");
    }

    #[test]
    fn the_knapsack_is_that_of_all_subsets(
        things in vec((prop_oneof![0.0..10.0, Just(1.0)], 0u64..12), 0..13),
        budget in 0u64..60,
        limit in prop::sample::select(vec![SEARCH_LIMIT, SEARCH_LIMIT, 3]),
    ) {
        let values: Vec<f64> = things.iter().map(|thing| thing.0).collect();
        let costs: Vec<u64> = things.iter().map(|thing| thing.1).collect();
        let best = (0u32..1 << things.len())
            .filter_map(|subset| {
                let taken = (0..things.len()).filter(|at| subset >> at & 1 == 1);
                let cost: u64 = taken.clone().map(|at| costs[at]).sum();
                (cost <= budget).then(|| taken.map(|at| values[at]).sum::<f64>())
            })
            .fold(0.0, f64::max);
        let found = knapsack(&values, &costs, budget, limit);
        let cost: u64 = found.rows.iter().map(|&row| costs[row as usize]).sum();
        let value: f64 = found.rows.iter().map(|&row| values[row as usize]).sum();
        prop_assert!(cost <= budget);
        prop_assert!((value - found.value).abs() < 1e-9);
        prop_assert!(found.upper_bound >= best - 1e-9, "{found:?} {best}");
        if found.is_optimal {
            prop_assert!((found.value - best).abs() < 1e-9, "{found:?} {best}");
        }
        prop_assert!(found.is_optimal || limit == 3);
    }

    /// Shares are shares: nothing rises above the highest or falls below the lowest.
    #[test]
    fn smoothing_stays_within(rows in rows(), weight in 0.0..=1.0) {
        let columns = Columns::of(&rows);
        let neighbours = Neighbours::of(&columns.session, &columns.position);
        let (low, high) = columns.relevance.iter().fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
        for score in smooth(&columns.relevance, Some(&neighbours), weight) {
            prop_assert!(score >= low - 1e-12 && score <= high + 1e-12);
        }
    }

    /// A candidate below all others lowers who has no neighbour, and by no more than its share.
    #[test]
    fn neighbours_among_some_are_those_of_them_alone(
        places in vec((prop_oneof![Just(NONE), 0u32..3], 0i64..30, any::<bool>()), 0..40),
    ) {
        let (session, position): (Vec<u32>, Vec<i64>) =
            places.iter().map(|&(session, position, _)| (session, position)).unzip();
        let whole = Neighbours::of(&session, &position);
        let rows: Vec<u32> =
            (0..).zip(&places).filter(|(_, place)| place.2).map(|(row, _)| row).collect();
        let (session, position): (Vec<u32>, Vec<i64>) =
            rows.iter().map(|&row| (session[row as usize], position[row as usize])).unzip();
        let mut taken: Vec<_> = places.iter().filter(|place| place.0 != NONE).map(|place| (place.0, place.1)).collect();
        taken.sort_unstable();
        let are_unique = taken.windows(2).all(|pair| pair[0] != pair[1]);
        let expected = are_unique.then(|| Neighbours::of(&session, &position));
        prop_assert_eq!(whole.among(&rows), expected);
    }

    #[test]
    fn the_lowest_moves_the_ends_alone(rows in vec(row(relevance()), 1..40), below in 0.0..5.0, weight in 0.0..=1.0) {
        let mut columns = Columns::of(&rows);
        let before = smooth(
            &columns.relevance,
            Some(&Neighbours::of(&columns.session, &columns.position)),
            weight,
        );
        let lowest = columns.relevance.iter().copied().fold(f64::INFINITY, f64::min);
        columns.relevance.push(lowest - below);
        columns.session.push(NONE);
        columns.position.push(0);
        let neighbours = Neighbours::of(&columns.session, &columns.position);
        let after = smooth(&columns.relevance, Some(&neighbours), weight);
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(*after <= *before && before - after <= weight * below + 1e-12);
        }
    }

    /// Of every chain of replacements one candidate at least is left.
    #[test]
    fn somebody_is_left(names in vec(prop::option::of(0u32..20), 1..20)) {
        let identity: Vec<u32> = (0..u32::try_from(names.len()).unwrap()).collect();
        let replaces: Vec<u32> = names.iter().map(|name| name.unwrap_or(NONE)).collect();
        let dropped = superseded(&identity, &replaces);
        prop_assert!(dropped.contains(&NONE));
        for (row, by) in (0..).zip(dropped).filter(|(_, by)| *by != NONE) {
            prop_assert!(by != row && replaces[by as usize] == row);
        }
    }

    #[test]
    fn gate_and_minimum_leave_out_what_lies_below(rows in rows(), gate in 0.0..1.0, minimum in -2.0..2.0) {
        let columns = Columns::of(&rows);
        let options = RankingOptions {
            relevance_gate: Some(gate),
            minimum_score: Some(minimum),
            ..RankingOptions::evidence()
        };
        let (free, gated) =
            (columns.rank("tea", &RankingOptions::evidence()), columns.rank("tea", &options));
        prop_assert_eq!(&free.keys, &gated.keys, "who is left out still counts for the others");
        for row in 0..rows.len() {
            let expected = if columns.relevance[row] < gate {
                Verdict::BelowGate
            } else if gated.scores[row] < minimum {
                Verdict::BelowMinimum
            } else {
                Verdict::Kept
            };
            prop_assert_eq!(gated.verdict(row), expected);
        }
    }

    #[test]
    fn any_text_has_words(text in any::<String>()) {
        let terms = Terms::of(&text);
        prop_assert_eq!(&terms, &Terms::of(&text));
        let counted: u32 = terms.counted().map(|(_, count)| u32::from(count)).sum();
        prop_assert!(counted <= terms.length());
        prop_assert!((terms.length() as usize) <= text.chars().count() * 4);
    }
}

/// More rows than go through the steps together, put together step by step.
#[test]
fn many_rows_are_rated_as_the_steps_say() {
    const ROWS: u32 = 1_700;
    let mut random = 1u64;
    let mut next = move || {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 11) as f64 / (1u64 << 53) as f64
    };
    for unknown in [false, true] {
        let mut relevance: Vec<f64> = (0..ROWS).map(|_| next()).collect();
        if unknown {
            relevance[600] = f64::NAN;
            relevance[1_650] = f64::INFINITY;
        }
        let columns = Columns {
            tier: (0..ROWS).map(|row| Tier::ALL[row as usize % 4]).collect(),
            relevance,
            importance: (0..ROWS).map(|_| 1.5 * next()).collect(),
            timestamp_us: vec![NO_TIME; ROWS as usize],
            tokens: (0..ROWS).map(|row| 5_000 / (u64::from(row) + 1)).collect(),
            ..Columns::default()
        };
        let lexical: Vec<f64> = (0..ROWS).map(|_| (9.0 * next() - 5.0).max(0.0)).collect();
        let (session, position): (Vec<u32>, Vec<i64>) =
            (0..ROWS).map(|row| (row / 70, i64::from(row))).unzip();
        let neighbours = Neighbours::of(&session, &position);
        let signals =
            Signals { lexical: Some(&lexical), neighbours: Some(&neighbours), superseded: None };
        let options = RankingOptions::evidence();
        let ranked = rank(&columns.candidates(), &signals, &options, NOW).unwrap();

        let z = |values: &[f64]| Normalisation::Z.of(values);
        let matching = z(&columns.relevance).into_iter().zip(z(&lexical));
        let fused =
            z(&matching.map(|(relevance, bm25)| relevance + bm25 * 0.5).collect::<Vec<_>>());
        let rated = fused.into_iter().zip(&columns.importance);
        let scores: Vec<f64> =
            rated.map(|(fused, importance)| fused + importance.min(1.0) * 0.25).collect();
        let scores = smooth(&scores, Some(&neighbours), 0.3);
        let logarithm = |tokens: u64| (tokens.max(32) as f64).ln();
        let priced = scores.iter().zip(&columns.tokens);
        let keys: Vec<f64> = priced.map(|(score, &tokens)| score - logarithm(tokens)).collect();
        assert_eq!(ranked.scores, scores);
        assert_eq!(ranked.keys, keys);
    }
}

#[test]
fn one_candidate_is_taken_if_it_fits() {
    for relevance in [0.0, 0.7, f64::NAN, f64::INFINITY] {
        let row = (Tier::Rag, relevance, 0.5, NO_TIME, 10, "tea".to_owned(), NONE, 0);
        let columns = Columns::of(&[row]);
        let ranked = columns.rank("tea", &RankingOptions::evidence());
        let options = RankingOptions::evidence();
        let packed =
            pack(&columns.candidates(), &ranked, &options, &bounds([10; 4]), None, |_| None);
        let packed = packed.unwrap();
        assert_eq!(packed.taken, [vec![], vec![], vec![], vec![0]]);
    }
    assert!(Columns::default().rank("tea", &RankingOptions::evidence()).keys.is_empty());
}

#[test]
fn a_signal_of_another_length_is_refused() {
    let columns = Columns::of(&[(Tier::Rag, 0.5, 0.5, NO_TIME, 10, "tea".to_owned(), NONE, 0)]);
    let signals = Signals { lexical: Some(&[]), ..Signals::default() };
    let error =
        rank(&columns.candidates(), &signals, &RankingOptions::evidence(), NOW).unwrap_err();
    assert_eq!(error.to_string(), "column lexical has 0 values, expected 1");
}

#[test]
fn the_kind_says_what_the_weights_mean() {
    let row = |relevance, importance| {
        (Tier::Rag, relevance, importance, NO_TIME, 10, String::new(), NONE, 0)
    };
    let columns = Columns::of(&[row(0.2, 1.0), row(0.4, 0.0)]);
    let options =
        |weights| RankingOptions { kind: Kind::Evidence(weights), ..RankingOptions::evidence() };
    let Kind::Evidence(mut weights) = RankingOptions::evidence().kind else { unreachable!() };
    assert!(columns.rank("", &options(weights)).keys.is_sorted());
    weights.importance = 3.0;
    assert!(!columns.rank("", &options(weights)).keys.is_sorted());
}
