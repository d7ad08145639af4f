//! Logarithm of the gamma function: polynomials around multiples of 1/8, the asymptotic series, and
//! for negative arguments the product that is 1 where the result is 0.

use super::fused::where_fused;
use super::lanes::Lanes;
use super::lgamma_table::LGAMMA;
use super::log_two::{log_of_two, log_two};
use super::two::{combined, polynomial, series, sum, sum_ordered, times};
use super::{floor, round_even, sin};
use std::f64::consts::PI;

/// Adding this rounds to an integer, which is left in the low bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// Where the table begins and ends.
const TABLE: [f64; 2] = [0.9375, 8.9375];
/// `(log(2 pi) - 1) / 2`, and what it leaves out.
const HALF: [f64; 2] = [0.4189385332046727, 1.6728209650585413e-17];
/// `log(pi)`, and what it leaves out.
const LOG_PI: [f64; 2] = [1.1447298858494002, 1.0265951162707826e-17];
/// Left of this the result is nowhere near 0, since no number is near enough to an integer.
const FAR: f64 = -18.5;
/// `1 / Gamma(1 + z)`: its Taylor coefficients, in two parts each.
const INVERSE: [[f64; 2]; 15] = [
    [1.0, 0.0],
    [0.5772156649015329, -4.942915152430645e-18],
    [-0.6558780715202539, 2.137185197068536e-17],
    [-0.04200263503409524, 1.4920306285650505e-18],
    [0.16653861138229148, 1.0189144546842026e-17],
    [-0.04219773455554433, -3.3579992682480134e-18],
    [-0.009621971527876973, -5.300031368830263e-19],
    [0.0072189432466631, -3.6006537063394283e-19],
    [-0.0011651675918590652, 5.659947853880981e-20],
    [-0.00021524167411495098, 2.3758686180729364e-21],
    [0.0001280502823881162, -9.359124499198967e-21],
    [-2.013485478078824e-05, 3.0488773972037385e-23],
    [-1.2504934821426706e-06, -2.66214092271898e-23],
    [1.133027231981696e-06, -4.622235212104869e-23],
    [-2.056338416977607e-07, -3.0061601618645134e-24],
];
/// Those that follow, which need no more than one.
const INVERSE_TAIL: [f64; 13] = [
    6.116095104481416e-09,
    5.002007644469223e-09,
    -1.18127457048702e-09,
    1.0434267116911005e-10,
    7.782263439905071e-12,
    -3.696805618642206e-12,
    5.100370287454476e-13,
    -2.0583260535665066e-14,
    -5.348122539423018e-15,
    1.2267786282382608e-15,
    -1.1812593016974588e-16,
    1.1866922547516004e-18,
    1.4123806553180319e-18,
];

/// `lgamma(1 + t)` for `t` from -1/16 to 127/16, in two parts.
#[inline(always)]
fn by_table<V: Lanes>(t: V) -> (V, V) {
    let shifted = t * V::of(8.0) + V::of(ROUND);
    let v = t - (shifted - V::of(ROUND)) * V::of(0.125);
    let entry = |column| V::from_bits(V::lookup(&LGAMMA, shifted.bits(), column));
    let mut c = [V::of(0.0); 11];
    for (i, c) in c.iter_mut().enumerate() {
        *c = entry(4 + i);
    }
    let (p, p_rest) = v.product(entry(2));
    let (main, lost) = sum(entry(0), p);
    let rest = (p_rest + entry(1)) + v * entry(3);
    (main, lost + (rest + v * v * combined(v, c)))
}

/// `lgamma(x)` from the end of the table on, given the logarithm, in two parts.
#[inline(always)]
fn asymptotic<V: Lanes>(x: V, log: (V, V)) -> (V, V) {
    // B(2j) / (2j (2j - 1))
    const STIRLING: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
        -3617.0 / 122_400.0,
    ];
    let inverse = V::of(1.0) / x;
    let tail = inverse * polynomial(inverse * inverse, &STIRLING);
    // (x - 1/2) (log(x) - 1)
    let (a, a_low) = sum_ordered(x, V::of(-0.5));
    let (b, b_low) = sum(V::of(-1.0), log.0);
    let b_low = b_low + log.1;
    let (p, p_rest) = a.product(b);
    let (main, lost) = sum_ordered(p, V::of(HALF[0]));
    (main, lost + (p_rest + (a * b_low + a_low * b)) + (V::of(HALF[1]) + tail))
}

/// [`lgamma`] from `1e-300` to `1e300`, in two parts.
#[inline(always)]
fn positive<V: Lanes>(x: V) -> (V, V) {
    let (below, past) = (x.lt(V::of(TABLE[0])), V::of(TABLE[1]).le(x));
    let log = log_two::<V>(x.bits(), 0.0);
    let t = V::select(below, x, V::select(past, V::of(0.0), x - V::of(1.0)));
    let near = by_table(t);
    let (main, lost) = sum(near.0, -log.0);
    let far = asymptotic(x, log);
    let pick = |below_one: V, past_one: V, near_one: V| {
        V::select(below, below_one, V::select(past, past_one, near_one))
    };
    (pick(main, far.0, near.0), pick(lost + (near.1 - log.1), far.1, near.1))
}

/// [`lgamma`] from `1e-300` to `1e300`.
#[inline(always)]
pub fn lgamma_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (y, rest) = positive(x);
    (y + rest, V::both(V::of(1e-300).lt(x), x.lt(V::of(1e300))))
}

where_fused! {
    /// Logarithm of the absolute value of the gamma function.
    lgamma(x) = lgamma_common, lgamma_special(x);
}

fn lgamma_special(x: f64) -> f64 {
    if x.is_nan() {
        x + x
    } else if x.is_infinite() || floor(x) == x && x <= 0.0 {
        f64::INFINITY
    } else if x.abs() < 1e-100 {
        -super::log(x.abs())
    } else if x > 0.0 {
        vast(x)
    } else if x > FAR {
        by_product(x)
    } else {
        reflected(x)
    }
}

/// Where nothing but `x (log(x) - 1)` is left; scaled, so that the parts of the product are finite.
fn vast(x: f64) -> f64 {
    let scale = 2f64.powi(64);
    let (log, log_rest) = log_two::<f64>(x.to_bits(), 0.0);
    let (p, p_rest) = (x / scale).product(log - 1.0);
    (p + (p_rest + x / scale * log_rest)) * scale
}

/// `log(pi / |sin(pi x)|) - lgamma(1 - x)`
fn reflected(x: f64) -> f64 {
    let turn = (x - round_even(x)).abs();
    let (mirrored, mirrored_rest) = sum(1.0, -x);
    let (other, other_rest) = positive(mirrored);
    // The slope is about the logarithm.
    let other_rest = other_rest + mirrored_rest * super::log(mirrored);
    let (angle, angle_rest) = PI.product(turn);
    let (log, log_rest) = log_two::<f64>(sin(angle).to_bits(), 0.0);
    let (main, lost) = sum(-other, -log);
    let (main, lost_too) = sum(main, LOG_PI[0]);
    // The sine is in proportion to a small angle, and near a large one does not matter.
    main + ((lost + lost_too) + ((LOG_PI[1] - log_rest) - (other_rest + angle_rest / angle)))
}

/// With `x = f - m` it is `-log |x (x + 1) ... (x + m) / Gamma(1 + f)|`.
fn by_product(x: f64) -> f64 {
    let m = -round_even(x);
    let f = x + m;
    let mut product = series((f, 0.0), &INVERSE, &INVERSE_TAIL);
    let mut k = 0.0;
    while k <= m {
        product = times(product, (x + k, 0.0));
        k += 1.0;
    }
    let (size, low) = if product.0 < 0.0 { (-product.0, -product.1) } else { product };
    let (d, d_low) = sum_ordered(size - 1.0, low);
    if d.abs() < 1e-4 {
        // Zeros of the result: all bits of the difference count.
        return -(d + (d_low - d * d * (0.5 - d * (1.0 / 3.0 - d * (0.25 - 0.2 * d)))));
    }
    let (y, rest) = log_of_two(size, low);
    -(y + rest)
}
