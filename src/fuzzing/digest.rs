//! What was computed, in one number: to compare runs on different machines.

use std::fmt;

/// A digest of the bits of numbers, in their order. All NaNs count as one, since processors
/// differ in which they make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Adds 64 bits, by FNV-1a's step on words in place of bytes; high bits come down again.
    pub fn bits(&mut self, bits: u64) {
        self.0 = (self.0 ^ bits).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    }

    /// Adds a number.
    pub fn number(&mut self, x: f64) {
        self.bits(if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() });
    }

    /// Adds what another digest is of.
    pub fn join(&mut self, other: Digest) {
        self.bits(other.0);
    }

    /// The digest that shows itself as `text`.
    pub fn parse(text: &str) -> Option<Digest> {
        u64::from_str_radix(text, 16).ok().map(Digest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
