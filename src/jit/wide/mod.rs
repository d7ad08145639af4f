//! Innermost loops at the full width of an x86-64 CPU: AVX2 or AVX-512 in place of the 128
//! bits that Cranelift has. A kernel's body becomes a list of operations on vectors, those get
//! registers, and an assembler turns them into one function for each row of a kernel. The
//! operations are those of the narrow path on more lanes, so the bits are the same.

#[cfg(target_arch = "x86_64")]
mod asm;
#[cfg(target_arch = "x86_64")]
mod body;
#[cfg(target_arch = "x86_64")]
mod points;
#[cfg(target_arch = "x86_64")]
mod registers;
#[cfg(target_arch = "x86_64")]
mod row;
#[cfg(target_arch = "x86_64")]
mod strip;

use crate::lower::points::Row;
use crate::program::VectorWidth;

#[cfg(not(target_arch = "x86_64"))]
use {
    crate::jit::code::Pool,
    crate::lower::plan::Kernel,
    crate::lower::points::{Block, Part},
};
#[cfg(target_arch = "x86_64")]
pub use {points::assemble as points, strip::assemble};

/// A vector register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vector {
    /// 256 bits, AVX2 and FMA.
    Ymm,
    /// 512 bits, AVX-512F.
    Zmm,
}

impl Vector {
    /// The widest that is allowed and that this CPU has.
    pub fn widest(allowed: VectorWidth) -> Option<Vector> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let ymm = has!("avx2") && has!("fma");
            match allowed {
                VectorWidth::Widest | VectorWidth::Bits512 if ymm && has!("avx512f") => Some(Vector::Zmm),
                VectorWidth::Bits128 => None,
                _ => ymm.then_some(Vector::Ymm),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = allowed;
            None
        }
    }

    /// Bytes of a register.
    pub fn bytes(self) -> usize {
        match self {
            Vector::Ymm => 32,
            Vector::Zmm => 64,
        }
    }
}

/// What a pointer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What this lane loads.
    Load(usize),
    /// The store of the ending.
    Store,
    /// This store beside it.
    Beside(usize),
}

/// Machine code for a row of a kernel, and the table that it is called with:
/// accumulators first, then 8 bytes for each pointer and each fixed value.
#[derive(Debug)]
pub struct Strip {
    pub code: Vec<u8>,
    /// The code as text, where that is wanted.
    pub text: Option<String>,
    /// Elements of the row that it goes through.
    pub done: usize,
    /// Whose pointer stands at an offset.
    pub streams: Vec<(Stream, usize)>,
    /// Lanes whose value, the same all along the row, stands at an offset.
    pub fixed: Vec<(usize, usize)>,
    /// Bytes of the table.
    pub bytes: usize,
}

/// No other machine has such code.
#[cfg(not(target_arch = "x86_64"))]
pub fn assemble(_: &Kernel, _: Vector, _: &mut Pool, _: bool) -> Option<Strip> {
    None
}

/// Where rows of points stand: byte offsets in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsAt {
    pub first: usize,
    /// From a row to the next.
    pub apart: usize,
}

impl RowsAt {
    /// The start of a row.
    pub fn at(self, row: Row) -> usize {
        self.first + row as usize * self.apart
    }
}

/// Machine code for a straight-line piece over rows of points.
#[derive(Debug)]
pub struct Piece {
    pub code: Vec<u8>,
    /// The code as text, where that is wanted.
    pub text: Option<String>,
    /// Bytes that it uses behind the rows.
    pub spills: usize,
}

/// No other machine has such code.
#[cfg(not(target_arch = "x86_64"))]
pub fn points(_: &Block, _: &[Part], _: RowsAt, _: Vector, _: &mut Pool, _: bool) -> Option<Piece> {
    None
}
