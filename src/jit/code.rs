//! Owned machine code: given back to the system on drop.

use crate::jit::JitError;
use crate::jit::callback::{Callback, Status};
use crate::ops::CustomOp;
use cotangent_runtime::array::ArrayDims;
use cotangent_runtime::index::IndexDims;
use cotangent_runtime::matmul::MatmulDims;
use cotangent_runtime::overlap::OverlapDims;
use cranelift_jit::JITModule;
use std::mem::ManuallyDrop;

/// The compiled entry: caller's inputs, caller's outputs, workspace, status.
pub type Entry = unsafe extern "C" fn(*const *const u8, *const *mut u8, *mut u8, *mut Status);

/// The entry of straight-line code from one array to a number and an array:
/// input, second output. The number is returned.
pub type Direct = unsafe extern "C" fn(*const f64, *mut f64) -> f64;

/// Data that compiled code points to: constants and the arguments of calls.
#[derive(Default)]
#[allow(clippy::vec_box)] // The code holds the addresses of the blocks.
pub struct Pool {
    // Blocks of u64 so that every element type is aligned.
    literals: Vec<Box<[u64]>>,
    matmuls: Vec<Box<MatmulDims>>,
    overlaps: Vec<Box<OverlapDims>>,
    indices: Vec<Box<IndexDims>>,
    arrays: Vec<Box<ArrayDims>>,
    callbacks: Vec<Box<Callback>>,
}

impl Pool {
    /// The elements of a constant, in memory for as long as the code.
    pub fn literal(&mut self, literal: &crate::ops::Literal) -> Result<*const u8, JitError> {
        let (n, size) = (literal.ty().numel(), literal.ty().dtype.size());
        let words = n.checked_mul(size).ok_or(JitError::OutOfMemory)?.div_ceil(8).max(1);
        let mut block: Vec<u64> = Vec::new();
        block.try_reserve_exact(words).map_err(|_| JitError::OutOfMemory)?;
        let per = 8 / size;
        for word in 0..words {
            let mut bits = 0u64;
            for k in 0..per {
                let i = word * per + k;
                if i < n {
                    let mask = if size == 8 { u64::MAX } else { (1u64 << (8 * size)) - 1 };
                    let part = literal.bits(i) & mask;
                    // The first element stands at the lowest address.
                    let shift = if cfg!(target_endian = "little") { k } else { per - 1 - k };
                    bits |= part << (8 * size * shift);
                }
            }
            block.push(bits);
        }
        Ok(self.words(block))
    }

    /// Numbers, for as long as the code.
    pub fn words(&mut self, words: Vec<u64>) -> *const u8 {
        self.literals.push(words.into_boxed_slice());
        self.literals.last().map_or(std::ptr::null(), |b| b.as_ptr().cast())
    }

    /// The arguments of a matrix product.
    pub fn matmul(&mut self, dims: MatmulDims) -> *const u8 {
        self.matmuls.push(Box::new(dims));
        self.matmuls.last().map_or(std::ptr::null(), |b| (&raw const **b).cast())
    }

    /// The arguments of a sum of overlapping windows.
    pub fn overlap(&mut self, dims: OverlapDims) -> *const u8 {
        self.overlaps.push(Box::new(dims));
        self.overlaps.last().map_or(std::ptr::null(), |b| (&raw const **b).cast())
    }

    /// A callback, for as long as the code.
    pub fn callback(&mut self, op: &CustomOp, node: u32) -> *const u8 {
        self.callbacks.push(Box::new(Callback { op: op.clone(), node }));
        self.callbacks.last().map_or(std::ptr::null(), |b| (&raw const **b).cast())
    }

    /// The arguments of an indexed copy.
    pub fn index(&mut self, dims: IndexDims) -> *const u8 {
        self.indices.push(Box::new(dims));
        self.indices.last().map_or(std::ptr::null(), |b| (&raw const **b).cast())
    }

    /// The extents of a function of arrays.
    pub fn array(&mut self, dims: ArrayDims) -> *const u8 {
        self.arrays.push(Box::new(dims));
        self.arrays.last().map_or(std::ptr::null(), |b| (&raw const **b).cast())
    }
}

/// What a compiled function turned out to be.
#[derive(Clone, Debug, Default)]
pub struct CodeReport {
    /// Loop nests and calls into the runtime.
    pub kernels: usize,
    pub calls: usize,
    /// Names of every symbol that the code refers to.
    pub symbols: Vec<String>,
    /// Cranelift IR, where asked for.
    pub clif: String,
    /// Assembly, where asked for.
    pub assembly: String,
}

/// Machine code of one function and the data it points to.
pub struct Code {
    module: ManuallyDrop<JITModule>,
    entry: Entry,
    direct: Option<Direct>,
    _pool: Pool,
    report: CodeReport,
    /// Bytes of the workspace that the code uses.
    pub workspace: usize,
}

// SAFETY: finished code and its constants are only read; the module is touched
// again only by `drop`, which has it alone.
unsafe impl Send for Code {}
// SAFETY: as above.
unsafe impl Sync for Code {}

impl Code {
    pub(super) fn new(
        module: JITModule,
        entry: *const u8,
        direct: Option<*const u8>,
        pool: Pool,
        report: CodeReport,
        workspace: usize,
    ) -> Code {
        // SAFETY: `entry` is the address of a finalized function that was
        // declared with exactly this signature and calling convention.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(entry) };
        // SAFETY: as above; `Chunk::direct_signature` is the signature.
        let direct = direct.map(|at| unsafe { std::mem::transmute::<*const u8, Direct>(at) });
        Code { module: ManuallyDrop::new(module), entry, direct, _pool: pool, report, workspace }
    }

    /// What was compiled.
    pub fn report(&self) -> &CodeReport {
        &self.report
    }

    /// The code itself, valid while `self` lives.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// The quick entry, where the code has one; valid while `self` lives.
    pub fn direct(&self) -> Option<Direct> {
        self.direct
    }

    /// Runs the code.
    ///
    /// # Safety
    /// `inputs` and `outputs` point to as many pointers as the plan has, each to
    /// a region of the plan's size, the outputs exclusive; `workspace` to
    /// `self.workspace` exclusive bytes, 64-byte aligned; `status` to a status.
    #[inline(always)]
    pub unsafe fn call(
        &self,
        inputs: *const *const u8,
        outputs: *const *mut u8,
        workspace: *mut u8,
        status: *mut Status,
    ) {
        // SAFETY: the caller's promise is the code's precondition; the code's
        // addresses were checked against the plan (`lower::check`).
        unsafe { (self.entry)(inputs, outputs, workspace, status) }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: the module is taken once, here; no code of it runs, because
        // running borrows `self`.
        unsafe { ManuallyDrop::take(&mut self.module).free_memory() }
    }
}
