//! A whole call again under other budgets and ceilings, one after another: what its text would hold.
//!
//! A call that takes the greatest keys decides by comparing sums with its ceiling and with the budgets of its tiers.
//! So what it decided stays as long as none of these leaves the range within which every comparison comes out
//! the same, and only then is it decided again: by the same steps as the call itself ([`choose`]), but with frames and
//! counts that are made once.

use super::Judged;
use super::contenders::Contenders;
use super::replan::{Planned, Planner};
use crate::budget::{Bounds, tier_budgets, tier_budgets_within};
use crate::complexity::Level;
use crate::limits::Limits;
use crate::render::choose::{Chosen, Fixed, Material, choose};
use crate::render::claims::{Claimant, claims, covered as covered_by, wider};
use crate::render::fit;
use crate::render::joined::Joined;
use crate::render::span::Span;
use crate::render::{Apart, Framed, Key, Template};
use crate::settings::Settings;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// What a caller knows of the texts of its candidates.
pub trait Source {
    /// Why something cannot be framed or counted.
    type Error;

    /// Where the candidate at a place belongs in a text.
    fn key(&self, place: u32) -> Key;

    /// The candidate at a place in its frame.
    ///
    /// # Errors
    /// Whatever the source has.
    fn frame(&mut self, place: u32) -> Result<Framed, Self::Error>;

    /// Tokens of a text, as the text as a whole is counted.
    ///
    /// # Errors
    /// Whatever the source has.
    fn count(&mut self, text: &str) -> Result<u64, Self::Error>;

    /// Whether the counter [adds up at walls](crate::tokens::counter::TokenCounter::adds_up_at_walls).
    fn adds_up_at_walls(&self) -> bool;
}

/// What budgets and a ceiling come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// None of the wanted places, for sure.
    NoneWanted,
    /// The same as the last time that something was taken.
    Same,
    /// What [`Replay::takes`] tells.
    Taken,
}

/// Calls of the same level, among the same candidates, with the same template.
pub struct Replay<'s, 'a, S> {
    source: S,
    level: Level,
    planner: Planner<'s, 'a>,
    /// Pinned candidates and lanes, by tier: the *number* of a candidate is its position in them all.
    places: Vec<u32>,
    /// By place; [`NOBODY`] for who has no turn.
    numbers: Vec<u32>,
    /// The number of the first of each tier, and of the first that is not pinned.
    first: [u32; Tier::COUNT],
    first_of_lane: [u32; Tier::COUNT],
    /// Numbers that do not stand beside each other.
    apart: Vec<(u32, u32)>,
    known: Known<'a>,
    plan: Planned,
    /// What the plan takes before tiers share, where they do.
    strict: Planned,
    /// Who may move up: with twice the tokens, and within the floors.
    wider: Planned,
    covered: Planned,
    last: Option<Last>,
    /// Whether no larger ceiling gives other budgets.
    is_unscaled: bool,
    /// What it took, by number, and the same as flags.
    taken: Vec<u32>,
    is_taken: Vec<bool>,
    steps: u64,
}

const NOBODY: u32 = u32::MAX;

/// What was decided last.
struct Last {
    ceiling: u64,
    floors: [u64; Tier::COUNT],
    span: Span,
}

/// What is known of the texts, by number.
struct Known<'a> {
    template: &'a Template,
    keys: Vec<Key>,
    frames: Vec<Option<Framed>>,
    parts: Vec<Option<u64>>,
    fixed: Option<Fixed>,
    /// None where whole texts have to be written.
    joined: Option<Joined<'a>>,
}

impl<'s, 'a, S: Source> Replay<'s, 'a, S> {
    /// None where too many of their texts repeat each other to be told apart again and again.
    #[must_use]
    #[expect(clippy::cast_possible_truncation)] // no more numbers than rows
    pub fn new(
        judged: &'s Judged<'a>,
        level: Level,
        limits: &Limits,
        template: &'a Template,
        source: S,
    ) -> Option<Self> {
        let contenders = Contenders::new(judged);
        let repetitions = contenders.repetitions()?;
        let considered = contenders.considered;
        let (mut places, mut numbers) = (Vec::new(), vec![NOBODY; considered.len()]);
        let (mut first, mut first_of_lane) = ([0; Tier::COUNT], [0; Tier::COUNT]);
        for tier in Tier::ALL {
            let is_of_tier = |place: &&u32| considered.tier[**place as usize] == tier;
            first[tier.index()] = places.len() as u32;
            places.extend(considered.pinned.iter().filter(is_of_tier));
            first_of_lane[tier.index()] = places.len() as u32;
            places.extend(&contenders.lanes[tier.index()]);
        }
        for (number, &place) in (0..).zip(&places) {
            numbers[place as usize] = number;
        }
        let number = |place: usize| numbers[place];
        let pairs = repetitions.into_iter();
        let apart = pairs.map(|(one, other)| (number(one), number(other))).collect();
        let keys: Vec<Key> = places.iter().map(|&place| source.key(place)).collect();
        let joined = if source.adds_up_at_walls() { Joined::new(template, &keys) } else { None };
        let known = Known {
            template,
            frames: vec![None; places.len()],
            parts: vec![None; places.len()],
            keys,
            fixed: None,
            joined,
        };
        Some(Self {
            source,
            level,
            planner: Planner::new(contenders, limits.spill_over),
            taken: Vec::new(),
            is_taken: vec![false; places.len()],
            places,
            numbers,
            first,
            first_of_lane,
            apart,
            known,
            plan: Planned::default(),
            strict: Planned::default(),
            wider: Planned::default(),
            covered: Planned::default(),
            last: None,
            is_unscaled: false,
            steps: 0,
        })
    }

    /// Steps of a few nanoseconds each that it took so far, but for what the source did.
    pub fn steps(&self) -> u64 {
        self.steps + self.planner.steps
    }

    /// The least ceiling above the last one, all else equal, with which something else may be taken, if there
    /// is one.
    #[must_use]
    pub fn next_ceiling(&self, ceiling: u64) -> Option<u64> {
        match &self.last {
            _ if !self.is_unscaled => Some(ceiling + 1),
            // Nothing but the ceiling changes, and who is wanted is no candidate.
            None => None,
            Some(last) => {
                Some(last.span.ceiling_below.max(ceiling + 1)).filter(|it| *it < u64::MAX)
            }
        }
    }

    /// Whether the candidate at a place was taken the last time that something was.
    #[must_use]
    pub fn takes(&self, place: usize) -> bool {
        self.is_taken.get(self.numbers[place] as usize).is_some_and(|is_taken| *is_taken)
    }

    /// Decides with these settings and limits, of which what is available is the ceiling, as far as it
    /// matters for the `wanted` places. What is refused takes nothing.
    ///
    /// # Errors
    /// The first of the source.
    pub fn replay(
        &mut self,
        settings: &Settings,
        limits: &Limits,
        wanted: impl Iterator<Item = usize>,
    ) -> Result<Replayed, S::Error> {
        let ceiling = limits.available.unwrap_or(MAX_COUNT);
        self.steps += 40;
        let Ok(bounds) = tier_budgets_within(settings, self.level, limits) else {
            (self.last, self.is_unscaled) = (None, false);
            return Ok(Replayed::NoneWanted);
        };
        let is_same = self.replan(settings, limits, &bounds);
        if !is_same {
            self.last = None;
        }
        if !self.plan.is_some {
            return Ok(Replayed::NoneWanted);
        }
        if let Some(last) = &self.last
            && last.floors == bounds.floors
            && last.ceiling <= ceiling
            && last.span.holds_for(ceiling, &self.plan.budgets)
        {
            return Ok(Replayed::Same);
        }
        if !self.may_take_any(wanted) {
            return Ok(Replayed::NoneWanted);
        }
        let bounds = Bounds { budgets: self.plan.budgets, ..bounds };
        if let Err(error) = self.decide(ceiling, &bounds) {
            // The next time it may go well.
            (self.last, self.is_unscaled) = (None, false);
            return Err(error);
        }
        Ok(Replayed::Taken)
    }

    /// Plans again, and says whether all of it is as it was.
    fn replan(&mut self, settings: &Settings, limits: &Limits, bounds: &Bounds) -> bool {
        let planner = &mut self.planner;
        let mut is_same = planner.replan(&mut self.plan, bounds, false);
        if planner.shares() {
            is_same &= planner.replan(&mut self.strict, bounds, true);
        }
        let (wider, covered) = (wider(settings, limits), planner.contenders.pinned);
        let covered = covered_by(settings, limits, bounds.floors, covered);
        self.is_unscaled = is_unscaled(settings, self.level, bounds);
        let more = [(&mut self.wider, Some(wider), false), (&mut self.covered, covered, true)];
        for (planned, call, strict) in more {
            let within = |(settings, limits)| {
                let bounds = tier_budgets_within(&settings, self.level, &limits);
                bounds.map(|bounds| (settings, bounds))
            };
            match call.map(within) {
                Some(Ok((settings, bounds))) => {
                    is_same &= planner.replan(planned, &bounds, strict);
                    self.is_unscaled &= strict || is_unscaled(&settings, self.level, &bounds);
                }
                refused => {
                    is_same &= !planned.is_some;
                    self.is_unscaled &= refused.is_none();
                    planned.refuse();
                }
            }
        }
        is_same
    }

    /// Whether some of the places are among the candidates.
    fn may_take_any(&mut self, mut wanted: impl Iterator<Item = usize>) -> bool {
        let considered = self.planner.contenders.considered;
        wanted.any(|place| {
            self.steps += 4;
            let (tier, number) = (considered.tier[place], self.numbers[place]);
            let position = number.wrapping_sub(self.first_of_lane[tier.index()]);
            number != NOBODY
                && [&self.plan, &self.wider, &self.covered]
                    .iter()
                    .any(|planned| planned.takes(tier, position))
        })
    }

    fn decide(&mut self, ceiling: u64, bounds: &Bounds) -> Result<(), S::Error> {
        let (numbers, is_in_plan) = self.candidates();
        let considered = self.planner.contenders.considered;
        let shares = self.planner.shares();
        let claimants = numbers.iter().zip(is_in_plan).map(|(&number, is_in_plan)| {
            let place = self.places[number as usize] as usize;
            let tier = considered.tier[place];
            let position = number.checked_sub(self.first_of_lane[tier.index()]);
            Claimant {
                tier,
                tokens: considered.tokens[place],
                is_pinned: position.is_none(),
                is_in_plan,
                is_chosen: shares && position.is_none_or(|it| self.strict.takes(tier, it)),
            }
        });
        let claims = claims(claimants, bounds.floors);
        let row = |number: &u32| numbers.binary_search(number).ok();
        let apart: Apart =
            self.apart.iter().filter_map(|(one, other)| row(one).zip(row(other))).collect();
        self.steps += 8 * numbers.len() as u64 + 4 * self.apart.len() as u64 + 100;
        let rows = Rows {
            numbers: &numbers,
            places: &self.places,
            known: &mut self.known,
            source: &mut self.source,
            steps: &mut self.steps,
        };
        let (budgets, floors) = (bounds.budgets, bounds.floors);
        let allowed = fit::Bounds { ceiling, budgets, floors };
        let Chosen { rows, tokens, span, .. } = choose(rows, &claims, &apart, &allowed, ceiling)?;
        self.taken.iter().for_each(|&number| self.is_taken[number as usize] = false);
        self.taken.clear();
        if tokens <= ceiling {
            // Above it are the pinned ones alone.
            self.taken.extend(rows.into_iter().map(|row| numbers[row]));
        }
        self.taken.iter().for_each(|&number| self.is_taken[number as usize] = true);
        self.last = Some(Last { ceiling, floors: bounds.floors, span });
        Ok(())
    }

    /// The numbers of the candidates for the text, ascending, and whether each is in the plan.
    fn candidates(&self) -> (Vec<u32>, Vec<bool>) {
        let (mut numbers, mut is_in_plan) = (Vec::new(), Vec::new());
        for tier in 0..Tier::COUNT {
            let first_of_lane = self.first_of_lane[tier];
            numbers.extend(self.first[tier]..first_of_lane);
            is_in_plan.resize(numbers.len(), true);
            let [mut plan, mut wider, mut covered] = [&self.plan, &self.wider, &self.covered]
                .map(|planned| planned.taken[tier].iter().copied().peekable());
            loop {
                let next = [plan.peek(), wider.peek(), covered.peek()].into_iter().flatten().min();
                let Some(&next) = next else { break };
                numbers.push(first_of_lane + next);
                is_in_plan.push(plan.next_if_eq(&next).is_some());
                wider.next_if_eq(&next);
                covered.next_if_eq(&next);
            }
        }
        (numbers, is_in_plan)
    }
}

/// Whether more that is available would change nothing about the bounds.
fn is_unscaled(settings: &Settings, level: Level, bounds: &Bounds) -> bool {
    let own: u64 = tier_budgets(settings, level).iter().sum();
    let scaled: u64 = bounds.budgets.iter().sum();
    bounds.available.is_some_and(|available| own <= available && scaled < available)
}

/// The candidates for one text.
struct Rows<'r, 'a, S> {
    numbers: &'r [u32],
    places: &'r [u32],
    known: &'r mut Known<'a>,
    source: &'r mut S,
    steps: &'r mut u64,
}

impl<S: Source> Material for Rows<'_, '_, S> {
    type Error = S::Error;

    fn key(&self, row: usize) -> Key {
        self.known.keys[self.numbers[row] as usize]
    }

    fn fixed(&mut self) -> Result<Fixed, S::Error> {
        if let Some(fixed) = self.known.fixed {
            return Ok(fixed);
        }
        let fixed = self.known.template.fixed(|text| self.source.count(text))?;
        self.known.fixed = Some(fixed);
        Ok(fixed)
    }

    fn part(&mut self, row: usize) -> Result<u64, S::Error> {
        let number = self.numbers[row] as usize;
        *self.steps += 2;
        if let Some(tokens) = self.known.parts[number] {
            return Ok(tokens);
        }
        let framed = self.source.frame(self.places[number])?;
        let tokens = if framed.text.is_empty() { 0 } else { self.source.count(&framed.text)? };
        self.known.frames[number] = Some(framed);
        self.known.parts[number] = Some(tokens);
        Ok(tokens)
    }

    fn whole(&mut self, rows: &[usize]) -> Result<u64, S::Error> {
        *self.steps += 2 * rows.len() as u64;
        let Known { template, frames, joined, .. } = &mut *self.known;
        let frame = |number: u32| match &frames[number as usize] {
            Some(framed) => framed,
            None => unreachable!("what is in a text was counted by itself before"),
        };
        if let Some(joined) = joined {
            let numbers = rows.iter().map(|&row| self.numbers[row]);
            return joined.whole(numbers, frame, |text| self.source.count(text));
        }
        let mut in_order = rows.to_vec();
        in_order.sort_unstable();
        let framed: Vec<&Framed> =
            in_order.into_iter().map(|row| frame(self.numbers[row])).collect();
        let text = template.assemble(&framed, (0..framed.len()).collect()).text;
        if text.is_empty() { Ok(0) } else { self.source.count(&text) }
    }
}
