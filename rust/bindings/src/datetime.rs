//! Between Python datetimes and microseconds since 1970-01-01 UTC.
//!
//! The stable ABI has no C interface to datetimes. Subtracting the epoch leaves time zones, folds
//! and subclasses to the datetime itself and is exact to the microsecond.

use std::time::{SystemTime, UNIX_EPOCH};

use memory_budget_core::decay::NO_TIME;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDateTime, PyDelta, PyDeltaAccess};

use crate::errors::{ArgumentValueError, Fault, Refusal, shown};

const DATETIME: &str = "a datetime";
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// 0001-01-01 and 10000-01-01, UTC.
pub const REPRESENTABLE: std::ops::Range<i64> =
    -62_135_596_800 * MICROSECONDS_PER_SECOND..253_402_300_800 * MICROSECONDS_PER_SECOND;

struct Epoch {
    naive: Py<PyAny>,
    utc: Py<PyAny>,
    timezone_utc: Py<PyAny>,
    timedelta: Py<PyAny>,
}

fn epoch(py: Python<'_>) -> PyResult<&Epoch> {
    static EPOCH: PyOnceLock<Epoch> = PyOnceLock::new();
    EPOCH.get_or_try_init(py, || {
        let module = py.import("datetime")?;
        let class = module.getattr("datetime")?;
        let timezone_utc = module.getattr("timezone")?.getattr("utc")?;
        Ok(Epoch {
            naive: class.call1((1970, 1, 1))?.unbind(),
            utc: class.call1((1970, 1, 1, 0, 0, 0, 0, &timezone_utc))?.unbind(),
            timezone_utc: timezone_utc.unbind(),
            timedelta: module.getattr("timedelta")?.unbind(),
        })
    })
}

fn subtract(datetime: &Bound<'_, PyAny>, epoch: &Py<PyAny>) -> PyResult<i64> {
    let delta = datetime.sub(epoch)?;
    // Each of the timedelta's own accessors asks a descriptor, which takes five times as long.
    if delta.cast_exact::<PyDelta>().is_ok() {
        let py = delta.py();
        let part = |name| delta.getattr(name)?.extract::<i64>();
        let days = part(intern!(py, "days"))?;
        let seconds = days * SECONDS_PER_DAY + part(intern!(py, "seconds"))?;
        return Ok(seconds * MICROSECONDS_PER_SECOND + part(intern!(py, "microseconds"))?);
    }
    let delta = delta.cast::<PyDelta>()?;
    let seconds = i64::from(delta.get_days()) * SECONDS_PER_DAY + i64::from(delta.get_seconds());
    Ok(seconds * MICROSECONDS_PER_SECOND + i64::from(delta.get_microseconds()))
}

/// Microseconds since 1970 UTC; a naive datetime is UTC.
pub fn microseconds(value: &Bound<'_, PyAny>) -> Result<i64, Refusal> {
    if value.cast::<PyDateTime>().is_err() {
        return Err(Refusal::of_type(DATETIME));
    }
    let py = value.py();
    let read = || {
        let epoch = epoch(py)?;
        let zone = value.getattr(intern!(py, "tzinfo"))?;
        // A zone may decline to give an offset; such a datetime is naive.
        let naive = zone.is_none()
            || (!zone.is(&epoch.timezone_utc)
                && value.call_method0(intern!(py, "utcoffset"))?.is_none());
        subtract(value, if naive { &epoch.naive } else { &epoch.utc })
    };
    read().map_err(|error| Refusal {
        fault: Fault::Value,
        accepted: "a datetime with a usable UTC offset",
        cause: Some(error),
    })
}

/// As [`microseconds`], with the datetime itself; `NO_TIME` for None.
pub fn optional<'py>(
    value: &Bound<'py, PyAny>,
) -> Result<(Option<Bound<'py, PyAny>>, i64), Refusal> {
    if value.is_none() {
        return Ok((None, NO_TIME));
    }
    match microseconds(value) {
        Ok(microseconds) => Ok((Some(value.clone()), microseconds)),
        Err(refusal) if refusal.fault == Fault::Type => {
            Err(Refusal { accepted: "a datetime or None", ..refusal })
        }
        Err(refusal) => Err(refusal),
    }
}

/// The UTC datetime of a time within the years 1 to 9999.
pub fn from_microseconds(py: Python<'_>, microseconds: i64) -> PyResult<Py<PyAny>> {
    let epoch = epoch(py)?;
    let seconds = microseconds.div_euclid(MICROSECONDS_PER_SECOND);
    let delta = epoch.timedelta.bind(py).call1((
        seconds.div_euclid(SECONDS_PER_DAY),
        seconds.rem_euclid(SECONDS_PER_DAY),
        microseconds.rem_euclid(MICROSECONDS_PER_SECOND),
    ))?;
    Ok(epoch.utc.bind(py).add(delta)?.unbind())
}

/// As [`from_microseconds`], without a zone.
pub fn naive_from_microseconds(py: Python<'_>, microseconds: i64) -> PyResult<Py<PyAny>> {
    let utc = from_microseconds(py, microseconds)?;
    let keywords = pyo3::types::PyDict::new(py);
    keywords.set_item(intern!(py, "tzinfo"), py.None())?;
    Ok(utc.bind(py).call_method(intern!(py, "replace"), (), Some(&keywords))?.unbind())
}

/// How a datetime can be made again from its microseconds alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Utc,
    Naive,
    /// It cannot: it has another zone, a fold or a class of its own.
    Other,
}

pub fn form(value: &Bound<'_, PyAny>) -> PyResult<Form> {
    let py = value.py();
    let plain = value.cast_exact::<PyDateTime>().is_ok()
        && value.getattr(intern!(py, "fold"))?.extract::<u8>()? == 0;
    let zone = value.getattr(intern!(py, "tzinfo"))?;
    Ok(if !plain {
        Form::Other
    } else if zone.is_none() {
        Form::Naive
    } else if zone.is(&epoch(py)?.timezone_utc) {
        Form::Utc
    } else {
        Form::Other
    })
}

/// Whether UTC has that time within the years 1 to 9999.
pub fn is_representable(microseconds: i64) -> bool {
    REPRESENTABLE.contains(&microseconds)
}

/// ISO 8601 in UTC, as Python's `isoformat` writes it; for [`is_representable`] times.
pub fn isoformat(microseconds: i64) -> String {
    let seconds = microseconds.div_euclid(MICROSECONDS_PER_SECOND);
    let fraction = microseconds.rem_euclid(MICROSECONDS_PER_SECOND);
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) =
        (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    // By hand: `format!` takes five times as long, and a result has one of these for each memory.
    let mut text = String::with_capacity("0000-00-00T00:00:00.000000+00:00".len());
    let mut put = |value: i64, digits: u32, then: &str| {
        for place in (0..digits).rev() {
            let digit = value / 10i64.pow(place) % 10;
            text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
        text.push_str(then);
    };
    put(year, 4, "-");
    put(month, 2, "-");
    put(day, 2, "T");
    put(hour, 2, ":");
    put(minute, 2, ":");
    put(second, 2, if fraction == 0 { "" } else { "." });
    if fraction != 0 {
        put(fraction, 6, "");
    }
    text.push_str("+00:00");
    text
}

/// Year, month and day of a day counted from 1970-01-01, proleptic Gregorian.
///
/// Counts days from 0000-03-01, so that the leap day ends a year; 146,097 days make 400 years and
/// (153 * m + 2) / 5 is the first day of the m-th month from March.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// Microseconds from 1970-01-01 to the first day of the month that many months later; None outside
/// the years 1 to 9999. The counterpart of [`civil`].
pub fn month_start(months: i64) -> Option<i64> {
    let months = months.checked_add(1970 * 12).filter(|months| (12..120_000).contains(months))?;
    // Years begin in March here too.
    let (year, month_from_march) = ((months - 2).div_euclid(12), (months - 2).rem_euclid(12));
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day = 365 * year + leap_days + (153 * month_from_march + 2) / 5 - 719_468;
    Some(day * SECONDS_PER_DAY * MICROSECONDS_PER_SECOND)
}

/// Microseconds since 1970-01-01 UTC of `current_time` (a naive datetime is UTC); of the clock for None.
///
/// Raises `ArgumentTypeError` for anything but a datetime, `ArgumentValueError` where UTC leaves the
/// years 1 to 9999.
#[pyfunction]
pub fn epoch_microseconds(current_time: &Bound<'_, PyAny>) -> PyResult<i64> {
    if current_time.is_none() {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    }
    let py = current_time.py();
    let microseconds = microseconds(current_time)
        .map_err(|refusal| refusal.for_argument(py, "current_time", current_time))?;
    if is_representable(microseconds) {
        Ok(microseconds)
    } else {
        Err(ArgumentValueError::new_err(format!(
            "current_time must lie in the years 1 to 9999 in UTC, got {}",
            shown(current_time)
        )))
    }
}

/// ISO 8601 in UTC of a time in microseconds since 1970, within the years 1 to 9999.
#[pyfunction]
#[pyo3(name = "isoformat")]
pub fn utc_isoformat(microseconds: i64) -> String {
    isoformat(microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_start_where_the_calendar_says() {
        for months in -1969 * 12..8030 * 12 {
            let start = month_start(months).unwrap();
            let day = start / (SECONDS_PER_DAY * MICROSECONDS_PER_SECOND);
            assert_eq!(civil(day), (1970 + months.div_euclid(12), 1 + months.rem_euclid(12), 1));
        }
        assert_eq!(month_start(-1969 * 12 - 1), None);
        assert_eq!(month_start(8030 * 12), None);
        assert_eq!(month_start(i64::MAX), None);
    }
}
