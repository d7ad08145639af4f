//! [`Lanes`] in the vector registers of x86-64. A lane type is only made inside a function
//! compiled for its features, which is only called where the CPU has them.

use super::lanes::Lanes;
use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! arithmetic {
    ($V:ident: $add:ident $sub:ident $mul:ident $div:ident) => {
        arithmetic!(@ $V Add add $add);
        arithmetic!(@ $V Sub sub $sub);
        arithmetic!(@ $V Mul mul $mul);
        arithmetic!(@ $V Div div $div);

        impl Neg for $V {
            type Output = $V;

            #[inline(always)]
            fn neg(self) -> $V {
                $V::from_bits($V::xor(self.bits(), $V::bits_of(1 << 63)))
            }
        }
    };
    (@ $V:ident $Trait:ident $method:ident $intrinsic:ident) => {
        impl $Trait for $V {
            type Output = $V;

            #[inline(always)]
            fn $method(self, other: $V) -> $V {
                // SAFETY: lanes exist only where the CPU has their instructions.
                $V(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    };
}

/// Methods that are an instruction or two each.
macro_rules! instructions {
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident$(<const $N:ident: $C:ty>)?($($x:ident $(: $X:ty)?),*) $(-> $Y:ty)? = $e:expr;
    )*) => {
        $($(#[$doc])*
        #[inline(always)]
        $vis fn $name$(<const $N: $C>)?($($x $(: $X)?),*) $(-> $Y)? {
            // SAFETY: lanes exist only where the CPU has their instructions; what is loaded from
            // and stored to is an array of as many numbers.
            unsafe { $e }
        })*
    };
}

/// Eight numbers.
#[derive(Clone, Copy)]
pub struct Eight(__m512d);

arithmetic!(Eight: _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd);

impl Lanes for Eight {
    type Mask = __mmask8;
    type Bits = __m512i;

    instructions! {
        fn of(x: f64) -> Eight = Eight(_mm512_set1_pd(x));
        fn fma(self, factor: Eight, term: Eight) -> Eight = Eight(_mm512_fmadd_pd(self.0, factor.0, term.0));
        fn sqrt(self) -> Eight = Eight(_mm512_sqrt_pd(self.0));
        fn select(mask: __mmask8, a: Eight, b: Eight) -> Eight = Eight(_mm512_mask_blend_pd(mask, b.0, a.0));
        fn from_bits(bits: __m512i) -> Eight = Eight(_mm512_castsi512_pd(bits));
        fn bits_of(bits: u64) -> __m512i = _mm512_set1_epi64(bits as i64);
        fn and(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        fn or(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512(a, b);
        fn xor(a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512(a, b);
        fn plus(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi64(a, b);
        fn minus(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi64(a, b);
        fn lt(self, other: Eight) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, other.0);
        fn le(self, other: Eight) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(self.0, other.0);
        fn bits(self) -> __m512i = _mm512_castpd_si512(self.0);
        fn up<const N: u32>(a: __m512i) -> __m512i = _mm512_slli_epi64::<N>(a);
        fn down<const N: u32>(a: __m512i) -> __m512i = _mm512_srli_epi64::<N>(a);
    }

    #[inline(always)]
    fn both(a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }

    #[inline(always)]
    fn lookup<const N: usize, const C: usize>(table: &[[u64; C]; N], row: __m512i, column: usize) -> __m512i {
        const { assert!(N.is_power_of_two() && N < 1 << 20) };
        let row = Self::and(row, Self::bits_of(N as u64 - 1));
        // SAFETY: the CPU has the instructions; rows are below N, columns below C, both small.
        unsafe {
            let at = table.as_ptr().cast::<i64>().add(column.min(C - 1));
            _mm512_i64gather_epi64::<8>(_mm512_mul_epu32(row, _mm512_set1_epi64(C as i64)), at)
        }
    }

    #[inline(always)]
    fn pick(numbers: &[f64; 16], row: __m512i) -> Eight {
        // SAFETY: the CPU has the instructions; both halves are in the array.
        unsafe {
            let (low, high) = (numbers.as_ptr(), numbers.as_ptr().add(8));
            Eight(_mm512_permutex2var_pd(_mm512_loadu_pd(low), row, _mm512_loadu_pd(high)))
        }
    }
}

impl Eight {
    /// The first `n` numbers, zeros in the other lanes.
    #[inline(always)]
    pub fn load(x: &[f64], n: usize) -> Eight {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is read is in the slice.
        Eight(unsafe {
            if n >= 8 {
                _mm512_loadu_pd(x.as_ptr())
            } else {
                _mm512_maskz_loadu_pd(first(n) as u8, x.as_ptr())
            }
        })
    }

    /// The first `n` numbers, zeros in the other lanes.
    #[inline(always)]
    pub fn load_f32(x: &[f32], n: usize) -> Eight {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is read is in the slice.
        Eight(unsafe {
            _mm512_cvtps_pd(if n >= 8 {
                _mm256_loadu_ps(x.as_ptr())
            } else {
                _mm512_castps512_ps256(_mm512_maskz_loadu_ps(first(n), x.as_ptr()))
            })
        })
    }

    /// Writes the first `n` lanes.
    #[inline(always)]
    pub fn store(self, x: &mut [f64], n: usize) {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is written is in the slice.
        unsafe {
            if n >= 8 {
                _mm512_storeu_pd(x.as_mut_ptr(), self.0);
            } else {
                _mm512_mask_storeu_pd(x.as_mut_ptr(), first(n) as u8, self.0);
            }
        }
    }

    /// Writes the first `n` lanes, rounded.
    #[inline(always)]
    pub fn store_f32(self, x: &mut [f32], n: usize) {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is written is in the slice.
        unsafe {
            let y = _mm512_cvtpd_ps(self.0);
            if n >= 8 {
                _mm256_storeu_ps(x.as_mut_ptr(), y);
            } else {
                _mm512_mask_storeu_ps(x.as_mut_ptr(), first(n), _mm512_castps256_ps512(y));
            }
        }
    }

    /// Lanes that are not in a mask, lowest first.
    #[inline(always)]
    pub fn others(mask: __mmask8) -> u32 {
        u32::from(!mask)
    }
}

/// Four numbers.
#[derive(Clone, Copy)]
pub struct Four(__m256d);

arithmetic!(Four: _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd);

impl Lanes for Four {
    type Mask = __m256d;
    type Bits = __m256i;

    instructions! {
        fn of(x: f64) -> Four = Four(_mm256_set1_pd(x));
        fn fma(self, factor: Four, term: Four) -> Four = Four(_mm256_fmadd_pd(self.0, factor.0, term.0));
        fn sqrt(self) -> Four = Four(_mm256_sqrt_pd(self.0));
        fn both(a: __m256d, b: __m256d) -> __m256d = _mm256_and_pd(a, b);
        fn select(mask: __m256d, a: Four, b: Four) -> Four = Four(_mm256_blendv_pd(b.0, a.0, mask));
        fn from_bits(bits: __m256i) -> Four = Four(_mm256_castsi256_pd(bits));
        fn bits_of(bits: u64) -> __m256i = _mm256_set1_epi64x(bits as i64);
        fn and(a: __m256i, b: __m256i) -> __m256i = _mm256_and_si256(a, b);
        fn or(a: __m256i, b: __m256i) -> __m256i = _mm256_or_si256(a, b);
        fn xor(a: __m256i, b: __m256i) -> __m256i = _mm256_xor_si256(a, b);
        fn plus(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi64(a, b);
        fn minus(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi64(a, b);
        fn lt(self, other: Four) -> __m256d = _mm256_cmp_pd::<_CMP_LT_OQ>(self.0, other.0);
        fn le(self, other: Four) -> __m256d = _mm256_cmp_pd::<_CMP_LE_OQ>(self.0, other.0);
        fn bits(self) -> __m256i = _mm256_castpd_si256(self.0);
        fn up<const N: u32>(a: __m256i) -> __m256i = _mm256_sll_epi64(a, _mm_cvtsi32_si128(N as i32));
        fn down<const N: u32>(a: __m256i) -> __m256i = _mm256_srl_epi64(a, _mm_cvtsi32_si128(N as i32));
    }

    #[inline(always)]
    fn lookup<const N: usize, const C: usize>(table: &[[u64; C]; N], row: __m256i, column: usize) -> __m256i {
        const { assert!(N.is_power_of_two() && N < 1 << 20) };
        let row = Self::and(row, Self::bits_of(N as u64 - 1));
        // SAFETY: the CPU has the instructions; rows are below N, columns below C, both small.
        unsafe {
            let at = table.as_ptr().cast::<i64>().add(column.min(C - 1));
            _mm256_i64gather_epi64::<8>(at, _mm256_mul_epu32(row, _mm256_set1_epi64x(C as i64)))
        }
    }

    #[inline(always)]
    fn pick(numbers: &[f64; 16], row: __m256i) -> Four {
        let row = Self::and(row, Self::bits_of(15));
        // SAFETY: the CPU has the instructions; rows are below 16.
        Four(unsafe { _mm256_i64gather_pd::<8>(numbers.as_ptr(), row) })
    }
}

/// The lowest `n` bits, `n` below 8.
#[inline(always)]
fn first(n: usize) -> u16 {
    (1 << (n & 7)) - 1
}

impl Four {
    /// The first `n` numbers, zeros in the other lanes.
    #[inline(always)]
    pub fn load(x: &[f64], n: usize) -> Four {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is read is in the slice.
        Four(unsafe {
            if n >= 4 { _mm256_loadu_pd(x.as_ptr()) } else { _mm256_maskload_pd(x.as_ptr(), Four::first(n)) }
        })
    }

    /// The first `n` numbers, zeros in the other lanes.
    #[inline(always)]
    pub fn load_f32(x: &[f32], n: usize) -> Four {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is read is in the slice.
        Four(unsafe {
            _mm256_cvtps_pd(if n >= 4 {
                _mm_loadu_ps(x.as_ptr())
            } else {
                _mm_maskload_ps(x.as_ptr(), Four::first_f32(n))
            })
        })
    }

    /// Writes the first `n` lanes.
    #[inline(always)]
    pub fn store(self, x: &mut [f64], n: usize) {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is written is in the slice.
        unsafe {
            if n >= 4 {
                _mm256_storeu_pd(x.as_mut_ptr(), self.0);
            } else {
                _mm256_maskstore_pd(x.as_mut_ptr(), Four::first(n), self.0);
            }
        }
    }

    /// Writes the first `n` lanes, rounded.
    #[inline(always)]
    pub fn store_f32(self, x: &mut [f32], n: usize) {
        let n = n.min(x.len());
        // SAFETY: the CPU has the instructions; what is written is in the slice.
        unsafe {
            let y = _mm256_cvtpd_ps(self.0);
            if n >= 4 {
                _mm_storeu_ps(x.as_mut_ptr(), y);
            } else {
                _mm_maskstore_ps(x.as_mut_ptr(), Four::first_f32(n), y);
            }
        }
    }

    instructions! {
        /// Ones in the first lanes.
        fn first(n: usize) -> __m256i = _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3));
        /// Ones in the first lanes of 32 bits.
        fn first_f32(n: usize) -> __m128i = _mm_cmpgt_epi32(_mm_set1_epi32(n as i32), _mm_setr_epi32(0, 1, 2, 3));
        /// Lanes that are not in a mask, lowest first.
        pub fn others(mask: __m256d) -> u32 = !(_mm256_movemask_pd(mask)) as u32 & 15;
    }
}
