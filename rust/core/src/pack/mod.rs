//! Packers: each decides which candidates of one tier are taken, one file per policy.

mod score_order;

pub use score_order::score_order;
