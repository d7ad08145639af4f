//! Arithmetic the tape runs over: binary floats, exact rationals, dual numbers.

use crate::ops::MapFn;
use crate::tape::buf::{Buf, Element};
use cotangent_runtime::math;
use std::cmp::Ordering;
use std::fmt::Debug;

/// Why an arithmetic cannot apply a function.
pub type Refusal = &'static str;

/// A number of the tape.
pub trait Scalar: Element + Send + Sync {
    /// The number itself; exact for every finite f64. Refused where it has none.
    fn from_f64(value: f64) -> Result<Self, Refusal>;

    /// An integer.
    fn from_i64(value: i64) -> Self;

    /// The nearest f64, for reports.
    fn to_f64(&self) -> f64;

    /// Positive zero.
    fn zero() -> Self;

    /// A function of one number.
    fn unary(f: MapFn, x: &Self) -> Result<Self, Refusal>;

    /// A function of two numbers.
    fn binary(f: MapFn, a: &Self, b: &Self) -> Result<Self, Refusal>;

    /// A function of one number, applied to many.
    fn unary_slice(f: MapFn, x: &[Self]) -> Result<Buf<Self>, Refusal> {
        x.iter().map(|x| Self::unary(f, x)).collect()
    }

    /// A function of two numbers, applied to pairs.
    fn binary_slice(f: MapFn, pairs: Pairs<'_, Self>) -> Result<Buf<Self>, Refusal> {
        match pairs {
            Pairs::Same(a, b) => a.iter().zip(b).map(|(a, b)| Self::binary(f, a, b)).collect(),
            Pairs::Left(a, b) => b.iter().map(|b| Self::binary(f, a, b)).collect(),
            Pairs::Right(a, b) => a.iter().map(|a| Self::binary(f, a, b)).collect(),
        }
    }

    /// a * b + c, rounded once.
    fn fma(a: &Self, b: &Self, c: &Self) -> Self;

    /// Order, `None` where NaN takes part.
    fn compare(a: &Self, b: &Self) -> Option<Ordering>;

    /// a + b; never refused.
    fn add(a: &Self, b: &Self) -> Self;

    /// a * b; never refused.
    fn mul(a: &Self, b: &Self) -> Self;

    /// IEEE 754-2019 maximum; never refused.
    fn max(a: &Self, b: &Self) -> Self;
}

/// Operands of a function of two numbers: of one length, or one of them single.
#[derive(Clone, Copy, Debug)]
pub enum Pairs<'a, S> {
    /// Element by element.
    Same(&'a [S], &'a [S]),
    /// One left operand for all.
    Left(&'a S, &'a [S]),
    /// One right operand for all.
    Right(&'a [S], &'a S),
}

/// The meaning of the comparisons.
#[inline(always)]
pub fn holds(f: MapFn, order: Option<Ordering>) -> bool {
    match f {
        MapFn::Eq => order == Some(Ordering::Equal),
        MapFn::Ne => order != Some(Ordering::Equal),
        MapFn::Lt => order == Some(Ordering::Less),
        MapFn::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        _ => false,
    }
}

const NOT_UNARY: Refusal = "is not a function of one number";
const NOT_BINARY: Refusal = "is not a function of two numbers";

/// Calls `$go` with the function as a constant.
macro_rules! per_function {
    ($f:expr, [$($name:ident),*], $go:ident) => {
        match $f {
            $(MapFn::$name => $go!(MapFn::$name),)*
            // Refused before the loop.
            _ => Buf::with_capacity(0),
        }
    };
}

macro_rules! float_scalar {
    ($t:ty, $exp:path, $log:path, $sin:path, $cos:path, $atan:path, $tanh:path, $sigmoid:path, $softplus:path,
     $pow:path, $max:path, $min:path, $sign:path, $fma:path) => {
        impl Scalar for $t {
            #[inline(always)]
            fn from_f64(value: f64) -> Result<$t, Refusal> {
                Ok(value as $t)
            }

            #[inline(always)]
            fn from_i64(value: i64) -> $t {
                value as $t
            }

            #[inline(always)]
            fn to_f64(&self) -> f64 {
                f64::from(*self)
            }

            #[inline(always)]
            fn zero() -> $t {
                0.0
            }

            #[inline(always)]
            fn unary(f: MapFn, x: &$t) -> Result<$t, Refusal> {
                let x = *x;
                Ok(match f {
                    MapFn::Neg => -x,
                    MapFn::Abs => x.abs(),
                    MapFn::Sign => $sign(x),
                    MapFn::Sqrt => x.sqrt(),
                    MapFn::Square => x * x,
                    MapFn::Recip => 1.0 / x,
                    MapFn::Relu => $max(x, 0.0),
                    MapFn::Exp => $exp(x),
                    MapFn::Log => $log(x),
                    MapFn::Sin => $sin(x),
                    MapFn::Cos => $cos(x),
                    MapFn::Atan => $atan(x),
                    MapFn::Tanh => $tanh(x),
                    MapFn::Sigmoid => $sigmoid(x),
                    MapFn::Softplus => $softplus(x),
                    _ => return Err(NOT_UNARY),
                })
            }

            #[inline(always)]
            fn binary(f: MapFn, a: &$t, b: &$t) -> Result<$t, Refusal> {
                let (a, b) = (*a, *b);
                Ok(match f {
                    MapFn::Add => a + b,
                    MapFn::Sub => a - b,
                    MapFn::Mul => a * b,
                    MapFn::Div => a / b,
                    MapFn::Maximum => $max(a, b),
                    MapFn::Minimum => $min(a, b),
                    MapFn::Pow => $pow(a, b),
                    _ => return Err(NOT_BINARY),
                })
            }

            // One loop per function, so that each is vectorised.
            fn unary_slice(f: MapFn, x: &[$t]) -> Result<Buf<$t>, Refusal> {
                Self::unary(f, &0.0)?;
                macro_rules! go {
                    ($g:expr) => {
                        x.iter().map(|x| Self::unary($g, x).unwrap_or(*x)).collect()
                    };
                }
                Ok(per_function!(
                    f,
                    [
                        Neg, Abs, Sign, Sqrt, Square, Recip, Relu, Exp, Log, Sin, Cos, Atan, Tanh, Sigmoid,
                        Softplus
                    ],
                    go
                ))
            }

            fn binary_slice(f: MapFn, pairs: Pairs<'_, $t>) -> Result<Buf<$t>, Refusal> {
                Self::binary(f, &0.0, &0.0)?;
                macro_rules! go {
                    ($g:expr) => {
                        match pairs {
                            Pairs::Same(a, b) => {
                                a.iter().zip(b).map(|(a, b)| Self::binary($g, a, b).unwrap_or(*a)).collect()
                            }
                            Pairs::Left(a, b) => {
                                b.iter().map(|b| Self::binary($g, a, b).unwrap_or(*b)).collect()
                            }
                            Pairs::Right(a, b) => {
                                a.iter().map(|a| Self::binary($g, a, b).unwrap_or(*a)).collect()
                            }
                        }
                    };
                }
                Ok(per_function!(f, [Add, Sub, Mul, Div, Pow, Maximum, Minimum], go))
            }

            #[inline(always)]
            fn fma(a: &$t, b: &$t, c: &$t) -> $t {
                $fma(*a, *b, *c)
            }

            #[inline(always)]
            fn compare(a: &$t, b: &$t) -> Option<Ordering> {
                a.partial_cmp(b)
            }

            #[inline(always)]
            fn add(a: &$t, b: &$t) -> $t {
                a + b
            }

            #[inline(always)]
            fn mul(a: &$t, b: &$t) -> $t {
                a * b
            }

            #[inline(always)]
            fn max(a: &$t, b: &$t) -> $t {
                $max(*a, *b)
            }
        }
    };
}

float_scalar!(
    f64,
    math::exp,
    math::log,
    math::sin,
    math::cos,
    math::atan,
    math::tanh,
    math::sigmoid,
    math::softplus,
    math::pow,
    math::maximum,
    math::minimum,
    math::sign,
    math::fma
);
float_scalar!(
    f32,
    math::exp_f32,
    math::log_f32,
    math::sin_f32,
    math::cos_f32,
    math::atan_f32,
    math::tanh_f32,
    math::sigmoid_f32,
    math::softplus_f32,
    math::pow_f32,
    math::maximum_f32,
    math::minimum_f32,
    math::sign_f32,
    math::fma_f32
);

/// What stands for the graph's f64 and f32 in one arithmetic.
pub trait Numbers: Clone + Debug + Send + Sync + 'static {
    /// Stands for f64.
    type F64: Scalar;
    /// Stands for f32.
    type F32: Scalar;

    /// Rounds (or passes on) an f64 as an f32.
    fn narrow(x: &Self::F64) -> Self::F32;

    /// Widens an f32 to f64, exactly.
    fn widen(x: &Self::F32) -> Self::F64;
}

/// The machine's own floats: the oracle of compiled code.
#[derive(Clone, Copy, Debug)]
pub struct Native;

impl Numbers for Native {
    type F64 = f64;
    type F32 = f32;

    fn narrow(x: &f64) -> f32 {
        *x as f32
    }

    fn widen(x: &f32) -> f64 {
        f64::from(*x)
    }
}
