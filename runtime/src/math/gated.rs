//! Activations whose tails need more than their definition: a product with a logistic or a
//! normal distribution function, to the last place down to the subnormals.

use super::erf::{SATURATED, complement, complement_far};
use super::exp::{Parts, join, lowered, parts, raised, reduce, scaled, split};
use super::fused::where_fused;
use super::lanes::Lanes;
use super::two::{sum, sum_ordered};

/// `1 / sqrt(2 pi)`.
pub const NORMAL_DENSITY: f64 = 0.3989422804014327;
/// `2 sqrt(2 / pi)`: the linear coefficient of the argument of [`gelu_tanh`]'s logistic function.
pub const GELU_LINEAR: f64 = 1.5957691216057308;
/// `0.044715 * 2 sqrt(2 / pi)`: its cubic coefficient.
pub const GELU_CUBIC: f64 = 0.07135481627260025;

/// What [`GELU_LINEAR`] leaves out.
const LINEAR_REST: f64 = -9.96930880911092e-17;
/// What [`GELU_CUBIC`] leaves out.
const CUBIC_REST: f64 = -6.175149918155315e-19;
/// `1 / sqrt(2)`.
const ROOT: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// What [`ROOT`] leaves out.
const ROOT_REST: f64 = -4.833646656726457e-17;
/// From here on the gate of [`gelu_tanh`] is 0 or 1.
const FAR: f64 = 36.0;
/// Up to this size of `z` nothing on the way to `x s(z)` leaves the normal numbers.
const NEAR: f64 = 700.0;
/// Below this `z` the product is zero.
const END: f64 = -760.0;

/// `x s(z)` for `z = high + low`, up to [`NEAR`].
#[inline(always)]
fn gated<V: Lanes>(x: V, high: V, low: Option<V>) -> (V, V::Mask) {
    let one = V::of(1.0);
    let p = minus_exp(high, low);
    let head = scaled(&p);
    let (begun, lost) = sum(one, head);
    let divisor = head.fma(p.rest, begun);
    let divisor_low = head.fma(p.rest, begun - divisor) + lost;
    let inverse = one / divisor;
    let y = x * inverse;
    // Negative, so that the sum keeps the sign of a zero.
    let over = y.fma(divisor_low, y.fma(divisor, -x));
    ((-over).fma(inverse, y), high.abs().lt(V::of(NEAR)))
}

/// The parts of `exp(-(high + low))`.
#[inline(always)]
fn minus_exp<V: Lanes>(high: V, low: Option<V>) -> Parts<V> {
    let (k, r) = reduce(-high);
    parts(k, low.map_or(r, |low| r - low))
}

/// `x s(z)` for `z = high + low` past [`NEAR`].
fn gated_far(x: f64, high: f64, low: f64) -> f64 {
    if high >= NEAR {
        x
    } else if high < END {
        x * 0.0
    } else {
        // What the divisor differs from 1 is lost in rounding. A NaN comes here.
        let (k, r) = reduce(high);
        let p = parts(k, r + low);
        let head = raised(&p);
        lowered(head.fma(x, head * (x * p.rest)))
    }
}

/// [`silu`] up to [`NEAR`] on both sides.
#[inline(always)]
pub fn silu_common<V: Lanes>(x: V) -> (V, V::Mask) {
    gated(x, x, None)
}

where_fused! {
    /// `x / (1 + exp(-x))`.
    silu(x) = silu_common, gated_far(x, x, 0.0);
    /// [`silu`] to the places that `f32` keeps.
    silu_short(x) = silu_short_common, gated_far(x, x, 0.0);
}

/// [`silu_short`] up to [`NEAR`] on both sides.
#[inline(always)]
pub fn silu_short_common<V: Lanes>(x: V) -> (V, V::Mask) {
    (x / (V::of(1.0) + join(&split(-x))), x.abs().lt(V::of(NEAR)))
}

/// The argument of [`gelu_tanh`]'s logistic function, in two parts.
#[inline(always)]
fn gelu_argument<V: Lanes>(x: V) -> (V, V) {
    let (linear, cubic) = (V::of(GELU_LINEAR), V::of(GELU_CUBIC));
    let square = x * x;
    let square_rest = x.fma(x, -square);
    let bent = cubic * square;
    let bent_rest = cubic.fma(square, -bent) + (cubic * square_rest + V::of(CUBIC_REST) * square);
    let sum = linear + bent;
    let back = sum - linear;
    let lost = (linear - (sum - back)) + (bent - back);
    let sum_rest = lost + (bent_rest + V::of(LINEAR_REST));
    let high = x * sum;
    (high, x.fma(sum, -high) + x * sum_rest)
}

/// [`gelu_tanh`] up to 21 on both sides.
#[inline(always)]
pub fn gelu_tanh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (high, low) = gelu_argument(x);
    gated(x, high, Some(low))
}

where_fused! {
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    gelu_tanh(x) = gelu_tanh_common, if x > FAR {
        x
    } else if x < -FAR {
        x * 0.0
    } else {
        let (high, low) = gelu_argument(x);
        gated_far(x, high, low)
    };
}

/// `|x| / sqrt(2)` in two parts.
#[inline(always)]
fn over_root<V: Lanes>(x: V) -> (V, V) {
    let (size, root) = (x.abs(), V::of(ROOT));
    let t = size * root;
    (t, size.fma(root, -t) + size * V::of(ROOT_REST))
}

/// [`normal_cdf`] up to 8.48 on both sides, in two parts.
#[inline(always)]
fn normal_cdf_two<V: Lanes>(x: V) -> (V, V, V::Mask) {
    let (t, low) = over_root(x);
    let (tail, rest) = complement(t, Some(low), 0.5);
    let negative = x.lt(V::of(0.0));
    let (most, lost) = sum_ordered(V::of(1.0), -tail);
    (V::select(negative, tail, most), V::select(negative, rest, lost - rest), t.lt(V::of(SATURATED)))
}

/// [`normal_cdf`] up to 8.48 on both sides.
#[inline(always)]
pub fn normal_cdf_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (below, rest, near) = normal_cdf_two(x);
    (below + rest, near)
}

/// [`gelu_erf`] likewise.
#[inline(always)]
pub fn gelu_erf_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (below, rest, near) = normal_cdf_two(x);
    let size = x.abs();
    (size.fma(below, size * rest).signed(x), near)
}

where_fused! {
    /// Normal distribution function.
    normal_cdf(x) = normal_cdf_common, if x < 0.0 {
        let (t, low) = over_root(x);
        complement_far(t, low, 0.5)
    } else if x > 0.0 {
        1.0
    } else {
        x + x
    };
    /// `x` times the normal distribution function of `x`.
    gelu_erf(x) = gelu_erf_common, if x < 0.0 {
        let (t, low) = over_root(x);
        complement_far(t, low, 0.5 * x)
    } else {
        x
    };
}
