//! Activations whose tails need more than their definition: a product with a logistic or a
//! normal distribution function, to the last place down to the subnormals.

use super::exp::exp_common;
use super::lanes::Lanes;
use super::{erfc, exp, fma};

/// `1 / sqrt(2 pi)`.
pub const NORMAL_DENSITY: f64 = 0.3989422804014327;
/// `2 sqrt(2 / pi)`: the linear coefficient of the argument of [`gelu_tanh`]'s logistic function.
pub const GELU_LINEAR: f64 = 1.5957691216057308;
/// `0.044715 * 2 sqrt(2 / pi)`: its cubic coefficient.
pub const GELU_CUBIC: f64 = 0.07135481627260025;

/// What [`GELU_LINEAR`] leaves out.
const LINEAR_REST: f64 = -9.96930880911092e-17;
/// What [`GELU_CUBIC`] leaves out.
const CUBIC_REST: f64 = -6.175149918155315e-19;
/// `1 / sqrt(2)`.
const ROOT: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// What [`ROOT`] leaves out.
const ROOT_REST: f64 = -4.833646656726457e-17;
/// Below this the error function's complement of `x / sqrt(2)` nears the subnormals.
const FAR: f64 = 36.0;

/// Up to this size of `z` the product `x s(z)` is as good as its exponential.
const NEAR: f64 = 700.0;

/// `x s(z)` for `z = high + low`, up to [`NEAR`].
#[inline(always)]
fn gated_common<V: Lanes>(x: V, high: V, low: V) -> (V, V::Mask) {
    let positive = V::of(0.0).le(high);
    let size = high.abs();
    let (t, _) = exp_common(-size);
    let moved = t * low;
    let t = V::select(positive, t - moved, t + moved);
    (V::select(positive, x, x * t) / (V::of(1.0) + t), size.lt(V::of(NEAR)))
}

/// `x s(z)` for `z = high + low` wherever it lies.
#[cold]
fn gated_far(x: f64, high: f64, low: f64) -> f64 {
    if high >= NEAR {
        return x;
    }
    // In halves, since exp(high) may have lost bits to the subnormals. A NaN comes here.
    let half = exp(0.5 * high);
    let scaled = x * half;
    (scaled + scaled * low) * half
}

/// [`silu`] up to [`NEAR`] on both sides.
#[inline(always)]
pub fn silu_common<V: Lanes>(x: V) -> (V, V::Mask) {
    gated_common(x, x, V::of(0.0))
}

/// `x / (1 + exp(-x))`.
#[inline]
pub fn silu(x: f64) -> f64 {
    let (y, near) = silu_common(x);
    if near { y } else { gated_far(x, x, 0.0) }
}

/// The argument of [`gelu_tanh`]'s logistic function, in two parts.
#[inline(always)]
fn gelu_argument<V: Lanes>(x: V) -> (V, V) {
    let (linear, cubic) = (V::of(GELU_LINEAR), V::of(GELU_CUBIC));
    let square = x * x;
    let square_rest = x.fma(x, -square);
    let bent = cubic * square;
    let bent_rest = cubic.fma(square, -bent) + (cubic * square_rest + V::of(CUBIC_REST) * square);
    let sum = linear + bent;
    let back = sum - linear;
    let lost = (linear - (sum - back)) + (bent - back);
    let sum_rest = lost + (bent_rest + V::of(LINEAR_REST));
    let high = x * sum;
    (high, x.fma(sum, -high) + x * sum_rest)
}

/// [`gelu_tanh`] up to 21 on both sides.
#[inline(always)]
pub fn gelu_tanh_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (high, low) = gelu_argument(x);
    gated_common(x, high, low)
}

/// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
#[inline]
pub fn gelu_tanh(x: f64) -> f64 {
    if x > FAR {
        return x;
    }
    if x < -FAR {
        return x * 0.0;
    }
    let (high, low) = gelu_argument(x);
    let (y, near) = gated_common(x, high, low);
    if near { y } else { gated_far(x, high, low) }
}

/// Normal distribution function for `x > -FAR`.
#[inline(always)]
fn near(x: f64) -> f64 {
    let t = -x * ROOT;
    let rest = fma(-x, ROOT, -t) - x * ROOT_REST;
    0.5 * (erfc(t) - rest * (std::f64::consts::FRAC_2_SQRT_PI * exp(-t * t)))
}

/// `exp(-x^2 / 4)` and what the asymptotic series of the normal distribution function
/// multiplies its square by, for `x < -FAR`.
#[inline(always)]
fn far(x: f64) -> (f64, f64) {
    // The upper half of x squares exactly.
    let upper = f64::from_bits(x.to_bits() & 0xffff_ffff_f800_0000);
    let root = exp(-0.25 * (upper * upper));
    let rest = exp(-0.5 * ((x - upper) * (x + upper)));
    let z = 1.0 / (x * x);
    let series =
        1.0 - z * (1.0 - z * (3.0 - z * (15.0 - z * (105.0 - z * (945.0 - z * (10395.0 - z * 135135.0))))));
    (root, NORMAL_DENSITY * (rest * series))
}

/// Normal distribution function.
#[inline]
pub fn normal_cdf(x: f64) -> f64 {
    if x > FAR {
        1.0
    } else if x < -40.0 {
        0.0
    } else if x < -FAR {
        let (root, factor) = far(x);
        ((factor / -x) * root) * root
    } else {
        near(x)
    }
}

/// `x` times the normal distribution function of `x`.
#[inline]
pub fn gelu_erf(x: f64) -> f64 {
    if x > FAR {
        x
    } else if x < -40.0 {
        x * 0.0
    } else if x < -FAR {
        let (root, factor) = far(x);
        -((factor * root) * root)
    } else {
        x * near(x)
    }
}
