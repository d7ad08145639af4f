//! What a function of numbers is written over: one number, or as many as a vector register
//! holds. Every operation is that of IEEE 754 on each lane, so all of them give the same bits.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Numbers that go through a function side by side.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// A truth per lane.
    type Mask: Copy;
    /// 64 bits per lane.
    type Bits: Copy;

    /// The same number in every lane.
    fn of(x: f64) -> Self;
    /// `self * factor + term`, rounded once.
    fn fma(self, factor: Self, term: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Whether a lane is less; not with a NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// Whether a lane is less or equal; not with a NaN.
    fn le(self, other: Self) -> Self::Mask;
    /// Both.
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// `a` where the mask is true, else `b`.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// The representation.
    fn bits(self) -> Self::Bits;
    /// The numbers with these representations.
    fn from_bits(bits: Self::Bits) -> Self;
    /// The same bits in every lane.
    fn bits_of(bits: u64) -> Self::Bits;
    /// Bitwise and.
    fn and(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Bitwise or.
    fn or(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Bitwise exclusive or.
    fn xor(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Sum, wrapping around.
    fn plus(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Difference, wrapping around.
    fn minus(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Bits moved up.
    fn up<const N: u32>(a: Self::Bits) -> Self::Bits;
    /// Bits moved down, zeros behind them.
    fn down<const N: u32>(a: Self::Bits) -> Self::Bits;
    /// Column `column` of row `row mod N` of a table; `N` is a power of two.
    fn lookup<const N: usize, const C: usize>(
        table: &[[u64; C]; N],
        row: Self::Bits,
        column: usize,
    ) -> Self::Bits;
    /// Number `row mod 16` of sixteen, which is quicker than a look into a larger table.
    fn pick(numbers: &[f64; 16], row: Self::Bits) -> Self;

    /// Absolute value.
    #[inline(always)]
    fn abs(self) -> Self {
        Self::from_bits(Self::and(self.bits(), Self::bits_of(!SIGN)))
    }

    /// The magnitude of `self`, which is not negative, with the sign of `sign`.
    #[inline(always)]
    fn signed(self, sign: Self) -> Self {
        Self::from_bits(Self::or(self.bits(), Self::and(sign.bits(), Self::bits_of(SIGN))))
    }

    /// The product and what its rounding leaves, which is exact if it is not subnormal.
    #[inline(always)]
    fn product(self, factor: Self) -> (Self, Self) {
        let high = self * factor;
        (high, self.fma(factor, -high))
    }

    /// An integer below 2^51 as a number.
    #[inline(always)]
    fn small(bits: Self::Bits) -> Self {
        const TWO_52: f64 = (1u64 << 52) as f64;
        Self::from_bits(Self::or(bits, Self::bits_of(TWO_52.to_bits()))) - Self::of(TWO_52)
    }
}

const SIGN: u64 = 1 << 63;

/// One number as a lane: `f64` itself, or one for which `fma` is an instruction.
pub trait One:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The lane of a number.
    fn new(x: f64) -> Self;
    /// The number.
    fn get(self) -> f64;
    /// `self * factor + term`, rounded once.
    fn fused(self, factor: Self, term: Self) -> Self;
    /// The product and what its rounding leaves.
    fn in_two(self, factor: Self) -> (Self, Self);
}

impl One for f64 {
    #[inline(always)]
    fn new(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn get(self) -> f64 {
        self
    }

    #[inline(always)]
    fn fused(self, factor: f64, term: f64) -> f64 {
        super::fma(self, factor, term)
    }

    /// By halves of the significands (Dekker), since asking for the instruction costs more.
    #[inline(always)]
    fn in_two(self, factor: f64) -> (f64, f64) {
        let half = |x: f64| f64::from_bits((x.to_bits() + (1 << 26)) & !((1 << 27) - 1));
        let high = self * factor;
        let (a, b) = (half(self), half(factor));
        let (a_low, b_low) = (self - a, factor - b);
        (high, (((a * b - high) + a * b_low) + a_low * b) + a_low * b_low)
    }
}

impl<V: One> Lanes for V {
    type Mask = bool;
    type Bits = u64;

    #[inline(always)]
    fn of(x: f64) -> V {
        V::new(x)
    }

    #[inline(always)]
    fn fma(self, factor: V, term: V) -> V {
        self.fused(factor, term)
    }

    #[inline(always)]
    fn sqrt(self) -> V {
        V::new(self.get().sqrt())
    }

    #[inline(always)]
    fn product(self, factor: V) -> (V, V) {
        self.in_two(factor)
    }

    #[inline(always)]
    fn lt(self, other: V) -> bool {
        self.get() < other.get()
    }

    #[inline(always)]
    fn le(self, other: V) -> bool {
        self.get() <= other.get()
    }

    #[inline(always)]
    fn both(a: bool, b: bool) -> bool {
        a & b
    }

    #[inline(always)]
    fn select(mask: bool, a: V, b: V) -> V {
        if mask { a } else { b }
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        self.get().to_bits()
    }

    #[inline(always)]
    fn from_bits(bits: u64) -> V {
        V::new(f64::from_bits(bits))
    }

    #[inline(always)]
    fn bits_of(bits: u64) -> u64 {
        bits
    }

    #[inline(always)]
    fn and(a: u64, b: u64) -> u64 {
        a & b
    }

    #[inline(always)]
    fn or(a: u64, b: u64) -> u64 {
        a | b
    }

    #[inline(always)]
    fn xor(a: u64, b: u64) -> u64 {
        a ^ b
    }

    #[inline(always)]
    fn plus(a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    #[inline(always)]
    fn minus(a: u64, b: u64) -> u64 {
        a.wrapping_sub(b)
    }

    #[inline(always)]
    fn up<const N: u32>(a: u64) -> u64 {
        a << N
    }

    #[inline(always)]
    fn down<const N: u32>(a: u64) -> u64 {
        a >> N
    }

    #[inline(always)]
    fn lookup<const N: usize, const C: usize>(table: &[[u64; C]; N], row: u64, column: usize) -> u64 {
        table[row as usize & (N - 1)][column]
    }

    #[inline(always)]
    fn pick(numbers: &[f64; 16], row: u64) -> V {
        V::new(numbers[row as usize & 15])
    }
}
