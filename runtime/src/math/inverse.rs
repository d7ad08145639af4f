//! Arc functions: a table of angles and a series for the tangent, a polynomial and a square root for
//! the sine and cosine.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::atan_table::ATAN;
use super::fused::where_fused;
use super::lanes::Lanes;
use super::two::{polynomial, root, sum, sum_ordered};
use std::f64::consts::{FRAC_PI_2, PI};

/// What [`PI`] leaves out.
const PI_REST: f64 = 1.2246467991473532e-16;
/// Ratios from which on the table has rows, and past its last.
const TABLE: [f64; 2] = [1.0 / 32.0, 2048.0];

/// A number in two parts.
type Two<V> = (V, V);

/// What is known of the interval of a ratio of sides.
struct Interval<V: Lanes> {
    /// Past the table: the angle is counted from the quarter turn.
    steep: V::Mask,
    /// The ratio in the middle, 0 before and past the table.
    tangent: V,
    /// Its angle, or the quarter turn past the table, in two parts.
    head: Two<V>,
}

#[inline(always)]
fn interval<V: Lanes>(ratio: V) -> Interval<V> {
    let (steep, flat) = (V::of(TABLE[1]).le(ratio), ratio.lt(V::of(TABLE[0])));
    let bits = ratio.bits();
    let row = V::down::<49>(bits);
    // The first three bits of the significand, and half a step.
    let middle = V::from_bits(V::or(V::and(bits, V::bits_of(!0 << 49)), V::bits_of(1 << 48)));
    let zero = V::of(0.0);
    let pick = |end: V, other: V| V::select(flat, zero, V::select(steep, end, other));
    Interval {
        steep,
        tangent: pick(zero, middle),
        head: (
            pick(V::of(FRAC_PI_2), V::from_bits(V::lookup(&ATAN, row, 0))),
            pick(V::of(0.5 * PI_REST), V::from_bits(V::lookup(&ATAN, row, 1))),
        ),
    }
}

/// `head + atan(t + t_rest)` for `t` up to 1/32, in two parts, the second far smaller.
#[inline(always)]
fn onwards<V: Lanes>(head: Two<V>, t: V, t_rest: V) -> Two<V> {
    const TAYLOR: [f64; 5] = [-1.0 / 3.0, 0.2, -1.0 / 7.0, 1.0 / 9.0, -1.0 / 11.0];
    let z = t * t;
    let (main, lost) = sum_ordered(head.0, t);
    (main, lost + (head.1 + (t_rest + t * (z * polynomial(z, &TAYLOR)))))
}

/// [`atan`] wherever it is not NaN. The angle on from that of the middle, whose tangent is `c`, has
/// the tangent `(x - c) / (1 + x c)`; its rounding counts for a sixteenth.
#[inline(always)]
pub fn atan_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (zero, one, size) = (V::of(0.0), V::of(1.0), x.abs());
    let i = interval(size);
    let above = V::select(i.steep, -one, size - i.tangent);
    let below = V::select(i.steep, size, one + size * i.tangent);
    let (y, rest) = onwards(i.head, above / below, zero);
    ((y + rest).signed(x), size.le(V::of(f64::INFINITY)))
}

where_fused! {
    /// Arc tangent.
    atan(x) = atan_common, x + x;
}

/// `asin(t) - t` for `z = t^2` up to 1/4: interpolated at the Chebyshev points.
#[inline(always)]
fn bend<V: Lanes>(t: V, z: V) -> V {
    const C: [f64; 13] = [
        0.16666666666666669,
        0.07499999999998433,
        0.04464285714635543,
        0.030381944138531247,
        0.02237217294214989,
        0.017352392720869973,
        0.013971212973552933,
        0.011479177415184906,
        0.01032281435018578,
        0.005457506718640358,
        0.01740087944269402,
        -0.014851887071247204,
        0.028757851367421566,
    ];
    t * (z * polynomial(z, &C))
}

/// The sine of half the angle of cosine `x`, which is at least 1/2, its rest, and its square.
#[inline(always)]
fn half_sine<V: Lanes>(x: V) -> (V, V, V) {
    let square = V::of(0.5) * (V::of(1.0) - x);
    let (s, s_rest) = root(square, V::of(0.0));
    (s, s_rest, square)
}

/// [`asin`] between -1 and 1.
#[inline(always)]
pub fn asin_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (two, size) = (V::of(2.0), x.abs());
    let small = size.lt(V::of(0.5));
    let (s, s_rest, square) = half_sine(size);
    let t = V::select(small, size, s);
    let bend = bend(t, V::select(small, size * size, square));
    let (main, lost) = sum_ordered(V::of(FRAC_PI_2), -(two * s));
    let y = main + (lost + (V::of(0.5 * PI_REST) - two * (s_rest + bend)));
    (V::select(small, size + bend, y).signed(x), size.lt(V::of(1.0)))
}

where_fused! {
    /// Arc sine.
    asin(x) = asin_common, if x.abs() == 1.0 {
        FRAC_PI_2.copysign(x)
    } else {
        f64::NAN
    };
}

/// [`acos`] between -1 and 1.
#[inline(always)]
pub fn acos_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (two, size) = (V::of(2.0), x.abs());
    let small = size.lt(V::of(0.5));
    let (s, s_rest, square) = half_sine(size);
    let t = V::select(small, x, s);
    let bend = bend(t, V::select(small, x * x, square));
    let (arc, arc_rest) = (V::select(small, x, two * s), V::select(small, bend, two * (s_rest + bend)));
    let from = V::select(small, V::of(FRAC_PI_2), V::of(PI));
    let from_rest = V::select(small, V::of(0.5 * PI_REST), V::of(PI_REST));
    let (main, lost) = sum_ordered(from, -arc);
    let back = main + (lost + (from_rest - arc_rest));
    (V::select(V::of(0.5).le(x), arc + arc_rest, back), size.lt(V::of(1.0)))
}

where_fused! {
    /// Arc cosine.
    acos(x) = acos_common, if x == 1.0 {
        0.0
    } else if x == -1.0 {
        PI
    } else {
        f64::NAN
    };
}

/// The angle, from 0 to a quarter turn, of the point `(b, a)`, neither negative; two parts, the
/// second far smaller. Where it is small nothing but its tangent is left, to twice the bits.
#[inline(always)]
fn angle<V: Lanes>(a: V, b: V) -> Two<V> {
    let i = interval(a / b);
    let (p, p_rest) = b.product(i.tangent);
    let above = V::select(i.steep, -b, (a - p) - p_rest);
    let (p, p_rest) = a.product(i.tangent);
    let (below, lost) = sum(b, p);
    let (below, below_rest) = (V::select(i.steep, a, below), V::select(i.steep, V::of(0.0), lost + p_rest));
    let inverse = V::of(1.0) / below;
    let t = above * inverse;
    let (p, p_rest) = t.product(below);
    let t_rest = (((above - p) - p_rest) - t * below_rest) * inverse;
    onwards(i.head, t, t_rest)
}

/// Half a turn less an angle.
#[inline(always)]
fn rest_of_half<V: Lanes>(angle: Two<V>) -> Two<V> {
    let (main, lost) = sum_ordered(V::of(PI), -angle.0);
    (main, lost + (V::of(PI_REST) - angle.1))
}

/// [`atan2`] of operands between `1e-150` and `1e150` on both sides.
#[inline(always)]
fn atan2_common<V: Lanes>(y: V, x: V) -> (V, V::Mask) {
    let (a, b) = (y.abs(), x.abs());
    let near = angle(a, b);
    let far = rest_of_half(near);
    let behind = x.lt(V::of(0.0));
    let angle = V::select(behind, far.0 + far.1, near.0 + near.1);
    let inside = |x: V| V::both(V::of(1e-150).lt(x), x.lt(V::of(1e150)));
    (angle.signed(y), V::both(inside(a), inside(b)))
}

where_fused! {
    /// Angle of the point `(x, y)`.
    atan2(y, x) = atan2_common, atan2_special(y, x);
}

fn atan2_special(y: f64, x: f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        return x + y;
    }
    let (a, b) = (y.abs(), x.abs());
    let behind = x.is_sign_negative();
    let angle = if a == b && (a == 0.0 || a == f64::INFINITY) {
        match (a == 0.0, behind) {
            (true, false) => 0.0,
            (true, true) => PI,
            (false, false) => 0.5 * FRAC_PI_2,
            (false, true) => 1.5 * FRAC_PI_2,
        }
    } else if a == 0.0 || b == f64::INFINITY || a / b < 1e-40 {
        // The angle is its tangent; behind, what it leaves of half a turn is lost in rounding.
        if behind { PI } else { a / b }
    } else if b == 0.0 || a == f64::INFINITY || a / b > 1e40 {
        FRAC_PI_2
    } else {
        let scale = if a < 1.0 { 2f64.powi(600) } else { 2f64.powi(-600) };
        return atan2_common(y * scale, x * scale).0;
    };
    angle.copysign(y)
}
