//! The product of slices, with its extents checked.

use super::{Float, Isa, MatmulDims, matmul_with};

/// The dims reach outside a slice, or write an element of `c` twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

impl std::fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("matrix product reaches outside its operands")
    }
}

impl std::error::Error for OutOfBounds {}

/// Whether every element reached from `start` is inside `len`.
fn inside(start: usize, len: usize, extents: impl Iterator<Item = (usize, isize)>) -> bool {
    let (mut low, mut high) = (start as i128, start as i128);
    for (extent, step) in extents {
        let Some(last) = extent.checked_sub(1) else { return true };
        let reach = (last as i128).saturating_mul(step as i128);
        let side = if reach < 0 { &mut low } else { &mut high };
        *side = side.saturating_add(reach);
    }
    low >= 0 && high < len as i128
}

/// Whether the extents reach every element once at most: each step clears the ones within it.
fn distinct(extents: &mut [(usize, isize)]) -> bool {
    extents.sort_by_key(|e| e.1.unsigned_abs());
    let mut reach = 0u128;
    for &(extent, step) in extents.iter() {
        if extent > 1 {
            let step = step.unsigned_abs() as u128;
            if step <= reach {
                return false;
            }
            reach = reach.saturating_add(((extent - 1) as u128).saturating_mul(step));
        }
    }
    true
}

/// `c = a · b` on slices, each with the position of its first element.
pub fn matmul_checked<T: Float>(
    d: &MatmulDims,
    a: (&[T], usize),
    b: (&[T], usize),
    c: (&mut [T], usize),
) -> Result<(), OutOfBounds> {
    let rank = d.batch.min(4);
    let empty = |sides: &[usize]| sides.contains(&0) || d.batch_dims[..rank].contains(&0);
    if empty(&[d.m, d.n]) {
        return Ok(());
    }
    let batch = |steps: &[isize; 4]| d.batch_dims.into_iter().zip(*steps).take(rank);
    let a_extents = [(d.m, d.a_row), (d.k, d.a_col)].into_iter().chain(batch(&d.a_batch));
    let b_extents = [(d.k, d.b_row), (d.n, d.b_col)].into_iter().chain(batch(&d.b_batch));
    let mut c_extents = [(d.m, d.c_row), (d.n, d.c_col), (1, 0), (1, 0), (1, 0), (1, 0)];
    for (to, from) in c_extents[2..].iter_mut().zip(batch(&d.c_batch)) {
        *to = from;
    }
    if inside(a.1, a.0.len(), a_extents)
        && inside(b.1, b.0.len(), b_extents)
        && inside(c.1, c.0.len(), c_extents.into_iter())
        && distinct(&mut c_extents)
    {
        let (a, b) = (a.0.as_ptr().wrapping_add(a.1), b.0.as_ptr().wrapping_add(b.1));
        // SAFETY: every element reached is inside its slice, and `c` is borrowed alone.
        unsafe { matmul_with(Isa::best(), d, a, b, c.0.as_mut_ptr().wrapping_add(c.1)) };
        Ok(())
    } else {
        Err(OutOfBounds)
    }
}
