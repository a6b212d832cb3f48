//! Packers: each decides which candidates of one tier are taken, one file per policy.
//!
//! [`score_order`] is the policy, by a plain sort. [`select`] comes to the same result for all tiers
//! at once without sorting everything, where there are many candidates. [`select_within`] adds what
//! limits ask for.

mod lane;
mod oversized;
mod score_order;
mod within_limits;
mod without_sorting;

pub use oversized::best_oversized;
pub use score_order::{Packed, score_order};
pub(crate) use within_limits::granted;
pub use within_limits::{Granted, select_within};
pub use without_sorting::{NOT_A_CANDIDATE, Ranking, Tuning, select};
