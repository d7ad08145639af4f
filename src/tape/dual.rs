//! Dual numbers x + dx e with e^2 = 0: derivatives by arithmetic alone, without
//! the op table's rules, and so a check on them.

use crate::ops::MapFn;
use crate::tape::buf::Element;
use crate::tape::scalar::{Numbers, Refusal, Scalar};
use cotangent_runtime::math;
use std::cmp::Ordering;

/// A number and its derivative along one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Dual<S> {
    /// The number.
    pub value: S,
    /// Its derivative.
    pub tangent: S,
}

/// The arithmetic of dual numbers over another.
#[derive(Clone, Copy, Debug)]
pub struct Duals<N>(N);

impl<N: Numbers> Numbers for Duals<N> {
    type F64 = Dual<N::F64>;
    type F32 = Dual<N::F32>;

    fn narrow(x: &Dual<N::F64>) -> Dual<N::F32> {
        Dual { value: N::narrow(&x.value), tangent: N::narrow(&x.tangent) }
    }

    fn widen(x: &Dual<N::F32>) -> Dual<N::F64> {
        Dual { value: N::widen(&x.value), tangent: N::widen(&x.tangent) }
    }
}

impl<S: Scalar> Dual<S> {
    /// A number that does not move.
    pub fn constant(value: S) -> Dual<S> {
        Dual { value, tangent: S::zero() }
    }

    fn chain(&self, value: S, slope: Result<S, Refusal>) -> Result<Dual<S>, Refusal> {
        Ok(Dual { value, tangent: S::mul(&slope?, &self.tangent) })
    }

    /// The smaller or larger of two; a tie (or NaN) moves by half of each.
    fn extremum(f: MapFn, a: &Dual<S>, b: &Dual<S>) -> Result<Dual<S>, Refusal> {
        let value = S::binary(f, &a.value, &b.value)?;
        let a_wins = match f {
            MapFn::Minimum => Ordering::Less,
            _ => Ordering::Greater,
        };
        let tangent = match S::compare(&a.value, &b.value) {
            Some(order) if order == a_wins => a.tangent.clone(),
            Some(order) if order == a_wins.reverse() => b.tangent.clone(),
            _ => S::mul(&S::from_f64(0.5)?, &S::add(&a.tangent, &b.tangent)),
        };
        Ok(Dual { value, tangent })
    }
}

impl<S: Scalar> Element for Dual<S> {}

impl<S: Scalar> Scalar for Dual<S> {
    fn from_f64(value: f64) -> Result<Dual<S>, Refusal> {
        S::from_f64(value).map(Dual::constant)
    }

    fn from_i64(value: i64) -> Dual<S> {
        Dual::constant(S::from_i64(value))
    }

    fn to_f64(&self) -> f64 {
        self.value.to_f64()
    }

    fn zero() -> Dual<S> {
        Dual::constant(S::zero())
    }

    fn neutral() -> Dual<S> {
        Dual { value: S::neutral(), tangent: S::neutral() }
    }

    fn unary(f: MapFn, x: &Dual<S>) -> Result<Dual<S>, Refusal> {
        let v = &x.value;
        let y = S::unary(f, v)?;
        let one = S::from_i64(1);
        let sub = |a: &S, b: &S| S::binary(MapFn::Sub, a, b);
        let div = |a: &S, b: &S| S::binary(MapFn::Div, a, b);
        let slope = match f {
            MapFn::Neg => Ok(S::from_i64(-1)),
            MapFn::Floor | MapFn::Ceil | MapFn::RoundEven => Ok(S::zero()),
            MapFn::Abs | MapFn::Sign | MapFn::Relu => {
                let order = S::compare(v, &S::zero());
                Ok(S::from_i64(match (f, order) {
                    (MapFn::Abs | MapFn::Relu, Some(Ordering::Greater)) => 1,
                    (MapFn::Abs, Some(Ordering::Less)) => -1,
                    _ => 0,
                }))
            }
            MapFn::Sqrt => div(&one, &S::add(&y, &y)),
            MapFn::Square => Ok(S::add(v, v)),
            MapFn::Recip => S::unary(MapFn::Neg, &S::mul(&y, &y)),
            MapFn::Exp => Ok(y.clone()),
            MapFn::Log => S::unary(MapFn::Recip, v),
            MapFn::Sin => S::unary(MapFn::Cos, v),
            MapFn::Cos => S::unary(MapFn::Neg, &S::unary(MapFn::Sin, v)?),
            MapFn::Atan => div(&one, &S::add(&one, &S::mul(v, v))),
            MapFn::Tanh => sub(&one, &S::mul(&y, &y)),
            MapFn::Sigmoid => Ok(S::mul(&y, &S::unary(MapFn::Sigmoid, &S::unary(MapFn::Neg, v)?)?)),
            MapFn::Softplus => S::unary(MapFn::Sigmoid, v),
            _ => slope(f, v, &y),
        };
        x.chain(y, slope)
    }

    fn binary(f: MapFn, a: &Dual<S>, b: &Dual<S>) -> Result<Dual<S>, Refusal> {
        let (x, y) = (&a.value, &b.value);
        match f {
            MapFn::Add => Ok(Self::add(a, b)),
            MapFn::Sub => Ok(Dual {
                value: S::binary(MapFn::Sub, x, y)?,
                tangent: S::binary(MapFn::Sub, &a.tangent, &b.tangent)?,
            }),
            MapFn::Mul => Ok(Self::mul(a, b)),
            MapFn::Div => {
                let value = S::binary(MapFn::Div, x, y)?;
                let change = S::binary(MapFn::Sub, &a.tangent, &S::mul(&value, &b.tangent))?;
                Ok(Dual { tangent: S::binary(MapFn::Div, &change, y)?, value })
            }
            MapFn::Maximum | MapFn::Minimum => Self::extremum(f, a, b),
            MapFn::Pow => {
                let value = S::binary(MapFn::Pow, x, y)?;
                let less = S::binary(MapFn::Sub, y, &S::from_i64(1))?;
                let zero = S::zero();
                let is_zero = |v: &S| S::compare(v, &zero) == Some(Ordering::Equal);
                let by_base = match is_zero(y) {
                    true => S::zero(),
                    false => S::mul(y, &S::binary(MapFn::Pow, x, &less)?),
                };
                let flat =
                    is_zero(x) && matches!(S::compare(&zero, y), Some(Ordering::Less | Ordering::Equal));
                let by_exponent = match flat {
                    true => S::zero(),
                    false => S::mul(&value, &S::unary(MapFn::Log, x)?),
                };
                let tangent = S::add(&S::mul(&by_base, &a.tangent), &S::mul(&by_exponent, &b.tangent));
                Ok(Dual { value, tangent })
            }
            MapFn::Atan2 | MapFn::Hypot => {
                let h = S::binary(MapFn::Hypot, x, y)?;
                let (u, v) = (S::binary(MapFn::Div, x, &h)?, S::binary(MapFn::Div, y, &h)?);
                let tangent = match f {
                    MapFn::Hypot => S::add(&S::mul(&u, &a.tangent), &S::mul(&v, &b.tangent)),
                    _ => {
                        let turn = S::binary(MapFn::Sub, &S::mul(&v, &a.tangent), &S::mul(&u, &b.tangent))?;
                        S::binary(MapFn::Div, &turn, &h)?
                    }
                };
                Ok(Dual { value: S::binary(f, x, y)?, tangent })
            }
            MapFn::Polygamma => {
                let next = S::binary(f, &S::add(x, &S::from_i64(1)), y)?;
                Ok(Dual { value: S::binary(f, x, y)?, tangent: S::mul(&next, &b.tangent) })
            }
            _ => Err("is not a function of two numbers"),
        }
    }

    fn fma(a: &Dual<S>, b: &Dual<S>, c: &Dual<S>) -> Dual<S> {
        let value = S::fma(&a.value, &b.value, &c.value);
        let tangent = S::fma(&a.tangent, &b.value, &S::fma(&a.value, &b.tangent, &c.tangent));
        Dual { value, tangent }
    }

    fn compare(a: &Dual<S>, b: &Dual<S>) -> Option<Ordering> {
        S::compare(&a.value, &b.value)
    }

    fn add(a: &Dual<S>, b: &Dual<S>) -> Dual<S> {
        Dual { value: S::add(&a.value, &b.value), tangent: S::add(&a.tangent, &b.tangent) }
    }

    fn mul(a: &Dual<S>, b: &Dual<S>) -> Dual<S> {
        let tangent = S::add(&S::mul(&a.tangent, &b.value), &S::mul(&a.value, &b.tangent));
        Dual { value: S::mul(&a.value, &b.value), tangent }
    }

    fn max(a: &Dual<S>, b: &Dual<S>) -> Dual<S> {
        Self::extremum(MapFn::Maximum, a, b).unwrap_or_else(|_| a.clone())
    }

    fn check(&self) -> Result<(), Refusal> {
        self.value.check()?;
        self.tangent.check()
    }
}

/// The derivatives of the functions of one number that `runtime/` defines and
/// that take more than a line.
fn slope<S: Scalar>(f: MapFn, x: &S, y: &S) -> Result<S, Refusal> {
    let number = S::from_f64;
    let one = S::from_i64(1);
    let sub = |a: &S, b: &S| S::binary(MapFn::Sub, a, b);
    let sqrt = |a: &S| S::unary(MapFn::Sqrt, a);
    let recip = |a: &S| S::unary(MapFn::Recip, a);
    let inside = || -> Result<S, Refusal> { Ok(S::mul(&sub(&one, x)?, &S::add(&one, x))) };
    // exp(factor x^2) scale
    let bell = |factor: f64, scale: f64| -> Result<S, Refusal> {
        let power = S::unary(MapFn::Exp, &S::mul(&number(factor)?, &S::mul(x, x)))?;
        Ok(S::mul(&power, &number(scale)?))
    };
    // s(z) (1 + x z' s(-z))
    let gated = |z: &S, dz: &S| -> Result<S, Refusal> {
        let other = S::unary(MapFn::Sigmoid, &S::unary(MapFn::Neg, z)?)?;
        let rest = S::add(&one, &S::mul(&S::mul(x, dz), &other));
        Ok(S::mul(&S::unary(MapFn::Sigmoid, z)?, &rest))
    };
    match f {
        MapFn::Exp2 => Ok(S::mul(y, &number(std::f64::consts::LN_2)?)),
        MapFn::Expm1 => S::unary(MapFn::Exp, x),
        MapFn::Log2 => Ok(S::mul(&recip(x)?, &number(std::f64::consts::LOG2_E)?)),
        MapFn::Log1p => recip(&S::add(&one, x)),
        MapFn::Tan => Ok(S::add(&one, &S::mul(y, y))),
        MapFn::Asin => recip(&sqrt(&inside()?)?),
        MapFn::Acos => S::unary(MapFn::Neg, &recip(&sqrt(&inside()?)?)?),
        MapFn::Sinh => S::unary(MapFn::Cosh, x),
        MapFn::Cosh => S::unary(MapFn::Sinh, x),
        MapFn::Asinh => recip(&S::binary(MapFn::Hypot, &one, x)?),
        MapFn::Acosh => recip(&S::mul(&sqrt(&sub(x, &one)?)?, &sqrt(&S::add(x, &one))?)),
        MapFn::Atanh => recip(&inside()?),
        MapFn::Cbrt => recip(&S::mul(&S::from_i64(3), &S::mul(y, y))),
        MapFn::Erf => bell(-1.0, std::f64::consts::FRAC_2_SQRT_PI),
        MapFn::Erfc => bell(-1.0, -std::f64::consts::FRAC_2_SQRT_PI),
        MapFn::Lgamma => S::binary(MapFn::Polygamma, &S::zero(), x),
        MapFn::NormalCdf => bell(-0.5, math::NORMAL_DENSITY),
        MapFn::Silu => gated(x, &one),
        MapFn::GeluErf => {
            let density = bell(-0.5, math::NORMAL_DENSITY)?;
            Ok(S::add(&S::unary(MapFn::NormalCdf, x)?, &S::mul(x, &density)))
        }
        MapFn::GeluTanh => {
            let (linear, cubic) = (number(math::GELU_LINEAR)?, number(math::GELU_CUBIC)?);
            let bent = S::mul(&cubic, &S::mul(x, x));
            let z = S::mul(x, &S::add(&linear, &bent));
            gated(&z, &S::add(&linear, &S::mul(&S::from_i64(3), &bent)))
        }
        _ => Err("is not a function of one number"),
    }
}
