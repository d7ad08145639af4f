//! Logarithms: a table of reciprocals and a polynomial. The table of 16 rows is in registers; that
//! of 128 is for what asks for more places near 1.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::fused::where_fused;
use super::lanes::{Lanes, One};
use super::log_table::{HEADS, INVERSES, LOG, RESTS};

/// `log(2)` as a multiple of `2^-42`.
pub const LN2: f64 = 0.6931471805598903;
/// The rest of `log(2)`.
pub const LN2_REST: f64 = 5.497923018708371e-14;
/// Bits of 11/16, where the intervals of the table of 128 begin.
const START: u64 = 0x3fe6_0000_0000_0000;
/// Bits of 45/64, where those of the table of 16 begin.
const START_16: u64 = 0x3fe6_8000_0000_0000;
/// Added to an exponent so that it is not negative.
const BIAS: u64 = 1 << 10;

/// `(log(1 + r) - r + r^2 / 2) / r^3` for `|r|` up to 1/30, by powers of `r`: interpolated at the
/// nodes of Chebyshev, off by `2^-59` of `r` in the logarithm.
pub const CURVE: [f64; 8] = [
    0.33333333333333226,
    -0.24999999999999903,
    0.20000000003050836,
    -0.16666666669463334,
    0.1428570045123878,
    -0.12499987318120771,
    0.1113118135053475,
    -0.10018398026150963,
];

/// `log(1 + r) - r`, for `|r|` up to 1/30.
#[inline(always)]
fn curve<V: Lanes>(r: V) -> V {
    let r2 = r * r;
    let pair = |at: usize| r.fma(V::of(CURVE[at + 1]), V::of(CURVE[at]));
    let (low, high) = (r2.fma(pair(2), pair(0)), r2.fma(pair(6), pair(4)));
    r2 * r.fma((r2 * r2).fma(high, low), V::of(-0.5))
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

/// The row of the table of 128 for positive normal bits, whose exponent `moved` lowers.
#[inline(always)]
pub fn fine<V: Lanes>(bits: V::Bits, moved: f64) -> Row<V> {
    let from = V::minus(bits, V::bits_of(START));
    let row = V::down::<45>(from);
    let column = |column: usize| V::from_bits(V::lookup(&LOG, row, column));
    reduced(bits, from, [column(0), column(1), column(2)], moved)
}

/// Likewise of the table of 16, with `r` up to 1/30.
#[inline(always)]
pub fn coarse<V: Lanes>(bits: V::Bits, moved: f64) -> Row<V> {
    let from = V::minus(bits, V::bits_of(START_16));
    let row = V::down::<48>(from);
    let row = [V::pick(&INVERSES, row), V::pick(&HEADS, row), V::pick(&RESTS, row)];
    reduced(bits, from, row, moved)
}

/// A number, given its row and how far its bits lie from where the table begins.
#[inline(always)]
fn reduced<V: Lanes>(bits: V::Bits, from: V::Bits, [inverse, head, rest]: [V; 3], moved: f64) -> Row<V> {
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
    let Row { k, z, inverse, head, rest, .. } = coarse::<V>(bits, moved);
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
