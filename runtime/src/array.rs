//! Functions of whole arrays that are not indexed copies or products of matrices: their names,
//! what memory they take, and their entry points.

use crate::math;
use crate::{linalg, scan};
use std::cmp::Ordering;
use std::marker::PhantomData;

/// Why an arithmetic cannot do something.
pub type Refusal = &'static str;

/// The arithmetic that a function of arrays runs over: binary floats here, others in the tape.
pub trait Arithmetic {
    /// What arrays are made of.
    type Number: Clone;
    /// Positive zero.
    fn zero() -> Self::Number;
    /// One.
    fn one() -> Self::Number;
    /// a + b
    fn add(a: &Self::Number, b: &Self::Number) -> Self::Number;
    /// a * b
    fn mul(a: &Self::Number, b: &Self::Number) -> Self::Number;
    /// a * b + c, rounded once.
    fn fma(a: &Self::Number, b: &Self::Number, c: &Self::Number) -> Self::Number;
    /// -a
    fn neg(a: &Self::Number) -> Self::Number;
    /// a / b
    fn div(a: &Self::Number, b: &Self::Number) -> Result<Self::Number, Refusal>;
    /// Square root.
    fn sqrt(a: &Self::Number) -> Result<Self::Number, Refusal>;
    /// Natural logarithm.
    fn log(a: &Self::Number) -> Result<Self::Number, Refusal>;
    /// Order, `None` where NaN takes part.
    fn compare(a: &Self::Number, b: &Self::Number) -> Option<Ordering>;
}

/// The arithmetic of a float type.
#[derive(Clone, Copy, Debug)]
pub struct Float<T>(PhantomData<T>);

macro_rules! float {
    ($T:ty, $fma:ident, $log:ident) => {
        impl Arithmetic for Float<$T> {
            type Number = $T;
            #[inline(always)]
            fn zero() -> $T {
                0.0
            }
            #[inline(always)]
            fn one() -> $T {
                1.0
            }
            #[inline(always)]
            fn add(a: &$T, b: &$T) -> $T {
                a + b
            }
            #[inline(always)]
            fn mul(a: &$T, b: &$T) -> $T {
                a * b
            }
            #[inline(always)]
            fn fma(a: &$T, b: &$T, c: &$T) -> $T {
                math::$fma(*a, *b, *c)
            }
            #[inline(always)]
            fn neg(a: &$T) -> $T {
                -a
            }
            #[inline(always)]
            fn div(a: &$T, b: &$T) -> Result<$T, Refusal> {
                Ok(a / b)
            }
            #[inline(always)]
            fn sqrt(a: &$T) -> Result<$T, Refusal> {
                Ok(a.sqrt())
            }
            #[inline(always)]
            fn log(a: &$T) -> Result<$T, Refusal> {
                Ok(math::$log(*a))
            }
            #[inline(always)]
            fn compare(a: &$T, b: &$T) -> Option<Ordering> {
                a.partial_cmp(b)
            }
        }
    };
}
float!(f64, fma, log);
float!(f32, fma_f32, log_f32);

/// The functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrayFn {
    /// [`scan::recurrence`]
    Recurrence,
    /// [`scan::cumulative_sum`]
    CumulativeSum,
    /// [`scan::argsort`]
    ArgSort,
    /// [`linalg::triangular_solve`]
    TriangularSolve,
    /// [`linalg::solve`]
    Solve,
    /// [`linalg::cholesky`]
    Cholesky,
    /// [`linalg::det`]
    Det,
    /// [`linalg::logabsdet`]
    LogAbsDet,
    /// [`linalg::cofactor`]
    Cofactor,
}

/// Extents of the arrays of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrayDims {
    /// Arrays side by side: batches of matrices, or what stands before an axis.
    pub outer: usize,
    /// Length of the axis, or rows and columns of a square matrix.
    pub n: usize,
    /// What stands behind an axis, columns of a right side, or directions of a derivative.
    pub inner: usize,
    /// Of a triangular system: [`LOWER`], [`TRANSPOSE`], [`UNIT`].
    pub flags: u32,
}

/// The matrix has its numbers on and below the diagonal.
pub const LOWER: u32 = 1;
/// The system is that of the transpose.
pub const TRANSPOSE: u32 = 2;
/// The diagonal counts as ones.
pub const UNIT: u32 = 4;

/// Elements that a function reads of each operand, uses as scratch and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayLens {
    /// Of each operand.
    pub operands: [usize; 2],
    /// Of the scratch: numbers of the operands' type, for [`ArrayFn::ArgSort`] integers.
    pub scratch: usize,
    /// Of the result.
    pub out: usize,
}

impl ArrayFn {
    /// Number of operands.
    pub const fn arity(self) -> usize {
        match self {
            ArrayFn::Recurrence | ArrayFn::TriangularSolve | ArrayFn::Solve | ArrayFn::Cofactor => 2,
            ArrayFn::CumulativeSum
            | ArrayFn::ArgSort
            | ArrayFn::Cholesky
            | ArrayFn::Det
            | ArrayFn::LogAbsDet => 1,
        }
    }

    /// What memory a call takes; `None` past the address space.
    pub fn lens(self, d: &ArrayDims) -> Option<ArrayLens> {
        let times = |factors: &[usize]| factors.iter().try_fold(1usize, |p, &f| p.checked_mul(f));
        let along = times(&[d.outer, d.n, d.inner])?;
        let square = times(&[d.outer, d.n, d.n])?;
        let lens = |a, b, scratch, out| ArrayLens { operands: [a, b], scratch, out };
        Some(match self {
            ArrayFn::Recurrence => lens(along, along, 0, along),
            ArrayFn::CumulativeSum => lens(along, 0, 0, along),
            ArrayFn::ArgSort => lens(along, 0, d.n, along),
            ArrayFn::TriangularSolve => lens(square, along, 0, along),
            ArrayFn::Solve => lens(square, along, times(&[d.n, d.n])?, along),
            ArrayFn::Cholesky => lens(square, 0, 0, square),
            ArrayFn::Det | ArrayFn::LogAbsDet => lens(square, 0, times(&[d.n, d.n])?, d.outer),
            ArrayFn::Cofactor => {
                let scratch = times(&[d.n, d.n, d.inner.checked_add(5)?])?;
                lens(square, times(&[square, d.inner])?, scratch, square)
            }
        })
    }

    /// The entry points for operands of type f64, f32 and, where there is one, i64.
    pub const fn symbols(self) -> [&'static str; 3] {
        match self {
            ArrayFn::Recurrence => ["ct_recurrence_f64", "ct_recurrence_f32", ""],
            ArrayFn::CumulativeSum => ["ct_cumulative_sum_f64", "ct_cumulative_sum_f32", ""],
            ArrayFn::ArgSort => ["ct_argsort_f64", "ct_argsort_f32", "ct_argsort_i64"],
            ArrayFn::TriangularSolve => ["ct_triangular_solve_f64", "ct_triangular_solve_f32", ""],
            ArrayFn::Solve => ["ct_solve_f64", "ct_solve_f32", ""],
            ArrayFn::Cholesky => ["ct_cholesky_f64", "ct_cholesky_f32", ""],
            ArrayFn::Det => ["ct_det_f64", "ct_det_f32", ""],
            ArrayFn::LogAbsDet => ["ct_logabsdet_f64", "ct_logabsdet_f32", ""],
            ArrayFn::Cofactor => ["ct_cofactor_f64", "ct_cofactor_f32", ""],
        }
    }

    /// Runs a function of numbers over any arithmetic. Arrays have the lengths that
    /// [`ArrayFn::lens`] gives; shorter ones are an error, and so is [`ArrayFn::ArgSort`],
    /// whose result are no numbers.
    pub fn run<A: Arithmetic>(
        self,
        d: &ArrayDims,
        [a, b]: [&[A::Number]; 2],
        scratch: &mut [A::Number],
        out: &mut [A::Number],
    ) -> Result<(), Refusal> {
        let short = "got arrays that are too short";
        let lens = self.lens(d).ok_or(short)?;
        let a = a.get(..lens.operands[0]).ok_or(short)?;
        let b = b.get(..lens.operands[1]).ok_or(short)?;
        let scratch = scratch.get_mut(..lens.scratch).ok_or(short)?;
        let out = out.get_mut(..lens.out).ok_or(short)?;
        match self {
            ArrayFn::Recurrence => scan::recurrence::<A>(d, a, b, out),
            ArrayFn::CumulativeSum => scan::cumulative_sum::<A>(d, a, out),
            ArrayFn::TriangularSolve => linalg::triangular_solve::<A>(d, a, b, out)?,
            ArrayFn::Solve => linalg::solve::<A>(d, a, b, scratch, out)?,
            ArrayFn::Cholesky => linalg::cholesky::<A>(d, a, out)?,
            ArrayFn::Det => linalg::det::<A>(d, a, scratch, out)?,
            ArrayFn::LogAbsDet => linalg::logabsdet::<A>(d, a, scratch, out)?,
            ArrayFn::Cofactor => linalg::cofactor::<A>(d, a, b, scratch, out)?,
            ArrayFn::ArgSort => return Err("gives integers"),
        }
        Ok(())
    }
}

/// Elements behind a pointer, which may be anything where there are none.
///
/// # Safety
/// `p` is valid for reads of `n` elements for as long as the slice is used.
unsafe fn elements<'a, T>(p: *const T, n: usize) -> &'a [T] {
    // SAFETY: by contract, where there are elements at all.
    if n == 0 { &[] } else { unsafe { std::slice::from_raw_parts(p, n) } }
}

/// The same for writing.
///
/// # Safety
/// `p` is valid for reads and writes of `n` elements, by nobody else, for as long as the slice is used.
unsafe fn elements_mut<'a, T>(p: *mut T, n: usize) -> &'a mut [T] {
    // SAFETY: by contract, where there are elements at all.
    if n == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(p, n) } }
}

macro_rules! entries {
    ($($f:ident: $wide:ident $narrow:ident $($operand:ident)*;)*) => {
        $(entries!(@one $f $wide f64 $($operand)*); entries!(@one $f $narrow f32 $($operand)*);)*
    };
    (@one $f:ident $name:ident $T:ident $($operand:ident)*) => {
        #[doc = concat!("[`ArrayFn::", stringify!($f), "`] of ", stringify!($T), ".")]
        ///
        /// # Safety
        /// `d` points to the dims; operands, scratch and result are valid for the elements that
        /// [`ArrayFn::lens`] gives, the last two for writes; they overlap nothing.
        pub unsafe extern "C" fn $name(
            d: *const ArrayDims, $($operand: *const $T,)* scratch: *mut $T, out: *mut $T,
        ) {
            // SAFETY: by contract; the function uses slices of exactly these lengths.
            unsafe {
                let d = &*d;
                let Some(lens) = ArrayFn::$f.lens(d) else { return };
                let mut operands: [&[$T]; 2] = [&[], &[]];
                let pointers = [$($operand),*];
                for ((slot, p), n) in operands.iter_mut().zip(pointers).zip(lens.operands) {
                    *slot = elements(p, n);
                }
                let (scratch, out) = (elements_mut(scratch, lens.scratch), elements_mut(out, lens.out));
                // Floats refuse nothing.
                let _ = ArrayFn::$f.run::<Float<$T>>(d, operands, scratch, out);
            }
        }
    };
}

entries! {
    Recurrence: recurrence_f64 recurrence_f32 a b;
    CumulativeSum: cumulative_sum_f64 cumulative_sum_f32 a;
    TriangularSolve: triangular_solve_f64 triangular_solve_f32 a b;
    Solve: solve_f64 solve_f32 a b;
    Cholesky: cholesky_f64 cholesky_f32 a;
    Det: det_f64 det_f32 a;
    LogAbsDet: logabsdet_f64 logabsdet_f32 a;
    Cofactor: cofactor_f64 cofactor_f32 a b;
}

macro_rules! argsorts {
    ($($name:ident $T:ty;)*) => {$(
        #[doc = concat!("[`ArrayFn::ArgSort`] of ", stringify!($T), ".")]
        ///
        /// # Safety
        /// As for the other entry points.
        pub unsafe extern "C" fn $name(d: *const ArrayDims, x: *const $T, scratch: *mut i64, out: *mut i64) {
            // SAFETY: by contract; the function uses slices of exactly these lengths.
            unsafe {
                let d = &*d;
                let Some(lens) = ArrayFn::ArgSort.lens(d) else { return };
                let x = elements(x, lens.operands[0]);
                let (scratch, out) = (elements_mut(scratch, lens.scratch), elements_mut(out, lens.out));
                scan::argsort(d, x, scratch, out, |a, b| a.partial_cmp(b));
            }
        }
    )*};
}
argsorts! { argsort_f64 f64; argsort_f32 f32; argsort_i64 i64; }
