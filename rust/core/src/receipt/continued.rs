//! What a text that goes on with the one before adds to the reasons.

use super::{Considered, Reason};

/// Rows of a call, as plans name them.
#[derive(Clone, Copy, Debug)]
pub struct Continued<'a> {
    /// Kept from the text before.
    pub held: &'a [u32],
    /// What a new text would hold, and what does not fit behind them.
    pub left_behind: &'a [u32],
}

impl Considered {
    /// Puts these reasons in the place of those of a text made anew. What is pinned would be there in any
    /// case, so that stays its reason.
    pub fn mark_continued(&self, reasons: &mut [Reason], continued: Continued<'_>) {
        let places = |rows: &[u32]| rows.iter().filter_map(|&row| self.place(row)).collect();
        let (held, left_behind): (Vec<_>, Vec<_>) =
            (places(continued.held), places(continued.left_behind));
        for place in held {
            if reasons[place] == Reason::Selected {
                reasons[place] = Reason::Held;
            }
        }
        for place in left_behind {
            reasons[place] = Reason::NoRoomBehindHeld;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::Tier;

    #[test]
    fn what_is_kept_is_told_from_what_is_new() {
        // Rows of a pool with a hole; the last place was filtered.
        let considered = Considered {
            tier: vec![Tier::Rag; 5],
            rows: vec![0, 2, 3, 7, 1],
            filtered: 1,
            ..Considered::default()
        };
        let mut reasons = vec![
            Reason::Selected,
            Reason::Pinned,
            Reason::OverCeiling,
            Reason::Selected,
            Reason::Filtered,
        ];
        considered.mark_continued(&mut reasons, Continued { held: &[0, 2], left_behind: &[3] });
        assert_eq!(
            reasons,
            [
                Reason::Held,
                Reason::Pinned,
                Reason::NoRoomBehindHeld,
                Reason::Selected,
                Reason::Filtered,
            ]
        );
    }
}
