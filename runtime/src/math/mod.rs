//! Scalar functions: one definition each, for `f64` and for `f32`.
//!
//! The `f32` forms evaluate in `f64` and round once, except [`fma_f32`], which is exact in
//! `f32` itself. None of them calls the platform's math library, and none uses a fused
//! multiply-add whose bits would differ without the instruction.
#![doc = include_str!("accuracy.md")]

mod atan_table;
mod basic;
mod digamma;
mod digamma_table;
mod digamma_zeros;
mod erf;
mod erf_table;
mod exp;
mod exp_table;
mod fused;
mod gamma;
mod gated;
mod hyperbolic;
mod inverse;
mod lanes;
mod lgamma;
mod lgamma_table;
mod log;
mod log_table;
mod log_two;
mod logistic;
mod many;
mod narrow;
mod pairs;
mod power;
mod root;
mod tangent;
mod trig;
mod two;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use basic::{maximum, minimum, sign};
pub use erf::{erf, erfc};
use exp::tanh_short;
pub use exp::{exp, exp2, expm1, tanh};
pub use fused::{fma, fma_f32, has_fma};
pub use gamma::polygamma;
use gated::silu_short;
pub use gated::{GELU_CUBIC, GELU_LINEAR, NORMAL_DENSITY, gelu_erf, gelu_tanh, normal_cdf, silu};
pub use hyperbolic::{cosh, sinh};
pub use inverse::{acos, asin, atan, atan2};
pub use lgamma::lgamma;
pub use log::{log, log1p};
pub use log_two::{acosh, asinh, atanh, log2};
use logistic::sigmoid_short;
pub use logistic::{sigmoid, softplus};
pub use many::{Entry, Many, all_many, many};
pub use narrow::*;
pub use pairs::{PairEntry, Pairs, all_pairs, pairs};
pub use power::pow;
pub use root::{cbrt, hypot, rsqrt};
pub use tangent::tan;
pub use trig::{cos, sin};

macro_rules! from_libm {
    ($($(#[$doc:meta])* $name:ident($($x:ident),+) = $libm:ident;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name($($x: f64),+) -> f64 {
            libm::$libm($($x),+)
        })*
    };
}

from_libm! {
    /// The next integer below.
    floor(x) = floor;
    /// The next integer above.
    ceil(x) = ceil;
    /// The nearest integer; of two, the even one.
    round_even(x) = rint;
}
