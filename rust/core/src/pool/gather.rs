//! The candidates of a query as columns of their own, out of the chunks.

use super::chunk::CHUNK;
use super::query::{Missing, Query, Relevance, one_a_row, row_number, spread};
use super::ranking::{Column, PoolRanking, Stored};
use super::snapshot::Snapshot;
use crate::candidates::Candidates;
use crate::pack::Ranking;
use crate::plan::Plan;
use crate::score::NonFinite;
use crate::tier::Tier;

/// Candidates of a query, out of the chunks.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Row numbers, ascending.
    pub numbers: Vec<u32>,
    tiers: Vec<Tier>,
    relevance: Vec<f64>,
    importance: Vec<f64>,
    timestamp_us: Vec<i64>,
    tokens: Vec<u64>,
    pinned: Vec<u32>,
}

impl Gathered {
    /// The candidates among all rows. Chunk by chunk and column by column: several values at a time.
    pub(super) fn all<P: Clone, E: Clone, C: Column>(
        snapshot: &Snapshot<P, E>,
        ranking: &PoolRanking<'_, P, E, C>,
    ) -> Self {
        let mut gathered = Self::with_room(snapshot.rows());
        let (mut tiers, mut places) = ([0; CHUNK], vec![0; CHUNK]);
        for (number, chunk) in snapshot.chunks.iter().enumerate() {
            let (first, start) = (number * CHUNK, gathered.numbers.len());
            let tiers = &mut tiers[..chunk.len()];
            ranking.tiers_within(number, 0, tiers);
            let is_candidate = |tier: u8| usize::from(tier) < Tier::COUNT;
            let candidates = tiers.iter().filter(|tier| is_candidate(**tier)).count();
            if candidates == 0 {
                continue;
            }
            gathered.numbers.extend(row_number(first)..row_number(first + tiers.len()));
            let tier = |&tier: &u8| Tier::from_index(tier.into()).unwrap_or(Tier::Working);
            gathered.tiers.extend(tiers.iter().map(tier));
            ranking.append_relevance(number, &mut gathered.relevance);
            chunk.importance().append_to(&mut gathered.importance);
            chunk.append_times(&mut gathered.timestamp_us);
            ranking.append_tokens(number, &mut gathered.tokens);
            if candidates < tiers.len() {
                // Without a branch on each row: nobody could foretell them.
                let mut found = 0;
                for (place, &tier) in (start..).zip(&*tiers) {
                    places[found] = place;
                    found += usize::from(is_candidate(tier));
                }
                gathered.keep(start, &places[..found]);
            }
            if chunk.summary().has_pinned {
                let rows = (row_number(start)..).zip(&gathered.numbers[start..]);
                let pinned = rows.filter(|(_, number)| chunk.is_pinned(**number as usize % CHUNK));
                gathered.pinned.extend(pinned.map(|(row, _)| row));
            }
        }
        gathered
    }

    /// From `start` on, only what stands at these places, ascending, stays.
    fn keep(&mut self, start: usize, places: &[usize]) {
        fn keep<T: Copy>(column: &mut Vec<T>, start: usize, places: &[usize]) {
            for (to, &from) in (start..).zip(places) {
                column[to] = column[from];
            }
            column.truncate(start + places.len());
        }
        keep(&mut self.numbers, start, places);
        keep(&mut self.tiers, start, places);
        keep(&mut self.relevance, start, places);
        keep(&mut self.importance, start, places);
        keep(&mut self.timestamp_us, start, places);
        keep(&mut self.tokens, start, places);
    }

    /// The candidates among some rows, ascending.
    pub(super) fn some<P: Clone, E: Clone, C: Column>(
        snapshot: &Snapshot<P, E>,
        ranking: &PoolRanking<'_, P, E, C>,
        rows: impl Iterator<Item = u32>,
    ) -> Self {
        let mut gathered = Self::with_room(rows.size_hint().0);
        for number in rows {
            let Some(tier) = Tier::from_index(ranking.tier(number).into()) else { continue };
            let (chunk, at) = snapshot.place(number);
            let [relevance, importance] = ranking.raw(number as usize);
            if chunk.is_pinned(at) {
                gathered.pinned.push(row_number(gathered.numbers.len()));
            }
            gathered.numbers.push(number);
            gathered.tiers.push(tier);
            gathered.relevance.push(relevance);
            gathered.importance.push(importance);
            gathered.timestamp_us.push(chunk.decays_from(at));
            gathered.tokens.push(ranking.tokens(number));
        }
        gathered
    }

    fn with_room(rows: usize) -> Self {
        Self {
            numbers: Vec::with_capacity(rows),
            tiers: Vec::with_capacity(rows),
            relevance: Vec::with_capacity(rows),
            importance: Vec::with_capacity(rows),
            timestamp_us: Vec::with_capacity(rows),
            tokens: Vec::with_capacity(rows),
            pinned: Vec::new(),
        }
    }

    /// As columns; candidate `i` is row `numbers[i]`.
    ///
    /// # Panics
    /// Never: the columns are of one length.
    #[must_use]
    pub fn candidates(&self) -> Candidates<'_> {
        let Self { tiers, relevance, importance, timestamp_us, tokens, pinned, .. } = self;
        Candidates::new(tiers, relevance, importance, timestamp_us, tokens)
            .expect("columns of equal length")
            .with_pinned(pinned)
    }

    /// Whether the query's relevance leaves out rows that are candidates all the same.
    #[must_use]
    pub fn has_unknown(&self, query: &Query<'_>) -> bool {
        match query.relevance {
            Relevance::Rows(rows, Missing::Zero) => rows.len() < self.numbers.len(),
            _ => false,
        }
    }

    /// Turns the candidates of a plan over [`Self::candidates`] into row numbers.
    pub fn number(&self, plan: &mut Plan, non_finite: &mut Option<NonFinite>) {
        let oversized = plan.limited.iter_mut().flat_map(|it| it.oversized.iter_mut().flatten());
        for selected in plan.selected.iter_mut().chain(oversized) {
            selected.index = self.numbers[selected.index as usize];
        }
        if let Some(found) = non_finite {
            found.first_index = self.numbers[found.first_index] as usize;
        }
    }
}

impl Query<'_> {
    /// The candidates of the query as columns of their own, rows ascending. Where a mapping leaves a row
    /// out that is a candidate all the same, its relevance is `unknown`.
    ///
    /// # Panics
    /// As [`Self::plan`].
    #[must_use]
    pub fn gather<P: Clone, E: Clone>(&self, snapshot: &Snapshot<P, E>, unknown: f64) -> Gathered {
        match self.relevance {
            Relevance::Stored => {
                Gathered::all(snapshot, &PoolRanking::new(snapshot, self, Stored(snapshot)))
            }
            Relevance::F32(column) => {
                let column = one_a_row(column, snapshot);
                Gathered::all(snapshot, &PoolRanking::new(snapshot, self, column))
            }
            Relevance::F64(column) => {
                let column = one_a_row(column, snapshot);
                Gathered::all(snapshot, &PoolRanking::new(snapshot, self, column))
            }
            Relevance::Rows(rows, missing) => {
                let column = spread(rows, snapshot.rows(), unknown);
                let ranking = PoolRanking::new(snapshot, self, column.as_slice());
                match missing {
                    Missing::Zero => Gathered::all(snapshot, &ranking),
                    Missing::Exclude => {
                        Gathered::some(snapshot, &ranking, rows.iter().map(|(row, _)| *row))
                    }
                }
            }
        }
    }
}
