//! Columns as a ranking.

use std::cell::Cell;

use super::{Columns, Numbers, distance_bits};
use crate::approximation::{Decay, Formula, Reach, guess_reach};
use crate::decay::{self, NO_TIME};
use crate::pack::Ranking;
use crate::score::{combined, finite_or_zero};
use crate::settings::Settings;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// Rows that are asked for a component to guess its range.
const SAMPLE: usize = 256;

/// Rows that are scored together; constant columns are that long.
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
    /// The importance of a piece where it is the same for all rows, the relevance likewise.
    constants: [Vec<f64>; 2],
    /// What freshness is taken of where no time is known.
    unknown: Vec<i64>,
    seen: Cell<Seen>,
}

/// A number of a column, and the nearest `f32`.
trait Near: Copy {
    fn near(self) -> f32;
}

impl Near for f32 {
    #[inline(always)]
    fn near(self) -> f32 {
        self
    }
}

impl Near for f64 {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation)] // rounding is accounted for
    fn near(self) -> f32 {
        self as f32
    }
}

/// A piece of a column.
#[derive(Clone, Copy)]
enum Piece<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl<'a> ColumnRanking<'a> {
    pub fn new(columns: &'a Columns<'a>, settings: &'a Settings, now_us: i64) -> Self {
        let step = (columns.rows() / SAMPLE).max(1);
        let sample = |column: Numbers<'a>| {
            guess_reach((0..columns.rows()).step_by(step).map(|row| column.get(row)))
        };
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
        let constant = |column: Numbers<'_>| match column {
            Numbers::All(value) => vec![value; PIECE],
            Numbers::F32(_) | Numbers::F64(_) => Vec::new(),
        };
        let unknown =
            if columns.timestamp_us.is_none() { vec![NO_TIME; PIECE] } else { Vec::new() };
        Self {
            columns,
            settings,
            now_us,
            formula,
            decay,
            constants: [columns.relevance, columns.importance].map(constant),
            unknown,
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

    fn piece(&self, which: usize, start: usize, length: usize) -> Piece<'_> {
        let column = [&self.columns.relevance, &self.columns.importance][which];
        match column {
            Numbers::F32(column) => Piece::F32(&column[start..start + length]),
            Numbers::F64(column) => Piece::F64(&column[start..start + length]),
            Numbers::All(_) => Piece::F64(&self.constants[which][..length]),
        }
    }

    /// Approximate scores of rows; false if a component is out of reach.
    fn approximate_piece(&self, decay: Decay, start: usize, scores: &mut [f32]) -> bool {
        let length = scores.len();
        let times = match self.columns.timestamp_us {
            Some(times) => &times[start..start + length],
            None => &self.unknown[..length],
        };
        let formula = &self.formula;
        match (self.piece(0, start, length), self.piece(1, start, length)) {
            (Piece::F32(r), Piece::F32(i)) => approximate(formula, decay, r, i, times, scores),
            (Piece::F32(r), Piece::F64(i)) => approximate(formula, decay, r, i, times, scores),
            (Piece::F64(r), Piece::F32(i)) => approximate(formula, decay, r, i, times, scores),
            (Piece::F64(r), Piece::F64(i)) => approximate(formula, decay, r, i, times, scores),
        }
    }
}

fn approximate(
    formula: &Formula,
    decay: Decay,
    relevance: &[impl Near],
    importance: &[impl Near],
    times: &[i64],
    scores: &mut [f32],
) -> bool {
    let Reach { relevance: most_relevance, importance: most_importance } = formula.reach;
    let mut within = true;
    let columns = scores.iter_mut().zip(relevance).zip(importance).zip(times);
    for (((score, relevance), importance), &time) in columns {
        let (relevance, importance) = (relevance.near(), importance.near());
        within &= (relevance.abs() <= most_relevance) & (importance.abs() <= most_importance);
        *score = formula.score(relevance, importance, decay.freshness(time));
    }
    within
}

/// All bits of the numbers together, and the least number; 0 if one is above [`MAX_COUNT`].
fn bits_and_least(tokens: &[u64]) -> (u64, u64) {
    const LANES: usize = 4;
    // Up to MAX_COUNT, the bits of 2^52 and the number's added to them are those of a float, in the
    // same order. Unlike integers, floats have a minimum that takes two at once.
    const EXPONENT: u64 = 0x4330_0000_0000_0000;
    let number = |tokens: u64| f64::from_bits(tokens.wrapping_add(EXPONENT));
    let smaller = |one: f64, other: f64| if one < other { one } else { other };
    let (pieces, rest) = tokens.as_chunks::<LANES>();
    let (mut bits, mut least) = ([0; LANES], [f64::INFINITY; LANES]);
    for piece in pieces {
        for lane in 0..LANES {
            bits[lane] |= piece[lane];
            least[lane] = smaller(number(piece[lane]), least[lane]);
        }
    }
    for &tokens in rest {
        bits[0] |= tokens;
        least[0] = smaller(number(tokens), least[0]);
    }
    let bits = bits.into_iter().fold(0, |all, bits| all | bits);
    let least = least.into_iter().fold(f64::INFINITY, smaller).to_bits().wrapping_sub(EXPONENT);
    if bits > MAX_COUNT { (bits, 0) } else { (bits, least) }
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
