//! Exponentials: a table of `2^(i / 128)` and a short polynomial.

use super::exp_table::EXP2;

/// Adding this rounds to an integer, which is left in the low bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// `128 / log(2)`.
const INVERSE: f64 = 184.6649652337873;
/// `log(2) / 128` in 32 bits, so that its multiples are exact.
const STEP: f64 = 0.005415212348452769;
/// The rest of `log(2) / 128`.
const STEP_REST: f64 = -3.2819649005320973e-13;

/// `exp(x) = head * (1 + rest)` as `2^scale * (head, rest)`, `head` in [1, 2).
struct Parts {
    scale: i64,
    head: u64,
    rest: f64,
}

/// The parts of `2^(k / 128) * exp(r)`, `k` as [`ROUND`] left it.
#[inline(always)]
fn parts(k: u64, r: f64) -> Parts {
    let (head, rest) = EXP2[(k & 127) as usize];
    let r2 = r * r;
    let p = (0.5 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0));
    // The integer sits below bit 51 of the rounded number.
    let scale = ((k << 13) as i64) >> 20;
    Parts { scale, head, rest: r + (f64::from_bits(rest) + r2 * p) }
}

/// The parts of `exp(x)`, for `|x|` below 800.
#[inline(always)]
fn split(x: f64) -> Parts {
    let shifted = x * INVERSE + ROUND;
    let k = shifted - ROUND;
    parts(shifted.to_bits(), (x - k * STEP) - k * STEP_REST)
}

/// The number with these parts, for a scale within the normal numbers.
#[inline(always)]
fn join(p: &Parts) -> f64 {
    let head = scaled(p);
    head + head * p.rest
}

/// `2^scale * head`, for a scale within the normal numbers.
#[inline(always)]
fn scaled(p: &Parts) -> f64 {
    f64::from_bits(p.head.wrapping_add((p.scale << 52) as u64))
}

/// The number with these parts, wherever it lies from the subnormals to infinity.
#[cold]
fn join_far(mut p: Parts) -> f64 {
    if p.scale > 0 {
        p.scale -= 1;
        join(&p) * 2.0
    } else {
        p.scale += 128;
        join(&p) * f64::from_bits((1023 - 128) << 52)
    }
}

/// `e` to the power `x`.
#[inline]
pub fn exp(x: f64) -> f64 {
    if x.abs() < 708.0 {
        join(&split(x))
    } else if x > 709.8 {
        f64::INFINITY
    } else if x < -745.2 {
        0.0
    } else if x.is_nan() {
        x + x
    } else {
        join_far(split(x))
    }
}

/// 2 to the power `x`.
#[inline]
pub fn exp2(x: f64) -> f64 {
    if x >= 1024.0 {
        return f64::INFINITY;
    }
    if x <= -1075.0 {
        return 0.0;
    }
    if x.is_nan() {
        return x + x;
    }
    let shifted = x + ROUND / 128.0;
    let r = (x - (shifted - ROUND / 128.0)) * std::f64::consts::LN_2;
    let p = parts(shifted.to_bits(), r);
    if x.abs() < 1021.0 { join(&p) } else { join_far(p) }
}

/// `exp(x) - 1`, precise near zero.
#[inline]
pub fn expm1(x: f64) -> f64 {
    let size = x.abs();
    if size < 0.125 {
        return expm1_small(x);
    }
    if x < -38.0 {
        return -1.0;
    }
    // Above this the 1 is lost in rounding.
    if x > 40.0 || x.is_nan() {
        return exp(x);
    }
    let p = split(x);
    let head = scaled(&p);
    let high = head - 1.0;
    let back = high - head;
    let low = (head - (high - back)) + (-1.0 - back);
    high + (low + head * p.rest)
}

/// [`expm1`] by its series.
#[inline(always)]
fn expm1_small(x: f64) -> f64 {
    if x.abs() < f64::EPSILON / 4.0 {
        // Also keeps the sign of zero.
        return x;
    }
    let x2 = x * x;
    let x4 = x2 * x2;
    let low = (0.16666666666666666 + x * 0.041666666666666664)
        + x2 * (0.008333333333333333 + x * 0.0013888888888928055);
    let high = (0.00019841269841299969 + x * 2.4801586413483533e-05)
        + x2 * (2.7557318540844817e-06 + x * 2.7564777586201435e-07);
    let tail = low + x4 * (high + x4 * 2.505784548705221e-08);
    x + x2 * (0.5 + x * tail)
}

/// Clears the lower half of a significand.
#[inline(always)]
fn upper(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0xffff_ffff_f800_0000)
}

/// Hyperbolic tangent.
#[inline]
pub fn tanh(x: f64) -> f64 {
    let size = x.abs();
    if size < 0.125 {
        if size < 1e-9 {
            // Also keeps the sign of zero.
            return x;
        }
        let z = x * x;
        let z2 = z * z;
        let low = (-0.3333333333333333 + z * 0.13333333333333322)
            + z2 * (-0.05396825396814255 + z * 0.021869488494019252);
        let high = (-0.008863227937906332 + z * 0.003591425168715302) + z2 * -0.00142349240378453;
        return x + x * (z * (low + (z2 * z2) * high));
    }
    if size > 22.0 {
        return 1.0f64.copysign(x);
    }
    if x.is_nan() {
        return x + x;
    }
    // tanh = 1 - 2 / (exp(2x) + 1), with the divisor and the quotient in two parts each.
    let p = split(2.0 * size);
    let head = scaled(&p);
    let sum = head + 1.0;
    let lost = 1.0 - (sum - head);
    let more = head * p.rest;
    let divisor = sum + more;
    let low = ((sum - divisor) + more) + lost;
    let quotient = 2.0 / divisor;
    let high = upper(quotient);
    let first = upper(divisor);
    let left = ((2.0 - high * first) - high * (divisor - first)) - high * low;
    let rest = left * (0.5 * quotient);
    let main = 1.0 - high;
    (main + (((1.0 - main) - high) - rest)).copysign(x)
}
