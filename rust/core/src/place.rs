//! A memory's tier and its flags, in one atomic byte: a scan reads both at once.

use crate::sync::{AtomicU8, Relaxed};
use crate::tier::Tier;

const TIER_BITS: u8 = 0x03;
const _: () = assert!(Tier::COUNT == TIER_BITS as usize + 1);
const PINNED: u8 = 0x40;
const EVERGREEN: u8 = 0x80;

/// What the byte held at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u8);

impl Place {
    /// The tier.
    #[must_use]
    pub fn tier(self) -> Tier {
        Tier::from_index((self.0 & TIER_BITS).into()).unwrap_or(Tier::Working)
    }

    /// Whether the memory is an ordinary one, as nearly all are.
    #[must_use]
    pub fn has_no_flags(self) -> bool {
        self.0 <= TIER_BITS
    }

    /// Whether it is taken before all others.
    #[must_use]
    pub fn is_pinned(self) -> bool {
        self.0 & PINNED != 0
    }

    /// Whether it stays fresh whatever its age.
    #[must_use]
    pub fn is_evergreen(self) -> bool {
        self.0 & EVERGREEN != 0
    }
}

/// The byte. Of writers that change different parts of it, none undoes the other.
pub struct PlaceCell(AtomicU8);

impl Default for PlaceCell {
    fn default() -> Self {
        Self::new(Tier::Working)
    }
}

impl PlaceCell {
    /// That tier and no flag.
    #[must_use]
    pub fn new(tier: Tier) -> Self {
        Self(AtomicU8::new(tier as u8))
    }

    /// What it holds now.
    #[must_use]
    pub fn load(&self) -> Place {
        Place(self.0.load(Relaxed))
    }

    /// Puts the memory into a tier.
    pub fn move_to(&self, tier: Tier) {
        self.set(TIER_BITS, tier as u8);
    }

    /// Says whether it is taken before all others.
    pub fn set_pinned(&self, pinned: bool) {
        self.set(PINNED, if pinned { PINNED } else { 0 });
    }

    /// Says whether it stays fresh.
    pub fn set_evergreen(&self, evergreen: bool) {
        self.set(EVERGREEN, if evergreen { EVERGREEN } else { 0 });
    }

    /// The working tier and no flag.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    fn set(&self, mask: u8, bits: u8) {
        let change = |byte: u8| Some(byte & !mask | bits);
        let _ = self.0.fetch_update(Relaxed, Relaxed, change);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn parts_change_on_their_own() {
        let cell = PlaceCell::default();
        assert!(cell.load().has_no_flags());
        cell.set_pinned(true);
        for tier in Tier::ALL {
            cell.move_to(tier);
            assert_eq!(cell.load().tier(), tier);
            assert!(cell.load().is_pinned() && !cell.load().is_evergreen());
        }
        cell.set_evergreen(true);
        cell.set_pinned(false);
        let place = cell.load();
        assert!(!place.is_pinned() && place.is_evergreen() && !place.has_no_flags());
        assert_eq!(place.tier(), Tier::Rag);
        cell.reset();
        assert_eq!(cell.load(), PlaceCell::default().load());
    }
}
