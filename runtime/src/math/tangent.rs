//! Tangent: that of half the angle by a polynomial, of the whole as a quotient of two parts each.

use super::fused::where_fused;
use super::lanes::Lanes;
use super::trig::{Step, reduce};
use super::two::{polynomial, sum_ordered};

/// `(tan(x) / x - 1) / x^2` in `x^2`, for `x` up to a sixteenth of a turn: interpolated at the
/// Chebyshev points.
const TAN: [f64; 10] = [
    0.3333333333333333,
    0.13333333333333436,
    0.05396825396803647,
    0.021869488554153025,
    0.008863234774916602,
    0.003592146183737869,
    0.001455569799295522,
    0.0005924005120834962,
    0.00022642042052294092,
    0.00013347890915325455,
];
/// A quarter turn.
const QUARTER: Step = Step {
    inverse: std::f64::consts::FRAC_2_PI,
    high: std::f64::consts::FRAC_PI_2,
    low: 6.123233995736766e-17,
};
/// Below this the tangent is its argument, and halves may lose bits to the subnormals.
const TINY: f64 = 1e-280;

/// Tangent of `high + low` within an eighth of a turn, in two parts; where `odd` that of the angle a
/// quarter turn on, the negative cotangent.
#[inline(always)]
pub fn tan_two<V: Lanes>(high: V, low: V, odd: V::Mask) -> (V, V) {
    let (one, two, half) = (V::of(1.0), V::of(2.0), V::of(0.5));
    let (h, h_low) = (half * high, half * low);
    let z = h * h;
    // The slope is 1 + tan^2.
    let (t, t_low) = sum_ordered(h, h * (z * polynomial(z, &TAN)) + (h_low + h_low * z));
    // 2t over 1 - t^2.
    let (square, square_rest) = t.product(t);
    let (rest, lost) = sum_ordered(one, -square);
    let rest_low = lost - (square_rest + two * (t * t_low));
    let choose = |x: V, y: V| V::select(odd, x, y);
    let (above, above_low) = (choose(-rest, two * t), choose(-rest_low, two * t_low));
    let (below, below_low) = (choose(two * t, rest), choose(two * t_low, rest_low));
    let inverse = one / below;
    let quotient = above * inverse;
    let (p, p_rest) = quotient.product(below);
    let left = ((above - p) - p_rest) + (above_low - quotient * below_low);
    (quotient, left * inverse)
}

/// [`tan`] of all but far angles, those next to a multiple of the quarter turn, and tiny ones.
#[inline(always)]
pub fn tan_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (a, enough) = reduce(x, &QUARTER);
    let odd = V::of(0.5).lt(V::small(V::and(a.steps, V::bits_of(1))));
    let (y, rest) = tan_two(a.high, a.low, odd);
    (y + rest, V::both(enough, V::of(TINY).lt(x.abs())))
}

where_fused! {
    /// Tangent.
    tan(x) = tan_common, libm::tan(x);
}
