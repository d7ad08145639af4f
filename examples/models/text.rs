//! A text as numbers: characters by their place in the alphabet of the text.

use crate::model::Column;

/// Opening of "Jabberwocky", Lewis Carroll, 1871; in the public domain.
const TEXT: &str = "'Twas brillig, and the slithy toves
Did gyre and gimble in the wabe;
All mimsy were the borogoves,
And the mome raths outgrabe.

\"Beware the Jabberwock, my son!
The jaws that bite, the claws that catch!
Beware the Jubjub bird, and shun
The frumious Bandersnatch!\"
";

/// The text, coded.
#[derive(Clone)]
pub struct Text {
    codes: Vec<i64>,
    /// Characters in the alphabet.
    pub alphabet: usize,
}

impl Text {
    pub fn new() -> Text {
        let mut alphabet: Vec<char> = TEXT.chars().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let code = |c: char| alphabet.binary_search(&c).unwrap_or_default() as i64;
        Text { codes: TEXT.chars().map(code).collect(), alphabet: alphabet.len() }
    }

    /// Passages of the text, spread over it and moving on with the steps, and the
    /// characters that follow: each of `batch` rows of `len`.
    pub fn batch(&self, batch: usize, len: usize, step: usize) -> [Column; 2] {
        let n = self.codes.len();
        let starts = (0..batch).map(|row| (row * n / batch + step * len) % n);
        let take = |shift: usize| {
            let at = |start: usize| (0..len).map(move |i| self.codes[(start + i + shift) % n]);
            Column::Index(starts.clone().flat_map(at).collect())
        };
        [take(0), take(1)]
    }
}
