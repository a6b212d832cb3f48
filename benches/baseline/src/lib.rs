//! The allocator as one would port it to Rust in an afternoon: score all, sort all, take what fits.
//!
//! Plain C functions, called through `ctypes` with the addresses of NumPy arrays. Nothing here is
//! clever on purpose; see `read_once` for the other thing that is measured: how long memory takes.

use std::slice::from_raw_parts;

const TIERS: usize = 4;

/// Columns of `rows` values each, and what a workspace says about them.
#[repr(C)]
pub struct Call {
    rows: usize,
    relevance: *const f32,
    importance: *const f64,
    timestamp_us: *const i64,
    tokens: *const i64,
    tier: *const u8,
    now_us: i64,
    weights: [f64; 3],
    half_life_hours: f64,
    budgets: [i64; TIERS],
    /// Room for `rows` row numbers: tier after tier, best first.
    selected: *mut u32,
    /// How many of them each tier has.
    counts: [usize; TIERS],
}

/// # Safety
/// The pointers of `call` lead to `rows` values each, which nobody writes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocate(call: &mut Call) {
    // SAFETY: the caller promises so.
    let (relevance, importance, timestamp_us, tokens, tier, selected) = unsafe {
        (
            from_raw_parts(call.relevance, call.rows),
            from_raw_parts(call.importance, call.rows),
            from_raw_parts(call.timestamp_us, call.rows),
            from_raw_parts(call.tokens, call.rows),
            from_raw_parts(call.tier, call.rows),
            std::slice::from_raw_parts_mut(call.selected, call.rows),
        )
    };
    let mut tiers: [Vec<(f64, u32)>; TIERS] = Default::default();
    for row in 0..call.rows {
        let age_hours = (call.now_us - timestamp_us[row]).max(0) as f64 / 1e6 / 3600.0;
        let freshness = (-0.693 * age_hours / call.half_life_hours).exp();
        let score = f64::from(relevance[row]) * call.weights[0]
            + importance[row] * call.weights[1]
            + freshness * call.weights[2];
        tiers[tier[row] as usize].push((score.clamp(0.0, 1.0), row as u32));
    }
    let mut total = 0;
    for (index, members) in tiers.iter_mut().enumerate() {
        members.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut rest = call.budgets[index];
        let before = total;
        for &(_, row) in members.iter() {
            if tokens[row as usize] <= rest {
                rest -= tokens[row as usize];
                selected[total] = row;
                total += 1;
            }
        }
        call.counts[index] = total - before;
    }
}

/// Reads every value of the columns a score is made of once, and does as little as possible with it.
///
/// # Safety
/// The pointers of `call` lead to `rows` values each, which nobody writes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_once(call: &Call) -> u64 {
    // Whole words: the widest loads the compiler finds, whatever the values mean.
    let sum = |start: *const u8, bytes: usize| {
        // SAFETY: the caller promises `bytes` readable bytes; any bit pattern is a u8 or u64.
        let (head, words, tail) = unsafe { from_raw_parts(start, bytes).align_to::<u64>() };
        let ends =
            head.iter().chain(tail).fold(0_u64, |sum, &byte| sum.wrapping_add(u64::from(byte)));
        words.iter().fold(ends, |sum, &word| sum.wrapping_add(word))
    };
    sum(call.relevance.cast(), call.rows * 4)
        .wrapping_add(sum(call.importance.cast(), call.rows * 8))
        .wrapping_add(sum(call.timestamp_us.cast(), call.rows * 8))
        .wrapping_add(sum(call.tier, call.rows))
}
