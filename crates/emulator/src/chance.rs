//! Repeatable chance: a generator of pseudo-random numbers, and a reversible scrambling of counters into identifiers.
//!
//! Both are written out here instead of taken from a library, because a seed must give the same bytes for ever: a
//! dependency that changes how it draws a number would silently change every generated feed.

/// `SplitMix64` (Steele, Lea and Flood, 2014): small, fast, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Begins a sequence; different `stream` numbers of one seed give unrelated sequences.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut chance = Self(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        chance.0 = chance.next();
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` exclusive; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product: no division, and a bias too small to matter for test data.
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// A place in a list of `length` items.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.index(choices.len())]
    }

    /// A random (version 4 looking) UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFF,
            0x8000 | (low >> 50),
            low & 0xFFFF_FFFF_FFFF
        )
    }
}

/// A keyed one-to-one mapping of the numbers of `bits` bits onto themselves: counters go in, numbers without any
/// visible order come out, and the way back needs no table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scramble {
    key: u64,
    bits: u32,
}

const FACTOR: u64 = 0xD130_2B97_8C4A_91F5;
/// `FACTOR * INVERSE == 1` in arithmetic modulo 2^64, hence modulo every smaller power of two.
const INVERSE: u64 = inverse(FACTOR);

const fn inverse(odd: u64) -> u64 {
    // Newton's iteration doubles the number of correct low bits; an odd number is its own inverse modulo 8.
    let mut result = odd;
    let mut correct_bits = 3;
    while correct_bits < 64 {
        result = result.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(result)));
        correct_bits *= 2;
    }
    result
}

impl Scramble {
    pub(crate) const fn new(key: u64, bits: u32) -> Self {
        Self { key, bits }
    }

    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    pub(crate) const fn hide(self, number: u64) -> u64 {
        let mut mixed = self.fold(number ^ self.key);
        mixed = self.fold(mixed.wrapping_mul(FACTOR));
        self.fold(mixed.wrapping_mul(FACTOR))
    }

    pub(crate) const fn reveal(self, hidden: u64) -> u64 {
        let mut mixed = self.fold(hidden).wrapping_mul(INVERSE);
        mixed = self.fold(mixed).wrapping_mul(INVERSE);
        (self.fold(mixed) ^ self.key) & self.mask()
    }

    /// Mixes the high half into the low half; doing it twice undoes it.
    const fn fold(self, number: u64) -> u64 {
        let number = number & self.mask();
        number ^ (number >> (self.bits / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambling_is_reversible_and_hides_order() {
        for bits in [40, 64] {
            let scramble = Scramble::new(0x1234_5678_9ABC_DEF0, bits);
            for number in 0..10_000 {
                assert_eq!(scramble.reveal(scramble.hide(number)), number);
            }
            let rising = (0..1000).filter(|n| scramble.hide(*n) < scramble.hide(n + 1)).count();
            assert!((300..700).contains(&rising), "{rising} of 1000 neighbours are in order");
        }
    }

    #[test]
    fn the_sequence_of_a_seed_is_fixed() {
        let mut chance = Chance::new(7, 0);
        let first: Vec<u64> = (0..3).map(|_| chance.below(1000)).collect();
        let mut again = Chance::new(7, 0);
        assert_eq!(first, (0..3).map(|_| again.below(1000)).collect::<Vec<_>>());
        let mut other = Chance::new(7, 1);
        assert_ne!(first, (0..3).map(|_| other.below(1000)).collect::<Vec<_>>());
        assert_eq!(chance.uuid().len(), 36);
    }
}
