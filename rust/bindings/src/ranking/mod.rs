//! Rankings: what a workspace or a call asks for, and what it is decided from.

mod known;
mod options;
pub mod rate;

use std::borrow::Cow;

use memory_budget_core::ranking::RankingOptions;
use memory_budget_core::ranking::lexical::QueryWords;
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::settings::Settings;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::Among;
use crate::workspace::Configuration;

pub use known::{Known, Numbers, Ties};
use options::options;

/// Whether texts have to be read at all.
pub fn needs_texts(options: &RankingOptions) -> bool {
    options.lexical_weight > 0.0 || !options.duplicates.is_off() || options.diversity.is_some()
}

/// Whether it matters how memories are tied to each other.
pub fn needs_links(options: &RankingOptions) -> bool {
    options.smoothing > 0.0 || options.supersession
}

/// What a ranking knows of a text. Lone surrogates are no letters.
pub fn terms_of(text: &Bound<'_, PyString>) -> Terms {
    Terms::of(&text.to_string_lossy())
}

/// The ranking of a workspace, if it names one.
pub fn of_workspace(
    config: &Configuration<'_, '_>,
    settings: &Settings,
) -> PyResult<Option<RankingOptions>> {
    let py = config.py();
    let Some(ranking) = config.optional(intern!(py, "ranking"))? else { return Ok(None) };
    let read = options(&ranking, settings)?;
    read.map(Some).map_err(|refusal| config.refused(refusal, "ranking", &ranking))
}

/// A call's ranking, where it is another one than the documented formula.
pub struct CallRanking {
    pub options: RankingOptions,
    pub query: QueryWords,
}

impl CallRanking {
    pub fn among(&self, among: Among) -> Cow<'_, RankingOptions> {
        match among {
            Among::Admitted => Cow::Borrowed(&self.options),
            Among::All => Cow::Owned(self.options.of_all()),
        }
    }

    /// From the option of the call, else from the workspace.
    pub fn read(
        config: &Configuration<'_, '_>,
        option: Option<&Bound<'_, PyAny>>,
        settings: &Settings,
        query: &Bound<'_, PyString>,
    ) -> PyResult<Option<Self>> {
        let py = query.py();
        let options = match option {
            Some(option) => options(option, settings)?
                .map_err(|refusal| refusal.for_argument(py, "ranking", option))?,
            None => match of_workspace(config, settings)? {
                None => return Ok(None),
                Some(options) => options,
            },
        };
        if options == RankingOptions::weighted(settings) {
            return Ok(None);
        }
        let query = QueryWords::of(&query.to_string_lossy());
        Ok(Some(Self { options, query }))
    }
}

/// Checks a `Ranking`. Raises `ConfigurationError` or `ConfigurationTypeError` naming field and value.
#[pyfunction]
pub fn check_ranking(ranking: &Bound<'_, PyAny>) -> PyResult<()> {
    let read = options(ranking, &Settings::default())?;
    read.map(|_| ()).map_err(|refusal| refusal.for_argument(ranking.py(), "ranking", ranking))
}
