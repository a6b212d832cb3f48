//! Pieces of a column as they lie in memory, before anybody asks what they are to mean.

use std::borrow::Cow;

use memory_budget_core::decay::NO_TIME;

use super::span::{Bits, Element, Span};
use super::text::Texts;

/// Type of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
}

impl Kind {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 | Self::Float16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 => 8,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "uint8",
            Self::UInt16 => "uint16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    pub fn is_integer(self) -> bool {
        !matches!(self, Self::Float16 | Self::Float32 | Self::Float64)
    }
}

/// A run of numbers.
pub struct Numbers {
    pub span: Span,
    pub kind: Kind,
    /// Whether the bytes of each number are in the order of another machine.
    pub swapped: bool,
    pub nulls: Option<Bits>,
}

impl Numbers {
    pub fn len(&self) -> usize {
        self.span.len()
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|valid| !valid.is_set(row))
    }

    pub fn first_null(&self) -> Option<usize> {
        self.nulls.as_ref().and_then(|valid| valid.first_unset(self.len()))
    }

    /// The run in place where it is what a column needs.
    pub fn slice_of<T: Element>(&self, kind: Kind) -> Option<&[T]> {
        (self.kind == kind && !self.swapped).then(|| self.span.slice()).flatten()
    }

    /// Appends every number as a float, nulls as whatever lies there.
    pub fn extend_floats(&self, out: &mut Vec<f64>) {
        let (span, swapped) = (&self.span, self.swapped);
        match self.kind {
            Kind::Int8 => span.extend(swapped, out, |value: i8| f64::from(value)),
            Kind::Int16 => span.extend(swapped, out, |value: i16| f64::from(value)),
            Kind::Int32 => span.extend(swapped, out, |value: i32| f64::from(value)),
            Kind::Int64 => span.extend(swapped, out, |value: i64| value as f64),
            Kind::UInt8 => span.extend(swapped, out, |value: u8| f64::from(value)),
            Kind::UInt16 => span.extend(swapped, out, |value: u16| f64::from(value)),
            Kind::UInt32 => span.extend(swapped, out, |value: u32| f64::from(value)),
            Kind::UInt64 => span.extend(swapped, out, |value: u64| value as f64),
            Kind::Float16 => span.extend(swapped, out, from_half),
            Kind::Float32 => span.extend(swapped, out, |value: f32| f64::from(value)),
            Kind::Float64 => span.extend(swapped, out, |value: f64| value),
        }
    }

    /// Appends `convert` of every integer as the 64 bits of its two's complement: a negative one,
    /// and only that or one of 2^63 and more, has the highest bit set. Nothing for floats.
    pub fn extend_integers<U>(&self, out: &mut Vec<U>, convert: impl Fn(u64) -> U) {
        let (span, swapped) = (&self.span, self.swapped);
        let signed = i64::cast_unsigned;
        match self.kind {
            Kind::Int8 => span.extend(swapped, out, |value: i8| convert(signed(value.into()))),
            Kind::Int16 => span.extend(swapped, out, |value: i16| convert(signed(value.into()))),
            Kind::Int32 => span.extend(swapped, out, |value: i32| convert(signed(value.into()))),
            Kind::Int64 => span.extend(swapped, out, |value: i64| convert(signed(value))),
            Kind::UInt8 => span.extend(swapped, out, |value: u8| convert(value.into())),
            Kind::UInt16 => span.extend(swapped, out, |value: u16| convert(value.into())),
            Kind::UInt32 => span.extend(swapped, out, |value: u32| convert(value.into())),
            Kind::UInt64 => span.extend(swapped, out, convert),
            Kind::Float16 | Kind::Float32 | Kind::Float64 => {}
        }
    }

    /// Every integer as [`Self::extend_integers`] has it, in place where they lie like that.
    pub fn integers(&self) -> Cow<'_, [u64]> {
        if let Some(slice) = self.slice_of::<u64>(Kind::UInt64) {
            return Cow::Borrowed(slice);
        }
        if self.kind == Kind::Int64
            && !self.swapped
            && let Some(slice) = self.span.slice::<u64>()
        {
            return Cow::Borrowed(slice);
        }
        let mut integers = Vec::with_capacity(self.len());
        self.extend_integers(&mut integers, |integer| integer);
        Cow::Owned(integers)
    }

    /// One integer as [`Self::extend_integers`] has it; 0 for a float.
    pub fn integer(&self, row: usize) -> u64 {
        fn ordered<T: Element>(numbers: &Numbers, row: usize) -> T {
            let value = numbers.span.get::<T>(row);
            if numbers.swapped { value.swapped() } else { value }
        }
        let signed = i64::cast_unsigned;
        match self.kind {
            Kind::Int8 => signed(ordered::<i8>(self, row).into()),
            Kind::Int16 => signed(ordered::<i16>(self, row).into()),
            Kind::Int32 => signed(ordered::<i32>(self, row).into()),
            Kind::Int64 => signed(ordered::<i64>(self, row)),
            Kind::UInt8 => ordered::<u8>(self, row).into(),
            Kind::UInt16 => ordered::<u16>(self, row).into(),
            Kind::UInt32 => ordered::<u32>(self, row).into(),
            Kind::UInt64 => ordered::<u64>(self, row),
            Kind::Float16 | Kind::Float32 | Kind::Float64 => 0,
        }
    }

    /// An integer as it was meant, for error messages.
    pub fn shown(&self, integer: u64) -> String {
        match self.kind {
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
                integer.cast_signed().to_string()
            }
            _ => integer.to_string(),
        }
    }
}

/// A half-precision number; exact.
fn from_half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => sign * f64::INFINITY,
        0x1f => f64::NAN,
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

/// What one tick of a column of times is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// That many months.
    Months(i64),
    /// `multiply / divide` microseconds.
    Linear { multiply: i64, divide: i64 },
}

impl TimeUnit {
    pub const MICROSECOND: Self = Self::Linear { multiply: 1, divide: 1 };

    /// The unit with that name, as NumPy writes it, taken `count` times.
    pub fn named(name: &str, count: i64) -> Option<Self> {
        const SECOND: i64 = 1_000_000;
        let (multiply, divide) = match name {
            "Y" => return Some(Self::Months(count.checked_mul(12)?)),
            "M" => return Some(Self::Months(count)),
            "W" => (7 * 86_400 * SECOND, 1),
            "D" => (86_400 * SECOND, 1),
            "h" => (3_600 * SECOND, 1),
            "m" => (60 * SECOND, 1),
            "s" => (SECOND, 1),
            "ms" => (1_000, 1),
            "us" => (1, 1),
            "ns" => (1, 1_000),
            "ps" => (1, 1_000_000),
            "fs" => (1, 1_000_000_000),
            "as" => (1, 1_000_000_000_000),
            _ => return None,
        };
        Some(Self::Linear { multiply: count.checked_mul(multiply)?, divide })
    }

    /// Microseconds since 1970, cut to the microsecond before; `NO_TIME` for NumPy's not-a-time,
    /// and [`OUT_OF_RANGE`] for what no microsecond has.
    pub fn microseconds(self, ticks: i64) -> i64 {
        if ticks == NO_TIME {
            return NO_TIME;
        }
        match self {
            Self::Linear { multiply: 1, divide: 1 } => ticks,
            // A constant divisor is a multiplication.
            Self::Linear { multiply: 1, divide: 1_000 } => ticks.div_euclid(1_000),
            Self::Linear { multiply, divide: 1 } => {
                ticks.checked_mul(multiply).unwrap_or(OUT_OF_RANGE)
            }
            Self::Linear { multiply, divide } => {
                let exact = i128::from(ticks) * i128::from(multiply);
                i64::try_from(exact.div_euclid(divide.into())).unwrap_or(OUT_OF_RANGE)
            }
            Self::Months(count) => {
                let start = ticks.checked_mul(count).and_then(crate::datetime::month_start);
                start.unwrap_or(OUT_OF_RANGE)
            }
        }
    }
}

/// A time that no calendar has.
pub const OUT_OF_RANGE: i64 = i64::MAX;

/// A piece of a column.
pub enum Chunk {
    /// Nothing but nulls, of no type.
    Nulls(usize),
    Numbers(Numbers),
    Times(Numbers, TimeUnit),
    Texts(Texts),
    /// Booleans, and where the first null is.
    Flags(Vec<bool>, Option<usize>),
    /// Something no column is made of, and its name.
    Other {
        length: usize,
        name: String,
    },
}

impl Chunk {
    pub fn len(&self) -> usize {
        match self {
            Self::Nulls(length) | Self::Other { length, .. } => *length,
            Self::Numbers(numbers) | Self::Times(numbers, _) => numbers.len(),
            Self::Texts(texts) => texts.len(),
            Self::Flags(flags, _) => flags.len(),
        }
    }

    /// What it is, for error messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Nulls(_) => "nulls",
            Self::Numbers(numbers) => numbers.kind.name(),
            Self::Times(..) => "timestamps",
            Self::Texts(_) => "strings",
            Self::Flags(..) => "booleans",
            Self::Other { name, .. } => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_widen_exactly() {
        let examples = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x7bff, 65_504.0),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ];
        for (bits, value) in examples {
            assert_eq!(from_half(bits).to_bits(), f64::to_bits(value), "{bits:#x}");
        }
        assert!(from_half(0x7e00).is_nan());
    }

    #[test]
    fn every_unit_gives_microseconds() {
        let ticks = |name, count, ticks| TimeUnit::named(name, count).unwrap().microseconds(ticks);
        let day = 86_400_000_000;
        assert_eq!(ticks("Y", 1, 1), 365 * day);
        assert_eq!(ticks("Y", 2, -1), -731 * day); // 1968 was a leap year
        assert_eq!(ticks("M", 1, -1), -31 * day);
        assert_eq!(ticks("M", 3, 1), (31 + 28 + 31) * day);
        assert_eq!(ticks("W", 1, 2), 14 * day);
        assert_eq!(ticks("s", 25, -2), -50_000_000);
        assert_eq!(ticks("ns", 1, -1), -1);
        assert_eq!(ticks("ns", 1, 1_999), 1);
        assert_eq!(ticks("ns", 100, -15), -2);
        assert_eq!(ticks("as", 1, 1_000_000_000_000), 1);
        assert_eq!(ticks("s", 1, i64::MAX), OUT_OF_RANGE);
        assert_eq!(ticks("Y", 1, i64::MAX / 12), OUT_OF_RANGE);
        assert_eq!(ticks("D", 1, NO_TIME), NO_TIME);
    }
}
