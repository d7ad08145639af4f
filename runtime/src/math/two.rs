//! Sums of two numbers that stand for one with twice the bits, and polynomials.

use super::lanes::Lanes;

/// The rounded sum and what its rounding leaves.
#[inline(always)]
pub fn sum<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a + b;
    let back = high - a;
    (high, (a - (high - back)) + (b - back))
}

/// Likewise, `b` not larger than `a`.
#[inline(always)]
pub fn sum_ordered<V: Lanes>(a: V, b: V) -> (V, V) {
    let high = a + b;
    (high, b - (high - a))
}

/// The square root of `high + low > 0`, `low` below a unit of `high`.
#[inline(always)]
pub fn root<V: Lanes>(high: V, low: V) -> (V, V) {
    let y = high.sqrt();
    let (p, rest) = y.product(y);
    (y, (((high - p) - rest) + low) / (y + y))
}

/// A number of twice the bits.
pub type Two = (f64, f64);

/// Sum, to the last places also where it is small.
pub fn plus((a, a_low): Two, (b, b_low): Two) -> Two {
    let (high, lost) = sum(a, b);
    let (low, lost_too) = sum(a_low, b_low);
    let (high, low) = sum_ordered(high, lost + low);
    sum_ordered(high, low + lost_too)
}

/// Product.
pub fn times((a, a_low): Two, (b, b_low): Two) -> Two {
    let (p, rest) = a.product(b);
    sum_ordered(p, rest + (a * b_low + a_low * b))
}

/// Quotient.
pub fn over((a, a_low): Two, (b, b_low): Two) -> Two {
    let quotient = a / b;
    let (p, rest) = quotient.product(b);
    sum_ordered(quotient, (((a - p) - rest) + (a_low - quotient * b_low)) / b)
}

/// `c[0] + c[1] x + ...`: the first coefficients in two parts each, and those that follow.
pub fn series<const N: usize, const M: usize>(x: Two, c: &[[f64; 2]; N], tail: &[f64; M]) -> Two {
    c.iter().rev().fold((polynomial(x.0, tail), 0.0), |sum, &[c, c_low]| plus((c, c_low), times(sum, x)))
}

/// `c[0] + c[1] x + ...`, by halves.
#[inline(always)]
pub fn polynomial<V: Lanes, const N: usize>(x: V, c: &[f64; N]) -> V {
    combined(x, c.map(V::of))
}

/// Likewise, of up to sixteen coefficients that differ between lanes.
#[inline(always)]
pub fn combined<V: Lanes, const N: usize>(x: V, mut terms: [V; N]) -> V {
    const { assert!(N <= 16) };
    // One by one, since a loop over the halvings is not unrolled.
    let n = halve(&mut terms, N, x);
    let x2 = x * x;
    let n = halve(&mut terms, n, x2);
    let x4 = x2 * x2;
    let n = halve(&mut terms, n, x4);
    halve(&mut terms, n, x4 * x4);
    terms[0]
}

/// Puts the first `n` terms together by twos; how many are left.
#[inline(always)]
fn halve<V: Lanes, const N: usize>(terms: &mut [V; N], n: usize, power: V) -> usize {
    for i in 0..n / 2 {
        terms[i] = terms[2 * i] + power * terms[2 * i + 1];
    }
    if n % 2 == 1 {
        terms[n / 2] = terms[n - 1];
    }
    n.div_ceil(2)
}
