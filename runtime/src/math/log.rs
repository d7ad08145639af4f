//! Logarithms: a table of reciprocals and a polynomial.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::fused::where_fused;
use super::lanes::{Lanes, One};
use super::log_table::LOG;

/// `log(2)` as a multiple of `2^-42`.
pub const LN2: f64 = 0.6931471805598903;
/// The rest of `log(2)`.
pub const LN2_REST: f64 = 5.497923018708371e-14;
/// Bits of 11/16, where the table's intervals begin.
const START: u64 = 0x3fe6_0000_0000_0000;
/// Added to an exponent so that it is not negative.
const BIAS: u64 = 1 << 10;

/// `log(1 + r) - r`, for `|r|` up to 1/128.
#[inline(always)]
fn curve<V: Lanes>(r: V) -> V {
    let r2 = r * r;
    let pair = |a: f64, b: f64| r.fma(V::of(b), V::of(a));
    let low = r2.fma(pair(0.2, -1.0 / 6.0), pair(1.0 / 3.0, -0.25));
    r2 * r.fma((r2 * r2).fma(pair(1.0 / 7.0, -0.125), low), V::of(-0.5))
}

/// `x = 2^k z` and `-log(inverse) = head + rest`, `z inverse = 1 + r + r_low` exactly.
pub struct Row<V: Lanes> {
    pub k: V,
    /// The part of `x` that is `2^k`, as an exponent to subtract.
    pub scale: V::Bits,
    pub z: V,
    pub inverse: V,
    pub head: V,
    pub rest: V,
    pub r: V,
    pub r_low: V,
}

/// The row of the table for positive normal bits, whose exponent `moved` lowers.
#[inline(always)]
pub fn table<V: Lanes>(bits: V::Bits, moved: f64) -> Row<V> {
    let from = V::minus(bits, V::bits_of(START));
    let row = V::down::<45>(from);
    let inverse = V::from_bits(V::lookup(&LOG, row, 0));
    let head = V::from_bits(V::lookup(&LOG, row, 1));
    let rest = V::from_bits(V::lookup(&LOG, row, 2));
    let exponent = V::down::<52>(V::plus(from, V::bits_of(BIAS << 52)));
    let k = V::small(exponent) - V::of(BIAS as f64 + moved);
    let scale = V::and(from, V::bits_of(0xfff << 52));
    let z = V::from_bits(V::minus(bits, scale));
    // In two parts, so that both products are exact.
    let upper = V::from_bits(V::and(z.bits(), V::bits_of(!0xffff_ffff)));
    Row { k, scale, z, inverse, head, rest, r: upper * inverse - V::of(1.0), r_low: (z - upper) * inverse }
}

/// `log(x) + extra` for positive normal bits, whose exponent `moved` lowers.
#[inline(always)]
fn normal<V: Lanes>(bits: V::Bits, moved: f64, extra: V) -> V {
    let Row { k, z, inverse, head, rest, .. } = table::<V>(bits, moved);
    let r = z.fma(inverse, V::of(-1.0));
    let base = k.fma(V::of(LN2), head);
    let high = base + r;
    let low = ((base - high) + r) + k.fma(V::of(LN2_REST), rest);
    high + (low + (curve(r) + extra))
}

/// [`log`] of the positive normal numbers.
#[inline(always)]
pub fn log_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let fine = V::both(V::of(f64::MIN_POSITIVE).le(x), x.lt(V::of(f64::INFINITY)));
    (normal(x.bits(), 0.0, V::of(0.0)), fine)
}

where_fused! {
    /// Natural logarithm.
    log(x) = log_common, log_special(x);
    /// `log(1 + x)`, precise near zero.
    log1p(x) = log1p_one, if x == -1.0 {
        f64::NEG_INFINITY
    } else if x < -1.0 {
        f64::NAN
    } else {
        x + x
    };
}

fn log_special(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x < 0.0 {
        f64::NAN
    } else if x < f64::MIN_POSITIVE {
        normal((x * (1u64 << 52) as f64).to_bits(), 52.0, 0.0)
    } else {
        x + x
    }
}

/// Below this [`log1p`] is a series.
const SMALL: f64 = 1.0 / 256.0;

/// [`log1p`] past its series.
#[inline(always)]
fn log1p_main<V: Lanes>(x: V) -> V {
    let one = V::of(1.0);
    let sum = one + x;
    let back = sum - one;
    let lost = (one - (sum - back)) + (x - back);
    normal(sum.bits(), 0.0, lost / sum)
}

/// [`log1p`] wherever it is finite. Of the tiny ones the series keeps the bits, and the sign of
/// zero.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn log1p_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let y = V::select(x.abs().lt(V::of(SMALL)), x + curve(x), log1p_main(x));
    (y, V::both(V::of(-1.0).lt(x), x.lt(V::of(f64::INFINITY))))
}

/// [`log1p`] of one number, where not even lanes take both ways.
#[inline(always)]
fn log1p_one<V: One>(x: V) -> (V, bool) {
    let value = x.get();
    if value.abs() < SMALL {
        return (x + curve(x), true);
    }
    (log1p_main(x), value > -1.0 && value < f64::INFINITY)
}
