//! Cube root, length of a vector, reciprocal square root: a first value, and a step of Newton's
//! method with what is left to twice the bits.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::fused::where_fused;
use super::lanes::Lanes;
use super::two::{polynomial, root, sum};

/// Adding this rounds to an integer, which is left in the low bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
const EXPONENT: u64 = 0x7ff << 52;
const ONE: u64 = 1023 << 52;

/// [`cbrt`] of the normal numbers.
#[inline(always)]
pub fn cbrt_common<V: Lanes>(x: V) -> (V, V::Mask) {
    // 1 / cbrt(z) for 1 <= z < 2, interpolated at the Chebyshev points to 16 bits.
    const START: [f64; 6] = [
        1.7776471684890054,
        -1.5540274077106597,
        1.2271496200207155,
        -0.5865141615889806,
        0.15224956438221762,
        -0.016511679091286462,
    ];
    let size = x.abs();
    let bits = size.bits();
    // The exponent, biased by 3 * 341, is 3q + j.
    let exponent = V::small(V::down::<52>(bits));
    let shifted = (exponent - V::of(1.0)) * V::of(1.0 / 3.0) + V::of(ROUND);
    let j = exponent - V::of(3.0) * (shifted - V::of(ROUND));
    let q = V::up::<52>(shifted.bits());
    let w = V::from_bits(V::plus(V::minus(bits, V::plus(q, V::plus(q, q))), V::bits_of(ONE)));
    let z = V::from_bits(V::or(V::and(bits, V::bits_of(!EXPONENT)), V::bits_of(ONE)));
    // 2^(-j / 3)
    let some = V::select(j.lt(V::of(1.5)), V::of(0.7937005259840998), V::of(0.6299605249474366));
    let r = polynomial(z, &START) * V::select(j.lt(V::of(0.5)), V::of(1.0), some);
    let e = V::of(1.0) - w * (r * r * r);
    let r = r + r * (e * (V::of(1.0 / 3.0) + e * V::of(2.0 / 9.0)));
    // To 26 bits, so that the square is exact.
    let y = V::from_bits(V::and((w * (r * r)).bits(), V::bits_of(!0 << 27)));
    let (cube, cube_rest) = (y * y).product(y);
    let step = ((w - cube) - cube_rest) * (V::of(1.0 / 3.0) * (r * r));
    let scale = V::from_bits(V::plus(q, V::bits_of((1023 - 341) << 52)));
    let y = (y + (step + step * step * r)) * scale;
    (y.signed(x), V::both(V::of(f64::MIN_POSITIVE).le(size), size.lt(V::of(f64::INFINITY))))
}

where_fused! {
    /// Cube root.
    cbrt(x) = cbrt_common, if x == 0.0 || !x.is_finite() {
        x + x
    } else {
        cbrt_common(x * 2f64.powi(54)).0 * 2f64.powi(-18)
    };
}

/// Beyond this half a significand may round up to infinity.
const LARGE: f64 = 1e308;

/// [`rsqrt`] of the positive numbers up to [`LARGE`].
#[inline(always)]
pub fn rsqrt_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let one = V::of(1.0);
    let y = one / x.sqrt();
    let (p, p_rest) = x.product(y);
    let (q, q_rest) = p.product(y);
    let left = ((one - q) - q_rest) - p_rest * y;
    (y + (V::of(0.5) * y) * left, V::both(V::of(0.0).lt(x), x.lt(V::of(LARGE))))
}

where_fused! {
    /// `1 / sqrt(x)`.
    rsqrt(x) = rsqrt_common, if (LARGE..f64::INFINITY).contains(&x) {
        0.5 * rsqrt_common(0.25 * x).0
    } else {
        1.0 / x.sqrt()
    };
}

/// [`hypot`] where the larger operand is between `1e-130` and `1e150`.
#[inline(always)]
fn hypot_common<V: Lanes>(x: V, y: V) -> (V, V::Mask) {
    let (a, b) = (x.abs(), y.abs());
    let (p, p_rest) = a.product(a);
    let (q, q_rest) = b.product(b);
    let (square, lost) = sum(p, q);
    let (y, rest) = root(square, lost + (p_rest + q_rest));
    (y + rest, V::both(V::of(1e-260).lt(square), square.lt(V::of(1e300))))
}

where_fused! {
    /// Length of the vector `(x, y)`, without overflow on the way.
    hypot(x, y) = hypot_common, hypot_special(x, y);
}

fn hypot_special(x: f64, y: f64) -> f64 {
    let (a, b) = (x.abs(), y.abs());
    if a == f64::INFINITY || b == f64::INFINITY {
        return f64::INFINITY;
    }
    let (large, small) = if a < b { (b, a) } else { (a, b) };
    if small > large * 1e-20 {
        let scale = if large < 1.0 { 2f64.powi(600) } else { 2f64.powi(-600) };
        return hypot_common(x * scale, y * scale).0 / scale;
    }
    // The smaller one is lost in rounding. A NaN comes here.
    large + small
}
