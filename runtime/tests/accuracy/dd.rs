//! Numbers as sums of two `f64`, for references to some 100 bits.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `h + l`, `l` below half a unit of `h`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dd {
    pub h: f64,
    pub l: f64,
}

/// A number and a power of two that it is to be multiplied by.
pub type Scaled = (Dd, i32);

fn two_sum(a: f64, b: f64) -> Dd {
    let h = a + b;
    let back = h - a;
    Dd { h, l: (a - (h - back)) + (b - back) }
}

fn fast_sum(a: f64, b: f64) -> Dd {
    let h = a + b;
    Dd { h, l: b - (h - a) }
}

pub const fn dd(h: f64, l: f64) -> Dd {
    Dd { h, l }
}

pub const ONE: Dd = dd(1.0, 0.0);
pub const ZERO: Dd = dd(0.0, 0.0);
pub const LN2: Dd = dd(f64::from_bits(0x3fe62e42fefa39ef), f64::from_bits(0x3c7abc9e3b39803f));
pub const PI: Dd = dd(f64::from_bits(0x400921fb54442d18), f64::from_bits(0x3ca1a62633145c07));

impl Dd {
    /// The exact product of two numbers.
    pub fn product(a: f64, b: f64) -> Dd {
        let h = a * b;
        Dd { h, l: a.mul_add(b, -h) }
    }

    /// The exact sum of two numbers.
    pub fn sum(a: f64, b: f64) -> Dd {
        two_sum(a, b)
    }

    pub fn abs(self) -> Dd {
        if self.h < 0.0 { -self } else { self }
    }

    pub fn sqrt(self) -> Dd {
        if self.h <= 0.0 {
            return ZERO;
        }
        let y = self.h.sqrt();
        let left = self - Dd::product(y, y);
        fast_sum(y, left.h / (2.0 * y))
    }

    /// Times a power of two within the normal numbers.
    pub fn times(self, power: f64) -> Dd {
        Dd { h: self.h * power, l: self.l * power }
    }

    pub fn square(self) -> Dd {
        self * self
    }
}

impl From<f64> for Dd {
    fn from(h: f64) -> Dd {
        Dd { h, l: 0.0 }
    }
}

impl Neg for Dd {
    type Output = Dd;
    fn neg(self) -> Dd {
        Dd { h: -self.h, l: -self.l }
    }
}

impl<B: Into<Dd>> Add<B> for Dd {
    type Output = Dd;
    fn add(self, b: B) -> Dd {
        let b = b.into();
        let (high, low) = (two_sum(self.h, b.h), two_sum(self.l, b.l));
        let first = fast_sum(high.h, high.l + low.h);
        fast_sum(first.h, first.l + low.l)
    }
}

impl<B: Into<Dd>> Sub<B> for Dd {
    type Output = Dd;
    fn sub(self, b: B) -> Dd {
        self + -b.into()
    }
}

impl<B: Into<Dd>> Mul<B> for Dd {
    type Output = Dd;
    fn mul(self, b: B) -> Dd {
        let b = b.into();
        let p = Dd::product(self.h, b.h);
        fast_sum(p.h, p.l + (self.h * b.l + self.l * b.h))
    }
}

impl<B: Into<Dd>> Div<B> for Dd {
    type Output = Dd;
    fn div(self, b: B) -> Dd {
        let b = b.into();
        let first = self.h / b.h;
        let left = self - b * first;
        let second = left.h / b.h;
        let left = left - b * second;
        fast_sum(first, second) + left.h / b.h
    }
}

/// `x = m * 2^e` with `m` between 1/sqrt(2) and sqrt(2), for `x > 0`.
pub fn split(x: f64) -> (f64, i32) {
    let (x, moved) = if x < f64::MIN_POSITIVE { (x * 2f64.powi(54), 54) } else { (x, 0) };
    let from = x.to_bits() as i64 - 0x3fe6_a09e_667f_3bcd;
    let exponent = from >> 52;
    (f64::from_bits((x.to_bits() as i64 - (exponent << 52)) as u64), exponent as i32 - moved)
}

/// `2^k` for any `k`, in two factors.
pub fn powers(k: i32) -> [f64; 2] {
    let half = (k / 2).clamp(-1000, 1000);
    [2f64.powi(half), 2f64.powi((k - half).clamp(-1000, 1000))]
}

/// How far `got` is from `want`, in units in the last place of a format with so many bits and
/// such a least exponent.
fn distance(got: f64, want: Scaled, bits: i32, least: i32, most: i32) -> f64 {
    let (value, scale) = want;
    if got.is_nan() {
        return f64::INFINITY;
    }
    if value.h == 0.0 {
        return if got == 0.0 { 0.0 } else { f64::INFINITY };
    }
    let exponent = |x: f64| ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    // Both to where the reference lies; what is past the largest number counts as the next power.
    let size = exponent(value.h) + scale;
    let limit = most + 1;
    let aligned = if got.is_infinite() {
        if size >= limit && (got > 0.0) == (value.h > 0.0) {
            return 0.0;
        }
        let [a, b] = powers(limit - scale);
        got.signum() * a * b
    } else {
        let [a, b] = powers(-scale);
        got * a * b
    };
    let unit = size.clamp(least, most) - (bits - 1) - scale;
    let [a, b] = powers(-unit);
    ((dd(aligned, 0.0) - value).h * a * b).abs()
}

/// How far a number is from where it should be, in its units in the last place.
pub fn ulps(got: f64, want: Scaled) -> f64 {
    distance(got, want, 53, -1022, 1023)
}

/// Likewise of `f32`.
pub fn ulps_f32(got: f32, want: Scaled) -> f64 {
    distance(f64::from(got), want, 24, -126, 127)
}
