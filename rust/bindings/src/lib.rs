//! `memory_budget_allocator._core`: glue between Python and the `memory-budget-core` crate.
//!
//! One file per Python type or door. Nothing here decides anything: objects are read into plain
//! columns, the core decides, and the effects are written back in one step.

mod allocation;
mod arrow;
mod budget_search;
mod call;
mod candidates;
mod classes;
mod columns;
mod complexity;
mod continued;
mod counter;
mod counting;
mod datetime;
mod decider;
mod door;
mod engine;
mod epoch;
mod errors;
mod fields;
mod foreign;
mod gateway;
mod item;
mod item_allocation;
mod journal;
mod limits;
mod options;
mod pool;
mod pool_allocation;
mod pool_columns;
mod pool_row;
mod pool_words;
mod promotion;
mod prompt_template;
mod ranking;
mod receipts;
mod record;
mod recount;
mod relevance;
mod rendering;
mod repetitions;
mod rerun;
mod score;
mod shown;
mod table;
mod tier_allocation;
mod token_counter;
mod vocabulary;
mod workspace;

/// The table of contents of the native module.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::allocation::Allocation;
    #[pymodule_export]
    use crate::complexity::{ComplexityScanner, check_complexity_rules};
    #[pymodule_export]
    use crate::datetime::{epoch_microseconds, utc_isoformat};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::epoch::Epoch;
    #[pymodule_export]
    use crate::item::MemoryItem;
    #[pymodule_export]
    use crate::item::pickle::restore_item;
    #[pymodule_export]
    use crate::journal::Journal;
    #[pymodule_export]
    use crate::pool::{MemoryPool, PoolSnapshot};
    #[pymodule_export]
    use crate::promotion::{check_tier_order, evaluate_promotions};
    #[pymodule_export]
    use crate::prompt_template::check_template;
    #[pymodule_export]
    use crate::ranking::{check_ranking, rate::rate_candidates};
    #[pymodule_export]
    use crate::score::calculate_score;
    #[pymodule_export]
    use crate::tier_allocation::TierAllocation;
    #[pymodule_export]
    use crate::token_counter::TokenCounter;
    #[pymodule_export]
    use crate::workspace::{check_workspace, tier_budget};

    /// Text of the packaged configuration file, baked in at build time.
    #[pymodule_export]
    const PACKAGED_CONFIGURATION: &str = include_str!("../../../configs/memory-budget.yaml");

    /// "release" or "debug"; benchmarks refuse the latter.
    #[pymodule_export]
    const BUILD_PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

    /// Version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals)] // the name Python gives it
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Python aligns objects to 16 bytes; a field that needs more must be boxed.
const _: () = {
    const fn fits<T>() -> bool {
        align_of::<T>() <= 16
    }
    assert!(fits::<allocation::Allocation>() && fits::<tier_allocation::TierAllocation>());
    assert!(fits::<item::MemoryItem>() && fits::<journal::Journal>());
    assert!(fits::<complexity::ComplexityScanner>() && fits::<engine::Engine>());
    assert!(fits::<token_counter::TokenCounter>());
    assert!(fits::<epoch::Epoch>());
    assert!(fits::<pool::MemoryPool>() && fits::<pool::PoolSnapshot>());
};
