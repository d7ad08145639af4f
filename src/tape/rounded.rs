//! f64 with the size of the roundings behind each number: running error bounds
//! to first order, in units of the number of operations.
//!
//! Let a number that `k` operations in a row lead to be off by at most `k eps s`.
//! What an operation makes of such numbers is off by what it passes on of theirs
//! and by its own rounding, `sum |df/dx_i| k eps s_i + eps |y|`, which is at most
//! `(k + 1) eps s` with `s = max(|y|, sum |df/dx_i| s_i)`. Where terms cancel, `|y|`
//! is small and `s` is of the size of the terms.

use crate::ops::MapFn;
use crate::tape::buf::Element;
use crate::tape::dual::Dual;
use crate::tape::scalar::{Numbers, Refusal, Scalar};
use std::cmp::Ordering;

/// A number and the size of the roundings in it; 0 of a number that is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounded {
    /// The number.
    pub value: f64,
    /// The size of its roundings.
    pub size: f64,
}

/// The arithmetic of numbers that know the size of their roundings.
#[derive(Clone, Copy, Debug)]
pub struct Roundings;

impl Numbers for Roundings {
    type F64 = Rounded;
    type F32 = Rounded;

    fn narrow(x: &Rounded) -> Rounded {
        *x
    }

    fn widen(x: &Rounded) -> Rounded {
        *x
    }
}

impl Rounded {
    /// A number that is given.
    pub fn given(value: f64) -> Rounded {
        Rounded { value, size: 0.0 }
    }

    fn of(value: f64, passed_on: f64) -> Rounded {
        Rounded { value, size: Scalar::max(&value.abs(), &passed_on) }
    }

    /// The number, moving by its size.
    fn moving(self) -> Dual<f64> {
        Dual { value: self.value, tangent: self.size }
    }
}

impl Element for Rounded {}

impl Scalar for Rounded {
    fn from_f64(value: f64) -> Result<Rounded, Refusal> {
        Ok(Rounded::given(value))
    }

    fn from_i64(value: i64) -> Rounded {
        Rounded::given(value as f64)
    }

    fn to_f64(&self) -> f64 {
        self.value
    }

    fn zero() -> Rounded {
        Rounded::given(0.0)
    }

    fn neutral() -> Rounded {
        Rounded::given(-0.0)
    }

    fn unary(f: MapFn, x: &Rounded) -> Result<Rounded, Refusal> {
        let value = f64::unary(f, &x.value)?;
        match f {
            // Exact, and no slope is larger than 1 on either side of 0.
            MapFn::Neg | MapFn::Abs | MapFn::Relu => Ok(Rounded { value, size: x.size }),
            // However steep.
            _ if x.size == 0.0 => Ok(Rounded::of(value, 0.0)),
            _ => Ok(Rounded::of(value, Dual::unary(f, &x.moving())?.tangent.abs())),
        }
    }

    fn binary(f: MapFn, a: &Rounded, b: &Rounded) -> Result<Rounded, Refusal> {
        let value = f64::binary(f, &a.value, &b.value)?;
        if matches!(f, MapFn::Maximum | MapFn::Minimum) {
            return Ok(Rounded { value, size: Scalar::max(&a.size, &b.size) });
        }
        let mut passed_on = 0.0;
        if a.size != 0.0 {
            passed_on += Dual::binary(f, &a.moving(), &Dual::constant(b.value))?.tangent.abs();
        }
        if b.size != 0.0 {
            passed_on += Dual::binary(f, &Dual::constant(a.value), &b.moving())?.tangent.abs();
        }
        Ok(Rounded::of(value, passed_on))
    }

    fn fma(a: &Rounded, b: &Rounded, c: &Rounded) -> Rounded {
        Self::add(&Self::mul(a, b), c)
    }

    fn compare(a: &Rounded, b: &Rounded) -> Option<Ordering> {
        a.value.partial_cmp(&b.value)
    }

    fn add(a: &Rounded, b: &Rounded) -> Rounded {
        Rounded::of(a.value + b.value, a.size + b.size)
    }

    fn mul(a: &Rounded, b: &Rounded) -> Rounded {
        Rounded::of(a.value * b.value, a.size * b.value.abs() + a.value.abs() * b.size)
    }

    fn max(a: &Rounded, b: &Rounded) -> Rounded {
        Rounded { value: Scalar::max(&a.value, &b.value), size: Scalar::max(&a.size, &b.size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Rng, Source};
    use num_rational::BigRational;

    const FUNCTIONS: [MapFn; 5] = [MapFn::Add, MapFn::Sub, MapFn::Mul, MapFn::Div, MapFn::Square];

    fn apply<S: Scalar>(f: MapFn, a: &S, b: &S) -> Result<S, Refusal> {
        if f == MapFn::Square { S::unary(f, a) } else { S::binary(f, a, b) }
    }

    /// Random programs, beside the same over the rationals.
    #[test]
    fn sizes_bound_roundings() {
        let (mut tight, mut cancelled) = (0.0f64, 0);
        for seed in 0..2000 {
            let mut rng = Rng::new(seed);
            let mut numbers: Vec<(Rounded, BigRational)> = (0..4)
                .map(|_| {
                    let x = (950.0 + rng.below(100) as f64) / 1000.0;
                    (Rounded::given(x), Scalar::from_f64(x).expect("is finite"))
                })
                .collect();
            for k in 1..=8 {
                let f = FUNCTIONS[rng.below(FUNCTIONS.len())];
                let [a, b] = [rng.below(numbers.len()), rng.below(numbers.len())];
                let Ok(exact) = apply(f, &numbers[a].1, &numbers[b].1) else { break };
                let Ok(y) = apply(f, &numbers[a].0, &numbers[b].0) else { break };
                let error = Scalar::to_f64(
                    &(&exact - <BigRational as Scalar>::from_f64(y.value).expect("is finite")),
                )
                .abs();
                // Where the bound is no longer small, what is of second order counts.
                if !(y.size.is_finite() && f64::EPSILON * y.size < 1e-3 * y.value.abs()) {
                    break;
                }
                let bound = f64::from(k) * f64::EPSILON * y.size;
                assert!(error <= bound, "seed {seed}: {f:?}: {error:e} > {bound:e}");
                tight = tight.max(error / bound);
                cancelled += usize::from(y.size > 100.0 * y.value.abs());
                numbers.push((y, exact));
            }
        }
        println!("errors reach {tight:.2} of their bounds; terms cancel {cancelled} times");
        assert!(tight > 0.2 && cancelled > 100);
    }

    #[test]
    fn the_size_of_what_cancels_is_that_of_its_terms() {
        let (x, third) = (Rounded::given(3.0), Rounded::given(1.0 / 3.0));
        let product = Rounded::mul(&x, &third);
        let rest = Rounded::binary(MapFn::Sub, &product, &Rounded::given(1.0)).expect("a difference");
        assert_eq!(rest, Rounded { value: 0.0, size: 1.0 });
        // Numbers that are given have no roundings, and no slope is too steep for them.
        assert_eq!(Rounded::unary(MapFn::Sqrt, &Rounded::zero()), Ok(Rounded::given(0.0)));
        assert_eq!(Rounded::unary(MapFn::Neg, &x), Ok(Rounded::given(-3.0)));
    }
}
