//! Who does not stand beside whom in one text.

/// Pairs of memories of which a text holds one at most, unless one of them is pinned.
#[derive(Clone, Debug, Default)]
pub struct Apart(Vec<Vec<usize>>);

impl Apart {
    /// Whether a memory is kept apart from one of which `is_in` is true, by row.
    pub(super) fn keeps_out(&self, row: usize, is_in: &[bool]) -> bool {
        self.of(row).iter().any(|&other| is_in[other])
    }

    /// Whom a memory is kept apart from.
    pub(crate) fn of(&self, row: usize) -> &[usize] {
        self.0.get(row).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, row: usize, other: usize) {
        if self.0.len() <= row {
            self.0.resize(row + 1, Vec::new());
        }
        self.0[row].push(other);
    }
}

impl FromIterator<(usize, usize)> for Apart {
    fn from_iter<I: IntoIterator<Item = (usize, usize)>>(pairs: I) -> Self {
        let mut apart = Self::default();
        for (one, other) in pairs {
            apart.add(one, other);
            apart.add(other, one);
        }
        apart
    }
}
