//! Functions of a comparison or two.

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
