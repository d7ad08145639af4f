//! Arithmetic the tape runs over: binary floats, exact rationals, dual numbers.

use crate::ops::MapFn;
use crate::tape::buf::{Buf, Element};
use cotangent_runtime::{elementwise, math};
use std::cmp::Ordering;
use std::fmt::Debug;

/// Why an arithmetic cannot apply a function.
pub type Refusal = &'static str;

/// A number of the tape.
pub trait Scalar: Element + Send + Sync {
    /// 1 and -1, where a number times these is the number itself and its negative to the bit,
    /// and a product costs no more than the question.
    const UNITS: Option<[Self; 2]> = None;

    /// The number itself; exact for every finite f64. Refused where it has none.
    fn from_f64(value: f64) -> Result<Self, Refusal>;

    /// An integer.
    fn from_i64(value: i64) -> Self;

    /// The nearest f64, for reports.
    fn to_f64(&self) -> f64;

    /// Positive zero.
    fn zero() -> Self;

    /// What added to any number gives that number: -0, where there is one.
    fn neutral() -> Self {
        Self::zero()
    }

    /// A function of one number.
    fn unary(f: MapFn, x: &Self) -> Result<Self, Refusal>;

    /// A function of two numbers.
    fn binary(f: MapFn, a: &Self, b: &Self) -> Result<Self, Refusal>;

    /// A function of one number, applied to many; results go behind those in `out`.
    fn unary_extend(f: MapFn, x: &[Self], out: &mut Vec<Self>) -> Result<(), Refusal> {
        for x in x {
            out.push(Self::unary(f, x)?);
        }
        Ok(())
    }

    /// A function of two numbers, applied to pairs; results go behind those in `out`.
    fn binary_extend(f: MapFn, pairs: Pairs<'_, Self>, out: &mut Vec<Self>) -> Result<(), Refusal> {
        let mut push = |a: &Self, b: &Self| Self::binary(f, a, b).map(|y| out.push(y));
        match pairs {
            Pairs::Same(a, b) => a.iter().zip(b).try_for_each(|(a, b)| push(a, b)),
            Pairs::Left(a, b) => b.iter().try_for_each(|b| push(a, b)),
            Pairs::Right(a, b) => a.iter().try_for_each(|a| push(a, b)),
        }
    }

    /// A function of one number, applied to many.
    fn unary_slice(f: MapFn, x: &[Self]) -> Result<Buf<Self>, Refusal> {
        let mut out = Buf::with_capacity(x.len());
        Self::unary_extend(f, x, &mut out)?;
        Ok(out)
    }

    /// A function of two numbers, applied to pairs.
    fn binary_slice(f: MapFn, pairs: Pairs<'_, Self>) -> Result<Buf<Self>, Refusal> {
        let (Pairs::Same(many, _) | Pairs::Left(_, many) | Pairs::Right(many, _)) = pairs;
        let mut out = Buf::with_capacity(many.len());
        Self::binary_extend(f, pairs, &mut out)?;
        Ok(out)
    }

    /// Adds to each sum what stands beside it.
    fn add_to(sums: &mut [Self], x: &[Self]) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum = Self::add(sum, x);
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

    /// Refuses a number that is too large to go on with, after operations that
    /// are never refused.
    #[inline(always)]
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
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
            _ => {}
        }
    };
}

macro_rules! float_scalar {
    ($t:ty, $max:ident, $min:ident, $sign:ident, $fma:ident, [$($pass:ident)*], $add_to:ident; $($one:ident $f1:ident),*; $($two:ident $f2:ident),*) => {
        impl Scalar for $t {
            const UNITS: Option<[$t; 2]> = Some([1.0, -1.0]);

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
            fn neutral() -> $t {
                -0.0
            }

            #[inline(always)]
            fn unary(f: MapFn, x: &$t) -> Result<$t, Refusal> {
                let x = *x;
                Ok(match f {
                    MapFn::Neg => -x,
                    MapFn::Abs => x.abs(),
                    MapFn::Sign => math::$sign(x),
                    MapFn::Sqrt => x.sqrt(),
                    MapFn::Square => x * x,
                    MapFn::Recip => 1.0 / x,
                    MapFn::Relu => math::$max(x, 0.0),
                    $(MapFn::$one => math::$f1(x),)*
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
                    MapFn::Maximum => math::$max(a, b),
                    MapFn::Minimum => math::$min(a, b),
                    $(MapFn::$two => math::$f2(a, b),)*
                    _ => return Err(NOT_BINARY),
                })
            }

            // One loop per function, so that each is vectorised.
            fn unary_extend(f: MapFn, x: &[$t], out: &mut Vec<$t>) -> Result<(), Refusal> {
                Self::unary(f, &0.0)?;
                macro_rules! go {
                    ($g:expr) => {
                        out.extend(x.iter().map(|x| Self::unary($g, x).unwrap_or(*x)))
                    };
                }
                per_function!(f, [Neg, Abs, Sign, Sqrt, Square, Recip, Relu, $($one),*], go);
                Ok(())
            }

            fn binary_extend(f: MapFn, pairs: Pairs<'_, $t>, out: &mut Vec<$t>) -> Result<(), Refusal> {
                Self::binary(f, &0.0, &0.0)?;
                if let Pairs::Same(a, b) = pairs {
                    let [add, sub, mul, div] = [$(elementwise::$pass),*];
                    match f {
                        MapFn::Add => return Ok(add(a, b, out)),
                        MapFn::Sub => return Ok(sub(a, b, out)),
                        MapFn::Mul => return Ok(mul(a, b, out)),
                        MapFn::Div => return Ok(div(a, b, out)),
                        _ => {}
                    }
                }
                macro_rules! go {
                    ($g:expr) => {
                        match pairs {
                            Pairs::Same(a, b) => {
                                out.extend(a.iter().zip(b).map(|(a, b)| Self::binary($g, a, b).unwrap_or(*a)))
                            }
                            Pairs::Left(a, b) => {
                                out.extend(b.iter().map(|b| Self::binary($g, a, b).unwrap_or(*b)))
                            }
                            Pairs::Right(a, b) => {
                                out.extend(a.iter().map(|a| Self::binary($g, a, b).unwrap_or(*a)))
                            }
                        }
                    };
                }
                per_function!(f, [Add, Sub, Mul, Div, Maximum, Minimum, $($two),*], go);
                Ok(())
            }

            fn add_to(sums: &mut [$t], x: &[$t]) {
                elementwise::$add_to(sums, x);
            }

            #[inline(always)]
            fn fma(a: &$t, b: &$t, c: &$t) -> $t {
                math::$fma(*a, *b, *c)
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
                math::$max(*a, *b)
            }
        }
    };
}

/// Both element types, from the functions of `runtime/` by name.
macro_rules! float_scalars {
    (unary { $($one:ident $wide1:ident $narrow1:ident;)* } binary { $($two:ident $wide2:ident $narrow2:ident;)* }) => {
        float_scalar!(f64, maximum, minimum, sign, fma, [add sub mul div], add_to; $($one $wide1),*; $($two $wide2),*);
        float_scalar!(f32, maximum_f32, minimum_f32, sign_f32, fma_f32, [add_f32 sub_f32 mul_f32 div_f32], add_to_f32; $($one $narrow1),*; $($two $narrow2),*);
    };
}

float_scalars! {
    unary {
        Floor floor floor_f32;
        Ceil ceil ceil_f32;
        RoundEven round_even round_even_f32;
        Exp exp exp_f32;
        Exp2 exp2 exp2_f32;
        Expm1 expm1 expm1_f32;
        Log log log_f32;
        Log2 log2 log2_f32;
        Log1p log1p log1p_f32;
        Sin sin sin_f32;
        Cos cos cos_f32;
        Tan tan tan_f32;
        Asin asin asin_f32;
        Acos acos acos_f32;
        Atan atan atan_f32;
        Sinh sinh sinh_f32;
        Cosh cosh cosh_f32;
        Tanh tanh tanh_f32;
        Asinh asinh asinh_f32;
        Acosh acosh acosh_f32;
        Atanh atanh atanh_f32;
        Cbrt cbrt cbrt_f32;
        Erf erf erf_f32;
        Erfc erfc erfc_f32;
        Lgamma lgamma lgamma_f32;
        NormalCdf normal_cdf normal_cdf_f32;
        Sigmoid sigmoid sigmoid_f32;
        Softplus softplus softplus_f32;
        Silu silu silu_f32;
        GeluErf gelu_erf gelu_erf_f32;
        GeluTanh gelu_tanh gelu_tanh_f32;
    }
    binary {
        Pow pow pow_f32;
        Atan2 atan2 atan2_f32;
        Hypot hypot hypot_f32;
        Polygamma polygamma polygamma_f32;
    }
}

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
