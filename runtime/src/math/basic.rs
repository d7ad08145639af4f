//! Functions built from the elementary ones.

use super::exp::exp_common;
use super::lanes::Lanes;
use super::log::log1p_common;
use super::{exp, log1p};

/// [`sigmoid`], given `exp(-|x|)`; of a NaN that is one too, and comes through.
#[inline(always)]
fn logistic<V: Lanes>(x: V, t: V) -> V {
    let one = V::of(1.0);
    V::select(V::of(0.0).le(x), one, t) / (one + t)
}

/// [`sigmoid`] up to 708 on both sides.
#[inline(always)]
pub fn sigmoid_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (t, near) = exp_common(-x.abs());
    (logistic(x, t), near)
}

/// Logistic function `1 / (1 + exp(-x))`, with full relative precision in both tails.
#[inline]
pub fn sigmoid(x: f64) -> f64 {
    logistic(x, exp(-x.abs()))
}

/// [`softplus`], given `log(1 + exp(-|x|))`.
#[inline(always)]
fn above<V: Lanes>(x: V, tail: V) -> V {
    V::select(V::of(0.0).lt(x), x, V::of(0.0)) + tail
}

/// [`softplus`] up to 708 on both sides.
#[inline(always)]
pub fn softplus_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (t, near) = exp_common(-x.abs());
    (above(x, log1p_common(t).0), near)
}

/// `log(1 + exp(x))`, without overflow on the way.
#[inline]
pub fn softplus(x: f64) -> f64 {
    above(x, log1p(exp(-x.abs())))
}

/// Larger of two numbers (IEEE 754-2019 `maximum`): NaN propagates, -0 < +0.
#[inline]
pub fn maximum(x: f64, y: f64) -> f64 {
    if x > y {
        x
    } else if y > x {
        y
    } else if x == y {
        // Equal numbers differ at most in the sign of a zero.
        if x.is_sign_negative() { y } else { x }
    } else {
        x + y
    }
}

/// Smaller of two numbers (IEEE 754-2019 `minimum`): NaN propagates, -0 < +0.
#[inline]
pub fn minimum(x: f64, y: f64) -> f64 {
    if x < y {
        x
    } else if y < x {
        y
    } else if x == y {
        if x.is_sign_negative() { x } else { y }
    } else {
        x + y
    }
}

/// -1, 0 or 1 by the sign of `x`; 0 for both zeros and for NaN.
#[inline]
pub fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// `1 / sqrt(x)`, as two rounded operations.
#[inline]
pub fn rsqrt(x: f64) -> f64 {
    1.0 / x.sqrt()
}
