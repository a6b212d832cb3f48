//! When an item was last selected, and who says so, in one atomic word.

use memory_budget_core::decay::NO_TIME;

/// When an item was last selected: microseconds shifted left by one, the low bit telling whether
/// the library wrote it (then the datetime is made when asked for) or the caller (then the
/// datetime given is in the item's objects).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LastAccess(pub(super) i64);

impl LastAccess {
    pub const NEVER: Self = Self(NO_TIME);

    pub(super) fn given(microseconds: i64) -> Self {
        Self(microseconds << 1)
    }

    pub fn written(microseconds: i64) -> Self {
        Self(microseconds << 1 | 1)
    }

    pub fn microseconds(self) -> i64 {
        if self == Self::NEVER { NO_TIME } else { self.0 >> 1 }
    }

    pub(super) fn is_written(self) -> bool {
        self != Self::NEVER && self.0 & 1 == 1
    }
}
