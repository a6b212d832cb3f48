//! From an array's pointers to pieces of columns.
//!
//! Everything unsafe about reading Arrow is here: following the pointers of structs that a producer
//! filled and keeps until they are released.

use std::ffi::{CStr, c_char};
use std::rc::Rc;

use super::{ArrowArray, ArrowSchema};
use crate::columns::chunk::{Chunk, Kind, Numbers, TimeUnit};
use crate::columns::span::{Bits, Span};
use crate::columns::text::{Layout, Texts};

/// How texts lie in memory.
#[derive(Clone, Copy)]
pub enum TextLayout {
    Offsets32,
    Offsets64,
    Views,
}

/// The type of a column.
pub enum Field {
    Struct(Vec<(String, Field)>),
    Null,
    Number(Kind),
    /// Ticks of that kind and unit.
    Time(Kind, TimeUnit),
    Text(TextLayout),
    Flag,
    /// Keys of that kind into texts.
    Dictionary(Kind, TextLayout),
    Other(String),
}

impl Field {
    /// Reads a schema.
    ///
    /// # Safety
    /// `schema` is filled and not released.
    pub unsafe fn of(schema: &ArrowSchema) -> Result<Self, String> {
        // SAFETY: the format of a filled schema is a text.
        let format = unsafe { text(schema.format) }.ok_or("a schema without a format")?;
        if !schema.dictionary.is_null() {
            // SAFETY: a dictionary that is there is filled.
            let values = unsafe { Self::of(&*schema.dictionary) }?;
            return Ok(match (number(&format), values) {
                (Some(keys), Self::Text(layout)) if keys.is_integer() => {
                    Self::Dictionary(keys, layout)
                }
                _ => Self::Other("a dictionary of something other than strings".into()),
            });
        }
        if format != "+s" {
            return Ok(Self::plain(&format));
        }
        let count =
            usize::try_from(schema.n_children).map_err(|_| "a negative number of fields")?;
        let mut children = Vec::with_capacity(count);
        for index in 0..count {
            if schema.children.is_null() {
                return Err("a table without its fields".into());
            }
            // SAFETY: a filled schema has that many children.
            let child = unsafe { (*schema.children.add(index)).as_ref() };
            let child = child.ok_or("a missing field")?;
            // SAFETY: the name of a filled schema is a text or missing.
            let name = unsafe { text(child.name) }.unwrap_or_default();
            // Fields of fields are of no interest.
            // SAFETY: children that are there are filled.
            let field = match unsafe { Self::of(child) }? {
                Self::Struct(_) => Self::Other("a struct".into()),
                field => field,
            };
            children.push((name, field));
        }
        Ok(Self::Struct(children))
    }

    fn plain(format: &str) -> Self {
        if let Some(kind) = number(format) {
            return Self::Number(kind);
        }
        if let Some(unit) = format.strip_prefix("ts") {
            // "tsu:Europe/Berlin"; the values are UTC whatever the zone, and a missing one is UTC.
            let name = match unit.split_once(':').map_or(unit, |(unit, _zone)| unit) {
                "s" => "s",
                "m" => "ms",
                "u" => "us",
                "n" => "ns",
                _ => "?",
            };
            return TimeUnit::named(name, 1)
                .map_or(Self::Other(format.into()), |unit| Self::Time(Kind::Int64, unit));
        }
        let unit = |name| TimeUnit::named(name, 1).unwrap_or(TimeUnit::MICROSECOND);
        match format {
            "n" => Self::Null,
            "tdD" => Self::Time(Kind::Int32, unit("D")),
            "tdm" => Self::Time(Kind::Int64, unit("ms")),
            "u" => Self::Text(TextLayout::Offsets32),
            "U" => Self::Text(TextLayout::Offsets64),
            "vu" => Self::Text(TextLayout::Views),
            "b" => Self::Flag,
            _ => Self::Other(other_name(format)),
        }
    }
}

/// # Safety
/// `pointer` is null or leads to a text that ends in a NUL.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: see above.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

fn number(format: &str) -> Option<Kind> {
    Some(match format {
        "c" => Kind::Int8,
        "C" => Kind::UInt8,
        "s" => Kind::Int16,
        "S" => Kind::UInt16,
        "i" => Kind::Int32,
        "I" => Kind::UInt32,
        "l" => Kind::Int64,
        "L" => Kind::UInt64,
        "e" => Kind::Float16,
        "f" => Kind::Float32,
        "g" => Kind::Float64,
        _ => return None,
    })
}

fn other_name(format: &str) -> String {
    let name = match format.get(..2).unwrap_or(format) {
        "z" | "Z" | "vz" | "w:" => "bytes",
        "d:" => "decimals",
        "td" | "tt" => "times of day",
        "tD" => "durations",
        "ti" => "intervals",
        "+l" | "+L" | "+w" | "+v" => "lists",
        "+m" => "maps",
        "+r" => "run-end encoded values",
        _ => return format!("Arrow type {format}"),
    };
    name.into()
}

/// The pieces of a table's columns in one batch, in the order of the fields.
pub fn table(batch: &Rc<ArrowArray>, fields: &[(String, Field)]) -> Result<Vec<Chunk>, String> {
    let table = Part::whole(batch)?;
    if let Some(row) = table.nulls()?.and_then(|valid| valid.first_unset(table.length)) {
        return Err(format!("row {row} of the table is null as a whole"));
    }
    if usize::try_from(batch.n_children).ok() != Some(fields.len()) {
        return Err("a table whose number of columns is not that of its fields".into());
    }
    let piece = |(index, (_, field)): (usize, &(String, Field))| table.child(index)?.chunk(field);
    fields.iter().enumerate().map(piece).collect()
}

/// The piece of a single column.
pub fn column(array: &Rc<ArrowArray>, field: &Field) -> Result<Chunk, String> {
    Part::whole(array)?.chunk(field)
}

/// Part of an array: of the batch itself, or of an array below it, which lives as long.
struct Part {
    array: *const ArrowArray,
    /// First element, counted from the beginning of the buffers.
    start: usize,
    length: usize,
    batch: Rc<ArrowArray>,
}

impl Part {
    fn whole(batch: &Rc<ArrowArray>) -> Result<Self, String> {
        Self::of(Rc::as_ptr(batch), 0, None, batch)
    }

    /// `length` elements from `skip` on, all of them for None.
    fn of(
        array: *const ArrowArray,
        skip: usize,
        length: Option<usize>,
        batch: &Rc<ArrowArray>,
    ) -> Result<Self, String> {
        // SAFETY: null, or an array of the batch, which is filled and not released before its last
        // reference is dropped.
        let array_below = unsafe { array.as_ref() }.ok_or("a missing array")?;
        let bound =
            |number: i64| usize::try_from(number).map_err(|_| "a negative length or offset");
        let (total, offset) = (bound(array_below.length)?, bound(array_below.offset)?);
        let length = length.unwrap_or(total);
        if skip.checked_add(length).is_none_or(|end| end > total) {
            return Err(format!("a column of {total} rows in a table of {length}"));
        }
        // Twice that many 16-byte elements still have an address.
        let reach = offset.checked_add(total).filter(|&reach| reach < isize::MAX as usize / 32);
        reach.ok_or("a length beyond all memory")?;
        Ok(Self { array, start: offset + skip, length, batch: batch.clone() })
    }

    fn array(&self) -> &ArrowArray {
        // SAFETY: `of` has seen that it is there, and the batch lives as long as `self`.
        unsafe { &*self.array }
    }

    fn child(&self, index: usize) -> Result<Self, String> {
        if self.array().children.is_null() {
            return Err("a table without its columns".into());
        }
        // SAFETY: the caller has compared the number of children.
        let child = unsafe { *self.array().children.add(index) };
        Self::of(child, self.start, Some(self.length), &self.batch)
    }

    /// The address of a buffer, which may be null.
    fn buffer(&self, index: usize) -> Result<*const u8, String> {
        let array = self.array();
        if usize::try_from(array.n_buffers).is_ok_and(|count| index < count)
            && !array.buffers.is_null()
        {
            // SAFETY: a filled array has that many buffers.
            return Ok(unsafe { *array.buffers.add(index) }.cast());
        }
        Err("a missing buffer".into())
    }

    /// `length` elements of `size` bytes of a buffer, from element `start` on.
    fn span(&self, index: usize, size: usize, start: usize, length: usize) -> Result<Span, String> {
        let address = self.buffer(index)?;
        if address.is_null() && length > 0 {
            return Err("a missing buffer".into());
        }
        let first = address.wrapping_add(start * size);
        // SAFETY: the format says that the buffer has elements of that size, the lengths that it
        // has so many of them, and the batch keeps them.
        Ok(unsafe { Span::new(first, length, size.cast_signed(), size, self.batch.clone()) })
    }

    fn nulls(&self) -> Result<Option<Bits>, String> {
        if self.array().null_count == 0 || self.length == 0 || self.buffer(0)?.is_null() {
            return Ok(None);
        }
        self.bits(0).map(Some)
    }

    /// A buffer of one bit an element.
    fn bits(&self, index: usize) -> Result<Bits, String> {
        let (byte, bit) = (self.start / 8, self.start % 8);
        let bytes = self.span(index, 1, byte, (bit + self.length).div_ceil(8))?;
        Ok(Bits::new(bytes, bit))
    }

    fn flags(&self) -> Result<Chunk, String> {
        if self.length == 0 {
            return Ok(Chunk::Flags(Vec::new(), None));
        }
        let bits = self.bits(1)?;
        let flags = (0..self.length).map(|index| bits.is_set(index)).collect();
        Ok(Chunk::Flags(flags, self.nulls()?.and_then(|valid| valid.first_unset(self.length))))
    }

    fn numbers(&self, kind: Kind) -> Result<Numbers, String> {
        let span = self.span(1, kind.size(), self.start, self.length)?;
        Ok(Numbers { span, kind, swapped: false, nulls: self.nulls()? })
    }

    fn texts(&self, layout: TextLayout) -> Result<Texts, String> {
        let (start, length) = (self.start, self.length);
        let layout = match layout {
            // No texts need no offsets either.
            _ if length == 0 => Layout::Views { views: self.span(0, 1, 0, 0)?, data: Vec::new() },
            TextLayout::Offsets32 => {
                let offsets = self.span(1, size_of::<i32>(), start, length + 1)?;
                let end = usize::try_from(offsets.get::<i32>(length));
                let end = end.map_err(|_| "a negative offset of a text")?;
                Layout::Offsets32 { offsets, data: self.span(2, 1, 0, end)? }
            }
            TextLayout::Offsets64 => {
                let offsets = self.span(1, size_of::<i64>(), start, length + 1)?;
                let end = usize::try_from(offsets.get::<i64>(length));
                let end = end.map_err(|_| "a negative offset of a text")?;
                Layout::Offsets64 { offsets, data: self.span(2, 1, 0, end)? }
            }
            TextLayout::Views => {
                let views = self.span(1, 1, start * 16, length * 16)?;
                Layout::Views { views, data: self.variadic()? }
            }
        };
        Ok(Texts { layout, length, nulls: self.nulls()? })
    }

    /// The buffers behind validity and views; the last one holds their lengths.
    fn variadic(&self) -> Result<Vec<Span>, String> {
        let buffers = usize::try_from(self.array().n_buffers).unwrap_or(0);
        let count = buffers.checked_sub(3).ok_or("a missing buffer")?;
        let lengths = self.span(buffers - 1, size_of::<i64>(), 0, count)?;
        (0..count)
            .map(|index| {
                let length = usize::try_from(lengths.get::<i64>(index));
                self.span(2 + index, 1, 0, length.map_err(|_| "a negative length of a buffer")?)
            })
            .collect()
    }

    fn chunk(&self, field: &Field) -> Result<Chunk, String> {
        Ok(match field {
            Field::Null => Chunk::Nulls(self.length),
            Field::Number(kind) => Chunk::Numbers(self.numbers(*kind)?),
            Field::Time(kind, unit) => Chunk::Times(self.numbers(*kind)?, *unit),
            Field::Text(layout) => Chunk::Texts(self.texts(*layout)?),
            Field::Flag => self.flags()?,
            Field::Dictionary(kind, layout) => {
                let values = Self::of(self.array().dictionary, 0, None, &self.batch)?;
                let keys = Numbers { nulls: None, ..self.numbers(*kind)? };
                let values = Box::new(values.texts(*layout)?);
                let layout = Layout::Dictionary { keys, values };
                Chunk::Texts(Texts { layout, length: self.length, nulls: self.nulls()? })
            }
            Field::Other(name) => Chunk::Other { length: self.length, name: name.clone() },
            Field::Struct(_) => Chunk::Other { length: self.length, name: "a struct".into() },
        })
    }
}
