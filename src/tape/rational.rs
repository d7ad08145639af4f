//! Exact arithmetic: both float types stand for big rationals. Transcendental
//! functions, NaN and infinities are refused.

use crate::ops::MapFn;
use crate::tape::buf::Element;
use crate::tape::scalar::{Numbers, Refusal, Scalar};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::cmp::Ordering;

/// Products past this many bits are refused: a chain of squares would take all
/// memory and time before anybody could look at its size.
const LARGEST: u64 = 20_000;

/// Why numbers past the largest are refused.
pub const GREW: Refusal = "numbers grew past 20,000 bits";

fn product_fits(a: &BigRational, b: &BigRational) -> Result<(), Refusal> {
    if bits(a) + bits(b) > LARGEST { Err(GREW) } else { Ok(()) }
}

/// The arithmetic of exact rationals.
#[derive(Clone, Copy, Debug)]
pub struct Exact;

impl Numbers for Exact {
    type F64 = BigRational;
    type F32 = BigRational;

    fn narrow(x: &BigRational) -> BigRational {
        x.clone()
    }

    fn widen(x: &BigRational) -> BigRational {
        x.clone()
    }
}

impl Element for BigRational {}

impl Scalar for BigRational {
    fn from_f64(value: f64) -> Result<BigRational, Refusal> {
        BigRational::from_float(value).ok_or("NaN and infinity are no rational numbers")
    }

    fn from_i64(value: i64) -> BigRational {
        BigRational::from_integer(BigInt::from(value))
    }

    fn to_f64(&self) -> f64 {
        ToPrimitive::to_f64(self).unwrap_or(f64::NAN)
    }

    fn zero() -> BigRational {
        Zero::zero()
    }

    fn unary(f: MapFn, x: &BigRational) -> Result<BigRational, Refusal> {
        Ok(match f {
            MapFn::Neg => -x,
            MapFn::Abs => x.abs(),
            MapFn::Sign => x.signum(),
            MapFn::Square => {
                product_fits(x, x)?;
                x * x
            }
            MapFn::Recip if x.is_zero() => return Err("division by zero"),
            MapFn::Recip => x.recip(),
            MapFn::Floor => x.floor(),
            MapFn::Ceil => x.ceil(),
            MapFn::RoundEven => round_even(x),
            MapFn::Relu if x.is_negative() => Zero::zero(),
            MapFn::Relu => x.clone(),
            _ => return Err("is not exact over the rationals"),
        })
    }

    fn binary(f: MapFn, a: &BigRational, b: &BigRational) -> Result<BigRational, Refusal> {
        if matches!(f, MapFn::Mul | MapFn::Div) {
            product_fits(a, b)?;
        }
        Ok(match f {
            MapFn::Add => a + b,
            MapFn::Sub => a - b,
            MapFn::Mul => a * b,
            MapFn::Div if b.is_zero() => return Err("division by zero"),
            MapFn::Div => a / b,
            MapFn::Maximum => a.max(b).clone(),
            MapFn::Minimum => a.min(b).clone(),
            _ => return Err("is not exact over the rationals"),
        })
    }

    fn fma(a: &BigRational, b: &BigRational, c: &BigRational) -> BigRational {
        a * b + c
    }

    fn compare(a: &BigRational, b: &BigRational) -> Option<Ordering> {
        Some(a.cmp(b))
    }

    fn add(a: &BigRational, b: &BigRational) -> BigRational {
        a + b
    }

    fn mul(a: &BigRational, b: &BigRational) -> BigRational {
        a * b
    }

    fn max(a: &BigRational, b: &BigRational) -> BigRational {
        Ord::max(a, b).clone()
    }

    fn check(&self) -> Result<(), Refusal> {
        if bits(self) > LARGEST { Err(GREW) } else { Ok(()) }
    }
}

/// The nearest integer; of two, the even one.
fn round_even(x: &BigRational) -> BigRational {
    let two = BigRational::from_i64(2);
    let (half, low) = (two.recip(), x.floor());
    match (x - &low).cmp(&half) {
        Ordering::Less => low,
        Ordering::Greater => low + half * two,
        Ordering::Equal => ((x + &half) / &two).floor() * two,
    }
}

/// Bits of the larger of numerator and denominator, for guards on growth.
pub fn bits(x: &BigRational) -> u64 {
    x.numer().bits().max(x.denom().bits())
}

/// One, for seeds.
pub fn one() -> BigRational {
    One::one()
}
