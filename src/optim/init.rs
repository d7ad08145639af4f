//! Initial values of parameters, by integer arithmetic: the same everywhere.

use crate::graph::Shape;
use crate::optim::error::OptimError;
use crate::optim::real::Real;
use cotangent_runtime::math;
use cotangent_runtime::random::{bits, mix};
use std::f64::consts::PI;

/// How a parameter starts. Random values come from a counter-based generator of
/// integers, so that an element depends on seed and position alone; they are computed
/// in `f64` and rounded once.
///
/// Fans are those of a weight (out, in, kernel..): the product of the kernel's extents
/// times `in` and `out`. A vector has its length as both.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Init {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// Uniform on `[low, high)`.
    Uniform { low: f64, high: f64 },
    /// Normal (Box, Muller 1958).
    Normal { mean: f64, std: f64 },
    /// Uniform within +-sqrt(6 / (fan_in + fan_out)) (Glorot, Bengio 2010).
    XavierUniform,
    /// Normal with variance 2 / (fan_in + fan_out).
    XavierNormal,
    /// Uniform within +-sqrt(6 / fan_in) (He, Zhang, Ren, Sun 2015).
    KaimingUniform,
    /// Normal with variance 2 / fan_in.
    KaimingNormal,
}

impl Init {
    /// The elements of a parameter, row-major. Give each parameter its own seed.
    ///
    /// # Errors
    /// A shape that memory has no room for.
    pub fn values<T: Real>(self, shape: impl Into<Shape>, seed: u64) -> Result<Vec<T>, OptimError> {
        let shape = shape.into();
        let mut values = Vec::new();
        let room = shape.checked_numel().filter(|&n| values.try_reserve_exact(n).is_ok());
        let Some(n) = room else { return Err(OptimError::TooLarge { shape }) };
        let (fan_in, fan_out) = fans(&shape);
        let key = mix(seed);
        let places = 0..n as u64;
        let uniform = |low: f64, high: f64| move |i: u64| low + ratio(bits(key, i)) * (high - low);
        let normal = |mean: f64, std: f64| move |i: u64| mean + std * standard_normal(key, i);
        let bound = |fan: f64| (6.0 / fan).sqrt();
        let deviation = |fan: f64| (2.0 / fan).sqrt();
        let mut fill = |f: &dyn Fn(u64) -> f64| values.extend(places.clone().map(|i| T::from_f64(f(i))));
        match self {
            Init::Zeros => fill(&|_| 0.0),
            Init::Ones => fill(&|_| 1.0),
            Init::Uniform { low, high } => fill(&uniform(low, high)),
            Init::Normal { mean, std } => fill(&normal(mean, std)),
            Init::XavierUniform => fill(&uniform(-bound(fan_in + fan_out), bound(fan_in + fan_out))),
            Init::XavierNormal => fill(&normal(0.0, deviation(fan_in + fan_out))),
            Init::KaimingUniform => fill(&uniform(-bound(fan_in), bound(fan_in))),
            Init::KaimingNormal => fill(&normal(0.0, deviation(fan_in))),
        }
        Ok(values)
    }
}

fn fans(shape: &Shape) -> (f64, f64) {
    match *shape.dims() {
        [] => (1.0, 1.0),
        [n] => (n as f64, n as f64),
        [out, inner, ref kernel @ ..] => {
            let size: f64 = kernel.iter().map(|&k| k as f64).product();
            (inner as f64 * size, out as f64 * size)
        }
    }
}

/// In [0, 1).
fn ratio(word: u32) -> f64 {
    f64::from(word) / 4_294_967_296.0
}

/// Two words make a normal number; the first never gives log(0).
fn standard_normal(key: u64, i: u64) -> f64 {
    let u1 = (f64::from(bits(key, 2 * i)) + 1.0) / 4_294_967_297.0;
    let u2 = ratio(bits(key, 2 * i + 1));
    (-2.0 * math::log(u1)).sqrt() * math::cos(2.0 * PI * u2)
}
