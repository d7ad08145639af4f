//! The elementary functions to some 100 bits, by series and Newton's method.

use crate::dd::{Dd, LN2, ONE, PI, Scaled, ZERO, dd, split};

/// What `log(2)` leaves past two parts.
const LN2_REST: f64 = 5.707708438416212e-34;

/// `sum(c[k] x^k)`, `c[k]` made from `k`.
fn series(x: Dd, terms: i32, c: impl Fn(i32) -> Dd) -> Dd {
    (0..terms).rev().fold(ZERO, |sum, k| sum * x + c(k))
}

/// `1 / k!`
fn inverse_factorial(k: i32) -> Dd {
    thread_local!(static TABLE: Vec<Dd> = {
        let mut f = vec![ONE];
        (1..40).for_each(|k| f.push(f[k - 1] / k as f64));
        f
    });
    TABLE.with(|t| t[k as usize])
}

/// `1 / k`
fn inverse(k: i32) -> Dd {
    thread_local!(static TABLE: Vec<Dd> = (0..200).map(|k| ONE / f64::from(k.max(1))).collect());
    TABLE.with(|t| t[k as usize])
}

/// Below this an odd function of slope 1 is its argument, and products may lose their low parts.
const TINY: f64 = 1e-40;

/// `exp(r) - 1` where `x = k log(2) + r`, and `k`.
fn exp_parts(x: Dd) -> (Dd, i32) {
    let k = (x.h / LN2.h).round();
    let r = ((x - Dd::product(k, LN2.h)) - Dd::product(k, LN2.l)) - k * LN2_REST;
    let r = r.times(1.0 / 256.0);
    let e = (0..8).fold(series(r, 11, |k| inverse_factorial(k + 1)) * r, |e, _| e.times(2.0) + e.square());
    (e, k as i32)
}

pub fn exp(x: Dd) -> Scaled {
    let (e, k) = exp_parts(dd(x.h.clamp(-3000.0, 3000.0), x.l));
    (e + 1.0, k)
}

/// For `x` below 700.
pub fn expm1(x: Dd) -> Dd {
    if x.h.abs() < TINY {
        return x;
    }
    if x.h < -100.0 {
        return -ONE;
    }
    let (e, k) = exp_parts(x);
    if k == 0 { e } else { (e + 1.0).times(2f64.powi(k)) - 1.0 }
}

/// `exp(x)` for one that is a normal number.
pub fn exp_near(x: Dd) -> Dd {
    let (e, k) = exp(x);
    e.times(2f64.powi(k))
}

/// `log((1 + s) / (1 - s))`
fn log_of_ratio(s: Dd) -> Dd {
    if s.h.abs() < TINY {
        return s.times(2.0);
    }
    s.times(2.0) * series(s.square(), 22, |k| inverse(2 * k + 1))
}

/// For `x > 0`.
pub fn log(x: Dd) -> Dd {
    let (m, e) = split(x.h);
    if e == 0 {
        return log_of_ratio((x - 1.0) / (x + 1.0));
    }
    let m = dd(m, if x.l == 0.0 { 0.0 } else { x.l * (m / x.h) });
    log_of_ratio((m - 1.0) / (m + 1.0)) + LN2 * f64::from(e)
}

pub fn log1p(t: Dd) -> Dd {
    if t.h.abs() < TINY {
        t
    } else if t.h.abs() < 0.25 {
        log_of_ratio(t / (t + 2.0))
    } else {
        log(t + 1.0)
    }
}

/// `2 / pi` in binary.
const TWO_OVER_PI: [u64; 21] = [
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
    0xa9e3_9161_5ee6_1b08,
];

/// An angle within an eighth of a turn and the quarter turns taken off, modulo 4.
fn reduce(x: f64) -> (Dd, u64) {
    if x.abs() < std::f64::consts::FRAC_PI_4 {
        return (x.into(), 0);
    }
    let bits = x.abs().to_bits();
    let (m, e) = (bits & ((1 << 52) - 1) | 1 << 52, (bits >> 52) as i32 - 1075);
    // The bits of 2 / pi from that of weight 2^(1 - e) on; the product is one of 2^-254.
    let word = |at: i32| if at < 0 { 0 } else { TWO_OVER_PI[at as usize] };
    let (first, offset) = ((e - 2).div_euclid(64), (e - 2).rem_euclid(64));
    let window = |i: i32| {
        let pair = u128::from(word(first + i)) << 64 | u128::from(word(first + i + 1));
        (pair >> (64 - offset)) as u64
    };
    let mut product = [0u64; 4];
    let mut carry = 0u128;
    for i in (0..4).rev() {
        let sum = u128::from(window(i)) * u128::from(m) + carry;
        product[i as usize] = sum as u64;
        carry = sum >> 64;
    }
    let mut quarters = product[0] >> 62;
    product[0] &= (1 << 62) - 1;
    let over = product[0] >> 61 == 1;
    if over {
        quarters += 1;
        product.iter_mut().for_each(|w| *w = !*w);
        product[0] &= (1 << 62) - 1;
    }
    let part = |sum: Dd, (i, w): (usize, &u64)| {
        let unit = 2f64.powi(2 - 64 * (i as i32 + 1));
        sum + Dd::sum((w >> 32) as f64 * 4294967296.0 * unit, (w & 0xffff_ffff) as f64 * unit)
    };
    let turn = product.iter().enumerate().fold(ZERO, part);
    let angle = turn * PI.times(0.5);
    let (angle, quarters) = if over { (-angle, quarters) } else { (angle, quarters) };
    if x < 0.0 { (-angle, quarters.wrapping_neg() & 3) } else { (angle, quarters & 3) }
}

/// Sine and cosine within an eighth of a turn.
pub fn sincos_near(x: Dd) -> (Dd, Dd) {
    if x.h.abs() < TINY {
        return (x, ONE);
    }
    let z = -x.square();
    (x * series(z, 14, |k| inverse_factorial(2 * k + 1)), series(z, 14, |k| inverse_factorial(2 * k)))
}

pub fn sincos(x: f64) -> (Dd, Dd) {
    let (angle, quarters) = reduce(x);
    let (s, c) = sincos_near(angle);
    match quarters {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    }
}

pub fn atan(x: Dd) -> Dd {
    if x.h < 0.0 {
        return -atan(-x);
    }
    if x.h < TINY {
        return x;
    }
    if x.h > 1.0 {
        return PI.times(0.5) - atan(ONE / x);
    }
    let y = x.h.atan();
    let (s, c) = sincos(y);
    (x * c - s) / (c + x * s) + y
}

fn cosine_of(x: f64) -> Dd {
    ((ONE - x) * (ONE + x)).sqrt()
}

pub fn asin(x: f64) -> Dd {
    if x.abs() < TINY {
        x.into()
    } else if x.abs() == 1.0 {
        PI.times(0.5 * x)
    } else {
        atan(Dd::from(x) / cosine_of(x))
    }
}

pub fn acos(x: f64) -> Dd {
    if x == -1.0 { PI } else { atan(((ONE - x) / (ONE + x)).sqrt()).times(2.0) }
}

/// For operands whose ratio is a normal number or not far below.
pub fn atan2(y: f64, x: f64) -> Scaled {
    let ((m, i), (n, j)) = (split(y.abs()), split(x.abs()));
    let ratio = Dd::from(m) / n;
    let sign = |v: Dd| if y < 0.0 { -v } else { v };
    if x > 0.0 && i - j < -200 {
        return (sign(ratio), i - j);
    }
    let angle = if i - j > 200 { PI.times(0.5) } else { atan(ratio.times(2f64.powi((i - j).max(-200)))) };
    (sign(if x < 0.0 { PI - angle } else { angle }), 0)
}

/// Hyperbolic sine and cosine.
fn hyperbolic(x: f64, sign: f64) -> Scaled {
    if x > 200.0 {
        let (e, k) = exp(x.into());
        return (e, k - 1);
    }
    let e = expm1(x.into());
    let value = if sign < 0.0 { e + e / (e + 1.0) } else { (e + 1.0) + ONE / (e + 1.0) };
    (value.times(0.5), 0)
}

pub fn sinh(x: f64) -> Scaled {
    let (value, k) = hyperbolic(x.abs(), -1.0);
    (if x < 0.0 { -value } else { value }, k)
}

pub fn cosh(x: f64) -> Scaled {
    hyperbolic(x.abs(), 1.0)
}

pub fn tanh(x: f64) -> Dd {
    if x.abs() > 100.0 {
        return x.signum().into();
    }
    if x.abs() < TINY {
        return x.into();
    }
    let e = expm1(dd(2.0 * x, 0.0));
    e / (e + 2.0)
}

pub fn asinh(x: f64) -> Dd {
    let size = x.abs();
    let value = if size < TINY {
        size.into()
    } else if size > 1e20 {
        log(size.into()) + LN2
    } else {
        let square = Dd::product(size, size);
        log1p(square / ((square + 1.0).sqrt() + 1.0) + size)
    };
    if x < 0.0 { -value } else { value }
}

pub fn acosh(x: f64) -> Dd {
    if x > 1e20 {
        return log(x.into()) + LN2;
    }
    let t = Dd::sum(x, -1.0);
    log1p(t + (t.square() + t.times(2.0)).sqrt())
}

pub fn atanh(x: f64) -> Dd {
    if x.abs() < TINY {
        return x.into();
    }
    log1p(Dd::from(2.0 * x) / (ONE - x)).times(0.5)
}

/// For `x > 0`.
pub fn pow(x: f64, y: f64) -> Scaled {
    let log = log(x.into());
    // Far past overflow and underflow the product itself may overflow.
    if (log.h * y).abs() > 3000.0 {
        return exp((3000.0 * (log.h * y).signum()).into());
    }
    exp(log * y)
}

/// For `x > 0`.
pub fn cbrt(x: f64) -> Scaled {
    let (m, e) = split(x);
    let m = m * 2f64.powi(e.rem_euclid(3));
    let y = Dd::from(m.cbrt());
    let root = y + (Dd::from(m) - y.square() * y) / (y.square() * 3.0);
    (root, e.div_euclid(3))
}

pub fn hypot(x: f64, y: f64) -> Scaled {
    let (x, y) = (x.abs().max(y.abs()), x.abs().min(y.abs()));
    let (m, e) = split(x);
    let [a, b] = crate::dd::powers(-e);
    let small = y * a * b;
    ((Dd::product(m, m) + Dd::product(small, small)).sqrt(), e)
}

pub fn rsqrt(x: f64) -> Scaled {
    let (m, e) = split(x);
    (ONE / Dd::from(m * 2f64.powi(e & 1)).sqrt(), -(e >> 1))
}

/// `2 / sqrt(pi)`
const ERF_SLOPE: Dd = dd(std::f64::consts::FRAC_2_SQRT_PI, 1.533545961316588e-17);

pub fn erf(x: Dd) -> Scaled {
    if x.h.abs() < TINY {
        // Scaled up, so that the product keeps its low part.
        return (x.times(2f64.powi(200)) * ERF_SLOPE, -200);
    }
    (erf_main(x), 0)
}

fn erf_main(x: Dd) -> Dd {
    if x.h.abs() > 6.5 {
        return x.h.signum().into();
    }
    // exp(-x^2) times a series of positive terms.
    let square = x.square();
    let (mut sum, mut term, mut k) = (ONE, ONE, 1.0);
    while term.h > sum.h * 1e-33 {
        term = term * square / (k + 0.5);
        sum = sum + term;
        k += 1.0;
    }
    x * exp_near(-square) * ERF_SLOPE * sum
}

pub fn erfc(x: Dd) -> Scaled {
    if x.h < 4.0 {
        return (ONE - erf_main(x), 0);
    }
    // x + (1/2) / (x + 1 / (x + (3/2) / (x + ...)))
    let fraction = (1..80).rev().fold(x, |f, k| x + Dd::from(0.5 * f64::from(k)) / f);
    let (e, k) = exp(-x.square());
    (e * ERF_SLOPE.times(0.5) / fraction, k)
}

const ROOT_HALF: Dd = dd(std::f64::consts::FRAC_1_SQRT_2, -4.833646656726457e-17);

pub fn normal_cdf(x: f64) -> Scaled {
    let (value, k) = erfc(-(ROOT_HALF * x));
    (value, k - 1)
}

/// `1 / (1 + exp(-x))`
pub fn sigmoid(x: Dd) -> Scaled {
    if x.h >= 0.0 {
        return (ONE / (exp_near(-dd(x.h.min(300.0), x.l)) + 1.0), 0);
    }
    let (e, k) = exp(x);
    if k < -300 { (e, k) } else { (e / (e.times(2f64.powi(k)) + 1.0), k) }
}

pub fn softplus(x: f64) -> Scaled {
    if x > 0.0 {
        return (log1p(exp_near((-x.min(300.0)).into())) + x, 0);
    }
    let (e, k) = exp(x.into());
    if k < -300 { (e, k) } else { (log1p(e.times(2f64.powi(k))), 0) }
}

pub fn gelu_tanh(x: f64) -> Scaled {
    let square = Dd::product(x, x);
    let slope = dd(1.5957691216057308, -9.96930880911092e-17);
    let cubic = dd(0.07135481627260025, -6.175149918155315e-19);
    let (value, k) = sigmoid((cubic * square + slope) * x);
    (value * x, k)
}
