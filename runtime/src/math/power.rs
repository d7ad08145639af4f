//! Powers: exponential of a product, with the logarithm in two parts.

use super::exp::{exp_of_two, exp_of_two_common};
use super::fused::where_fused;
use super::lanes::Lanes;
use super::log_two::log_two;
use super::two::sum_ordered;
use super::{floor, round_even};

/// `y log(x)` in two parts, for positive normal bits of `x`, whose exponent `moved` lowers.
#[inline(always)]
fn exponent<V: Lanes>(bits: V::Bits, moved: f64, y: V) -> (V, V) {
    let (high, low) = log_two::<V>(bits, moved);
    let (high, low) = sum_ordered(high, low);
    let (p, p_rest) = high.product(y);
    (p, p_rest + low * y)
}

/// From this size on an exponent has no product in two parts.
const LARGE: f64 = 1e300;

/// [`pow`] of positive normal numbers, where the result is normal.
#[inline(always)]
fn pow_common<V: Lanes>(x: V, y: V) -> (V, V::Mask) {
    let (high, low) = exponent(x.bits(), 0.0, y);
    let (power, near) = exp_of_two_common(high, low);
    let fine = V::both(V::of(f64::MIN_POSITIVE).le(x), x.lt(V::of(f64::INFINITY)));
    (power, V::both(V::both(fine, y.abs().lt(V::of(LARGE))), near))
}

where_fused! {
    /// `x` to the power `y`, with the special values of C99.
    pow(x, y) = pow_common, pow_special(x, y);
}

fn pow_special(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if x.is_nan() || y.is_nan() {
        return x + y;
    }
    let size = x.abs();
    if y.is_infinite() {
        let grows = (size > 1.0) == (y > 0.0);
        return match (size == 1.0, grows) {
            (true, _) => 1.0,
            (_, true) => f64::INFINITY,
            _ => 0.0,
        };
    }
    let whole = floor(y) == y;
    if x < 0.0 && x.is_finite() && !whole {
        return f64::NAN;
    }
    // Numbers from 2^53 on are even.
    let odd = whole && round_even(0.5 * y) != 0.5 * y;
    let power = if size == 1.0 {
        1.0
    } else if size == 0.0 || size == f64::INFINITY {
        if (size == 0.0) == (y < 0.0) { f64::INFINITY } else { 0.0 }
    } else {
        let (bits, moved) = if size < f64::MIN_POSITIVE {
            ((size * 2f64.powi(54)).to_bits(), 54.0)
        } else {
            (size.to_bits(), 0.0)
        };
        let (high, low) = exponent(bits, moved, y);
        // Far out the rests may be NaN.
        exp_of_two(high, if high.abs() < 1000.0 { low } else { 0.0 })
    };
    if odd && x.is_sign_negative() { -power } else { power }
}
