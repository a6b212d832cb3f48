//! Columns as a ranking.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::{Columns, Numbers, distance_bits};
use crate::approximation::{Decay, Formula, Reach, guess_reach, power_of_two};
use crate::decay::{self, NO_TIME};
use crate::pack::Ranking;
use crate::score::{combined, finite_or_zero};
use crate::settings::Settings;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// Rows that are asked for a component to guess its range.
const SAMPLE: usize = 256;

/// Rows that are scored together.
const PIECE: usize = 1024;

/// What passes have seen so far.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// A component was out of reach: it may have been NaN or infinite.
    pub beyond_reach: bool,
    /// Bits of all costs together.
    pub token_bits: u64,
    /// Bits of all distances from the year 1 together.
    pub time_bits: u64,
    /// The least cost.
    pub least_tokens: u64,
}

/// The rows of columns at one moment.
pub(super) struct ColumnRanking<'a> {
    columns: &'a Columns<'a>,
    settings: &'a Settings,
    now_us: i64,
    formula: Formula,
    /// None where rows are scored exactly.
    decay: Option<Decay>,
    scratch: RefCell<Scratch>,
    seen: Cell<Seen>,
}

/// What a piece is scored from, in `f32`: four rows fit where two of the columns' own numbers do.
struct Scratch {
    relevance: Vec<f32>,
    importance: Vec<f32>,
    exponent: Vec<f32>,
}

impl<'a> ColumnRanking<'a> {
    pub fn new(columns: &'a Columns<'a>, settings: &'a Settings, now_us: i64) -> Self {
        let step = (columns.rows() / SAMPLE).max(1);
        let sample = |column: Numbers<'a>| {
            guess_reach((0..columns.rows()).step_by(step).map(|row| column.get(row)))
        };
        let piece = columns.rows().min(PIECE);
        let decay = Decay::new(now_us, settings.freshness_half_life_hours);
        let decay = decay.filter(|_| Formula::suits(settings));
        let formula = match decay {
            Some(_) => {
                let (relevance, importance) =
                    (sample(columns.relevance), sample(columns.importance));
                Formula::new(settings.weights, Reach { relevance, importance })
            }
            None => Formula::rounding(),
        };
        Self {
            columns,
            settings,
            now_us,
            formula,
            decay,
            scratch: RefCell::new(Scratch {
                relevance: scratch(columns.relevance, piece),
                importance: scratch(columns.importance, piece),
                exponent: vec![0.0; piece],
            }),
            seen: Cell::new(Seen {
                beyond_reach: false,
                token_bits: 0,
                time_bits: 0,
                least_tokens: u64::MAX,
            }),
        }
    }

    pub fn seen(&self) -> Seen {
        self.seen.get()
    }

    /// Relevance, importance, freshness and combined score of a row.
    pub fn components(&self, row: u32) -> [f64; 4] {
        let row = row as usize;
        let time = self.columns.timestamp_us.map_or(NO_TIME, |times| times[row]);
        let half_life = self.settings.freshness_half_life_hours;
        let relevance = finite_or_zero(self.columns.relevance.get(row));
        let importance = finite_or_zero(self.columns.importance.get(row));
        let freshness = decay::freshness(time, self.now_us, half_life);
        let score = combined(relevance, importance, freshness, self.settings.weights);
        [relevance, importance, freshness, score]
    }

    /// Looks at every row as a pass does, without scoring it.
    pub fn look_at_all(&self) {
        self.look(0, self.columns.rows());
        let finite =
            |column: &Numbers<'_>| (0..self.columns.rows()).all(|row| column.get(row).is_finite());
        let all_finite = finite(&self.columns.relevance) && finite(&self.columns.importance);
        self.seen.set(Seen { beyond_reach: !all_finite, ..self.seen.get() });
    }

    /// Notes what costs and times some rows have.
    fn look(&self, start: usize, length: usize) {
        let mut seen = self.seen.get();
        let (bits, least) = bits_and_least(&self.columns.tokens[start..start + length]);
        seen.token_bits |= bits;
        seen.least_tokens = seen.least_tokens.min(least);
        if let Some(times) = self.columns.timestamp_us {
            let times = &times[start..start + length];
            seen.time_bits |= times.iter().fold(0, |bits, &time| bits | distance_bits(time));
        }
        self.seen.set(seen);
    }

    /// Approximate scores of rows; false if a component is out of reach.
    fn approximate_piece(&self, decay: Decay, start: usize, scores: &mut [f32]) -> bool {
        let rows = start..start + scores.len();
        let Scratch { relevance, importance, exponent } = &mut *self.scratch.borrow_mut();
        if let Some(times) = self.columns.timestamp_us {
            for (exponent, &time) in exponent.iter_mut().zip(&times[rows.clone()]) {
                *exponent = decay.exponent(time);
            }
        }
        let relevance = self.columns.relevance.near_of(rows.clone(), relevance);
        let importance = self.columns.importance.near_of(rows, importance);
        let reach = self.formula.reach;
        let mut within = true;
        let columns = scores.iter_mut().zip(relevance).zip(importance).zip(&*exponent);
        for (((score, &relevance), &importance), &exponent) in columns {
            within &= (relevance.abs() <= reach.relevance) & (importance.abs() <= reach.importance);
            *score = self.formula.score(relevance, importance, power_of_two(exponent));
        }
        within
    }
}

/// Room for a piece of a column; filled already where the column is the same for all rows.
#[expect(clippy::cast_possible_truncation)] // rounding is accounted for
fn scratch(column: Numbers<'_>, piece: usize) -> Vec<f32> {
    match column {
        Numbers::F32(_) => Vec::new(),
        Numbers::F64(_) => vec![0.0; piece],
        Numbers::All(value) => vec![value as f32; piece],
    }
}

impl Numbers<'_> {
    /// The nearest `f32` of each of these rows, in place or in its [`scratch`].
    #[expect(clippy::cast_possible_truncation)] // rounding is accounted for
    fn near_of<'a>(&'a self, rows: Range<usize>, scratch: &'a mut [f32]) -> &'a [f32] {
        match self {
            Self::F32(column) => return &column[rows],
            Self::F64(column) => {
                for (near, &exact) in scratch.iter_mut().zip(&column[rows]) {
                    *near = exact as f32;
                }
            }
            Self::All(_) => {}
        }
        scratch
    }
}

/// All bits of the numbers together, and the least number; 0 if one is above [`MAX_COUNT`].
fn bits_and_least(tokens: &[u64]) -> (u64, u64) {
    const LANES: usize = 8;
    // Up to MAX_COUNT, bits are those of a float, tiny and in the same order. Unlike integers, floats
    // have a minimum that takes two at once; it compares, and loses no time over tiny numbers.
    let smaller = |one: f64, other: f64| if one < other { one } else { other };
    let bits = tokens.iter().fold(0, |bits, tokens| bits | tokens);
    let (pieces, rest) = tokens.as_chunks::<LANES>();
    let mut least = [f64::INFINITY; LANES];
    for piece in pieces {
        for (least, &tokens) in least.iter_mut().zip(piece) {
            *least = smaller(f64::from_bits(tokens), *least);
        }
    }
    let rest = rest.iter().map(|&tokens| f64::from_bits(tokens));
    let least = least.into_iter().chain(rest).fold(f64::INFINITY, smaller);
    (bits, if bits > MAX_COUNT { 0 } else { least.to_bits() })
}

impl Ranking for ColumnRanking<'_> {
    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn approximate(&self, start: usize, scores: &mut [f32]) {
        let mut start = start;
        for scores in scores.chunks_mut(PIECE) {
            self.look(start, scores.len());
            let approximated =
                self.decay.is_some_and(|decay| self.approximate_piece(decay, start, scores));
            if !approximated {
                self.seen.set(Seen { beyond_reach: true, ..self.seen.get() });
                for (row, score) in (start..).zip(&mut *scores) {
                    #[expect(clippy::cast_possible_truncation)]
                    // at most 2^32 rows; bounded rounding
                    let rounded = self.components(row as u32)[3] as f32;
                    *score = rounded;
                }
            }
            start += scores.len();
        }
    }

    fn tiers(&self, start: usize, tiers: &mut [u8]) {
        tiers.copy_from_slice(&self.columns.tier[start..start + tiers.len()]);
    }

    fn tier(&self, row: u32) -> u8 {
        self.columns.tier[row as usize]
    }

    fn error_bound(&self) -> f64 {
        self.formula.error_bound()
    }

    fn exact(&self, row: u32) -> f64 {
        self.components(row)[3]
    }

    fn tokens(&self, row: u32) -> u64 {
        self.columns.tokens[row as usize]
    }

    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]) {
        for (flag, &tokens) in flags.iter_mut().zip(&self.columns.tokens[start..]) {
            *flag = u8::from(tokens <= most);
        }
    }

    /// Known once a pass has seen all of them.
    fn least_tokens_seen(&self, _tier: Tier) -> u64 {
        self.seen.get().least_tokens
    }
}
