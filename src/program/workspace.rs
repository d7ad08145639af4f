//! The mutable scratch of a program: one per thread, allocated once.

use crate::check::finite::first_in;
use crate::graph::{DType, ValueType};
use crate::jit::Status;
use crate::lower::memory::ALIGN;
use crate::program::{Inner, identity};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

/// 64-byte aligned bytes.
pub(super) struct Bytes {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: memory of its own, which nobody else knows.
unsafe impl Send for Bytes {}

impl Bytes {
    pub(super) fn new(len: usize) -> Option<Bytes> {
        if len == 0 {
            return Some(Bytes { at: NonNull::<[u64; 8]>::dangling().cast(), len });
        }
        let layout = Layout::from_size_align(len, ALIGN).ok()?;
        // SAFETY: the layout's size is not 0.
        let at = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Bytes { at, len })
    }

    /// The first of them.
    pub(super) fn start(&self) -> *mut u8 {
        self.at.as_ptr()
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let (true, Ok(layout)) = (self.len > 0, Layout::from_size_align(self.len, ALIGN)) {
            // SAFETY: allocated by `new` with this layout.
            unsafe { dealloc(self.at.as_ptr(), layout) }
        }
    }
}

/// Which forward call the workspace holds the values of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    Saved,
    Dense,
    /// Dense, and the gradients are there too.
    Swept,
}

/// Scratch memory of one [`crate::Program`], for one call at a time.
pub struct Workspace {
    bytes: Option<Bytes>,
    pub(super) wanted: usize,
    pub(super) program: usize,
    // Keeps the address in `program` from being given to another program.
    _owner: Weak<Inner>,
    pub(super) held: Held,
    pub(super) status: Status,
    pub(super) inputs: Box<[*const u8]>,
    pub(super) outputs: Box<[*mut u8]>,
    /// The value of a scalar output, for calls that return it.
    pub(super) value: [u64; 1],
}

// SAFETY: the pointers in `inputs` and `outputs` are scratch that is filled and
// used within one call that borrows the workspace and the slices.
unsafe impl Send for Workspace {}

impl Workspace {
    pub(super) fn new(len: usize, owner: &Arc<Inner>, inputs: usize, outputs: usize) -> Workspace {
        Workspace {
            bytes: Bytes::new(len),
            wanted: len,
            program: identity(owner),
            _owner: Arc::downgrade(owner),
            held: Held::Nothing,
            status: Status::OK,
            inputs: vec![std::ptr::null(); inputs].into(),
            outputs: vec![std::ptr::null_mut(); outputs].into(),
            value: [0],
        }
    }

    /// Start of the scratch memory; `None` where it could not be allocated.
    #[inline(always)]
    pub(super) fn base(&self) -> Option<*mut u8> {
        self.bytes.as_ref().map(|b| b.at.as_ptr())
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.bytes.as_ref().map_or(0, |b| b.len)
    }

    /// Whether the program needs no scratch memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements at a byte offset; `None` past the end.
    pub(super) fn slice<T: Plain>(&self, offset: usize, len: usize) -> Option<&[T]> {
        let bytes = self.bytes.as_ref()?;
        let end = len.checked_mul(size_of::<T>())?.checked_add(offset)?;
        (end <= bytes.len && offset.is_multiple_of(align_of::<T>())).then(|| {
            // SAFETY: in range and aligned as just checked; zeroed at first, and
            // any bit pattern of a `Plain` type is a value.
            unsafe { std::slice::from_raw_parts(bytes.at.as_ptr().add(offset).cast(), len) }
        })
    }

    /// An element of this type of a tensor at a byte offset.
    pub(super) fn element(&self, dtype: DType, at: usize, i: usize) -> Option<f64> {
        match dtype {
            DType::F64 => self.slice::<f64>(at, i + 1)?.get(i).copied(),
            DType::F32 => self.slice::<f32>(at, i + 1)?.get(i).map(|&x| f64::from(x)),
            DType::I64 => self.slice::<i64>(at, i + 1)?.get(i).map(|&x| x as f64),
            DType::Bool => self.slice::<u8>(at, i + 1)?.get(i).map(|&x| f64::from(x)),
        }
    }

    /// The first element of a tensor at a byte offset that is not finite.
    pub(super) fn first_nonfinite(&self, ty: &ValueType, at: usize, excused: bool) -> Option<(usize, f64)> {
        match ty.dtype {
            DType::F64 => first_in(self.slice::<f64>(at, ty.numel())?, excused),
            DType::F32 => first_in(self.slice::<f32>(at, ty.numel())?, excused),
            DType::I64 | DType::Bool => None,
        }
    }

    /// Elements at a byte offset, to write.
    pub(super) fn slice_mut<T: Plain>(&mut self, offset: usize, len: usize) -> Option<&mut [T]> {
        let bytes = self.bytes.as_ref()?;
        let end = len.checked_mul(size_of::<T>())?.checked_add(offset)?;
        (end <= bytes.len && offset.is_multiple_of(align_of::<T>())).then(|| {
            // SAFETY: as in `slice`; `&mut self` makes it exclusive.
            unsafe { std::slice::from_raw_parts_mut(bytes.at.as_ptr().add(offset).cast(), len) }
        })
    }
}

/// Element types of which every bit pattern is a value.
///
/// # Safety
/// No padding, no invalid bit pattern, alignment at most 64.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: numbers.
unsafe impl Plain for f64 {}
// SAFETY: numbers.
unsafe impl Plain for f32 {}
// SAFETY: numbers.
unsafe impl Plain for i64 {}
// SAFETY: numbers.
unsafe impl Plain for u8 {}
