//! Where random choices come from: a seeded stream, or any other.

/// A stream of choices. It never ends.
pub trait Source {
    /// 64 bits.
    fn bits(&mut self) -> u64;

    /// A number below `n`; 0 where `n` is 0.
    fn below(&mut self, n: usize) -> usize {
        if n <= 1 { 0 } else { (self.bits() % n as u64) as usize }
    }

    /// True about `part` times of `whole`; a source of zeros says no.
    fn chance(&mut self, part: usize, whole: usize) -> bool {
        self.below(whole) + part >= whole
    }
}

/// The generator splitmix64 of Steele, Lea and Flood (2014).
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Rng {
        Rng { state: seed }
    }

    /// The stream of a seed and a path of keys. What hangs on other keys does
    /// not move it, so that a shrunk case keeps the rest of its numbers.
    pub fn keyed(seed: u64, keys: &[u64]) -> Rng {
        let state = keys.iter().fold(seed, |state, &key| {
            let mut rng = Rng { state: state ^ key.wrapping_mul(0xd6e8_feb8_6659_fd93) };
            rng.bits()
        });
        Rng { state }
    }
}

impl Source for Rng {
    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
