//! The order of items within their layers, with few crossings.

use super::layers::Layers;

/// Sweeps up and down.
const SWEEPS: usize = 12;

/// Layers whose items are in order.
pub(super) struct Ordered {
    pub layers: Layers,
    /// Items of each layer, from left to right.
    pub rows: Vec<Vec<usize>>,
}

pub(super) fn order(layers: Layers) -> Ordered {
    let height = layers.layer.iter().max().map_or(0, |m| m + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); height];
    for (item, &layer) in layers.layer.iter().enumerate() {
        rows[layer].push(item);
    }
    let mut place = vec![0usize; layers.items.len()];
    number(&rows, &mut place);
    let mut best = (crossings(&layers, &rows, &place), rows.clone());
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        let down = sweep % 2 == 0;
        for k in 0..height {
            let row = if down { k } else { height - 1 - k };
            let neighbours = if down { &layers.above } else { &layers.below };
            sort_by_mean(&mut rows[row], neighbours, &mut place);
        }
        let count = crossings(&layers, &rows, &place);
        if count < best.0 {
            best = (count, rows.clone());
        }
    }
    Ordered { layers, rows: best.1 }
}

fn number(rows: &[Vec<usize>], place: &mut [usize]) {
    for row in rows {
        for (i, &item) in row.iter().enumerate() {
            place[item] = i;
        }
    }
}

/// Sorts a row by the mean place of neighbours; who has none keeps its place.
fn sort_by_mean(row: &mut [usize], neighbours: &[Vec<usize>], place: &mut [usize]) {
    let mean = |item: usize| {
        let near = &neighbours[item];
        match near.len() {
            0 => place[item] as f64,
            n => near.iter().map(|&m| place[m] as f64).sum::<f64>() / n as f64,
        }
    };
    let mut keyed: Vec<(f64, usize)> = row.iter().map(|&item| (mean(item), item)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (i, (slot, (_, item))) in row.iter_mut().zip(keyed).enumerate() {
        *slot = item;
        place[item] = i;
    }
}

/// Crossings of edges between rows that follow one another: inversions, counted
/// with a tree of sums in n log n.
fn crossings(layers: &Layers, rows: &[Vec<usize>], place: &[usize]) -> u64 {
    let mut all = 0;
    for (row, below) in rows.iter().zip(rows.iter().skip(1)) {
        let mut sums = vec![0u64; below.len() + 1];
        let mut so_far = 0u64;
        for &item in row {
            let mut ends: Vec<usize> =
                layers.below[item].iter().map(|&m| place[m].min(below.len() - 1)).collect();
            ends.sort_unstable();
            // Edges already there that end further right are crossed.
            for &end in &ends {
                let (mut i, mut left) = (end + 1, 0);
                while i > 0 {
                    left += sums[i];
                    i &= i - 1;
                }
                all += so_far - left;
            }
            for &end in &ends {
                let mut i = end + 1;
                while i < sums.len() {
                    sums[i] += 1;
                    i += i & i.wrapping_neg();
                }
                so_far += 1;
            }
        }
    }
    all
}
