//! Functions along one axis, in index order. Arrays are contiguous, seen as `(outer, n, inner)`.

use crate::array::{Arithmetic, ArrayDims};
use std::cmp::Ordering;

/// `y_0 = b_0`, then `y_i = fma(a_i, y_{i-1}, b_i)`; `a_0` is not read.
pub fn recurrence<A: Arithmetic>(d: &ArrayDims, a: &[A::Number], b: &[A::Number], y: &mut [A::Number]) {
    let (inner, per) = (d.inner, d.n * d.inner);
    if per == 0 {
        return;
    }
    for o in 0..d.outer {
        let (a, b, y) = (&a[o * per..][..per], &b[o * per..][..per], &mut y[o * per..][..per]);
        y[..inner].clone_from_slice(&b[..inner]);
        for at in inner..per {
            y[at] = A::fma(&a[at], &y[at - inner], &b[at]);
        }
    }
}

/// `y_0 = x_0`, then `y_i = y_{i-1} + x_i`: the recurrence whose factors are 1, without them.
pub fn cumulative_sum<A: Arithmetic>(d: &ArrayDims, x: &[A::Number], y: &mut [A::Number]) {
    let (inner, per) = (d.inner, d.n * d.inner);
    if per == 0 {
        return;
    }
    for (x, y) in x.chunks_exact(per).zip(y.chunks_exact_mut(per)) {
        y[..inner].clone_from_slice(&x[..inner]);
        if inner == 1 {
            // In a register: through memory a sum would take twice as long.
            let mut sum = x[0].clone();
            for (y, x) in y.iter_mut().zip(x).skip(1) {
                sum = A::add(&sum, x);
                *y = sum.clone();
            }
        } else {
            for at in inner..per {
                y[at] = A::add(&y[at - inner], &x[at]);
            }
        }
    }
}

/// For each line along the axis the positions of its elements in ascending order: equal ones as they
/// stand, those without an order (NaN) last.
pub fn argsort<T>(
    d: &ArrayDims,
    x: &[T],
    scratch: &mut [i64],
    out: &mut [i64],
    compare: impl Fn(&T, &T) -> Option<Ordering>,
) {
    if d.inner == 0 {
        return;
    }
    let line = &mut scratch[..d.n];
    for o in 0..d.outer {
        for i in 0..d.inner {
            let at = |c: usize| (o * d.n + c) * d.inner + i;
            for (c, position) in line.iter_mut().enumerate() {
                *position = c as i64;
            }
            line.sort_unstable_by(|&p, &q| {
                let (a, b) = (&x[at(p as usize)], &x[at(q as usize)]);
                let last = |v: &T| compare(v, v).is_none();
                compare(a, b).unwrap_or_else(|| last(a).cmp(&last(b))).then(p.cmp(&q))
            });
            for (c, &position) in line.iter().enumerate() {
                out[at(c)] = position;
            }
        }
    }
}
