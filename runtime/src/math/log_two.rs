//! Logarithms in two parts, and what is made of them: [`log2`] and the inverse hyperbolic
//! functions, logarithms of arguments in two parts.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::fused::where_fused;
use super::lanes::Lanes;
use super::log::{CURVE, LN2, LN2_REST, coarse, fine};
use super::two::{polynomial, root, sum, sum_ordered};

/// `1 / log(2)`.
const INVERSE: f64 = std::f64::consts::LOG2_E;
/// What [`INVERSE`] leaves out.
const INVERSE_REST: f64 = 2.0355273740931033e-17;
/// Below this [`asinh`] and [`atanh`] are their Taylor series.
const SMALL: f64 = 1.0 / 16.0;
/// Up to this size squares and their rests are far from overflow.
const LARGE: f64 = 1e150;

/// [`CURVE`] for `|r|` up to 1/128: the Taylor series.
const FLAT: [f64; 8] = [1.0 / 3.0, -0.25, 0.2, -1.0 / 6.0, 1.0 / 7.0, -0.125, 1.0 / 9.0, -0.1];

/// `base + log(1 + r + r_low) + more` for `|r|` as far as `curve` goes and a `base` that is 0 or
/// larger, in two parts, the second below some `2^-16` of the first.
#[inline(always)]
fn with_curve<V: Lanes>(base: V, r: V, r_low: V, more: V, curve: &[f64; 8]) -> (V, V) {
    let half = V::of(0.5);
    let (square, square_rest) = r.product(r);
    let (first, lost) = sum_ordered(base, r);
    let (high, lost_too) = sum_ordered(first, -(half * square));
    let low = (r_low - (r * r_low + half * square_rest)) + r * square * polynomial(r, curve);
    (high, (lost + lost_too) + (more + low))
}

/// `log(x)` for positive normal bits, whose exponent `moved` lowers, in two parts.
#[inline(always)]
pub fn log_two<V: Lanes>(bits: V::Bits, moved: f64) -> (V, V) {
    let t = fine::<V>(bits, moved);
    let (r, r_low) = sum(t.r, t.r_low);
    with_curve(t.k * V::of(LN2) + t.head, r, r_low, t.k * V::of(LN2_REST) + t.rest, &FLAT)
}

/// `log(x + low)` for a positive `x` from `1e-300` to `1e300` and `low` below a unit of it.
#[inline(always)]
pub fn log_of_two<V: Lanes>(x: V, low: V) -> (V, V) {
    let t = coarse::<V>(x.bits(), 0.0);
    let (r, r_low) = sum(t.r, t.r_low);
    // low / x, where 1 / x is the table's reciprocal over 1 + r, to 15 bits.
    let power = V::from_bits(V::minus(V::bits_of(1023 << 52), t.scale));
    let extra = (low * power * t.inverse) * ((V::of(1.0) - r) + r * r);
    with_curve(t.k * V::of(LN2) + t.head, r, r_low, (t.k * V::of(LN2_REST) + t.rest) + extra, &CURVE)
}

/// `log2(x)` for positive normal bits, whose exponent `moved` lowers.
#[inline(always)]
fn log2_normal<V: Lanes>(bits: V::Bits, moved: f64) -> V {
    let t = fine::<V>(bits, moved);
    let (r, r_low) = sum(t.r, t.r_low);
    let (high, low) = with_curve(t.head, r, r_low, t.rest, &FLAT);
    let (high, low) = sum_ordered(high, low);
    let (main, lost) = high.product(V::of(INVERSE));
    let low = lost + (high * V::of(INVERSE_REST) + low * V::of(INVERSE));
    let (main, lost) = sum(t.k, main);
    main + (lost + low)
}

/// [`log2`] of the positive normal numbers.
#[inline(always)]
pub fn log2_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let fine = V::both(V::of(f64::MIN_POSITIVE).le(x), x.lt(V::of(f64::INFINITY)));
    (log2_normal(x.bits(), 0.0), fine)
}

where_fused! {
    /// Binary logarithm.
    log2(x) = log2_common, log2_special(x);
}

fn log2_special(x: f64) -> f64 {
    if x > 0.0 && x < f64::MIN_POSITIVE {
        return log2_normal((x * (1u64 << 52) as f64).to_bits(), 52.0);
    }
    super::log(x)
}

/// `log(a + b + b_low)` for `a` and `b` positive, `b_low` below a unit of `b`.
#[inline(always)]
fn log_of_sum<V: Lanes>(a: V, b: V, b_low: V) -> V {
    let (high, lost) = sum(a, b);
    let (y, rest) = log_of_two(high, lost + b_low);
    y + rest
}

/// An odd function of slope 1 from its other Taylor coefficients.
#[inline(always)]
fn odd<V: Lanes, const N: usize>(x: V, c: &[f64; N]) -> V {
    let z = x * x;
    x + x * (z * polynomial(z, c))
}

/// [`asinh`] up to [`LARGE`] on both sides.
#[inline(always)]
pub fn asinh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    const TAYLOR: [f64; 6] =
        [-1.0 / 6.0, 3.0 / 40.0, -15.0 / 336.0, 105.0 / 3456.0, -945.0 / 42_240.0, 10_395.0 / 599_040.0];
    let size = x.abs();
    let (square, square_rest) = size.product(size);
    let (w, lost) = sum(V::of(1.0), square);
    let (s, s_low) = root(w, lost + square_rest);
    let y = V::select(size.lt(V::of(SMALL)), odd(size, &TAYLOR), log_of_sum(size, s, s_low));
    (y.signed(x), size.lt(V::of(LARGE)))
}

where_fused! {
    /// Inverse hyperbolic sine.
    asinh(x) = asinh_common, log_of_double(x.abs()).copysign(x);
}

/// `log(2x)` for a large `x`.
fn log_of_double(x: f64) -> f64 {
    if !x.is_finite() {
        return x + x;
    }
    let (y, rest) = log_two::<f64>(x.to_bits(), -1.0);
    y + rest
}

/// [`acosh`] from 1 to [`LARGE`], without the ends.
#[inline(always)]
pub fn acosh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (square, square_rest) = x.product(x);
    let (w, lost) = sum_ordered(square, V::of(-1.0));
    let (w, w_low) = sum(w, lost + square_rest);
    let (s, s_low) = root(w, w_low);
    (log_of_sum(x, s, s_low), V::both(V::of(1.0).lt(x), x.lt(V::of(LARGE))))
}

where_fused! {
    /// Inverse hyperbolic cosine.
    acosh(x) = acosh_common, if x < 1.0 {
        f64::NAN
    } else if x == 1.0 {
        0.0
    } else {
        log_of_double(x)
    };
}

/// [`atanh`] between -1 and 1.
#[inline(always)]
pub fn atanh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    const TAYLOR: [f64; 6] = [1.0 / 3.0, 0.2, 1.0 / 7.0, 1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0];
    let (one, size) = (V::of(1.0), x.abs());
    let (above, above_low) = sum_ordered(one, size);
    let (below, below_low) = sum_ordered(one, -size);
    let inverse = one / below;
    let ratio = above * inverse;
    let (p, p_rest) = ratio.product(below);
    let left = ((above - p) - p_rest) + (above_low - ratio * below_low);
    let (y, rest) = log_of_two(ratio, left * inverse);
    let y = V::select(size.lt(V::of(SMALL)), odd(size, &TAYLOR), V::of(0.5) * (y + rest));
    (y.signed(x), size.lt(one))
}

where_fused! {
    /// Inverse hyperbolic tangent.
    atanh(x) = atanh_common, if x.abs() == 1.0 {
        f64::INFINITY.copysign(x)
    } else {
        f64::NAN
    };
}
