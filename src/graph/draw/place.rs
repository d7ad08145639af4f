//! Where boxes and bends stand.

use super::Sketch;
use super::layers::Item;
use super::order::Ordered;

/// Width of a character and height of a line, in pixels.
pub(super) const GLYPH: f64 = 7.25;
pub(super) const LINE: f64 = 16.0;
const PADDING: f64 = 10.0;
const BETWEEN: f64 = 22.0;
const BEND: f64 = 12.0;
const BETWEEN_ROWS: f64 = 34.0;
/// Passes that move items towards their neighbours.
const PASSES: usize = 24;

/// The picture: centres and sizes of all items.
pub(super) struct Placed {
    pub ordered: Ordered,
    pub x: Vec<f64>,
    /// Top of each item.
    pub y: Vec<f64>,
    pub width: Vec<f64>,
    pub height: Vec<f64>,
    pub size: (f64, f64),
}

pub(super) fn place(sketch: &Sketch, ordered: Ordered) -> Placed {
    let items = &ordered.layers.items;
    let mut width = Vec::with_capacity(items.len());
    let mut height = Vec::with_capacity(items.len());
    for item in items {
        let (w, h) = match item {
            Item::Box(b) => {
                let lines = &sketch.boxes[*b].lines;
                let longest = lines.iter().map(|l| l.chars().count()).max().unwrap_or(0);
                (longest as f64 * GLYPH + 2.0 * PADDING, lines.len() as f64 * LINE + PADDING)
            }
            Item::Bend(_) => (BEND, 0.0),
        };
        width.push(w);
        height.push(h);
    }
    let mut x = vec![0.0; items.len()];
    for row in &ordered.rows {
        let mut left = 0.0;
        for &item in row {
            x[item] = left + width[item] / 2.0;
            left += width[item] + BETWEEN;
        }
    }
    for pass in 0..PASSES {
        let down = pass % 2 == 0;
        for k in 0..ordered.rows.len() {
            let row = &ordered.rows[if down { k } else { ordered.rows.len() - 1 - k }];
            let near = if down { &ordered.layers.above } else { &ordered.layers.below };
            let wish: Vec<f64> = row
                .iter()
                .map(|&item| match near[item].len() {
                    0 => x[item],
                    n => near[item].iter().map(|&m| x[m]).sum::<f64>() / n as f64,
                })
                .collect();
            let widths: Vec<f64> = row.iter().map(|&item| width[item]).collect();
            for (&item, at) in row.iter().zip(settle(&wish, &widths)) {
                x[item] = at;
            }
        }
    }
    let edge = |sign: f64| move |(x, w): (&f64, &f64)| x + sign * w / 2.0;
    let left = x.iter().zip(&width).map(edge(-1.0)).fold(f64::INFINITY, f64::min);
    let left = if left.is_finite() { left } else { 0.0 };
    for at in &mut x {
        *at += BETWEEN - left;
    }
    let right = x.iter().zip(&width).map(edge(1.0)).fold(0.0, f64::max);
    let mut y = vec![0.0; items.len()];
    let mut top = BETWEEN;
    for row in &ordered.rows {
        let tallest = row.iter().map(|&item| height[item]).fold(0.0, f64::max);
        for &item in row {
            y[item] = top + (tallest - height[item]) / 2.0;
        }
        top += tallest + BETWEEN_ROWS;
    }
    let bottom = (top - BETWEEN_ROWS).max(0.0);
    Placed { ordered, x, y, width, height, size: (right + BETWEEN, bottom + BETWEEN) }
}

/// Places as near as possible to the wishes, without overlap, in order: the
/// least squares solution, by pooling neighbours that push each other (the
/// method of isotonic regression).
fn settle(wish: &[f64], widths: &[f64]) -> Vec<f64> {
    // With offsets taken off, "no overlap" reads "not decreasing".
    let mut offsets = Vec::with_capacity(wish.len());
    let mut at = 0.0;
    for (i, w) in widths.iter().enumerate() {
        if i > 0 {
            at += widths[i - 1] / 2.0 + BETWEEN + w / 2.0;
        }
        offsets.push(at);
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (wish, offset) in wish.iter().zip(&offsets) {
        let mut pool = (wish - offset, 1);
        while let Some(&(sum, n)) = pools.last()
            && sum / n as f64 >= pool.0 / pool.1 as f64
        {
            pools.pop();
            pool = (pool.0 + sum, pool.1 + n);
        }
        pools.push(pool);
    }
    let bases = pools.iter().flat_map(|&(sum, n)| std::iter::repeat_n(sum / n as f64, n));
    bases.zip(&offsets).map(|(base, offset)| base + offset).collect()
}
