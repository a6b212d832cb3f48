//! Replaying a call after others gives what it gives by itself, and what its own steps give, one by one.

#![expect(clippy::cast_possible_truncation)] // small numbers

use std::collections::HashSet;
use std::convert::Infallible;

use memory_budget_core::complexity::Level;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::limits::{Amount, Limits, SpillOver};
use memory_budget_core::plan::{Plan, Selected, plan_within};
use memory_budget_core::receipt::replay::{Replay, Replayed, Source};
use memory_budget_core::receipt::{Considered, Judged};
use memory_budget_core::render::claims::{Claimant, claims, covered, wider};
use memory_budget_core::render::fit::{self, fit};
use memory_budget_core::render::{self, Apart, Framed, Key, Order, Template};
use memory_budget_core::score::Scores;
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::counter::TokenCounter;
use memory_budget_core::tokens::vocabularies::O200K_BASE;
use proptest::collection::vec;
use proptest::prelude::*;

/// Tier, score, tokens, words of its text and whether it is pinned.
type Row = (Tier, f64, u64, usize, bool);

const LEVEL: Level = Level::Simple;

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let tier = prop::sample::select(Tier::ALL.to_vec());
    let score = prop_oneof![2 => 0.0..=1.0f64, 1 => Just(0.5)];
    let tokens = prop_oneof![6 => 1u64..25, 1 => Just(0), 1 => 25u64..60];
    vec((tier, score, tokens, 0..20_usize, prop::bool::weighted(0.05)), 1..30)
}

fn limits() -> impl Strategy<Value = Limits> {
    let order = prop_oneof![3 => Just(None), 1 => Just(Some(SpillOver::ByScore)), 1 => Just(Some(SpillOver::ByTier))];
    let minimum_score = prop_oneof![2 => Just(0.0), 1 => 0.0..=0.6f64];
    let floor = prop_oneof![
        4 => Just(None),
        1 => (0u64..40).prop_map(|it| Some(Amount::Tokens(it))),
        1 => (0.0..=0.2f64).prop_map(|it| Some(Amount::Share(it))),
    ];
    let cap = prop_oneof![
        4 => Just(None),
        1 => (40u64..90).prop_map(|it| Some(Amount::Tokens(it))),
        1 => (0.2..=0.6f64).prop_map(|it| Some(Amount::Share(it))),
    ];
    let [floors, caps] = [floor.boxed(), cap.boxed()].map(prop::array::uniform4);
    (order, minimum_score, floors, caps).prop_map(|(spill_over, minimum_score, floors, caps)| {
        Limits { spill_over, minimum_score, floors, caps, ..Limits::NONE }
    })
}

fn settings(total: u64, weights: [u64; 4]) -> Settings {
    let sum = weights.iter().sum::<u64>().max(1);
    Settings {
        max_total_tokens: total,
        shares: weights.map(|weight| weight as f64 / sum as f64),
        weights: Weights { relevance: 1.0, importance: 0.0, freshness: 0.0 },
        multipliers: [1.0; 4],
        ..Settings::default()
    }
}

fn considered(rows: &[Row], settings: &Settings) -> Considered {
    let mut considered = Considered {
        tier: rows.iter().map(|row| row.0).collect(),
        relevance: rows.iter().map(|row| row.1).collect(),
        importance: vec![0.0; rows.len()],
        timestamp_us: vec![NO_TIME; rows.len()],
        tokens: rows.iter().map(|row| row.2).collect(),
        pinned: (0..).zip(rows).filter(|(_, row)| row.4).map(|(at, _)| at).collect(),
        ..Considered::default()
    };
    considered.scores = Scores::of(&considered.candidates().unwrap(), settings, 0);
    considered
}

/// How tokens are counted.
#[derive(Clone, Copy, Debug)]
enum Counter {
    /// Exactly, which adds up at walls.
    Exact,
    /// Up to three more at every line break, the more the longer the text.
    Joining,
    /// Less for a long text than for its parts.
    Halving,
}

impl Counter {
    fn count(self, text: &str) -> u64 {
        let length = text.len() as u64;
        match self {
            Self::Exact => O200K_BASE.count(text),
            Self::Joining => {
                let joins = text.matches('\n').count() as u64;
                length.div_ceil(4) + joins * (length % 4)
            }
            Self::Halving if length < 60 => length.div_ceil(4),
            Self::Halving => 8 + length / 8,
        }
    }
}

struct Texts<'a> {
    considered: &'a Considered,
    rows: &'a [Row],
    template: &'a Template,
    counter: Counter,
}

impl Texts<'_> {
    fn framed(&self, place: usize) -> Framed {
        let memory = render::Memory {
            id: "m",
            text: &"tea at noon ".repeat(self.rows[place].3),
            tier: self.considered.tier[place],
            score: self.considered.scores.combined[place],
            timestamp: "",
            tokens: self.considered.tokens[place],
        };
        Framed::new(self.template, &memory, NO_TIME)
    }
}

impl Source for Texts<'_> {
    type Error = Infallible;

    fn key(&self, place: u32) -> Key {
        self.framed(place as usize).key
    }

    fn frame(&mut self, place: u32) -> Result<Framed, Infallible> {
        Ok(self.framed(place as usize))
    }

    fn count(&mut self, text: &str) -> Result<u64, Infallible> {
        Ok(self.counter.count(text))
    }

    fn adds_up_at_walls(&self) -> bool {
        matches!(self.counter, Counter::Exact)
    }
}

/// What a call takes, step by step; none where it is refused.
fn step_by_step(texts: &Texts<'_>, settings: &Settings, limits: &Limits) -> Option<HashSet<u32>> {
    let candidates = texts.considered.candidates().unwrap();
    let planned = |(settings, limits): (Settings, Limits)| -> Option<Plan> {
        plan_within(&candidates, &settings, &limits, LEVEL, 0).ok().map(|(plan, _)| plan)
    };
    let plan = planned((settings.clone(), *limits))?;
    let bounds = plan.limited.as_deref().unwrap().bounds;
    let of_tier = |tier: Tier| -> u64 {
        plan.selected.iter().filter(|it| it.pinned && it.tier == tier).map(|it| it.tokens).sum()
    };
    let rows = |plan: &Plan| -> HashSet<u32> { plan.selected.iter().map(|it| it.index).collect() };
    let chosen = match limits.spill_over {
        None => HashSet::new(),
        Some(_) => rows(&planned((settings.clone(), Limits { spill_over: None, ..*limits }))?),
    };
    let mut candidates = plan.selected.clone();
    candidates.extend(planned(wider(settings, limits)).into_iter().flat_map(|it| it.selected));
    let covered = covered(settings, limits, bounds.floors, Tier::ALL.map(of_tier));
    candidates.extend(covered.and_then(planned).into_iter().flat_map(|it| it.selected));
    candidates.sort_by(|a: &Selected, b| {
        let by_key =
            if a.pinned && b.pinned { std::cmp::Ordering::Equal } else { b.key.total_cmp(&a.key) };
        a.tier.cmp(&b.tier).then(b.pinned.cmp(&a.pinned)).then(by_key).then(a.index.cmp(&b.index))
    });
    candidates.dedup_by_key(|it| it.index);
    let in_plan = rows(&plan);
    let claimants = candidates.iter().map(|it| Claimant {
        tier: it.tier,
        tokens: it.tokens,
        is_pinned: it.pinned,
        is_in_plan: in_plan.contains(&it.index),
        is_chosen: chosen.contains(&it.index),
    });
    let claims = claims(claimants, bounds.floors);
    let memories: Vec<Framed> =
        candidates.iter().map(|it| texts.framed(it.index as usize)).collect();
    let (ceiling, budgets) = (limits.available.unwrap(), plan.tiers.each_ref().map(|it| it.budget));
    let allowed = fit::Bounds { ceiling, budgets, floors: bounds.floors };
    let count = |text: &str| Ok::<_, Infallible>(texts.counter.count(text));
    let Ok(fitted) = fit(texts.template, &memories, &claims, &Apart::default(), &allowed, count);
    (fitted.tokens <= ceiling)
        .then(|| fitted.prompt.order.into_iter().map(|row| candidates[row].index).collect())
}

proptest! {
    #[test]
    fn one_call_after_another(
        rows in rows(),
        total in 1u64..300,
        weights in prop::array::uniform4(0u64..6),
        limits in limits(),
        (start, step) in (0u64..200, 1u64..9),
        varies_tier: bool,
        counter in prop::sample::select(vec![Counter::Exact, Counter::Joining, Counter::Halving]),
        (order, is_grouped) in (prop::sample::select(Order::ALL.to_vec()), any::<bool>()),
    ) {
        let headings = if is_grouped { ["# {tier}\n", "", "#\n", "Found\n"] } else { [""; 4] };
        let source = render::Source { order, headings, ..render::Source::default() };
        let template = Template::parse(&source).unwrap();
        let settings = settings(total, weights);
        let considered = considered(&rows, &settings);
        let judged = Judged::by_formula(&considered, limits.minimum_score);
        let (rows, template) = (&rows[..], &template);
        let texts = || Texts { considered: &considered, rows, template, counter };
        let replay = || Replay::new(&judged, LEVEL, &limits, template, texts()).unwrap();
        let mut one_after_another = replay();
        let mut promised = 0;
        for number in 0..40 {
            // Ceilings only grow; budgets may be any.
            let grown = start + step * if varies_tier { number * 27 % 40 } else { number };
            let (settings, limits) = if varies_tier {
                let budgets = [grown, 30, 10, 20];
                (settings.with_budgets(budgets), Limits { available: Some(40 + start), ..limits })
            } else {
                (settings.clone(), Limits { available: Some(grown), ..limits })
            };
            let wanted = || 0..rows.len();
            let expected = step_by_step(&texts(), &settings, &limits).unwrap_or_default();
            let Ok(replayed) = one_after_another.replay(&settings, &limits, wanted());
            let taken: HashSet<u32> =
                (0..rows.len() as u32).filter(|&row| one_after_another.takes(row as usize)).collect();
            let is_pinned = |row: &&u32| rows[**row as usize].4;
            match replayed {
                Replayed::NoneWanted => prop_assert!(expected.iter().all(|row| is_pinned(&row))),
                Replayed::Same | Replayed::Taken => prop_assert_eq!(&taken, &expected),
            }
            if !varies_tier {
                if grown < promised {
                    prop_assert!(replayed != Replayed::Taken, "{} is before {}", grown, promised);
                }
                promised = one_after_another.next_ceiling(grown).unwrap_or(u64::MAX);
            }
        }
    }
}
