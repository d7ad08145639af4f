//! Functions built from the elementary ones.

use super::exp::exp_common;
use super::lanes::Lanes;
use super::log::log1p_common;
use super::{exp, log1p};

/// [`sigmoid`] up to 708 on both sides.
#[inline(always)]
pub fn sigmoid_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (t, near) = exp_common(-x.abs());
    let one = V::of(1.0);
    (V::select(V::of(0.0).le(x), one, t) / (one + t), near)
}

/// Logistic function `1 / (1 + exp(-x))`, with full relative precision in both tails.
#[inline]
pub fn sigmoid(x: f64) -> f64 {
    let t = exp(-x.abs());
    // A NaN fails the comparison and comes through t.
    if x >= 0.0 { 1.0 / (1.0 + t) } else { t / (1.0 + t) }
}

/// [`softplus`] up to 708 on both sides.
#[inline(always)]
pub fn softplus_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (t, near) = exp_common(-x.abs());
    (V::select(V::of(0.0).lt(x), x, V::of(0.0)) + log1p_common(t).0, near)
}

/// `log(1 + exp(x))`, without overflow on the way.
#[inline]
pub fn softplus(x: f64) -> f64 {
    let positive = if x > 0.0 { x } else { 0.0 };
    positive + log1p(exp(-x.abs()))
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
