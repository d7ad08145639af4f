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

/// `x s(z)` for `z = high + low`.
#[inline(always)]
fn gated(x: f64, high: f64, low: f64) -> f64 {
    let t = exp(-high.abs());
    if high >= 0.0 {
        x / (1.0 + (t - t * low))
    } else if high > -700.0 {
        let t = t + t * low;
        x * t / (1.0 + t)
    } else {
        // In halves, since exp(high) may have lost bits to the subnormals. A NaN comes here.
        let half = exp(0.5 * high);
        let scaled = x * half;
        (scaled + scaled * low) * half
    }
}

/// [`silu`] up to 700 on both sides.
#[inline(always)]
pub fn silu_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (t, _) = exp_common(-x.abs());
    let numerator = V::select(V::of(0.0).le(x), x, x * t);
    (numerator / (V::of(1.0) + t), x.abs().lt(V::of(700.0)))
}

/// `x / (1 + exp(-x))`.
#[inline]
pub fn silu(x: f64) -> f64 {
    gated(x, x, 0.0)
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
    let square = x * x;
    let square_rest = fma(x, x, -square);
    let cubic = GELU_CUBIC * square;
    let cubic_rest = fma(GELU_CUBIC, square, -cubic) + (GELU_CUBIC * square_rest + CUBIC_REST * square);
    let sum = GELU_LINEAR + cubic;
    let back = sum - GELU_LINEAR;
    let lost = (GELU_LINEAR - (sum - back)) + (cubic - back);
    let sum_rest = lost + (cubic_rest + LINEAR_REST);
    let high = x * sum;
    gated(x, high, fma(x, sum, -high) + x * sum_rest)
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
