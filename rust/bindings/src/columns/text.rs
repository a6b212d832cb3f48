//! Texts as Arrow lays them out. Every position is checked before it is followed.

use super::chunk::Numbers;
use super::span::{Bits, Span};

/// Bytes of a view.
const VIEW: usize = 16;
/// Bytes of the longest text that lies within its view.
const INLINE: usize = 12;

/// Where the bytes of a text are found.
pub enum Layout {
    /// One offset more than there are texts; text i lies between offset i and the next.
    Offsets32 { offsets: Span, data: Span },
    /// The same with wide offsets.
    Offsets64 { offsets: Span, data: Span },
    /// 16 bytes a text: its length, then itself or its beginning and its place in `data`.
    Views { views: Span, data: Vec<Span> },
    /// A number a text, its row in `values`.
    Dictionary { keys: Numbers, values: Box<Texts> },
}

/// A run of texts.
pub struct Texts {
    pub layout: Layout,
    pub length: usize,
    pub nulls: Option<Bits>,
}

/// The producer's positions lead out of its data.
pub struct Malformed;

impl Texts {
    pub fn len(&self) -> usize {
        self.length
    }

    /// The UTF-8 bytes of a text as they lie there, None for a null.
    pub fn bytes(&self, row: usize) -> Result<Option<&[u8]>, Malformed> {
        if self.nulls.as_ref().is_some_and(|valid| !valid.is_set(row)) {
            return Ok(None);
        }
        match &self.layout {
            Layout::Offsets32 { offsets, data } => {
                let bound = |row| usize::try_from(offsets.get::<i32>(row)).ok();
                part(data, bound(row), bound(row + 1)).map(Some)
            }
            Layout::Offsets64 { offsets, data } => {
                let bound = |row| usize::try_from(offsets.get::<i64>(row)).ok();
                part(data, bound(row), bound(row + 1)).map(Some)
            }
            Layout::Views { views, data } => viewed(views, data, row).map(Some),
            Layout::Dictionary { keys, values } => values.bytes(self.key(keys, values, row)?),
        }
    }

    fn key(&self, keys: &Numbers, values: &Self, row: usize) -> Result<usize, Malformed> {
        debug_assert_eq!(self.length, keys.len());
        let key = keys.integer(row).cast_signed();
        usize::try_from(key).ok().filter(|&key| key < values.len()).ok_or(Malformed)
    }

    pub fn is_null(&self, row: usize) -> bool {
        if self.nulls.as_ref().is_some_and(|valid| !valid.is_set(row)) {
            return true;
        }
        match &self.layout {
            // A key may point to a null.
            Layout::Dictionary { keys, values } => {
                values.nulls.is_some()
                    && self.key(keys, values, row).is_ok_and(|key| values.is_null(key))
            }
            _ => false,
        }
    }

    pub fn first_null(&self) -> Option<usize> {
        let none = match &self.layout {
            Layout::Dictionary { values, .. } => self.nulls.is_none() && values.nulls.is_none(),
            _ => self.nulls.is_none(),
        };
        if none { None } else { (0..self.length).find(|&row| self.is_null(row)) }
    }
}

fn part(data: &Span, start: Option<usize>, end: Option<usize>) -> Result<&[u8], Malformed> {
    let bytes = data.slice::<u8>().ok_or(Malformed)?;
    let (Some(start), Some(end)) = (start, end) else { return Err(Malformed) };
    bytes.get(start..end).ok_or(Malformed)
}

fn viewed<'a>(views: &'a Span, data: &'a [Span], row: usize) -> Result<&'a [u8], Malformed> {
    let bytes = views.slice::<u8>().ok_or(Malformed)?;
    let view = bytes.get(row * VIEW..(row + 1) * VIEW).ok_or(Malformed)?;
    let word = |at: usize| {
        let word: [u8; 4] = view[at..at + 4].try_into().unwrap_or_default();
        usize::try_from(i32::from_ne_bytes(word)).map_err(|_| Malformed)
    };
    let length = word(0)?;
    if length <= INLINE {
        return Ok(&view[4..4 + length]);
    }
    let (buffer, start) = (word(8)?, word(12)?);
    let buffer = data.get(buffer).ok_or(Malformed)?;
    part(buffer, Some(start), start.checked_add(length))
}

/// How many code points well-formed UTF-8 has: as many as bytes that do not continue one.
pub fn code_points(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte.cast_signed() >= -0x40).count() as u64
}
