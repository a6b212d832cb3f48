//! What a caller may ask of one call beyond its query, its memories and its workspace.
//!
//! The public methods take options as keywords and hand the dict on; it is read here and nowhere else.
//! A new option is one line in the list below and one in `AllocationOptions` (options.py), which tells
//! type checkers; a door that cannot follow it says so in a check like [`Options::refuse_pool_options`].

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{ArgumentTypeError, shown};
use crate::fields;

macro_rules! options {
    ($($(#[$documentation:meta])* $name:ident,)*) => {
        /// The options of one call as they were given; `None` is the same as left out. Each is read
        /// and checked where it is used.
        #[derive(Default)]
        pub struct Options<'py> {
            $($(#[$documentation])* pub $name: Option<Bound<'py, PyAny>>,)*
        }

        impl<'py> Options<'py> {
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn place(&mut self, name: &str) -> Option<&mut Option<Bound<'py, PyAny>>> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

options! {
    /// One number a row of a pool, or a mapping from ids.
    relevance,
    /// The version of the pool that the relevance was made for.
    relevance_version,
    /// What a mapping's missing ids get.
    missing_relevance,
    /// Only memories of that user.
    user_id,
    /// Only memories of these tiers.
    tiers,
    /// How the tokens of memories without a count are counted.
    tokenizer,
    /// Tokens of the whole prompt.
    max_prompt_tokens,
    /// What of it is spoken for.
    reserves,
    /// What the text is made with.
    template,
    /// In which order memories are tried.
    ranking,
    /// Whether everything is kept that receipts are made of.
    receipts,
    /// Whether nothing but the result comes of the call.
    dry_run,
}

impl<'py> Options<'py> {
    pub fn read(given: &Bound<'py, PyDict>) -> PyResult<Self> {
        let mut options = Self::default();
        for (name, value) in given {
            let known = name.extract::<&str>().ok().and_then(|name| options.place(name));
            let Some(place) = known else {
                let (name, known) = (shown(&name), Self::NAMES.join(", "));
                let message = format!("{name} is no option of an allocation; there are {known}");
                return Err(ArgumentTypeError::new_err(message));
            };
            *place = Some(value).filter(|value| !value.is_none());
        }
        Ok(options)
    }

    /// A flag; false where it was left out.
    pub fn flag(name: &str, given: Option<&Bound<'py, PyAny>>) -> PyResult<bool> {
        given.map_or(Ok(false), |given| {
            fields::flag(given).map_err(|refusal| refusal.for_argument(given.py(), name, given))
        })
    }

    /// Refuses what only a pool can follow.
    pub fn refuse_pool_options(&self) -> PyResult<()> {
        // Zero is what a memory of any door has that says nothing of its relevance.
        let missing = self.missing_relevance.as_ref();
        let missing = missing.filter(|missing| !missing.eq("zero").unwrap_or(false));
        refuse_pool_option("relevance", self.relevance.as_ref())?;
        refuse_pool_option("relevance_version", self.relevance_version.as_ref())?;
        refuse_pool_option("missing_relevance", missing)?;
        refuse_pool_option("user_id", self.user_id.as_ref())?;
        refuse_pool_option("tiers", self.tiers.as_ref())
    }
}

/// Refuses an option that was given for memories outside a pool.
pub fn refuse_pool_option(name: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    if given.is_none() {
        return Ok(());
    }
    Err(ArgumentTypeError::new_err(format!(
        "{name} is for a MemoryPool or a snapshot of one; other memories carry their own fields"
    )))
}
