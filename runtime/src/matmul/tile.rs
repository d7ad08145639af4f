//! The kernels: a tile of `c` held in registers while `k` runs.

use super::isa::Isa;
use super::simd::{Element, Plain, Simd};

/// Rows of the tallest kernel.
pub const MAX_ROWS: usize = 8;
/// Bytes of a row of the tallest kernels' tiles.
pub const MAX_WIDTH: usize = 3 * 64;

/// Everything a kernel is told, in elements.
#[derive(Clone, Copy)]
pub struct Tile<T> {
    /// Steps of the chain.
    pub k: usize,
    /// First element of the rows of `a`.
    pub a: *const T,
    pub a_row: isize,
    pub a_col: isize,
    /// First row of `b`, whose columns are adjacent.
    pub b: *const T,
    pub b_row: isize,
    /// First element of `c`, whose columns are adjacent.
    pub c: *mut T,
    pub c_row: isize,
    /// Columns in the last vector.
    pub last: usize,
    /// Whether the chains start here rather than go on from `c`.
    pub first: bool,
}

/// A kernel of one tile height and width.
pub type Kernel<T> = unsafe fn(&Tile<T>);

/// A kernel of any number of rows, one step and some vectors.
pub type Outer<T> = unsafe fn(&Tile<T>, usize);

/// The kernels of one instruction set.
pub struct Kernels<T: 'static> {
    /// Lanes of a vector.
    pub lanes: usize,
    /// `by_rows[r - 1][v - 1]` does `r` rows of `v` vectors; as many as fit in registers.
    pub by_rows: &'static [&'static [Kernel<T>]],
    /// `outer[v - 1]` does a column times a row of `v` vectors.
    pub outer: &'static [Outer<T>],
    /// Vectors of the tallest kernels, the widest the packed panels are.
    pub vectors: usize,
}

impl<T> Kernels<T> {
    /// Vectors that hold `n` columns; lanes are a power of two.
    #[inline(always)]
    pub fn vectors_of(&self, n: usize) -> usize {
        let whole = n >> self.lanes.trailing_zeros();
        whole + usize::from(n & (self.lanes - 1) != 0)
    }
}

#[allow(clippy::needless_range_loop, reason = "the sums stay in registers only by index")]
#[inline(always)]
unsafe fn tile<V: Simd, const R: usize, const C: usize>(t: &Tile<V::Elem>) {
    // SAFETY: the driver passes extents inside the operands; `last` masks the last vector.
    unsafe {
        let mask = V::mask(t.last);
        let mut acc = [[V::zero(); C]; R];
        if !t.first {
            for r in 0..R {
                let row = t.c.offset(r as isize * t.c_row);
                for v in 0..C - 1 {
                    acc[r][v] = V::load(row.add(v * V::LANES));
                }
                acc[r][C - 1] = V::load_part(row.add((C - 1) * V::LANES), mask);
            }
        }
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.k {
            let mut row = [V::zero(); C];
            for v in 0..C - 1 {
                row[v] = V::load(b.add(v * V::LANES));
            }
            row[C - 1] = V::load_part(b.add((C - 1) * V::LANES), mask);
            for r in 0..R {
                let x = V::splat(a.offset(r as isize * t.a_row));
                for v in 0..C {
                    acc[r][v] = acc[r][v].fma(x, row[v]);
                }
            }
            // Past the last step these may point outside, but nothing reads them there.
            a = a.wrapping_offset(t.a_col);
            b = b.wrapping_offset(t.b_row);
        }
        for r in 0..R {
            let row = t.c.offset(r as isize * t.c_row);
            for v in 0..C - 1 {
                acc[r][v].store(row.add(v * V::LANES));
            }
            acc[r][C - 1].store_part(row.add((C - 1) * V::LANES), mask);
        }
    }
}

/// `rows` rows of a product of one step: `b` stays in registers, where tiles would read it for each few rows.
#[inline(always)]
unsafe fn outer<V: Simd, const C: usize>(t: &Tile<V::Elem>, rows: usize) {
    // SAFETY: the driver passes extents inside the operands; `last` masks the last vector.
    unsafe {
        let mask = V::mask(t.last);
        let mut b = [V::zero(); C];
        for (v, b) in b[..C - 1].iter_mut().enumerate() {
            *b = V::load(t.b.add(v * V::LANES));
        }
        b[C - 1] = V::load_part(t.b.add((C - 1) * V::LANES), mask);
        for r in 0..rows as isize {
            let x = V::splat(t.a.offset(r * t.a_row));
            let c = t.c.offset(r * t.c_row);
            for (v, &b) in b[..C - 1].iter().enumerate() {
                V::zero().fma(x, b).store(c.add(v * V::LANES));
            }
            V::zero().fma(x, b[C - 1]).store_part(c.add((C - 1) * V::LANES), mask);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn outer_avx512<T: Element, const C: usize>(t: &Tile<T>, rows: usize) {
    // SAFETY: the caller's.
    unsafe { outer::<T::Avx512, C>(t, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn outer_avx2<T: Element, const C: usize>(t: &Tile<T>, rows: usize) {
    // SAFETY: the caller's.
    unsafe { outer::<T::Avx2, C>(t, rows) }
}

unsafe fn outer_plain<T: Element, const C: usize>(t: &Tile<T>, rows: usize) {
    // SAFETY: the caller's.
    unsafe { outer::<Plain<T>, C>(t, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn tile_avx512<T: Element, const R: usize, const C: usize>(t: &Tile<T>) {
    // SAFETY: the caller's.
    unsafe { tile::<T::Avx512, R, C>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2<T: Element, const R: usize, const C: usize>(t: &Tile<T>) {
    // SAFETY: the caller's.
    unsafe { tile::<T::Avx2, R, C>(t) }
}

unsafe fn tile_plain<T: Element, const R: usize, const C: usize>(t: &Tile<T>) {
    // SAFETY: the caller's.
    unsafe { tile::<Plain<T>, R, C>(t) }
}

/// Rows of kernels, each as wide as the registers allow.
macro_rules! kernels {
    ($tile:ident: $($r:literal [$($c:literal)*])*) => {
        &[$(&[$($tile::<T, $r, $c> as Kernel<T>),*] as &[Kernel<T>]),*]
    };
}

/// The kernels of one step, by vectors.
macro_rules! outers {
    ($outer:ident: $($c:literal)*) => {
        &[$($outer::<T, $c> as Outer<T>),*]
    };
}

/// The kernels of an instruction set the CPU has.
pub fn kernels<T: Element>(isa: Isa) -> Kernels<T> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Kernels {
            lanes: <T::Avx512 as Simd>::LANES,
            by_rows: kernels!(tile_avx512: 1 [1 2 3 4 5 6 7 8] 2 [1 2 3 4 5 6 7 8]
                3 [1 2 3 4 5 6] 4 [1 2 3 4] 5 [1 2 3 4] 6 [1 2 3] 7 [1 2 3] 8 [1 2 3]),
            outer: outers!(outer_avx512: 1 2 3 4 5 6 7 8),
            vectors: 3,
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Kernels {
            lanes: <T::Avx2 as Simd>::LANES,
            // Twelve sums, two vectors of b, one element of a, and the mask fill sixteen registers.
            by_rows: kernels!(tile_avx2: 1 [1 2 3 4 5 6] 2 [1 2 3 4] 3 [1 2 3] 4 [1 2] 5 [1 2]
                6 [1 2]),
            outer: outers!(outer_avx2: 1 2 3 4 5 6 7 8),
            vectors: 2,
        },
        _ => Kernels {
            lanes: <Plain<T> as Simd>::LANES,
            by_rows: kernels!(tile_plain: 1 [1 2 3 4] 2 [1 2 3] 3 [1 2] 4 [1 2]),
            outer: outers!(outer_plain: 1 2 3 4),
            vectors: 2,
        },
    }
}
