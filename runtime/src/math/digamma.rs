//! Derivative of the logarithm of the gamma function: polynomials around multiples of 1/8 and its
//! root, the asymptotic series, and a cotangent for negative arguments.

use super::digamma_table::DIGAMMA;
use super::digamma_zeros;
use super::lanes::Lanes;
use super::log_two::log_two;
use super::round_even;
use super::tangent::tan_two;
use super::two::{combined, polynomial, sum, sum_ordered};
use std::f64::consts::PI;

/// Adding this rounds to an integer, which is left in the low bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// Where the table begins and ends.
const TABLE: [f64; 2] = [0.9375, 8.9375];
/// Where less of the larger term is left, two parts of each are not enough.
const SMALL: f64 = 0.5;
/// What [`PI`] leaves out.
const PI_REST: f64 = 1.2246467991473532e-16;

/// `digamma(1 + t)` for `t` from -1/16 to 127/16, in two parts.
#[inline(always)]
fn by_table<V: Lanes>(t: V) -> (V, V) {
    let row = (t * V::of(8.0) + V::of(ROUND)).bits();
    let entry = |column| V::from_bits(V::lookup(&DIGAMMA, row, column));
    let mut c = [V::of(0.0); 11];
    for (i, c) in c.iter_mut().enumerate() {
        *c = entry(6 + i);
    }
    // The middle less 1 is exact, of the root's row too.
    let (v, v_low) = sum(t - (entry(0) - V::of(1.0)), -entry(1));
    let (p, p_rest) = v.product(entry(4));
    let (main, lost) = sum(entry(2), p);
    let rest = (p_rest + entry(3)) + (v * entry(5) + v_low * entry(4));
    (main, lost + (rest + v * v * combined(v, c)))
}

/// `digamma(x)` from the end of the table on, in two parts.
#[inline(always)]
fn asymptotic<V: Lanes>(x: V) -> (V, V) {
    // B(2j) / 2j
    const C: [f64; 9] = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
        -3617.0 / 8160.0,
        43_867.0 / 14_364.0,
    ];
    let inverse = V::of(1.0) / x;
    let z = inverse * inverse;
    let (log, log_rest) = log_two::<V>(x.bits(), 0.0);
    let (main, lost) = sum_ordered(log, V::of(-0.5) * inverse);
    (main, lost + (log_rest - z * polynomial(z, &C)))
}

/// [`digamma`] from `1e-150` to `1e300`, in two parts.
#[inline(always)]
fn positive<V: Lanes>(x: V) -> (V, V) {
    let (below, past) = (x.lt(V::of(TABLE[0])), V::of(TABLE[1]).le(x));
    let t = V::select(below, x, V::select(past, V::of(0.0), x - V::of(1.0)));
    let near = by_table(t);
    let far = asymptotic(x);
    // digamma(x) = digamma(1 + x) - 1 / x
    let pole = V::of(1.0) / x;
    let (p, p_rest) = pole.product(x);
    let pole_rest = ((V::of(1.0) - p) - p_rest) * pole;
    let (main, lost) = sum(-pole, near.0);
    let pick = |below_one: V, past_one: V, near_one: V| {
        V::select(below, below_one, V::select(past, past_one, near_one))
    };
    (pick(main, far.0, near.0), pick(lost + (near.1 - pole_rest), far.1, near.1))
}

/// Derivative of the logarithm of the gamma function.
#[inline]
pub fn digamma(x: f64) -> f64 {
    if x > 1e-150 && x < 1e300 {
        let (y, rest) = positive(x);
        return y + rest;
    }
    if x >= 1e300 {
        return super::log(x);
    }
    if x.abs() <= 1e-150 {
        return -1.0 / x;
    }
    reflected(x)
}

/// The mirror image `1 - x` of an argument, and the angle of its cotangent.
pub struct Mirror {
    /// `1 - x`, in two parts.
    pub x: (f64, f64),
    /// Half turns, up to a quarter of one: from an integer, or from what lies halfway.
    pub near: f64,
    /// Whether it is the latter.
    pub steep: bool,
}

/// `digamma(1 - x) - pi cot(pi x)`; NaN at the poles.
#[cold]
fn reflected(x: f64) -> f64 {
    let turn = x - round_even(x);
    if !(turn != 0.0 && x.is_finite()) {
        return f64::NAN;
    }
    if turn.abs() < 1e-150 {
        return -1.0 / turn;
    }
    let steep = turn.abs() > 0.25;
    let near = if steep { 0.5f64.copysign(turn) - turn } else { turn };
    let mirror = Mirror { x: sum(1.0, -x), near, steep };
    let (mirrored, mirrored_rest) = mirror.x;
    let (other, other_rest) = positive(mirrored);
    let (angle, angle_rest) = PI.product(near);
    let (t, t_rest) = tan_two(angle, angle_rest + near * PI_REST, !steep);
    // The tangent of what is left, or the negative cotangent.
    let (t, t_rest) = if steep { (-t, -t_rest) } else { (t, t_rest) };
    let (p, p_rest) = PI.product(t);
    let (main, lost) = sum(p, other);
    if main.abs() < SMALL * other {
        return digamma_zeros::digamma(&mirror);
    }
    // Far out the slope is the reciprocal.
    let other_rest = other_rest + mirrored_rest / mirrored;
    main + (lost + (other_rest + (p_rest + (PI * t_rest + PI_REST * t))))
}
