//! The largest error of each function on random points, against the reference.

use crate::dd::{Dd, Scaled, ulps, ulps_f32};
use crate::{gamma, reference as r};

use std::f64::consts::PI;

/// Where arguments are drawn from.
#[derive(Clone, Copy)]
enum Range {
    /// Evenly between two numbers.
    Even(f64, f64),
    /// Evenly over the representable numbers between two positive ones.
    Bits(f64, f64),
    /// Likewise, of either sign.
    Both(f64, f64),
}

use Range::{Bits, Both, Even};

const LEAST: f64 = 5e-324;
const MOST: f64 = f64::MAX;

/// Random numbers (splitmix64).
pub struct Draws(pub u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn draw(&mut self, range: Range) -> f64 {
        let part = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        match range {
            Even(a, b) => a + part * (b - a),
            Bits(a, b) => f64::from_bits(a.to_bits() + (part * (b.to_bits() - a.to_bits()) as f64) as u64),
            Both(a, b) => {
                let x = self.draw(Bits(a, b));
                if self.next() & 1 == 0 { x } else { -x }
            }
        }
    }
}

type Reference = fn(&[f64]) -> Option<Scaled>;

/// A function, its form of `f32`, and what it should be.
pub struct Function {
    pub name: &'static str,
    ranges: &'static [&'static [Range]],
    wide: fn(&[f64]) -> f64,
    narrow: fn(&[f32]) -> f32,
    reference: Reference,
}

/// What was found.
#[derive(Clone, Copy, Default)]
pub struct Worst {
    pub error: f64,
    pub at: [f64; 2],
}

impl Worst {
    fn add(&mut self, error: f64, x: &[f64]) {
        if error > self.error {
            self.error = error;
            self.at[..x.len()].copy_from_slice(x);
        }
    }

    /// The larger of two.
    #[allow(dead_code, reason = "the test measures in one piece")]
    pub fn join(&mut self, other: &Worst) {
        self.add(other.error, &other.at);
    }
}

impl Function {
    /// Number of operands.
    #[allow(dead_code, reason = "the test prints both places")]
    pub fn arity(&self) -> usize {
        self.ranges[0].len()
    }

    /// The reference.
    #[allow(dead_code, reason = "only the test checks the reference itself")]
    pub fn at(&self, x: &[f64]) -> Option<Scaled> {
        (self.reference)(x)
    }

    /// The largest errors of both forms at so many points each.
    pub fn worst(&self, points: usize, draws: &mut Draws) -> [Worst; 2] {
        let mut worst = [Worst::default(); 2];
        for i in 0..points {
            let ranges = self.ranges[i % self.ranges.len()];
            let mut x = [0.0; 2];
            for (x, &range) in x.iter_mut().zip(ranges) {
                *x = draws.draw(range);
            }
            let x = &x[..ranges.len()];
            if let Some(want) = (self.reference)(x) {
                worst[0].add(ulps((self.wide)(x), want), x);
            }
            let narrow = [x[0] as f32, x[x.len() - 1] as f32];
            let x = narrow.map(f64::from);
            let (x, narrow) = (&x[..ranges.len()], &narrow[..ranges.len()]);
            if let Some(want) = (self.reference)(x).filter(|_| x.iter().all(|x| x.is_finite() && *x != 0.0)) {
                worst[1].add(ulps_f32((self.narrow)(narrow), want), x);
            }
        }
        worst
    }
}

macro_rules! functions {
    ($($name:ident $narrow:ident ($($x:ident),+) $ranges:expr, $reference:expr;)*) => {
        /// All functions.
        pub static FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            ranges: &$ranges,
            wide: |x| { let &[$($x),+] = x else { return f64::NAN }; own::$name($($x),+) },
            narrow: |x| { let &[$($x),+] = x else { return f32::NAN }; own::$narrow($($x),+) },
            reference: |x| {
                let &[$($x),+] = x else { return None };
                let domain: Option<Scaled> = $reference;
                domain
            },
        },)*];
    };
}

/// A reference that needs no scale.
fn plain(x: Dd) -> Option<Scaled> {
    Some((x, 0))
}

fn on(domain: bool, reference: impl FnOnce() -> Scaled) -> Option<Scaled> {
    domain.then(reference)
}

/// A function of all numbers, most of it within 50 of zero.
const ANY: [&[Range]; 4] =
    [&[Even(-3.0, 3.0)], &[Even(-50.0, 50.0)], &[Both(1e-20, 1e3)], &[Both(LEAST, MOST)]];
/// Exponentials, to where they leave the normal numbers and the `f64`.
const EXP: [&[Range]; 5] = [
    &[Even(-1.0, 1.0)],
    &[Even(-750.0, 710.0)],
    &[Even(-104.0, 89.0)],
    &[Both(1e-20, 1e3)],
    &[Both(LEAST, MOST)],
];
const POSITIVE: [&[Range]; 4] =
    [&[Even(0.5, 2.0)], &[Even(0.99, 1.01)], &[Bits(1e-3, 1e3)], &[Bits(LEAST, MOST)]];
const UNIT: [&[Range]; 4] = [&[Even(-1.0, 1.0)], &[Even(0.99, 1.0)], &[Both(1e-5, 1.0)], &[Both(LEAST, 1.0)]];
const ANGLE: [&[Range]; 5] =
    [&[Even(-PI, PI)], &[Even(-1e3, 1e3)], &[Even(-1e7, 1e7)], &[Both(1e-20, 1e3)], &[Both(LEAST, MOST)]];
const GAMMA: [&[Range]; 6] = [
    &[Even(0.01, 3.0)],
    &[Even(0.9, 2.1)],
    &[Even(-5.0, 0.0)],
    &[Even(3.0, 200.0)],
    &[Bits(1e-300, 1e300)],
    &[Even(-170.0, -5.0)],
];
/// Likewise, and the neighbourhoods of zeros left of zero.
const DIGAMMA: [&[Range]; 10] = [
    GAMMA[0],
    GAMMA[1],
    GAMMA[2],
    GAMMA[3],
    GAMMA[4],
    GAMMA[5],
    &[Even(-0.504084, -0.504083)],
    &[Even(-1.5735, -1.5734)],
    &[Even(-2.62, -2.6)],
    &[Even(-99.8, -99.7)],
];

functions! {
    exp exp_f32(x) EXP, Some(r::exp(x.into()));
    exp2 exp2_f32(x) [&[Even(-1.0, 1.0)], &[Even(-1080.0, 1025.0)], &[Even(-150.0, 129.0)], &[Both(1e-20, 1e3)], &[Both(LEAST, MOST)]],
        Some(r::exp(crate::dd::LN2 * x.clamp(-3000.0, 3000.0)));
    expm1 expm1_f32(x) EXP, if x > 600.0 { Some(r::exp(x.into())) } else { plain(r::expm1(x.into())) };
    log log_f32(x) POSITIVE, plain(r::log(x.into()));
    log1p log1p_f32(x) [&[Even(-1.0, 1.0)], &[Both(1e-6, 0.1)], &[Bits(LEAST, MOST)], &[Even(-0.1, 10.0)]],
        on(x > -1.0, || (r::log1p(x.into()), 0));
    log2 log2_f32(x) POSITIVE, plain(r::log(x.into()) / crate::dd::LN2);
    sin sin_f32(x) ANGLE, plain(r::sincos(x).0);
    cos cos_f32(x) ANGLE, plain(r::sincos(x).1);
    tan tan_f32(x) ANGLE, { let (s, c) = r::sincos(x); plain(s / c) };
    asin asin_f32(x) UNIT, plain(r::asin(x));
    acos acos_f32(x) UNIT, plain(r::acos(x));
    atan atan_f32(x) ANY, plain(r::atan(x.into()));
    atan2 atan2_f32(y, x) [&[Even(-1.0, 1.0), Even(-1.0, 1.0)], &[Both(1e-3, 1e3), Both(1e-3, 1e3)],
        &[Both(LEAST, MOST), Both(LEAST, MOST)], &[Both(1e-308, 1e-306), Both(1e-5, 1e5)]], Some(r::atan2(y, x));
    sinh sinh_f32(x) EXP, Some(r::sinh(x));
    cosh cosh_f32(x) EXP, Some(r::cosh(x));
    tanh tanh_f32(x) ANY, plain(r::tanh(x));
    asinh asinh_f32(x) ANY, plain(r::asinh(x));
    acosh acosh_f32(x) [&[Even(1.0, 1.1)], &[Even(1.0, 50.0)], &[Bits(1.0, MOST)]], on(x > 1.0, || (r::acosh(x), 0));
    atanh atanh_f32(x) UNIT, on(x.abs() < 1.0, || (r::atanh(x), 0));
    pow pow_f32(x, y) [&[Even(0.0, 10.0), Even(-10.0, 10.0)], &[Bits(0.9, 1.1), Both(1.0, 5000.0)],
        &[Bits(LEAST, MOST), Even(-2.0, 2.0)], &[Bits(LEAST, MOST), Both(LEAST, MOST)]], Some(r::pow(x, y));
    cbrt cbrt_f32(x) [&[Even(0.5, 8.0)], &[Bits(1e-3, 1e3)], &[Bits(LEAST, MOST)]], Some(r::cbrt(x));
    hypot hypot_f32(x, y) [&[Even(-1.0, 1.0), Even(-1.0, 1.0)], &[Both(1e-3, 1e3), Both(1e-3, 1e3)],
        &[Both(LEAST, MOST), Both(LEAST, MOST)], &[Both(1e300, MOST), Both(1e300, MOST)], &[Both(LEAST, 1e-300), Both(LEAST, 1e-300)]],
        Some(r::hypot(x, y));
    rsqrt rsqrt_f32(x) [&[Even(0.5, 2.0)], &[Bits(1e-3, 1e3)], &[Bits(LEAST, MOST)]], Some(r::rsqrt(x));
    erf erf_f32(x) ANY, Some(r::erf(x.into()));
    erfc erfc_f32(x) [&[Even(-6.0, 28.0)], &[Even(-3.0, 3.0)], &[Even(0.0, 10.5)], &[Both(1e-20, 20.0)]], Some(r::erfc(x.into()));
    sigmoid sigmoid_f32(x) EXP, Some(r::sigmoid(x.into()));
    softplus softplus_f32(x) EXP, Some(r::softplus(x));
    silu silu_f32(x) EXP, { let (value, k) = r::sigmoid(x.into()); Some((value * x, k)) };
    normal_cdf normal_cdf_f32(x) [&[Even(-38.0, 6.0)], &[Even(-3.0, 3.0)], &[Even(-14.0, 3.0)], &[Both(1e-20, 20.0)]],
        Some(r::normal_cdf(x));
    gelu_erf gelu_erf_f32(x) [&[Even(-38.0, 6.0)], &[Even(-3.0, 3.0)], &[Even(-14.0, 3.0)], &[Both(1e-20, 20.0)]],
        { let (value, k) = r::normal_cdf(x); Some((value * x, k)) };
    gelu_tanh gelu_tanh_f32(x) [&[Even(-20.0, 20.0)], &[Even(-3.0, 3.0)], &[Even(-11.0, 3.0)], &[Both(1e-20, 20.0)]],
        Some(r::gelu_tanh(x));
    lgamma lgamma_f32(x) GAMMA, on(x > 0.0 || x.fract() != 0.0, || (gamma::lgamma(x), 0));
    digamma digamma_f32(x) DIGAMMA, on(x > 0.0 || x.fract() != 0.0, || (gamma::digamma(x), 0));
}

/// The functions by the names they have here.
mod own {
    pub use cotangent_runtime::math::*;

    pub fn digamma(x: f64) -> f64 {
        polygamma(0.0, x)
    }

    pub fn digamma_f32(x: f32) -> f32 {
        polygamma_f32(0.0, x)
    }
}
