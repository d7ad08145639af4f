//! Sums of two numbers that stand for one with twice the bits, and polynomials.

use super::lanes::Lanes;

/// The rounded sum and what its rounding leaves.
#[inline(always)]
pub fn sum<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a + b;
    let back = high - a;
    (high, (a - (high - back)) + (b - back))
}

/// Likewise, `b` not larger than `a`.
#[inline(always)]
pub fn sum_ordered<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a + b;
    (high, b - (high - a))
}

/// The square root of `high + low > 0`, `low` below a unit of `high`.
#[inline(always)]
pub fn root<V: Lanes>(high: V, low: V) -> (V, V) {
    let y = high.sqrt();
    let (p, rest) = y.product(y);
    (y, (((high - p) - rest) + low) / (y + y))
}

/// `c[0] + c[1] x + ...`, by halves.
#[inline(always)]
pub fn polynomial<V: Lanes, const N: usize>(x: V, c: &[f64; N]) -> V {
    combined(x, c.map(V::of))
}

/// Likewise, of coefficients that differ between lanes.
#[inline(always)]
pub fn combined<V: Lanes, const N: usize>(x: V, mut terms: [V; N]) -> V {
    let (mut n, mut power) = (N, x);
    while n > 1 {
        for i in 0..n / 2 {
            terms[i] = terms[2 * i] + power * terms[2 * i + 1];
        }
        if n % 2 == 1 {
            terms[n / 2] = terms[n - 1];
        }
        n = n.div_ceil(2);
        power = power * power;
    }
    terms[0]
}
