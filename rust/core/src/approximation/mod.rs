//! Approximate scores in `f32`, which may only reject: what decides is the formula of [`crate::score`].
//!
//! # How far an approximate score can be off
//!
//! u = 2^-24 is the relative error of one rounded `f32` operation, and of rounding to `f32`. Within
//! [`Reach`] nothing overflows. To first order in u:
//!
//! * the relevance term carries the rounding of the weight, of the relevance and of their product,
//!   then of two sums: 5 u;
//! * so does the importance term: 5 u;
//! * freshness, at most 1, may be off by 8 u: [`freshness`] and the pool's forward decay prove less of
//!   theirs. Then the rounding of the weight, of the product and of one sum: 11 u;
//! * a weight or a component too small for a normal `f32` is off by 2^-126 at most.
//!
//! With weights w and components within their reach R, all at most [`LARGEST`], the sum is thus off
//! by less than `11 u (w_r R_r + w_i R_i + w_f)`, terms of second order and 2^-90.
//! [`Formula::error_bound`] says 16 u, and u more, which also covers rows that are scored exactly and
//! rounded to `f32` (0..=1). Both sums are then clamped to 0..=1, which brings them no further apart:
//! `score <= approximate + bound`, as a ranking promises.

mod formula;
mod freshness;

pub(crate) use formula::{Formula, LARGEST, Reach, guess_reach};
pub(crate) use freshness::{Decay, power_of_two};
