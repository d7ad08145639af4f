//! Derivatives of the logarithm of the gamma function.

use super::digamma::digamma;
use super::floor;

/// `B(2j) / (2j)!` for `j` from 1.
const BERNOULLI: [f64; 9] = [
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30240.0,
    -1.0 / 1209600.0,
    1.0 / 47900160.0,
    -691.0 / 1307674368000.0,
    1.0 / 74724249600.0,
    -3617.0 / 10670622842880000.0,
    43867.0 / 5109094217170944000.0,
];
/// The highest order whose factorial is finite.
const HIGHEST: f64 = 170.0;

/// The derivative of order `order` of the digamma function at `x`; NaN unless the order is a
/// whole number from 0 to 170.
#[inline]
pub fn polygamma(order: f64, x: f64) -> f64 {
    if order == 0.0 {
        return digamma(x);
    }
    if !((1.0..=HIGHEST).contains(&order) && floor(order) == order) {
        return f64::NAN;
    }
    let power = order as u32 + 1;
    let odd = power % 2 == 1;
    let below = -x - floor(-x);
    let sum = if x > 0.0 {
        zeta(power, x)
    } else if x == 0.0 {
        whole_power(1.0 / x, power)
    } else if below == 0.0 {
        if odd { f64::NAN } else { f64::INFINITY }
    } else {
        // Terms on both sides of zero; those of an odd power meet halfway. A NaN comes here.
        let (left, right, rest) = (zeta(power, below), zeta(power, 1.0 - below), zeta(power, 1.0 - x));
        if odd { (right - left) + rest } else { (right + left) - rest }
    };
    let factorial = (2..power).fold(1.0, |product, k| product * f64::from(k));
    let value = factorial * sum;
    if odd { -value } else { value }
}

/// `x^n`.
#[inline]
fn whole_power(x: f64, n: u32) -> f64 {
    let (mut rest, mut square, mut product) = (n, x, 1.0);
    while rest > 0 {
        if rest & 1 == 1 {
            product *= square;
        }
        square *= square;
        rest >>= 1;
    }
    product
}

/// The sum of `(q + k)^-s` over `k`, by Euler and Maclaurin, for `q >= 0`.
fn zeta(s: u32, q: f64) -> f64 {
    let order = f64::from(s);
    let reach = 2.0 * order + 10.0;
    // How many terms until the argument is large enough for the series; none for a NaN.
    let terms = if q < reach { (reach - q) as u32 + 1 } else { 0 };
    let inverse = 1.0 / (q + f64::from(terms));
    let integral = whole_power(inverse, s - 1);
    let last = integral * inverse;
    let mut rest = 0.0;
    let (mut term, mut rising) = (last * inverse * order, order);
    for factor in BERNOULLI {
        rest += factor * term;
        term *= (rising + 1.0) * (rising + 2.0) * (inverse * inverse);
        rising += 2.0;
    }
    let tail = integral / (order - 1.0) + (0.5 * last + rest);
    (0..terms).rev().fold(tail, |sum, k| sum + whole_power(1.0 / (q + f64::from(k)), s))
}
