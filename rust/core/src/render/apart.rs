//! Who does not stand beside whom in one text.

use std::collections::HashMap;

/// Pairs of memories of which a text holds one at most, unless one of them is pinned.
#[derive(Clone, Debug, Default)]
pub struct Apart(HashMap<usize, Vec<usize>>);

impl Apart {
    /// Whether a memory is kept apart from one of which `is_in` is true, by row.
    pub(super) fn keeps_out(&self, row: usize, is_in: &[bool]) -> bool {
        self.0.get(&row).is_some_and(|others| others.iter().any(|&other| is_in[other]))
    }
}

impl FromIterator<(usize, usize)> for Apart {
    fn from_iter<I: IntoIterator<Item = (usize, usize)>>(pairs: I) -> Self {
        let mut apart = Self::default();
        for (one, other) in pairs {
            apart.0.entry(one).or_default().push(other);
            apart.0.entry(other).or_default().push(one);
        }
        apart
    }
}
