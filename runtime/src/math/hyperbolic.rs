//! Hyperbolic sine and cosine: both exponentials from one reduction, so that the larger part of
//! the result is a difference or a sum of two numbers of the table.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::exp::{INVERSE, ROUND, STEP, STEP_REST, half_exp, power, scale};
use super::lanes::Lanes;
use super::two::{polynomial, sum_ordered};

/// Up to this size both exponentials are normal numbers.
const NEAR: f64 = 700.0;
/// Below this [`sinh`] is its Taylor series.
const SMALL: f64 = 0.25;

/// `exp(|x|) / 2 = plus (1 + plus_rest) (even + odd)` and `exp(-|x|) / 2 = minus (1 + minus_rest)
/// (even - odd)`, with 1 left out of `even`.
struct Halves<V> {
    plus: V,
    plus_rest: V,
    minus: V,
    minus_rest: V,
    even: V,
    odd: V,
}

/// Half of `2^(k / 16)`, `k` in the low bits of what rounding left, and its relative rest.
#[inline(always)]
fn half_power<V: Lanes>(k: V::Bits) -> (V, V) {
    let (head, rest) = power::<V>(k);
    let less = V::up::<52>(V::minus(scale::<V>(k), V::bits_of(1)));
    (V::from_bits(V::plus(head, less)), rest)
}

#[inline(always)]
fn halves<V: Lanes>(size: V) -> Halves<V> {
    let shifted = size * V::of(INVERSE) + V::of(ROUND);
    let k = shifted - V::of(ROUND);
    let r = (size - k * V::of(STEP)) - k * V::of(STEP_REST);
    let (plus, plus_rest) = half_power(shifted.bits());
    let (minus, minus_rest) = half_power((V::of(ROUND) - k).bits());
    let r2 = r * r;
    let even = r2 * polynomial(r2, &[0.5, 1.0 / 24.0, 1.0 / 720.0]);
    let odd = r + r * r2 * polynomial(r2, &[1.0 / 6.0, 1.0 / 120.0, 1.0 / 5040.0]);
    Halves { plus, plus_rest, minus, minus_rest, even, odd }
}

/// `sinh(x)` below [`SMALL`].
#[inline(always)]
fn sinh_small<V: Lanes>(x: V) -> V {
    const TAYLOR: [f64; 6] =
        [1.0 / 6.0, 1.0 / 120.0, 1.0 / 5040.0, 1.0 / 362_880.0, 1.0 / 39_916_800.0, 1.0 / 6_227_020_800.0];
    let z = x * x;
    x + x * (z * polynomial(z, &TAYLOR))
}

/// [`sinh`] up to 700 on both sides.
#[inline(always)]
pub fn sinh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let size = x.abs();
    let h = halves(size);
    let (main, lost) = sum_ordered(h.plus, -h.minus);
    let rest = lost + (h.plus * h.plus_rest - h.minus * h.minus_rest);
    let y = main + (rest + (main * h.even + (h.plus + h.minus) * h.odd));
    (V::select(size.lt(V::of(SMALL)), sinh_small(size), y).signed(x), size.lt(V::of(NEAR)))
}

/// [`cosh`] up to 700 on both sides.
#[inline(always)]
pub fn cosh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let size = x.abs();
    let h = halves(size);
    let (main, lost) = sum_ordered(h.plus, h.minus);
    let rest = lost + (h.plus * h.plus_rest + h.minus * h.minus_rest);
    let y = main + (rest + (main * h.even + (h.plus - h.minus) * h.odd));
    (y, size.lt(V::of(NEAR)))
}

/// Hyperbolic sine.
#[inline]
pub fn sinh(x: f64) -> f64 {
    let (y, near) = sinh_common(x);
    if near { y } else { half_exp(x.abs()).copysign(x) }
}

/// Hyperbolic cosine.
#[inline]
pub fn cosh(x: f64) -> f64 {
    let (y, near) = cosh_common(x);
    if near { y } else { half_exp(x.abs()) }
}
