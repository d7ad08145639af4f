//! The error function and its complement: `exp(-t^2)` times a curve in pieces, each a polynomial
//! of the distance from a point where the curve is all but an `f64`.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::erf_table::{FAR, NEAR, Pieces};
use super::exp::{Parts, lowered, parts, raised, reduce, scaled};
use super::fused::where_fused;
use super::lanes::Lanes;
use super::two::sum_ordered;

/// From here on the complement is below the last place of 1.
pub const SATURATED: f64 = 6.0;
/// Below this the error function is an odd polynomial.
const SMALL: f64 = 0.5;
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

/// The distance from a piece's centre, in two parts.
#[inline(always)]
fn distance<V: Lanes>(pieces: &Pieces, row: V::Bits, t: V) -> (V, V) {
    let centre = V::pick(&pieces.centre, row);
    let d = t - centre;
    (d, t - (d + centre))
}

/// A piece's value at its centre, and what the distance `d + d_low` from there adds.
#[inline(always)]
fn curve<V: Lanes>(pieces: &Pieces, row: V::Bits, d: V, d_low: Option<V>) -> (V, V) {
    let c = |power: usize| V::pick(&pieces.slopes[power], row);
    let pair = |power: usize| d.fma(c(power + 1), c(power));
    let d2 = d * d;
    let d4 = d2 * d2;
    let middle = d2.fma(pair(6), pair(4));
    let high = d2.fma(pair(10), pair(8));
    let bend = d.fma(c(1), d2.fma(pair(2), d4 * d4.fma(high, middle)));
    // The slope at the centre is much the largest, and added last.
    let bent = d_low.map_or(d * bend, |low| d.fma(bend, c(0) * low));
    (V::pick(&pieces.value, row), d.fma(c(0), bent))
}

/// The parts of `exp(-(t + low)^2)`, `low` far smaller.
#[inline(always)]
fn bell<V: Lanes>(t: V, low: Option<V>) -> Parts<V> {
    let square = t * t;
    let mut rest = t.fma(t, -square);
    if let Some(low) = low {
        rest = (t + t).fma(low, rest);
    }
    let (k, r) = reduce(-square);
    parts(k, r - rest)
}

/// `head (1 + rest) (value + more)` in two parts.
#[inline(always)]
fn product<V: Lanes>(head: V, rest: V, (value, more): (V, V)) -> (V, V) {
    let (main, lost) = head.product(value);
    (main, head.fma(more, (head * rest).fma(value + more, lost)))
}

/// `factor` times [`erfc`] of `t + low`, for `t` from 0 to [`SATURATED`], in two parts.
#[inline(always)]
pub fn complement<V: Lanes>(t: V, low: Option<V>, factor: f64) -> (V, V) {
    let row = row(t);
    let (d, lost) = distance(&NEAR, row, t);
    let bell = bell(t, low);
    let curve = curve(&NEAR, row, d, Some(low.map_or(lost, |low| lost + low)));
    product(V::of(factor) * scaled(&bell), bell.rest, curve)
}

/// `factor` times [`erfc`] of `t + low`, for `t` from [`SATURATED`] on, down to the subnormals.
pub fn complement_far(t: f64, low: f64, factor: f64) -> f64 {
    if t >= END {
        return factor * 0.0;
    }
    let row = row(t);
    let (d, lost) = distance(&FAR, row, t);
    let curve = curve(&FAR, row, d, Some(lost + low));
    let bell = bell(t, Some(low));
    let (main, rest) = product(raised(&bell), bell.rest, curve);
    lowered(factor.fma(main, factor * rest))
}

/// [`erf`] up to [`SATURATED`] on both sides.
#[inline(always)]
pub fn erf_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let t = x.abs();
    let row = row(t);
    let small = t.lt(V::of(SMALL));
    let d = V::select(small, x * x, t - V::pick(&ERF.centre, row));
    let (value, more) = curve(&ERF, row, d, None);
    let bell = bell(t, None);
    let (main, rest) = product(scaled(&bell), bell.rest, (value, more));
    let (most, lost) = sum_ordered(V::of(1.0), -main);
    let y = V::select(small, t.fma(value + more, t), most + (lost - rest));
    (y.signed(x), t.lt(V::of(SATURATED)))
}

/// [`erfc`] up to [`SATURATED`] on both sides.
#[inline(always)]
pub fn erfc_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let t = x.abs();
    let (y, rest) = complement(t, None, 1.0);
    let negative = x.lt(V::of(0.0));
    let (most, lost) = sum_ordered(V::of(2.0), -y);
    (V::select(negative, most, y) + V::select(negative, lost - rest, rest), t.lt(V::of(SATURATED)))
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
