//! The mutable scratch of a batch: rows of a block of points for each thread.

use crate::program::batch::Inner;
use crate::program::batch::args::Bound;
use crate::program::identity;
use crate::program::workspace::{Bytes, Workspace};
use cotangent_runtime::points::Strides;
use std::sync::{Arc, Weak};

/// What one thread needs.
pub(super) struct Scratch {
    pub bytes: Option<Bytes>,
    /// Where points are done one by one.
    pub single: Option<Workspace>,
}

/// Scratch memory of one [`crate::Batched`], for one call at a time.
pub struct BatchWorkspace {
    pub(super) batch: usize,
    // Keeps the address in `batch` from being given to another.
    _owner: Weak<Inner>,
    pub(super) scratch: Box<[Scratch]>,
    pub(super) inputs: Box<[Bound<*const u8>]>,
    pub(super) outputs: Box<[Bound<*mut u8>]>,
}

// SAFETY: the pointers in `inputs` and `outputs` are filled and used within one call that borrows
// the workspace and the slices.
unsafe impl Send for BatchWorkspace {}

impl BatchWorkspace {
    pub(super) fn new(owner: &Arc<Inner>, threads: usize) -> BatchWorkspace {
        let strides = Strides { point: 0, element: 0 };
        let scratch = || Scratch {
            bytes: Bytes::new(owner.scratch),
            single: owner.single.as_ref().map(|program| program.workspace()),
        };
        let (inputs, outputs) = owner.widest();
        BatchWorkspace {
            batch: identity(owner),
            _owner: Arc::downgrade(owner),
            scratch: (0..threads.max(1)).map(|_| scratch()).collect(),
            inputs: vec![Bound { at: std::ptr::null(), strides }; inputs].into(),
            outputs: vec![Bound { at: std::ptr::null_mut(), strides }; outputs].into(),
        }
    }

    /// Threads that a call uses at most.
    pub fn threads(&self) -> usize {
        self.scratch.len()
    }
}
