//! Vectors as the kernels see them: load, store, broadcast, fused multiply-add.

use crate::math;

/// An element type, with its vectors in each instruction set.
pub trait Element: Copy + Send + Sync + 'static {
    /// Positive zero.
    const ZERO: Self;
    /// `a * b + c`, rounded once.
    fn fma(a: Self, b: Self, c: Self) -> Self;
    /// Vector of AVX-512.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Simd<Elem = Self>;
    /// Vector of AVX2.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Simd<Elem = Self>;
}

/// A vector register.
///
/// # Safety
/// The methods of an implementation may run only where the CPU has its instructions, and
/// reach memory only in the lanes they are told to.
pub unsafe trait Simd: Copy {
    /// What the lanes hold.
    type Elem: Element;
    /// Number of lanes.
    const LANES: usize;
    /// Which lanes take part in a partial load or store.
    type Mask: Copy;

    /// All lanes +0.
    unsafe fn zero() -> Self;
    /// All lanes `*p`.
    unsafe fn splat(p: *const Self::Elem) -> Self;
    /// Lanes from consecutive elements.
    unsafe fn load(p: *const Self::Elem) -> Self;
    /// Lanes to consecutive elements.
    unsafe fn store(self, p: *mut Self::Elem);
    /// The first `lanes` lanes.
    unsafe fn mask(lanes: usize) -> Self::Mask;
    /// [`Self::load`] of some lanes, +0 in the others.
    unsafe fn load_part(p: *const Self::Elem, mask: Self::Mask) -> Self;
    /// [`Self::store`] of some lanes.
    unsafe fn store_part(self, p: *mut Self::Elem, mask: Self::Mask);
    /// `a * b + self`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
}

/// A vector of the portable kernels.
#[derive(Clone, Copy)]
pub struct Plain<T>([T; 4]);

// SAFETY: no instruction beyond the target's own; loops stop at the lane count.
unsafe impl<T: Element> Simd for Plain<T> {
    type Elem = T;
    const LANES: usize = 4;
    type Mask = usize;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Plain([T::ZERO; 4])
    }
    #[inline(always)]
    unsafe fn splat(p: *const T) -> Self {
        // SAFETY: the caller's.
        Plain([unsafe { *p }; 4])
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> Self {
        // SAFETY: the caller's.
        Plain(unsafe { p.cast::<[T; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut T) {
        // SAFETY: the caller's.
        unsafe { p.cast::<[T; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn mask(lanes: usize) -> usize {
        lanes.min(4)
    }
    #[inline(always)]
    unsafe fn load_part(p: *const T, mask: usize) -> Self {
        let mut lanes = [T::ZERO; 4];
        // SAFETY: mask lanes are readable.
        unsafe { std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), mask) };
        Plain(lanes)
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut T, mask: usize) {
        // SAFETY: mask lanes are writable.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), p, mask) };
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| T::fma(a.0[i], b.0[i], self.0[i])))
    }
}

macro_rules! x86 {
    ($name:ident, $T:ident, $reg:ident, $lanes:literal, $mask:ty, $zero:ident, $splat:ident,
     $load:ident, $store:ident, $fma:ident, $load_part:expr, $store_part:expr, $make:expr) => {
        #[doc = concat!(stringify!($lanes), " lanes of `", stringify!($T), "`.")]
        #[cfg(target_arch = "x86_64")]
        #[derive(Clone, Copy)]
        pub struct $name(x86::$reg);

        // SAFETY: masked lanes are neither read nor written.
        #[cfg(target_arch = "x86_64")]
        unsafe impl Simd for $name {
            type Elem = $T;
            const LANES: usize = $lanes;
            type Mask = $mask;
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller's, here and below.
                Self(unsafe { x86::$zero() })
            }
            #[inline(always)]
            unsafe fn splat(p: *const $T) -> Self {
                // SAFETY: as above.
                Self(unsafe { x86::$splat(*p) })
            }
            #[inline(always)]
            unsafe fn load(p: *const $T) -> Self {
                // SAFETY: as above.
                Self(unsafe { x86::$load(p) })
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $T) {
                // SAFETY: as above.
                unsafe { x86::$store(p, self.0) }
            }
            #[inline(always)]
            unsafe fn mask(lanes: usize) -> $mask {
                // SAFETY: as above.
                unsafe { $make(lanes) }
            }
            #[inline(always)]
            unsafe fn load_part(p: *const $T, mask: $mask) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load_part(mask, p) })
            }
            #[inline(always)]
            unsafe fn store_part(self, p: *mut $T, mask: $mask) {
                // SAFETY: as above.
                unsafe { $store_part(p, mask, self.0) }
            }
            #[inline(always)]
            unsafe fn fma(self, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { x86::$fma(a.0, b.0, self.0) })
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn mask_f64x4(lanes: usize) -> x86::__m256i {
    let on = |i: usize| -i64::from(i < lanes);
    // SAFETY: the caller has AVX2.
    unsafe { x86::_mm256_setr_epi64x(on(0), on(1), on(2), on(3)) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn mask_f32x8(lanes: usize) -> x86::__m256i {
    let on = |i: usize| -i32::from(i < lanes);
    // SAFETY: the caller has AVX2.
    unsafe { x86::_mm256_setr_epi32(on(0), on(1), on(2), on(3), on(4), on(5), on(6), on(7)) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn mask_8(lanes: usize) -> u8 {
    ((1u32 << lanes.min(8)) - 1) as u8
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn mask_16(lanes: usize) -> u16 {
    ((1u32 << lanes.min(16)) - 1) as u16
}

x86!(
    F64x8,
    f64,
    __m512d,
    8,
    u8,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_fmadd_pd,
    x86::_mm512_maskz_loadu_pd,
    x86::_mm512_mask_storeu_pd,
    mask_8
);
x86!(
    F32x16,
    f32,
    __m512,
    16,
    u16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    x86::_mm512_maskz_loadu_ps,
    x86::_mm512_mask_storeu_ps,
    mask_16
);
x86!(
    F64x4,
    f64,
    __m256d,
    4,
    x86::__m256i,
    _mm256_setzero_pd,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_fmadd_pd,
    |m, p| x86::_mm256_maskload_pd(p, m),
    |p, m, v| x86::_mm256_maskstore_pd(p, m, v),
    mask_f64x4
);
x86!(
    F32x8,
    f32,
    __m256,
    8,
    x86::__m256i,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    |m, p| x86::_mm256_maskload_ps(p, m),
    |p, m, v| x86::_mm256_maskstore_ps(p, m, v),
    mask_f32x8
);

impl Element for f64 {
    const ZERO: f64 = 0.0;
    #[inline(always)]
    fn fma(a: f64, b: f64, c: f64) -> f64 {
        math::fma(a, b, c)
    }
    #[cfg(target_arch = "x86_64")]
    type Avx512 = F64x8;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = F64x4;
}

impl Element for f32 {
    const ZERO: f32 = 0.0;
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        math::fma_f32(a, b, c)
    }
    #[cfg(target_arch = "x86_64")]
    type Avx512 = F32x16;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = F32x8;
}
