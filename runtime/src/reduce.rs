//! The order of sums, which fixes their bits.
//!
//! Element `r` joins lane `r % LANES`; a lane starts with its first element. Lanes then join
//! by halves: lane `i` with lane `i + LANES / 2`, then `LANES / 4`, and so on, a lane without
//! partner staying as it is. The empty sum is +0. The order suits vector registers of any
//! width, so every CPU can follow it quickly.

use crate::math;

/// The most lanes any type has.
pub const MAX_LANES: usize = 32;

/// A float that can be summed in lanes.
pub trait Lane: Copy {
    /// Number of lanes.
    const LANES: usize;
    /// Positive zero.
    const ZERO: Self;
    /// Rounded sum.
    fn add(self, other: Self) -> Self;
    /// Rounded product.
    fn mul(self, other: Self) -> Self;
    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
}

macro_rules! lane {
    ($T:ty, $lanes:literal, $fma:path) => {
        impl Lane for $T {
            const LANES: usize = $lanes;
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                $fma(self, b, c)
            }
        }
    };
}

lane!(f64, 16, math::fma);
lane!(f32, 32, math::fma_f32);

/// Joins the first `count` lanes by halves.
#[inline(always)]
fn join<T: Lane>(lanes: &mut [T], count: usize) -> T {
    let mut present = count.min(lanes.len());
    let mut half = lanes.len() / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut(half);
        for (a, b) in low.iter_mut().zip(&high[..present.saturating_sub(half).min(half)]) {
            *a = a.add(*b);
        }
        present = present.min(half);
        half /= 2;
    }
    if count == 0 { T::ZERO } else { lanes[0] }
}

/// Sum of the items.
pub fn lane_sum<T: Lane>(items: impl IntoIterator<Item = T>) -> T {
    let mut lanes = [T::ZERO; MAX_LANES];
    let lanes = &mut lanes[..T::LANES];
    let mut count = 0;
    for item in items {
        let lane = &mut lanes[count % T::LANES];
        *lane = if count < T::LANES { item } else { lane.add(item) };
        count += 1;
    }
    join(lanes, count)
}

/// Sum of the products of pairs: a lane starts with a rounded product and goes on fused.
///
/// The shorter of the two ends the sum.
pub fn lane_dot<T: Lane>(a: impl IntoIterator<Item = T>, b: impl IntoIterator<Item = T>) -> T {
    let mut lanes = [T::ZERO; MAX_LANES];
    let lanes = &mut lanes[..T::LANES];
    let mut count = 0;
    for (x, y) in a.into_iter().zip(b) {
        let lane = &mut lanes[count % T::LANES];
        *lane = if count < T::LANES { x.mul(y) } else { x.fma(y, *lane) };
        count += 1;
    }
    join(lanes, count)
}

/// [`lane_sum`] of a slice, in whole rows of lanes.
#[inline(always)]
fn sum_rows<T: Lane, const L: usize>(x: &[T]) -> T {
    let (rows, rest) = x.as_chunks::<L>();
    let Some((first, rows)) = rows.split_first() else {
        return lane_sum(rest.iter().copied());
    };
    let mut lanes = *first;
    for row in rows {
        for (lane, item) in lanes.iter_mut().zip(row) {
            *lane = lane.add(*item);
        }
    }
    for (lane, item) in lanes.iter_mut().zip(rest) {
        *lane = lane.add(*item);
    }
    join(&mut lanes, L)
}

/// [`lane_dot`] of slices, in whole rows of lanes.
#[inline(always)]
fn dot_rows<T: Lane, const L: usize>(a: &[T], b: &[T], fma: impl Fn(T, T, T) -> T) -> T {
    let (a_rows, a_rest) = a.as_chunks::<L>();
    let (b_rows, b_rest) = b.as_chunks::<L>();
    let (Some((a0, a_rows)), Some((b0, b_rows))) = (a_rows.split_first(), b_rows.split_first()) else {
        return lane_dot(a.iter().copied(), b.iter().copied());
    };
    let mut lanes = [T::ZERO; L];
    for ((lane, x), y) in lanes.iter_mut().zip(a0).zip(b0) {
        *lane = x.mul(*y);
    }
    for (a_row, b_row) in a_rows.iter().zip(b_rows) {
        for ((lane, x), y) in lanes.iter_mut().zip(a_row).zip(b_row) {
            *lane = fma(*x, *y, *lane);
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane = fma(*x, *y, *lane);
    }
    join(&mut lanes, L)
}

macro_rules! slices {
    ($T:ident, $lanes:literal, $sum:ident, $dot:ident, $sum_strided:ident, $dot_strided:ident,
     $dot_fma:ident) => {
        /// [`lane_sum`] of a slice.
        pub fn $sum(x: &[$T]) -> $T {
            sum_rows::<$T, $lanes>(x)
        }

        /// [`lane_dot`] of two slices; the shorter one ends the sum.
        pub fn $dot(a: &[$T], b: &[$T]) -> $T {
            let n = a.len().min(b.len());
            let (a, b) = (&a[..n], &b[..n]);
            #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
            if math::has_fma() && std::arch::is_x86_feature_detected!("avx") {
                // SAFETY: the CPU has both features.
                return unsafe { $dot_fma(a, b) };
            }
            dot_rows::<$T, $lanes>(a, b, <$T as Lane>::fma)
        }

        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        #[target_feature(enable = "fma,avx")]
        fn $dot_fma(a: &[$T], b: &[$T]) -> $T {
            dot_rows::<$T, $lanes>(a, b, |x, y, z| x.mul_add(y, z))
        }

        /// [`lane_sum`] of every `stride`-th element from `start`, `count` of them at most;
        /// the slice's end ends the sum.
        pub fn $sum_strided(x: &[$T], start: usize, stride: usize, count: usize) -> $T {
            lane_sum(strided(x, start, stride, count))
        }

        /// [`lane_dot`] of strided elements, given as `(slice, start, stride)`.
        pub fn $dot_strided(a: (&[$T], usize, usize), b: (&[$T], usize, usize), count: usize) -> $T {
            lane_dot(strided(a.0, a.1, a.2, count), strided(b.0, b.1, b.2, count))
        }
    };
}

/// `x[start + r * stride]` for `r < count`, as far as the slice goes.
fn strided<T: Copy>(x: &[T], start: usize, stride: usize, count: usize) -> impl Iterator<Item = T> {
    (0..count)
        .map_while(move |r| r.checked_mul(stride)?.checked_add(start))
        .map_while(move |at| x.get(at).copied())
}

slices!(f64, 16, sum_f64, dot_f64, sum_strided_f64, dot_strided_f64, dot_fma_f64);
slices!(f32, 32, sum_f32, dot_f32, sum_strided_f32, dot_strided_f32, dot_fma_f32);
