//! Matrix products with any strides.
//!
//! Each element of the result is one chain of fused multiply-adds over ascending `k`, started
//! from +0: `c = fma(a[i, k], b[k, j], c)`. Chains run side by side in vector registers and
//! may rest in `c` between blocks of `k`, but are never split, so the bits do not depend on
//! the kernel, the blocking or the CPU.

mod checked;
mod drive;
mod isa;
mod pack;
mod simd;
mod tile;

pub use checked::{OutOfBounds, matmul_checked};
pub use isa::Isa;

/// The shapes and strides of `c = a · b`, with up to four batch dimensions.
///
/// Strides count elements and may be negative; those of `a` and `b` may be zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatmulDims {
    /// Rows of `a` and `c`.
    pub m: usize,
    /// Columns of `b` and `c`.
    pub n: usize,
    /// Columns of `a`, rows of `b`.
    pub k: usize,
    /// Step from a row of `a` to the next.
    pub a_row: isize,
    /// Step from a column of `a` to the next.
    pub a_col: isize,
    /// Step from a row of `b` to the next.
    pub b_row: isize,
    /// Step from a column of `b` to the next.
    pub b_col: isize,
    /// Step from a row of `c` to the next.
    pub c_row: isize,
    /// Step from a column of `c` to the next.
    pub c_col: isize,
    /// Number of batch dimensions, 0 to 4.
    pub batch: usize,
    /// Lengths of the batch dimensions, outermost first.
    pub batch_dims: [usize; 4],
    /// Steps of `a` along the batch dimensions.
    pub a_batch: [isize; 4],
    /// Steps of `b` along the batch dimensions.
    pub b_batch: [isize; 4],
    /// Steps of `c` along the batch dimensions.
    pub c_batch: [isize; 4],
}

impl MatmulDims {
    /// Plain row-major `(m, k) · (k, n)` without batch.
    pub fn row_major(m: usize, k: usize, n: usize) -> Self {
        MatmulDims {
            m,
            n,
            k,
            a_row: k as isize,
            a_col: 1,
            b_row: n as isize,
            b_col: 1,
            c_row: n as isize,
            c_col: 1,
            ..Self::default()
        }
    }
}

/// A float that can be multiplied in matrices: `f64` or `f32`.
pub trait Float: simd::Element {}
impl Float for f64 {}
impl Float for f32 {}

/// `c = a · b` in `f64`.
///
/// # Safety
/// `d` points to the dims. Every element the dims reach is valid: for reads in `a` and `b`,
/// for writes in `c`. No two indices reach the same element of `c`, and `c` overlaps neither
/// `a` nor `b`.
pub unsafe extern "C" fn matmul_f64(d: *const MatmulDims, a: *const f64, b: *const f64, c: *mut f64) {
    // SAFETY: the contract is the same.
    unsafe { drive::batched(Isa::best(), &*d, a, b, c) }
}

/// `c = a · b` in `f32`.
///
/// # Safety
/// As for [`matmul_f64`].
pub unsafe extern "C" fn matmul_f32(d: *const MatmulDims, a: *const f32, b: *const f32, c: *mut f32) {
    // SAFETY: the contract is the same.
    unsafe { drive::batched(Isa::best(), &*d, a, b, c) }
}

/// `c = a · b` by the kernels of one instruction set, or of the best one there is if the CPU
/// has not got it.
///
/// # Safety
/// As for [`matmul_f64`].
pub unsafe fn matmul_with<T: Float>(isa: Isa, d: &MatmulDims, a: *const T, b: *const T, c: *mut T) {
    let isa = if isa.available() { isa } else { Isa::best() };
    // SAFETY: the contract is the same.
    unsafe { drive::batched(isa, d, a, b, c) }
}
