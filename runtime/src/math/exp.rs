//! Exponentials: a table of `2^(i / 16)`, which fits vector registers, and a short polynomial.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::exp_table::{HEADS, RESTS};
use super::fused::where_fused;
use super::lanes::{Lanes, One};
use super::two::sum_ordered;

/// Adding this rounds to an integer, which is left in the low bits.
pub const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// Steps of the table.
const STEPS: f64 = 16.0;
/// Bits of their number.
const STEP_BITS: u32 = 4;
/// `16 / log(2)`.
pub const INVERSE: f64 = 23.083120654223414;
/// `log(2) / 16` in 32 bits, so that its multiples are exact.
pub const STEP: f64 = 0.043321698787622154;
/// The rest of `log(2) / 16`.
pub const STEP_REST: f64 = -2.625571920425678e-12;
/// Up to this size the result of [`exp`] is a normal number.
const NEAR: f64 = 708.0;
/// Below this [`expm1`] and [`tanh`] are series.
const SMALL: f64 = 0.125;

/// `exp(x) = head * (1 + rest)`, `head` the number with bits `head + (scale << 52)`; the
/// scale is in the low bits above the fourth of what rounding to an integer left.
pub struct Parts<V: Lanes> {
    rounded: V::Bits,
    head: V::Bits,
    pub rest: V,
}

/// `2^(k / 16)` less its scale, `k` as [`ROUND`] left it: its bits and the relative rest.
#[inline(always)]
pub fn power<V: Lanes>(k: V::Bits) -> (V::Bits, V) {
    (V::pick(&HEADS, k).bits(), V::pick(&RESTS, k))
}

/// The exponent's bits of `2^(k / 16)`.
#[inline(always)]
pub fn scale<V: Lanes>(k: V::Bits) -> V::Bits {
    V::down::<STEP_BITS>(k)
}

/// The parts of `2^(k / 16) * exp(r)`, `k` as [`ROUND`] left it: a Taylor series, by pairs that do
/// not wait for each other.
#[inline(always)]
pub fn parts<V: Lanes>(k: V::Bits, r: V) -> Parts<V> {
    let (head, rest) = power::<V>(k);
    let pair = |a: f64, b: f64| r.fma(V::of(b), V::of(a));
    let r2 = r * r;
    let low = r2.fma(pair(1.0 / 2.0, 1.0 / 6.0), r + rest);
    let high = r2.fma(pair(1.0 / 720.0, 1.0 / 5040.0), pair(1.0 / 24.0, 1.0 / 120.0));
    Parts { rounded: k, head, rest: (r2 * r2).fma(high, low) }
}

/// `x = (k / 16) log(2) + r`, for `|x|` below 800, `k` as [`ROUND`] left it.
#[inline(always)]
pub fn reduce<V: Lanes>(x: V) -> (V::Bits, V) {
    let shifted = x.fma(V::of(INVERSE), V::of(ROUND));
    let k = shifted - V::of(ROUND);
    (shifted.bits(), k.fma(V::of(-STEP_REST), k.fma(V::of(-STEP), x)))
}

/// The parts of `exp(x)`, for `|x|` below 800.
#[inline(always)]
pub fn split<V: Lanes>(x: V) -> Parts<V> {
    let (k, r) = reduce(x);
    parts(k, r)
}

/// `2^scale * head`, for a scale within the normal numbers.
#[inline(always)]
pub fn scaled<V: Lanes>(p: &Parts<V>) -> V {
    V::from_bits(V::plus(p.head, V::up::<52>(scale::<V>(p.rounded))))
}

/// `2^512` times [`scaled`], for a scale down to twice that of the least number.
#[inline(always)]
pub fn raised(p: &Parts<f64>) -> f64 {
    f64::from_bits(scaled(p).to_bits().wrapping_add(512 << 52))
}

/// What was made of [`raised`], back where it belongs.
#[inline(always)]
pub fn lowered(x: f64) -> f64 {
    x * f64::from_bits((1023 - 512) << 52)
}

/// The number with these parts, for a scale within the normal numbers.
#[inline(always)]
pub fn join<V: Lanes>(p: &Parts<V>) -> V {
    let head = scaled(p);
    head.fma(p.rest, head)
}

/// The number with these parts, wherever it lies from the subnormals to infinity.
#[cold]
fn join_far(mut p: Parts<f64>) -> f64 {
    // The integer sits below bit 51 of the rounded number.
    if ((p.rounded << 13) as i64) > 0 {
        p.rounded = p.rounded.wrapping_sub(1 << STEP_BITS);
        join(&p) * 2.0
    } else {
        p.rounded = p.rounded.wrapping_add(128 << STEP_BITS);
        join(&p) * f64::from_bits((1023 - 128) << 52)
    }
}

/// [`exp`] up to 708 on both sides.
#[inline(always)]
pub fn exp_common<V: Lanes>(x: V) -> (V, V::Mask) {
    (join(&split(x)), x.abs().lt(V::of(NEAR)))
}

where_fused! {
    /// `e` to the power `x`.
    exp(x) = exp_common, beyond(x, [-745.2, 709.8], split);
    /// 2 to the power `x`.
    exp2(x) = exp2_common, beyond(x, [-1075.0, 1024.0], split2);
    /// `exp(x) - 1`, precise near zero.
    expm1(x) = expm1_one, if x < 0.0 {
        -1.0
    } else {
        // The 1 is lost in rounding. A NaN comes here.
        exp(x)
    };
    /// Hyperbolic tangent.
    tanh(x) = tanh_one, tanh_far(x);
    /// [`tanh`] to the places that `f32` keeps.
    tanh_short(x) = tanh_short_common, tanh_far(x);
}

fn tanh_far(x: f64) -> f64 {
    if x.is_nan() { x + x } else { 1.0f64.copysign(x) }
}

/// An exponential that leaves the normal numbers, or is of a NaN: 0 and infinity from the ends on.
#[cold]
fn beyond(x: f64, [least, most]: [f64; 2], split: impl Fn(f64) -> Parts<f64>) -> f64 {
    if x >= most {
        f64::INFINITY
    } else if x <= least {
        0.0
    } else if x.is_nan() {
        x + x
    } else {
        join_far(split(x))
    }
}

/// `e` to the power `x` in two parts, for `|x|` below 708.
#[inline(always)]
pub fn exp_two<V: Lanes>(x: V) -> (V, V) {
    let p = split(x);
    let head = scaled(&p);
    let y = head.fma(p.rest, head);
    (y, head.fma(p.rest, head - y))
}

/// The parts of `exp(x + low)`.
#[inline(always)]
fn split_two<V: Lanes>(x: V, low: V) -> Parts<V> {
    let p = split(x);
    Parts { rest: p.rest + low.fma(p.rest, low), ..p }
}

/// `exp(x + low)` up to 708 on both sides.
#[inline(always)]
pub fn exp_of_two_common<V: Lanes>(x: V, low: V) -> (V, V::Mask) {
    (join(&split_two(x, low)), x.abs().lt(V::of(NEAR)))
}

/// `exp(x + low)`, `low` far below `x`.
#[inline]
pub fn exp_of_two(x: f64, low: f64) -> f64 {
    let (y, near) = exp_of_two_common(x, low);
    if near { y } else { beyond(x, [-745.2, 709.8], |x| split_two(x, low)) }
}

/// Half of `e` to the power `x`, also where the whole is past the largest number.
#[cold]
pub fn half_exp(x: f64) -> f64 {
    beyond(x, [-745.2, 710.5], |x| {
        let p = split(x);
        Parts { rounded: p.rounded.wrapping_sub(1 << STEP_BITS), ..p }
    })
}

/// The parts of `2^x`.
#[inline(always)]
fn split2<V: Lanes>(x: V) -> Parts<V> {
    let shifted = x + V::of(ROUND / STEPS);
    parts(shifted.bits(), (x - (shifted - V::of(ROUND / STEPS))) * V::of(std::f64::consts::LN_2))
}

/// [`exp2`] up to 1021 on both sides.
#[inline(always)]
pub fn exp2_common<V: Lanes>(x: V) -> (V, V::Mask) {
    (join(&split2(x)), x.abs().lt(V::of(1021.0)))
}

/// [`expm1`] by its series; of -0 it is 0.
#[inline(always)]
fn expm1_small<V: Lanes>(x: V) -> V {
    let x2 = x * x;
    let x4 = x2 * x2;
    let pair = |a: f64, b: f64| x.fma(V::of(b), V::of(a));
    let low = x2.fma(
        pair(0.008333333333333333, 0.0013888888888928055),
        pair(0.16666666666666666, 0.041666666666666664),
    );
    let high = x2.fma(
        pair(2.7557318540844817e-06, 2.7564777586201435e-07),
        pair(0.00019841269841299969, 2.4801586413483533e-05),
    );
    let tail = x4.fma(x4.fma(V::of(2.505784548705221e-08), high), low);
    x2.fma(x.fma(tail, V::of(0.5)), x)
}

/// [`expm1`] past its series.
#[inline(always)]
fn expm1_main<V: Lanes>(x: V) -> V {
    let p = split(x);
    let head = scaled(&p);
    let high = head - V::of(1.0);
    let back = high - head;
    let low = (head - (high - back)) + (V::of(-1.0) - back);
    high + head.fma(p.rest, low)
}

/// [`expm1`] up to 37 on both sides, zero left out.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn expm1_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let size = x.abs();
    let y = V::select(size.lt(V::of(SMALL)), expm1_small(x), expm1_main(x));
    (y, V::both(size.lt(V::of(37.0)), V::of(0.0).lt(size)))
}

/// [`expm1`] of one number, where not even lanes take both ways, up to 40 on both sides.
#[inline(always)]
fn expm1_one<V: One>(x: V) -> (V, bool) {
    let size = x.get().abs();
    if size < SMALL {
        // This also keeps the sign of zero.
        return (if size < f64::EPSILON / 4.0 { x } else { expm1_small(x) }, true);
    }
    (expm1_main(x), size < 40.0)
}

/// [`tanh`] by its series; of -0 it is 0.
#[inline(always)]
fn tanh_small<V: Lanes>(x: V) -> V {
    let z = x * x;
    let z2 = z * z;
    let pair = |a: f64, b: f64| z.fma(V::of(b), V::of(a));
    let low = z2.fma(
        pair(-0.05396825396814255, 0.021869488494019252),
        pair(-0.3333333333333333, 0.13333333333333322),
    );
    let high = z2.fma(V::of(-0.00142349240378453), pair(-0.008863227937906332, 0.003591425168715302));
    (x * z).fma((z2 * z2).fma(high, low), x)
}

/// [`tanh`] of a size past its series: 1 - 2 / (exp(2x) + 1), with the divisor and the
/// quotient in two parts each.
#[inline(always)]
fn tanh_main<V: Lanes>(size: V) -> V {
    let (one, two) = (V::of(1.0), V::of(2.0));
    let p = split(two * size);
    let head = scaled(&p);
    let (begun, lost) = sum_ordered(head, one);
    let divisor = head.fma(p.rest, begun);
    let divisor_low = head.fma(p.rest, begun - divisor) + lost;
    let quotient = two / divisor;
    let over = quotient.fma(divisor_low, quotient.fma(divisor, -two));
    let (main, lost) = sum_ordered(one, -quotient);
    main + over.fma(V::of(0.5) * quotient, lost)
}

/// [`tanh`] up to 22 on both sides. Of tiny numbers the series keeps the bits.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn tanh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let size = x.abs();
    let y = V::select(size.lt(V::of(SMALL)), tanh_small(size), tanh_main(size));
    (y.signed(x), size.le(V::of(22.0)))
}

/// [`tanh_short`] up to 22 on both sides.
#[inline(always)]
pub fn tanh_short_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (one, two, size) = (V::of(1.0), V::of(2.0), x.abs());
    let z = size * size;
    let bent = z.fma(z.fma(V::of(-17.0 / 315.0), V::of(2.0 / 15.0)), V::of(-1.0 / 3.0));
    let main = one - two / (join(&split(two * size)) + one);
    let y = V::select(size.lt(V::of(1.0 / 32.0)), (size * z).fma(bent, size), main);
    (y.signed(x), size.le(V::of(22.0)))
}

/// [`tanh`] of one number likewise, up to 22 on both sides.
#[inline(always)]
fn tanh_one<V: One>(x: V) -> (V, bool) {
    let size = x.get().abs();
    if size < SMALL {
        // This also keeps the sign of zero.
        return (if size < 1e-9 { x } else { tanh_small(x) }, true);
    }
    (tanh_main(V::new(size)).signed(x), size <= 22.0)
}
