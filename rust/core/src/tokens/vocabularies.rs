//! The vocabularies that come with the library.
//!
//! Their data is that of tiktoken, whose licence (MIT) lies beside it in `rust/core/data`.

use super::byte_pair::BytePairCounter;
use super::pieces;

/// Counts as GPT-4o, GPT-4.1, GPT-5 and the o-series do.
pub static O200K_BASE: BytePairCounter = BytePairCounter::new(
    "o200k_base",
    include_bytes!("../../data/o200k_base.vocabulary"),
    pieces::o200k,
);

/// Counts as GPT-4, GPT-3.5 and the third embedding models do.
pub static CL100K_BASE: BytePairCounter = BytePairCounter::new(
    "cl100k_base",
    include_bytes!("../../data/cl100k_base.vocabulary"),
    pieces::cl100k,
);
