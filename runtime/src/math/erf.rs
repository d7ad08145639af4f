//! The error function and its complement: `exp(-t^2)` times a curve in pieces, each a polynomial
//! of the distance from a point where the curve is all but an `f64`.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::erf_table::{FAR, NEAR, Pieces};
use super::exp::{Parts, parts, reduce, scaled};
use super::fused::where_fused;
use super::lanes::Lanes;

/// From here on the complement is below the last place of 1.
pub const SATURATED: f64 = 6.0;
/// Below this the error function is an odd polynomial.
const SMALL: f64 = 0.5;
/// From here on parts of the complement may lose bits to the subnormals.
const DEEP: f64 = 25.0;
/// From here on the complement is zero, even some times over.
const END: f64 = 27.3;

/// The odd polynomial less 1, over `x`, by powers of `x^2`.
const ODD: [f64; 11] = [
    0.1283791670955126,
    -0.37612638903183754,
    0.11283791670955126,
    -0.026866170645131037,
    0.005223977625431185,
    -0.0008548327020585921,
    0.00012055332553017004,
    -1.492561124922689e-05,
    1.6459902382312906e-06,
    -1.6289957297318203e-07,
    1.3352351102931638e-08,
];

/// [`NEAR`] with the odd polynomial in place of what lies below [`SMALL`].
static ERF: Pieces = {
    let mut pieces = NEAR;
    let mut row = 0;
    while row < 2 {
        pieces.value[row] = ODD[0];
        let mut power = 0;
        while power < pieces.slopes.len() {
            pieces.slopes[power][row] = if power + 1 < ODD.len() { ODD[power + 1] } else { 0.0 };
            power += 1;
        }
        row += 1;
    }
    pieces
};

/// The piece that `t` lies in: eight of each octave of `t + 2`.
#[inline(always)]
fn row<V: Lanes>(t: V) -> V::Bits {
    V::down::<49>((t + V::of(2.0)).bits())
}

/// A piece's value at its centre, and what the distance `d` from there adds.
#[inline(always)]
fn curve<V: Lanes>(pieces: &Pieces, row: V::Bits, d: V) -> (V, V) {
    let c = |power: usize| V::pick(&pieces.slopes[power], row);
    let d2 = d * d;
    let d4 = d2 * d2;
    let middle = (c(4) + d * c(5)) + d2 * (c(6) + d * c(7));
    let high = (c(8) + d * c(9)) + d2 * (c(10) + d * c(11));
    // The slope at the centre is much the largest, and added last.
    let bend = d * c(1) + (d2 * (c(2) + d * c(3)) + d4 * (middle + d4 * high));
    (V::pick(&pieces.value, row), d * (c(0) + bend))
}

/// The parts of `exp(-(t + low)^2)`, `low` far smaller.
#[inline(always)]
fn bell<V: Lanes>(t: V, low: Option<V>) -> Parts<V> {
    let square = t * t;
    let mut rest = t.fma(t, -square);
    if let Some(low) = low {
        rest = rest + (t + t) * low;
    }
    let (k, r) = reduce(-square);
    parts(k, r - rest)
}

/// `head (1 + rest) (value + more)`, rounded nearly once.
#[inline(always)]
fn product<V: Lanes>(head: V, rest: V, (value, more): (V, V)) -> V {
    head.fma(value, head * (more + rest * (value + more)))
}

/// [`erfc`] of `t + low`, for `t` from 0 to [`SATURATED`].
#[inline(always)]
pub fn complement<V: Lanes>(t: V, low: Option<V>) -> V {
    let row = row(t);
    let mut d = t - V::pick(&NEAR.centre, row);
    if let Some(low) = low {
        d = d + low;
    }
    let bell = bell(t, low);
    product(scaled(&bell), bell.rest, curve(&NEAR, row, d))
}

/// `factor` times [`erfc`] of `t + low`, for `t` from [`SATURATED`] on, down to the subnormals.
pub fn complement_far(t: f64, low: f64, factor: f64) -> f64 {
    if t >= END {
        return factor * 0.0;
    }
    let row = row(t);
    let curve = curve(&FAR, row, (t - f64::pick(&FAR.centre, row)) + low);
    let bell = bell(t, Some(low));
    if t < DEEP {
        return factor * product(scaled(&bell), bell.rest, curve);
    }
    // The head's exponent may have run below the least.
    let raised = f64::from_bits(scaled(&bell).to_bits().wrapping_add(512 << 52));
    (factor * product(raised, bell.rest, curve)) * f64::from_bits((1023 - 512) << 52)
}

/// [`erf`] up to [`SATURATED`] on both sides.
#[inline(always)]
pub fn erf_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let t = x.abs();
    let row = row(t);
    let small = t.lt(V::of(SMALL));
    let d = V::select(small, x * x, t - V::pick(&ERF.centre, row));
    let (value, more) = curve(&ERF, row, d);
    let bell = bell(t, None);
    let rest = V::of(1.0) - product(scaled(&bell), bell.rest, (value, more));
    let y = V::select(small, t + t * (value + more), rest);
    (y.signed(x), t.lt(V::of(SATURATED)))
}

/// [`erfc`] up to [`SATURATED`] on both sides.
#[inline(always)]
pub fn erfc_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let t = x.abs();
    let y = complement(t, None);
    (V::select(x.lt(V::of(0.0)), V::of(2.0) - y, y), t.lt(V::of(SATURATED)))
}

where_fused! {
    /// Error function.
    erf(x) = erf_common, if x.is_nan() { x + x } else { 1f64.copysign(x) };
    /// Complementary error function.
    erfc(x) = erfc_common, if x.is_nan() {
        x + x
    } else if x < 0.0 {
        2.0
    } else {
        complement_far(x, 0.0, 1.0)
    };
}
