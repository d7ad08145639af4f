//! The name that was probably meant.

/// Longer words are no misspelt op.
const MAX_WORD: usize = 64;

/// The closest of `names` to `word`, if any is close: one that contains it, or
/// else the one with the fewest edits, then the one closest in length.
pub(super) fn nearest(word: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let distance = |name: &str| if word.len() > 2 && name.contains(word) { 0 } else { edits(word, name) };
    names
        .map(|name| (distance(name), name.len().abs_diff(word.len()), name))
        .min()
        .filter(|&(distance, _, _)| distance <= 1 + word.len() / 3)
        .map(|(_, _, name)| name)
}

/// Letters inserted, removed, replaced or exchanged with a neighbour (the
/// optimal string alignment distance).
fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = vec![];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut best = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
