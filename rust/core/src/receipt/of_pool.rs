//! What a query over a pool considered.

use super::Considered;
use crate::decay::{NO_TIME, freshness};
use crate::pool::{Missing, Query, Relevance, Row, Snapshot};
use crate::score::{Scores, combined, finite_or_zero};

impl Query<'_> {
    /// The rows of a snapshot as this query sees them, holes left out. What its user, tiers or relevance
    /// leave out comes last. Where a mapping leaves a row out that is a candidate all the same, its relevance
    /// is `unknown`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation)] // no more places than rows
    pub fn considered<P: Clone, E: Clone>(
        &self,
        snapshot: &Snapshot<P, E>,
        unknown: f64,
    ) -> Considered {
        let mut considered = Considered::default();
        let mut filtered = Vec::new();
        for number in (0..).take(snapshot.rows()) {
            let Some(row) = snapshot.row(number) else { continue };
            let (relevance, is_asked_for) = self.relevance_of(number, &row, unknown);
            let of_user = self.user.is_none_or(|user| user == row.user);
            if is_asked_for && of_user && self.tiers[row.tier.index()] {
                if row.pinned {
                    considered.pinned.push(considered.tier.len() as u32);
                }
                self.push(&mut considered, number, &row, relevance);
            } else {
                filtered.push((number, row, relevance));
            }
        }
        considered.filtered = filtered.len();
        for (number, row, relevance) in filtered {
            self.push(&mut considered, number, &row, relevance);
        }
        considered
    }

    /// The relevance of a row, and whether it is a candidate with it.
    fn relevance_of(&self, number: u32, row: &Row, unknown: f64) -> (f64, bool) {
        match self.relevance {
            Relevance::Stored => (row.relevance, true),
            Relevance::F32(column) => (column[number as usize].into(), true),
            Relevance::F64(column) => (column[number as usize], true),
            Relevance::Rows(rows, missing) => {
                match rows.binary_search_by_key(&number, |(row, _)| *row) {
                    Ok(found) => (rows[found].1, true),
                    Err(_) => (unknown, missing == Missing::Zero),
                }
            }
        }
    }

    fn push(&self, considered: &mut Considered, number: u32, row: &Row, relevance: f64) {
        let timestamp_us = if row.evergreen { NO_TIME } else { row.timestamp_us };
        let half_life = self.settings.freshness_half_life_hours;
        let fresh = freshness(timestamp_us, self.now_us, half_life);
        let [counted, important] = [relevance, row.importance].map(finite_or_zero);
        let score = combined(counted, important, fresh, self.settings.weights);
        considered.rows.push(number);
        considered.tier.push(row.tier);
        considered.relevance.push(relevance);
        considered.importance.push(row.importance);
        considered.timestamp_us.push(timestamp_us);
        considered.tokens.push(match self.counts {
            Some(counts) => counts.tokens(number, row.cost),
            None => row.cost.tokens(self.settings.tokens_per_char),
        });
        let Scores { freshness, combined, .. } = &mut considered.scores;
        freshness.push(fresh);
        combined.push(score);
    }
}
