//! Logarithms: a table of reciprocals and a polynomial.

use super::log_table::LOG;

/// `log(2)` as a multiple of `2^-42`.
const LN2: f64 = 0.6931471805598903;
/// The rest of `log(2)`.
const LN2_REST: f64 = 5.497923018708371e-14;
/// Bits of 11/16, where the table's intervals begin.
const START: u64 = 0x3fe6_0000_0000_0000;

/// `log(1 + r) - r`, for `|r|` up to 1/128.
#[inline(always)]
fn curve(r: f64) -> f64 {
    let r2 = r * r;
    let low = (1.0 / 3.0 - r * 0.25) + r2 * (0.2 - r * (1.0 / 6.0));
    let high = 1.0 / 7.0 - r * 0.125;
    r2 * (r * (low + (r2 * r2) * high) - 0.5)
}

/// `log(x) + extra` for positive normal bits, whose exponent `moved` lowers.
#[inline(always)]
fn normal(bits: u64, moved: i64, extra: f64) -> f64 {
    let from = bits.wrapping_sub(START);
    let (inverse, head, rest) = LOG[(from >> 45 & 127) as usize];
    let k = ((from as i64 >> 52) - moved) as f64;
    let z = f64::from_bits(bits.wrapping_sub(from & (0xfff << 52)));
    // In two parts, so that both products are exact.
    let upper = f64::from_bits(z.to_bits() & !0xffff_ffff);
    let r = (upper * inverse - 1.0) + (z - upper) * inverse;
    let base = k * LN2 + f64::from_bits(head);
    let high = base + r;
    let low = ((base - high) + r) + (k * LN2_REST + f64::from_bits(rest));
    high + (low + (curve(r) + extra))
}

/// Natural logarithm.
#[inline]
pub fn log(x: f64) -> f64 {
    if (f64::MIN_POSITIVE..f64::INFINITY).contains(&x) { normal(x.to_bits(), 0, 0.0) } else { log_special(x) }
}

#[cold]
fn log_special(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x < 0.0 {
        f64::NAN
    } else if x < f64::MIN_POSITIVE {
        normal((x * (1u64 << 52) as f64).to_bits(), 52, 0.0)
    } else {
        x + x
    }
}

/// `log(1 + x)`, precise near zero.
#[inline]
pub fn log1p(x: f64) -> f64 {
    if x.abs() < 1.0 / 256.0 {
        // The tiny ones keep their bits, and the sign of zero.
        return if x.abs() < f64::EPSILON / 4.0 { x } else { x + curve(x) };
    }
    if !(x > -1.0 && x < f64::INFINITY) {
        return if x == -1.0 {
            f64::NEG_INFINITY
        } else if x < -1.0 {
            f64::NAN
        } else {
            x + x
        };
    }
    let sum = 1.0 + x;
    let back = sum - 1.0;
    let lost = (1.0 - (sum - back)) + (x - back);
    normal(sum.to_bits(), 0, lost / sum)
}
