//! Which memories should change tier. Recommendations only: nothing is moved here.

use crate::decay::{NO_TIME, recency};
use crate::error::Error;
use crate::score::finite_or_zero;
use crate::settings::Settings;
use crate::tier::Tier;

/// What the promotion score looks at.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The tier the memory is in.
    pub tier: Tier,
    /// Its combined score as it stands; NaN and infinities count as 0.0.
    pub combined: f64,
    /// How often it was selected.
    pub access_count: u64,
    /// When it was created, or [`NO_TIME`].
    pub timestamp_us: i64,
    /// When it was last selected, or [`NO_TIME`].
    pub last_accessed_us: i64,
}

/// `min(1, access_count / threshold)`; 1.0 for a threshold of zero.
#[must_use]
pub fn access_frequency(access_count: u64, threshold: u64) -> f64 {
    if threshold == 0 {
        return 1.0;
    }
    (access_count as f64 / threshold as f64).min(1.0)
}

/// `.5 * combined + .3 * access_frequency + .2 * recency`.
///
/// Recency counts from the last access, else from the creation; with neither it is 1.0.
///
/// Source: the promotion mechanism of the design document.
#[must_use]
pub fn promotion_score(record: &Record, access_threshold: u64, now_us: i64) -> f64 {
    let since_us = if record.last_accessed_us == NO_TIME {
        record.timestamp_us
    } else {
        record.last_accessed_us
    };
    0.5 * finite_or_zero(record.combined)
        + 0.3 * access_frequency(record.access_count, access_threshold)
        + 0.2 * recency(since_us, now_us)
}

/// The tiers a memory climbs through, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    below: [Option<Tier>; Tier::COUNT],
    above: [Option<Tier>; Tier::COUNT],
}

impl Default for Ladder {
    fn default() -> Self {
        let mut ladder = Self { below: [None; Tier::COUNT], above: [None; Tier::COUNT] };
        ladder.connect(&[Tier::LongTerm, Tier::Rag, Tier::Project, Tier::Working]);
        ladder
    }
}

impl Ladder {
    /// A ladder of two to four different tiers, lowest first. A tier that is left out neither
    /// rises nor falls.
    ///
    /// # Errors
    /// [`Error::Ladder`] for fewer than two tiers or one named twice.
    pub fn new(order: &[Tier]) -> Result<Self, Error> {
        let distinct = order.iter().enumerate().all(|(rank, tier)| !order[..rank].contains(tier));
        if order.len() < 2 || !distinct {
            return Err(Error::Ladder);
        }
        let mut ladder = Self { below: [None; Tier::COUNT], above: [None; Tier::COUNT] };
        ladder.connect(order);
        Ok(ladder)
    }

    fn connect(&mut self, order: &[Tier]) {
        for pair in order.windows(2) {
            self.above[pair[0].index()] = Some(pair[1]);
            self.below[pair[1].index()] = Some(pair[0]);
        }
    }
}

/// A recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// One step up, to that tier.
    Promote(Tier),
    /// One step down, to that tier.
    Demote(Tier),
    /// Stay.
    Stay,
}

/// One step up for a score and an access count that both reach their thresholds; otherwise one step
/// down for a score strictly below the demotion threshold; each only where there is such a step.
#[must_use]
pub fn recommend(record: &Record, score: f64, settings: &Settings, ladder: Ladder) -> Move {
    let promotes = score >= settings.promotion_threshold
        && record.access_count >= settings.promotion_access_threshold;
    if promotes && let Some(target) = ladder.above[record.tier.index()] {
        return Move::Promote(target);
    }
    if score < settings.demotion_threshold
        && let Some(target) = ladder.below[record.tier.index()]
    {
        return Move::Demote(target);
    }
    Move::Stay
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tier: Tier, combined: f64, access_count: u64) -> Record {
        Record { tier, combined, access_count, timestamp_us: NO_TIME, last_accessed_us: NO_TIME }
    }

    #[test]
    fn a_perfect_memory_scores_one() {
        assert_eq!(promotion_score(&record(Tier::Rag, 1.0, 3), 3, 0), 1.0);
        assert_eq!(promotion_score(&record(Tier::Rag, f64::NAN, 0), 0, 0), 0.5);
    }

    #[test]
    fn the_ends_of_the_ladder_hold() {
        let (settings, ladder) = (Settings::default(), Ladder::default());
        let step = |tier, score, accesses| {
            recommend(&record(tier, score, accesses), score, &settings, ladder)
        };
        assert_eq!(step(Tier::Working, 0.9, 3), Move::Stay);
        assert_eq!(step(Tier::Project, 0.8, 3), Move::Promote(Tier::Working));
        assert_eq!(step(Tier::Project, 0.8, 2), Move::Stay);
        assert_eq!(step(Tier::Project, 0.299, 9), Move::Demote(Tier::Rag));
        assert_eq!(step(Tier::Project, 0.3, 0), Move::Stay);
        assert_eq!(step(Tier::LongTerm, 0.0, 0), Move::Stay);
    }

    #[test]
    fn ladders_are_checked() {
        assert_eq!(Ladder::new(&[Tier::Rag]), Err(Error::Ladder));
        assert_eq!(Ladder::new(&[Tier::Rag, Tier::Working, Tier::Rag]), Err(Error::Ladder));
        let short = Ladder::new(&[Tier::Project, Tier::Working]).unwrap();
        let settings = Settings::default();
        let outside = record(Tier::Rag, 1.0, 9);
        assert_eq!(recommend(&outside, 1.0, &settings, short), Move::Stay);
    }
}
