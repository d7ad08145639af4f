//! Dual numbers x + dx e with e^2 = 0: derivatives by arithmetic alone, without
//! the op table's rules, and so a check on them.

use crate::ops::MapFn;
use crate::tape::buf::Element;
use crate::tape::scalar::{Numbers, Refusal, Scalar};
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

    fn unary(f: MapFn, x: &Dual<S>) -> Result<Dual<S>, Refusal> {
        let v = &x.value;
        let y = S::unary(f, v)?;
        let one = S::from_i64(1);
        let sub = |a: &S, b: &S| S::binary(MapFn::Sub, a, b);
        let div = |a: &S, b: &S| S::binary(MapFn::Div, a, b);
        let slope = match f {
            MapFn::Neg => Ok(S::from_i64(-1)),
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
            _ => Err("is not a function of one number"),
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
}
