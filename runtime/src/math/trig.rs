//! Sine and cosine: reduction by quarter turns and two polynomials.

/// Adding this rounds to an integer, which is left in the low bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// A quarter turn: 33 bits, the next 33, the next 53.
const QUARTER: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

/// An angle within an eighth of a turn, in two parts, and the quarter turns taken off.
struct Angle {
    quarters: u64,
    high: f64,
    low: f64,
}

/// `None` where three parts of the quarter turn are not enough: far out, or within a
/// millionth of a multiple of it.
#[inline(always)]
fn reduce(x: f64) -> Option<Angle> {
    let shifted = x * std::f64::consts::FRAC_2_PI + ROUND;
    let k = shifted - ROUND;
    // The first two products are exact, and so is the first difference.
    let near = x - k * QUARTER[0];
    let second = k * QUARTER[1];
    let nearer = near - second;
    let lost = (near - nearer) - second;
    let third = k * QUARTER[2];
    let high = nearer - third;
    let low = ((nearer - high) - third) + lost;
    let enough = k == 0.0 || (k.abs() < (1u64 << 20) as f64 && high.abs() > 1e-6);
    enough.then_some(Angle { quarters: shifted.to_bits(), high, low })
}

/// Sine of `x + y`, `|x|` within an eighth of a turn and `y` far smaller.
#[inline(always)]
fn sin_near(x: f64, y: f64) -> f64 {
    let z = x * x;
    let z2 = z * z;
    let tail = (0.008333333333330918 + z * -0.00019841269836712495)
        + z2 * (2.755731607868067e-06 + z * -2.5051126876085338e-08)
        + (z2 * z2) * 1.5917771759341917e-10;
    let cube = z * x;
    x - ((z * (0.5 * y - cube * tail) - y) - cube * -0.16666666666666666)
}

/// Cosine of `x + y`, likewise.
#[inline(always)]
fn cos_near(x: f64, y: f64) -> f64 {
    let z = x * x;
    let z2 = z * z;
    let tail = (0.041666666666666664 + z * -0.0013888888888887378)
        + z2 * (2.4801587298736863e-05 + z * -2.755731725679604e-07)
        + (z2 * z2) * (2.087614315990944e-09 + z * -1.1382408754153254e-11);
    let half = 0.5 * z;
    let main = 1.0 - half;
    main + (((1.0 - main) - half) + (z2 * tail - x * y))
}

/// Sine of an angle some quarter turns on; both polynomials, since guessing which is slower.
#[inline(always)]
fn turned(a: &Angle, quarters: u64) -> f64 {
    let (s, c) = (sin_near(a.high, a.low), cos_near(a.high, a.low));
    let odd = (quarters & 1).wrapping_neg();
    let bits = (c.to_bits() & odd) | (s.to_bits() & !odd);
    f64::from_bits(bits ^ ((quarters & 2) << 62))
}

/// Sine.
#[inline]
pub fn sin(x: f64) -> f64 {
    match reduce(x) {
        Some(a) => turned(&a, a.quarters),
        None => libm::sin(x),
    }
}

/// Cosine.
#[inline]
pub fn cos(x: f64) -> f64 {
    match reduce(x) {
        Some(a) => turned(&a, a.quarters.wrapping_add(1)),
        None => libm::cos(x),
    }
}
