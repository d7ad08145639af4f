//! Tiles of records and rows exchanged in registers of AVX: four points by two `f64`, eight points
//! by four `f32`. Tiles go along a group of points first, so that a record is gone through once.

use super::Rows;
use std::arch::x86_64::*;

/// Points and elements of a tile.
pub const WIDE: (usize, usize) = (4, 2);
pub const NARROW: (usize, usize) = (8, 4);

/// # Safety
/// The CPU has AVX; `n` points `point` apart and rows are there, both whole tiles.
#[target_feature(enable = "avx")]
pub unsafe fn read_wide(n: usize, src: *const u64, point: usize, to: *mut u64, rows: Rows) {
    for p in (0..n).step_by(WIDE.0) {
        for e in (0..rows.count).step_by(WIDE.1) {
            // SAFETY: the tile is one of those that the caller gives.
            unsafe {
                let at = |i: usize| _mm_loadu_pd(src.add((p + i) * point + e).cast());
                let (a, b) = (_mm256_set_m128d(at(2), at(0)), _mm256_set_m128d(at(3), at(1)));
                let row = |i: usize| to.add((e + i) * rows.apart + p).cast();
                _mm256_storeu_pd(row(0), _mm256_unpacklo_pd(a, b));
                _mm256_storeu_pd(row(1), _mm256_unpackhi_pd(a, b));
            }
        }
    }
}

/// # Safety
/// As for [`read_wide`].
#[target_feature(enable = "avx")]
pub unsafe fn write_wide(n: usize, from: *const u64, rows: Rows, dst: *mut u64, point: usize) {
    for p in (0..n).step_by(WIDE.0) {
        for e in (0..rows.count).step_by(WIDE.1) {
            // SAFETY: the tile is one of those that the caller gives.
            unsafe {
                let row = |i: usize| _mm256_loadu_pd(from.add((e + i) * rows.apart + p).cast());
                let (a, b) = (_mm256_unpacklo_pd(row(0), row(1)), _mm256_unpackhi_pd(row(0), row(1)));
                let at = |i: usize| dst.add((p + i) * point + e).cast();
                _mm_storeu_pd(at(0), _mm256_castpd256_pd128(a));
                _mm_storeu_pd(at(1), _mm256_castpd256_pd128(b));
                _mm_storeu_pd(at(2), _mm256_extractf128_pd::<1>(a));
                _mm_storeu_pd(at(3), _mm256_extractf128_pd::<1>(b));
            }
        }
    }
}

/// Rows and columns of a four by four exchanged, in both halves of the registers.
#[target_feature(enable = "avx")]
fn transposed([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
    let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
    [
        _mm256_shuffle_ps::<0b0100_0100>(ab, cd),
        _mm256_shuffle_ps::<0b1110_1110>(ab, cd),
        _mm256_shuffle_ps::<0b0100_0100>(ab_high, cd_high),
        _mm256_shuffle_ps::<0b1110_1110>(ab_high, cd_high),
    ]
}

/// # Safety
/// As for [`read_wide`].
#[target_feature(enable = "avx")]
pub unsafe fn read_narrow(n: usize, src: *const u32, point: usize, to: *mut u32, rows: Rows) {
    for p in (0..n).step_by(NARROW.0) {
        for e in (0..rows.count).step_by(NARROW.1) {
            // SAFETY: the tile is one of those that the caller gives.
            unsafe {
                let at = |i: usize| _mm_loadu_ps(src.add((p + i) * point + e).cast());
                let columns = transposed([0, 1, 2, 3].map(|i| _mm256_set_m128(at(i + 4), at(i))));
                for (i, column) in columns.into_iter().enumerate() {
                    _mm256_storeu_ps(to.add((e + i) * rows.apart + p).cast(), column);
                }
            }
        }
    }
}

/// # Safety
/// As for [`read_wide`].
#[target_feature(enable = "avx")]
pub unsafe fn write_narrow(n: usize, from: *const u32, rows: Rows, dst: *mut u32, point: usize) {
    for p in (0..n).step_by(NARROW.0) {
        for e in (0..rows.count).step_by(NARROW.1) {
            // SAFETY: the tile is one of those that the caller gives.
            unsafe {
                let row = |i: usize| _mm256_loadu_ps(from.add((e + i) * rows.apart + p).cast());
                for (i, both) in transposed([0, 1, 2, 3].map(row)).into_iter().enumerate() {
                    let at = |i: usize| dst.add((p + i) * point + e).cast();
                    _mm_storeu_ps(at(i), _mm256_castps256_ps128(both));
                    _mm_storeu_ps(at(i + 4), _mm256_extractf128_ps::<1>(both));
                }
            }
        }
    }
}
