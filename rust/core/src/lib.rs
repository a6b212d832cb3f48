//! The algorithm of Memory Budget Allocator.
//!
//! A query and its memories go in; a [`plan::Plan`] that provably fits the budget comes out:
//!
//! ```text
//! Candidates (columns) ─► score ─► pack per tier ─► Plan (who, how much, what is left)
//! query ─► complexity ─► budget ────────┘
//! ```
//!
//! * [`complexity`] reads how demanding a query is, as points and a level;
//! * [`budget`] turns a workspace's [`settings`] and that level into tokens per tier, within
//!   [`limits`] where a call has any;
//! * [`decay`] and [`score`] rate every candidate;
//! * [`pack`] decides, tier by tier, what is taken;
//! * [`render`] makes the text for the model of what was taken, under a ceiling if there is one;
//! * [`ranking`] is how else candidates can be rated: by what keeps the evidence;
//! * [`receipt`] says of every candidate why it was taken or left out;
//! * [`promotion`] recommends which memories should change tier;
//! * [`memory`] holds the numbers that threads share, [`pool`] many memories as columns;
//! * [`journal`] keeps what happened and [`statistics`] sums it up.
//!
//! Everything is a pure function of its arguments. The time (`now`) is one of them: nothing here
//! reads a clock, does I/O or knows Python. Times are microseconds since 1970-01-01 UTC in an
//! `i64`, exact for the years 1 to 9999; scores are `f64`; token counts are `u64` up to
//! [`tokens::MAX_COUNT`].

#![forbid(unsafe_code)]
#![cfg_attr(
    loom,
    expect(clippy::must_use_candidate, reason = "that loom's cells change goes unseen")
)]

mod approximation;
pub mod budget;
pub mod candidates;
pub mod columns;
pub mod complexity;
pub mod decay;
pub mod error;
pub mod journal;
pub mod limits;
pub mod memory;
pub mod pack;
pub mod place;
pub mod plan;
pub mod pool;
pub mod promotion;
pub mod ranking;
pub mod receipt;
pub mod render;
pub mod rounding;
pub mod score;
pub mod settings;
pub mod statistics;
pub mod sync;
pub mod tier;
pub mod token_cell;
pub mod tokens;
