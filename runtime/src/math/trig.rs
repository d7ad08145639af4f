//! Sine and cosine: reduction by quarter turns and two polynomials.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::lanes::Lanes;

/// Adding this rounds to an integer, which is left in the low bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// A quarter turn: 33 bits, the next 33, the next 53.
const QUARTER: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

/// An angle within an eighth of a turn, in two parts, and the quarter turns taken off.
pub struct Angle<V: Lanes> {
    pub quarters: V::Bits,
    pub high: V,
    pub low: V,
}

/// The angle, and whether three parts of the quarter turn are enough for it: not far out, nor
/// within a millionth of a multiple.
#[inline(always)]
pub fn reduce<V: Lanes>(x: V) -> (Angle<V>, V::Mask) {
    let shifted = x * V::of(std::f64::consts::FRAC_2_PI) + V::of(ROUND);
    let k = shifted - V::of(ROUND);
    // The first two products are exact, and so is the first difference.
    let near = x - k * V::of(QUARTER[0]);
    let second = k * V::of(QUARTER[1]);
    let nearer = near - second;
    let lost = (near - nearer) - second;
    let third = k * V::of(QUARTER[2]);
    let high = nearer - third;
    let low = ((nearer - high) - third) + lost;
    // An angle that nothing was taken off is exact, however small.
    let whole = V::select(k.abs().le(V::of(0.0)), V::of(1.0), high);
    let enough = V::both(k.abs().lt(V::of((1u64 << 20) as f64)), V::of(1e-6).lt(whole.abs()));
    (Angle { quarters: shifted.bits(), high, low }, enough)
}

/// Sine of `x + y`, `|x|` within an eighth of a turn and `y` far smaller.
#[inline(always)]
fn sin_near<V: Lanes>(x: V, y: V) -> V {
    let z = x * x;
    let z2 = z * z;
    let tail = (V::of(0.008333333333330918) + z * V::of(-0.00019841269836712495))
        + z2 * (V::of(2.755731607868067e-06) + z * V::of(-2.5051126876085338e-08))
        + (z2 * z2) * V::of(1.5917771759341917e-10);
    let cube = z * x;
    x - ((z * (V::of(0.5) * y - cube * tail) - y) - cube * V::of(-0.16666666666666666))
}

/// Cosine of `x + y`, likewise.
#[inline(always)]
fn cos_near<V: Lanes>(x: V, y: V) -> V {
    let z = x * x;
    let z2 = z * z;
    let tail = (V::of(0.041666666666666664) + z * V::of(-0.0013888888888887378))
        + z2 * (V::of(2.4801587298736863e-05) + z * V::of(-2.755731725679604e-07))
        + (z2 * z2) * (V::of(2.087614315990944e-09) + z * V::of(-1.1382408754153254e-11));
    let half = V::of(0.5) * z;
    let main = V::of(1.0) - half;
    main + (((V::of(1.0) - main) - half) + (z2 * tail - x * y))
}

/// Sine of an angle some quarter turns on; both polynomials, since guessing which is slower.
#[inline(always)]
fn turned<V: Lanes>(a: &Angle<V>, quarters: V::Bits) -> V {
    let (s, c) = (sin_near(a.high, a.low).bits(), cos_near(a.high, a.low).bits());
    let odd = V::minus(V::bits_of(0), V::and(quarters, V::bits_of(1)));
    let bits = V::xor(s, V::and(V::xor(s, c), odd));
    V::from_bits(V::xor(bits, V::up::<62>(V::and(quarters, V::bits_of(2)))))
}

/// [`sin`] of all but far angles and those next to a multiple of the quarter turn.
#[inline(always)]
pub fn sin_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (a, enough) = reduce(x);
    (turned(&a, a.quarters), enough)
}

/// [`cos`] likewise.
#[inline(always)]
pub fn cos_common<V: Lanes>(x: V) -> (V, V::Mask) {
    let (a, enough) = reduce(x);
    (turned(&a, V::plus(a.quarters, V::bits_of(1))), enough)
}

/// Sine.
#[inline]
pub fn sin(x: f64) -> f64 {
    let (y, enough) = sin_common(x);
    if enough { y } else { libm::sin(x) }
}

/// Cosine.
#[inline]
pub fn cos(x: f64) -> f64 {
    let (y, enough) = cos_common(x);
    if enough { y } else { libm::cos(x) }
}
