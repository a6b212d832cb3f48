//! Memory that somebody else owns, behind checked reads.

use std::any::Any;
use std::rc::Rc;

/// A type whose every bit pattern is a value.
///
/// # Safety
/// Implement it for plain numbers only.
pub unsafe trait Element: Copy {
    /// The value with its bytes in the opposite order.
    fn swapped(self) -> Self;
}

macro_rules! elements {
    ($($integer:ty),*; $($float:ty),*) => {
        $(
            // SAFETY: every bit pattern of an integer is a value.
            unsafe impl Element for $integer {
                fn swapped(self) -> Self {
                    self.swap_bytes()
                }
            }
        )*
        $(
            // SAFETY: every bit pattern of a floating-point number is a value.
            unsafe impl Element for $float {
                fn swapped(self) -> Self {
                    Self::from_bits(self.to_bits().swap_bytes())
                }
            }
        )*
    };
}

elements!(u8, u16, u32, u64, i8, i16, i32, i64; f32, f64);

/// Equally spaced elements in memory that `owner` keeps alive.
///
/// The owner promises the memory, not that nobody writes to it: a NumPy array may be written by
/// another thread while a call reads it, exactly as while NumPy itself reads it. Every element is a
/// plain number, so that such a race gives a wrong number and never an impossible value; whoever
/// shares arrays between threads must not let it happen.
pub struct Span {
    start: *const u8,
    length: usize,
    stride: isize,
    size: usize,
    _owner: Rc<dyn Any>,
}

impl Span {
    /// # Safety
    /// For every `i < length`, `size` bytes at `start + i * stride` are readable for as long as
    /// `owner` lives.
    pub unsafe fn new(
        start: *const u8,
        length: usize,
        stride: isize,
        size: usize,
        owner: Rc<dyn Any>,
    ) -> Self {
        Self { start, length, stride, size, _owner: owner }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// The element at `index`, wherever it lies.
    ///
    /// # Panics
    /// Where the span has no such element, or elements of another size.
    pub fn get<T: Element>(&self, index: usize) -> T {
        assert!(index < self.length && self.size == size_of::<T>());
        let offset = self.stride.wrapping_mul(index.cast_signed());
        // SAFETY: the element lies within the span and has the size of T, of which every bit
        // pattern is a value; it need not be aligned.
        unsafe { self.start.wrapping_offset(offset).cast::<T>().read_unaligned() }
    }

    /// The elements in place; None where they are not next to each other or not aligned.
    ///
    /// # Panics
    /// Where the elements have another size.
    pub fn slice<T: Element>(&self) -> Option<&[T]> {
        assert_eq!(self.size, size_of::<T>());
        if self.length == 0 {
            return Some(&[]);
        }
        let contiguous = self.stride == self.size.cast_signed() || self.length == 1;
        let start = self.start.cast::<T>();
        // SAFETY: `length` elements of T's size lie there one after the other, aligned, and live as
        // long as the owner, which lives as long as `self`. Of writers see the type.
        (contiguous && start.is_aligned())
            .then(|| unsafe { std::slice::from_raw_parts(start, self.length) })
    }

    /// Appends `convert` of every element.
    pub fn extend<T: Element, U>(&self, swapped: bool, out: &mut Vec<U>, convert: impl Fn(T) -> U) {
        match self.slice::<T>() {
            Some(slice) if !swapped => out.extend(slice.iter().map(|&value| convert(value))),
            _ => out.extend((0..self.length).map(|index| {
                let value = self.get::<T>(index);
                convert(if swapped { value.swapped() } else { value })
            })),
        }
    }
}

/// One bit an element, least significant first.
pub struct Bits {
    bytes: Span,
    offset: usize,
}

impl Bits {
    /// The bits from `offset` on; `bytes` holds them all.
    pub fn new(bytes: Span, offset: usize) -> Self {
        Self { bytes, offset }
    }

    pub fn is_set(&self, index: usize) -> bool {
        let bit = self.offset + index;
        self.bytes.get::<u8>(bit / 8) >> (bit % 8) & 1 == 1
    }

    /// The first of `length` bits that is not set.
    pub fn first_unset(&self, length: usize) -> Option<usize> {
        let mut index = 0;
        while index < length {
            let bit = self.offset + index;
            if bit.is_multiple_of(8) && self.bytes.get::<u8>(bit / 8) == u8::MAX {
                index += 8;
            } else if self.is_set(index) {
                index += 1;
            } else {
                return Some(index);
            }
        }
        None
    }
}
