//! Offsets: places in the feed, written so that nobody can read an order out of them.
//!
//! An offset is 16 scrambled bytes in base64, hence always with `=` and in every second case with `+` or `/`, the
//! characters that a client must encode in a URL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::chance::{Chance, Scramble};

/// The way between places and the offsets of one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    place: Scramble,
    check: Scramble,
}

/// A place, with what else an offset tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    /// How many updates lie before.
    pub(crate) place: u64,
    /// The generation in which it was issued; see [`Bot`](crate::account::Bot).
    pub(crate) generation: u8,
    /// Tells the offsets of one place apart.
    pub(crate) turn: u8,
}

impl Offsets {
    pub(crate) fn new(seed: u64, account: u32) -> Self {
        let mut chance = Chance::new(seed, u64::from(account) << 8 | 0x0F);
        Self { place: Scramble::new(chance.next(), 64), check: Scramble::new(chance.next(), 64) }
    }

    pub(crate) fn write(self, offset: Offset) -> String {
        let packed = offset.place << 16 | u64::from(offset.generation) << 8 | u64::from(offset.turn);
        let hidden = self.place.hide(packed);
        let check = self.check.hide(hidden.rotate_left(17));
        STANDARD.encode([hidden.to_be_bytes(), check.to_be_bytes()].concat())
    }

    /// The id of the update at this index, which is the offset after it.
    pub(crate) fn update_id(self, index: u64) -> String {
        self.write(Offset { place: index + 1, generation: 0, turn: 0 })
    }

    /// Reads an offset back; `None` if this account never issued it.
    pub(crate) fn read(self, text: &str) -> Option<Offset> {
        let bytes: [u8; 16] = STANDARD.decode(text).ok()?.try_into().ok()?;
        let (hidden, check) = (half(&bytes[..8]), half(&bytes[8..]));
        if check != self.check.hide(hidden.rotate_left(17)) {
            return None;
        }
        let packed = self.place.reveal(hidden);
        let [.., generation, turn] = packed.to_be_bytes();
        Some(Offset { place: packed >> 16, generation, turn })
    }
}

fn half(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_read_back_and_are_full_of_reserved_characters() {
        let offsets = Offsets::new(1, 0);
        let ids: Vec<String> = (0..1000).map(|index| offsets.update_id(index)).collect();
        for (index, id) in ids.iter().enumerate() {
            let offset = Offset { place: index as u64 + 1, generation: 0, turn: 0 };
            assert_eq!(offsets.read(id), Some(offset));
            assert!(id.ends_with("=="));
        }
        let reserved = ids.iter().filter(|id| id.contains(['+', '/'])).count();
        assert!((300..700).contains(&reserved), "{reserved} of 1000");
        assert!(!ids.is_sorted());
        let moved = Offset { place: 7, generation: 2, turn: 9 };
        assert_eq!(offsets.read(&offsets.write(moved)), Some(moved));
    }

    #[test]
    fn what_was_not_issued_is_not_read() {
        let offsets = Offsets::new(1, 0);
        let foreign = Offsets::new(1, 1).update_id(3);
        let plus_became_space = offsets.update_id(3).replace(['+', '/'], " ") + " ";
        for text in ["", "0", "AAAAAAABAAAAAAAAAAABAA==", &foreign, &plus_became_space] {
            assert_eq!(offsets.read(text), None, "{text}");
        }
    }
}
