//! Where the generator's choices come from: a seeded stream, or the bytes of a fuzzer.

pub use crate::check::{Rng, Source};

/// One of the items; the first for an empty source. `None` if there are none.
pub fn pick<T: Copy>(source: &mut dyn Source, items: &[T]) -> Option<T> {
    items.get(source.below(items.len())).copied()
}

/// The bytes of a fuzzer. Small choices take few bytes, so that one mutated
/// byte changes one choice. Past their end a stream of their own goes on, so
/// that few bytes, too, make a whole graph.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    rest: &'a [u8],
    beyond: Rng,
}

impl<'a> Bytes<'a> {
    /// Choices from these bytes.
    pub fn new(bytes: &'a [u8]) -> Bytes<'a> {
        let seed =
            bytes.iter().fold(bytes.len() as u64, |seed, &byte| Rng::new(seed ^ u64::from(byte)).bits());
        Bytes { rest: bytes, beyond: Rng::new(seed) }
    }

    fn take(&mut self, count: usize) -> u64 {
        if self.rest.is_empty() {
            return self.beyond.bits();
        }
        let (head, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        head.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }
}

impl Source for Bytes<'_> {
    fn bits(&mut self) -> u64 {
        self.take(8)
    }

    fn below(&mut self, n: usize) -> usize {
        match n {
            0 | 1 => 0,
            2..=0x100 => self.take(1) as usize % n,
            _ => (self.take(4) % n as u64) as usize,
        }
    }
}
