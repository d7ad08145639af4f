//! The logistic function and its integral, with the exponential in two parts.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::exp;
use super::exp::{exp_two, join, split};
use super::fused::where_fused;
use super::lanes::Lanes;
use super::log_two::log_of_two;
use super::two::{polynomial, sum, sum_ordered};

/// Up to this size the exponential and its reciprocal are normal numbers.
const NEAR: f64 = 700.0;
/// Below this `log(1 + t)` is its Taylor series.
const SMALL: f64 = 1.0 / 4096.0;

/// [`sigmoid`] up to [`NEAR`] on both sides.
#[inline(always)]
pub fn sigmoid_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let one = V::of(1.0);
    let (t, t_rest) = exp_two(-x);
    let (divisor, lost) = sum(one, t);
    let y = one / divisor;
    let (p, p_rest) = y.product(divisor);
    let left = ((one - p) - p_rest) - y * (lost + t_rest);
    (y + y * left, x.abs().lt(V::of(NEAR)))
}

where_fused! {
    /// Logistic function `1 / (1 + exp(-x))`, with full relative precision in both tails.
    // Far out what the divisor differs from 1 is lost in rounding.
    sigmoid(x) = sigmoid_common, if x > 0.0 { 1.0 } else { exp(x) };
    /// [`sigmoid`] to the places that `f32` keeps.
    sigmoid_short(x) = sigmoid_short_common, if x > 0.0 { 1.0 } else { exp(x) };
    /// `log(1 + exp(x))`, without overflow on the way.
    softplus(x) = softplus_common, if x > 0.0 { x } else { exp(x) };
}

/// [`sigmoid_short`] up to [`NEAR`] on both sides.
#[inline(always)]
pub fn sigmoid_short_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let one = V::of(1.0);
    (one / (one + join(&split(-x))), x.abs().lt(V::of(NEAR)))
}

/// [`softplus`] up to [`NEAR`] on both sides: the larger of `x` and 0, and `log(1 + exp(-|x|))`.
#[inline(always)]
pub fn softplus_common<V: Lanes>(x: V) -> (V, V::Mask) {
    const TAYLOR: [f64; 4] = [-0.5, 1.0 / 3.0, -0.25, 0.2];
    let size = x.abs();
    let (t, t_rest) = exp_two(-size);
    let (argument, lost) = sum_ordered(V::of(1.0), t);
    let (high, low) = log_of_two(argument, lost + t_rest);
    let small = t.lt(V::of(SMALL));
    let tail = V::select(small, t, high);
    let tail_rest = V::select(small, t_rest + t * (t * polynomial(t, &TAYLOR)), low);
    let above = V::select(V::of(0.0).lt(x), x, V::of(0.0));
    let (main, lost) = sum(above, tail);
    (main + (lost + tail_rest), size.lt(V::of(NEAR)))
}
