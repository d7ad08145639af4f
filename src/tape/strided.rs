//! Walking tensors in row-major order of another index space.

use crate::graph::Shape;
use crate::tape::buf::{Buf, Element};
use crate::tape::scalar::{Pairs, Refusal};
use smallvec::SmallVec;

/// Strides in elements, one per axis walked.
pub type Strides = SmallVec<[isize; 4]>;

/// Calls `f` with the offset of each point of an index space, row-major.
pub fn walk(dims: &[usize], strides: &[isize], start: isize, mut f: impl FnMut(usize)) {
    if dims.contains(&0) {
        return;
    }
    let Some((&inner, outer)) = dims.split_last() else {
        f(start as usize);
        return;
    };
    let step = strides[outer.len()];
    let mut index: SmallVec<[usize; 4]> = SmallVec::from_elem(0, outer.len());
    let mut row = start;
    loop {
        let mut at = row;
        for _ in 0..inner {
            f(at as usize);
            // The step past the last point may leave the numbers; nobody uses it.
            at = at.wrapping_add(step);
        }
        // The next row: an odometer over the outer axes.
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            row = row.wrapping_add(strides[axis]);
            if index[axis] < outer[axis] {
                break;
            }
            row = row.wrapping_sub(strides[axis].wrapping_mul(outer[axis] as isize));
            index[axis] = 0;
        }
    }
}

/// Elements picked by strides, in row-major order of `dims`.
pub fn pick<T: Element>(src: &[T], dims: &[usize], strides: &[isize], start: isize) -> Buf<T> {
    let mut out = Buf::with_capacity(dims.iter().product());
    // Runs of one element, or of neighbours, are copied as runs.
    match (dims.split_last(), strides.last()) {
        (Some((&n, outer)), Some(0)) => {
            walk(outer, &strides[..outer.len()], start, |at| {
                let len = out.len();
                out.resize(len + n, src[at].clone());
            });
        }
        (Some((&n, outer)), Some(1)) if n > 0 => {
            walk(outer, &strides[..outer.len()], start, |at| out.extend_from_slice(&src[at..at + n]));
        }
        _ => walk(dims, strides, start, |at| out.push(src[at].clone())),
    }
    out
}

/// Row-major strides as signed numbers.
pub fn row_major(shape: &Shape) -> Strides {
    shape.strides().iter().map(|&s| s as isize).collect()
}

/// Two operands stretched to one result shape by NumPy's rule.
pub struct Broadcast {
    dims: SmallVec<[usize; 4]>,
    a: Option<Strides>,
    b: Option<Strides>,
    numel: usize,
}

impl Broadcast {
    /// The walk of two operand shapes over the result shape.
    pub fn new(out: &Shape, a: &Shape, b: &Shape) -> Broadcast {
        Broadcast {
            dims: SmallVec::from_slice(out.dims()),
            a: (a != out).then(|| stretch(out, a)),
            b: (b != out).then(|| stretch(out, b)),
            numel: out.numel(),
        }
    }

    /// The joined shape of two that are known to broadcast.
    pub fn joined(a: &Shape, b: &Shape) -> Shape {
        let rank = a.rank().max(b.rank());
        let at = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(1, |i| s.dims()[i]);
        (0..rank).map(|i| if at(a, i) == 1 { at(b, i) } else { at(a, i) }).collect()
    }

    /// The operands as runs, where neither is walked in strides.
    pub fn pairs<'a, S>(&self, a: &'a [S], b: &'a [S]) -> Option<Pairs<'a, S>> {
        match (&self.a, &self.b) {
            (None, None) => Some(Pairs::Same(a, b)),
            (None, Some(_)) if b.len() == 1 => Some(Pairs::Right(a, &b[0])),
            (Some(_), None) if a.len() == 1 => Some(Pairs::Left(&a[0], b)),
            _ => None,
        }
    }

    /// Applies `f` to the pairs.
    #[inline(always)]
    pub fn zip<A, B, T: Element>(
        &self,
        a: &[A],
        b: &[B],
        f: impl Fn(&A, &B) -> Result<T, Refusal>,
    ) -> Result<Buf<T>, Refusal> {
        match (&self.a, &self.b) {
            (None, None) => a.iter().zip(b).map(|(a, b)| f(a, b)).collect(),
            (None, Some(_)) if b.len() == 1 => a.iter().map(|a| f(a, &b[0])).collect(),
            (Some(_), None) if a.len() == 1 => b.iter().map(|b| f(&a[0], b)).collect(),
            (sa, sb) => {
                let own: Strides = row_major(&Shape::new(&self.dims));
                let offsets = |s: &Option<Strides>| {
                    let mut v = Vec::with_capacity(self.numel);
                    walk(&self.dims, s.as_ref().unwrap_or(&own), 0, |at| v.push(at));
                    v
                };
                offsets(sa).into_iter().zip(offsets(sb)).map(|(i, j)| f(&a[i], &b[j])).collect()
            }
        }
    }
}

/// Strides that walk `from` over the axes of `out`; stretched axes do not move.
pub fn stretch(out: &Shape, from: &Shape) -> Strides {
    let lead = out.rank() - from.rank();
    let own = row_major(from);
    (0..out.rank())
        .map(|axis| match axis.checked_sub(lead) {
            Some(i) if from.dims()[i] != 1 => own[i],
            _ => 0,
        })
        .collect()
}
