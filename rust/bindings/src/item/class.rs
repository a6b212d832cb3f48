//! What Python sees of a `MemoryItem`: construction, comparison, garbage collection, accessors.

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple};
use pyo3::{Borrowed, IntoPyObjectExt, PyTraverseError, PyVisit, intern};

use super::{Field, MemoryItem, pickle};
use crate::classes::Classes;

/// A constructor argument that tells "left out" from an explicit None.
struct Given<'a, 'py>(Option<Borrowed<'a, 'py, PyAny>>);

impl<'a, 'py> FromPyObject<'a, 'py> for Given<'a, 'py> {
    type Error = std::convert::Infallible;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(Some(object)))
    }
}

impl MemoryItem {
    /// Assigns all fields, defaults included, the way Python code would: a subclass that defines
    /// one of the names itself receives it.
    fn assign_as_seen(&self, item: &Bound<'_, Self>, given: [Given<'_, '_>; 19]) -> PyResult<()> {
        for (field, Given(value)) in Field::ALL.into_iter().zip(given) {
            match value {
                Some(value) => item.setattr(field.name(), value)?,
                None => item.setattr(field.name(), self.value(item.py(), field)?)?,
            }
        }
        Ok(())
    }

    /// All field values as Python code sees them: a subclass may define some itself.
    fn values_as_seen<'py>(item: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        if let Some(own) = Classes::default().own(item.as_any().as_borrowed())? {
            return own.values(item.py());
        }
        let value = |field: Field| item.getattr(field.name());
        let values: Vec<_> = Field::ALL.into_iter().map(value).collect::<PyResult<_>>()?;
        PyTuple::new(item.py(), values)
    }
}

#[pymethods]
impl MemoryItem {
    /// Accepts anything: a subclass may have another `__init__`.
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::blank()
    }

    #[pyo3(signature = (
        memory_id, text, tier, timestamp, user_id = Given(None), metadata = Given(None),
        relevance_score = Given(None), importance_score = Given(None),
        freshness_score = Given(None), combined_score = Given(None), token_count = Given(None),
        access_count = Given(None), last_accessed = Given(None), promotion_score = Given(None), *,
        pinned = Given(None), evergreen = Given(None), session_id = Given(None),
        position = Given(None), supersedes = Given(None)
    ))]
    #[expect(clippy::too_many_arguments)]
    fn __init__(
        slf: &Bound<'_, Self>,
        memory_id: Given<'_, '_>,
        text: Given<'_, '_>,
        tier: Given<'_, '_>,
        timestamp: Given<'_, '_>,
        user_id: Given<'_, '_>,
        metadata: Given<'_, '_>,
        relevance_score: Given<'_, '_>,
        importance_score: Given<'_, '_>,
        freshness_score: Given<'_, '_>,
        combined_score: Given<'_, '_>,
        token_count: Given<'_, '_>,
        access_count: Given<'_, '_>,
        last_accessed: Given<'_, '_>,
        promotion_score: Given<'_, '_>,
        pinned: Given<'_, '_>,
        evergreen: Given<'_, '_>,
        session_id: Given<'_, '_>,
        position: Given<'_, '_>,
        supersedes: Given<'_, '_>,
    ) -> PyResult<()> {
        let given = [
            memory_id,
            text,
            tier,
            timestamp,
            user_id,
            metadata,
            relevance_score,
            importance_score,
            freshness_score,
            combined_score,
            token_count,
            access_count,
            last_accessed,
            promotion_score,
            pinned,
            evergreen,
            session_id,
            position,
            supersedes,
        ];
        let own = slf.get();
        own.reset();
        if Classes::default().own(slf.as_any().as_borrowed())?.is_none() {
            return own.assign_as_seen(slf, given);
        }
        for (field, Given(value)) in Field::ALL.into_iter().zip(given) {
            if let Some(value) = value {
                own.assign(field, &value)?;
            }
        }
        Ok(())
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        operation: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match operation {
            CompareOp::Eq => {}
            CompareOp::Ne => {
                // A subclass may have redefined equality; inequality is its negation, as in object.
                let equal = slf.call_method1(intern!(py, "__eq__"), (other,))?;
                let decided = equal.cast::<PyBool>().map(|equal| !equal.is_true());
                return decided.map_or(Ok(equal.clone()), |unequal| unequal.into_bound_py_any(py));
            }
            _ => return Ok(py.NotImplemented().into_bound(py)),
        }
        // Like a dataclass: only items of the very same class compare.
        let Ok(peer) = other.cast::<Self>() else {
            return Ok(py.NotImplemented().into_bound(py));
        };
        if !slf.get_type().is(peer.get_type()) {
            return Ok(py.NotImplemented().into_bound(py));
        }
        let equal = slf.is(peer) || Self::values_as_seen(slf)?.eq(Self::values_as_seen(peer)?)?;
        equal.into_bound_py_any(py)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        pickle::reduce(slf)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        pickle::set_state(slf, state)
    }

    /// Never waits: the collector also runs while another thread holds the lock; the objects are
    /// then seen as referenced from outside and looked at next time.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(objects) = self.objects.try_lock() else { return Ok(()) };
        visit.call(&objects.memory_id)?;
        visit.call(&objects.text)?;
        visit.call(&objects.preview)?;
        visit.call(&objects.timestamp)?;
        visit.call(&objects.user_id)?;
        visit.call(&objects.metadata)?;
        visit.call(&objects.last_accessed)
    }

    fn __clear__(&self) {
        self.reset();
    }

    /// Identifier, chosen by the caller.
    #[getter]
    #[pyo3(name = "memory_id")]
    fn get_memory_id(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::MemoryId)
    }

    #[setter]
    fn set_memory_id(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::MemoryId, value)
    }

    /// The memory's content.
    #[getter]
    #[pyo3(name = "text")]
    fn get_text(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::Text)
    }

    #[setter]
    fn set_text(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Text, value)
    }

    /// The tier the memory lives in, a `MemoryTier`.
    #[getter]
    #[pyo3(name = "tier")]
    fn get_tier(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::Tier)
    }

    #[setter]
    fn set_tier(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Tier, value)
    }

    /// When the memory was created; a naive datetime is UTC; None for unknown.
    #[getter]
    #[pyo3(name = "timestamp")]
    fn get_timestamp(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::Timestamp)
    }

    #[setter]
    fn set_timestamp(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Timestamp, value)
    }

    /// Whose memory it is, or None.
    #[getter]
    #[pyo3(name = "user_id")]
    fn get_user_id(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::UserId)
    }

    #[setter]
    fn set_user_id(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::UserId, value)
    }

    /// Anything the caller wants to keep with the memory.
    #[getter]
    #[pyo3(name = "metadata")]
    fn get_metadata(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::Metadata)
    }

    #[setter]
    fn set_metadata(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Metadata, value)
    }

    /// Similarity to the query, usually 0 to 1.
    #[getter]
    fn relevance_score(&self) -> f64 {
        self.relevance.load()
    }

    #[setter]
    fn set_relevance_score(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::RelevanceScore, value)
    }

    /// Intrinsic importance, usually 0 to 1.
    #[getter]
    fn importance_score(&self) -> f64 {
        self.importance.load()
    }

    #[setter]
    fn set_importance_score(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::ImportanceScore, value)
    }

    /// Freshness as last computed, 0 to 1.
    #[getter]
    fn freshness_score(&self) -> f64 {
        self.freshness.load()
    }

    #[setter]
    fn set_freshness_score(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::FreshnessScore, value)
    }

    /// Combined score as last computed, 0 to 1.
    #[getter]
    fn combined_score(&self) -> f64 {
        self.combined.load()
    }

    #[setter]
    fn set_combined_score(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::CombinedScore, value)
    }

    /// Tokens the memory costs; 0 means not known yet.
    #[getter]
    fn token_count(&self) -> u64 {
        self.tokens.load().count()
    }

    #[setter]
    fn set_token_count(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::TokenCount, value)
    }

    /// How often the memory was selected.
    #[getter]
    fn access_count(&self) -> u64 {
        self.accesses()
    }

    #[setter]
    fn set_access_count(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::AccessCount, value)
    }

    /// When the memory was last selected, or None.
    #[getter]
    #[pyo3(name = "last_accessed")]
    fn get_last_accessed(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::LastAccessed)
    }

    #[setter]
    fn set_last_accessed(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::LastAccessed, value)
    }

    /// Promotion score as last computed.
    #[getter]
    fn promotion_score(&self) -> f64 {
        self.promotion.load()
    }

    #[setter]
    fn set_promotion_score(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::PromotionScore, value)
    }

    /// Whether the memory is taken before all others.
    #[getter]
    fn pinned(&self) -> bool {
        self.place.load().is_pinned()
    }

    #[setter]
    fn set_pinned(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Pinned, value)
    }

    /// Whether the memory stays fresh whatever its age.
    #[getter]
    fn evergreen(&self) -> bool {
        self.place.load().is_evergreen()
    }

    #[setter]
    fn set_evergreen(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Evergreen, value)
    }

    /// The conversation or document the memory is a part of, or None.
    #[getter]
    fn session_id(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::SessionId)
    }

    #[setter]
    fn set_session_id(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::SessionId, value)
    }

    /// The memory's place in its session, or None.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::Position)
    }

    #[setter]
    fn set_position(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Position, value)
    }

    /// The id of the memory that this one replaces, or None.
    #[getter]
    fn supersedes(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value(py, Field::Supersedes)
    }

    #[setter]
    fn set_supersedes(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.assign(Field::Supersedes, value)
    }
}
