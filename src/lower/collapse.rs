//! Loop dims made few and long: extents of 1 vanish, dims that every access
//! walks as one are merged.

use crate::lower::plan::{Access, Kernel, LaneOp};
use smallvec::SmallVec;

fn accesses(kernel: &mut Kernel, mut f: impl FnMut(&mut Access)) {
    for lane in &mut kernel.body {
        if let LaneOp::Load(access) = &mut lane.op {
            f(access);
        }
    }
}

/// Simplifies the loop nest of a kernel.
pub fn collapse(kernel: &mut Kernel) {
    let kept = kernel.dims.len() - kernel.reduced();
    // Extents of 1.
    let mut dim = kernel.dims.len();
    let mut kept_left = kept;
    while dim > 0 {
        dim -= 1;
        if kernel.dims[dim] == 1 {
            remove(kernel, dim, dim < kept);
            kept_left -= usize::from(dim < kept);
        }
    }
    let mut kept = kept_left;
    // Neighbours that move together. Kept and reduced dims do not mix.
    let mut dim = 0;
    while dim + 1 < kernel.dims.len() {
        let boundary = dim + 1 == kept;
        let inner = kernel.dims[dim + 1] as isize;
        let mut together = !boundary;
        accesses(kernel, |a| together &= a.strides[dim] == a.strides[dim + 1] * inner);
        if dim + 1 < kept {
            together &= kernel.store.strides[dim] == kernel.store.strides[dim + 1] * inner;
        }
        if together {
            kernel.dims[dim] *= kernel.dims[dim + 1];
            let inner_stride = |a: &mut Access| {
                a.strides[dim] = a.strides[dim + 1];
                a.strides.remove(dim + 1);
            };
            kernel.dims.remove(dim + 1);
            accesses(kernel, inner_stride);
            if dim + 1 < kept {
                inner_stride(&mut kernel.store);
                kept -= 1;
            }
        } else {
            dim += 1;
        }
    }
    if let crate::lower::plan::Ending::Reduce { reduced, .. } = &mut kernel.ending {
        *reduced = kernel.dims.len() - kept;
    }
}

fn remove(kernel: &mut Kernel, dim: usize, kept: bool) {
    kernel.dims.remove(dim);
    accesses(kernel, |a| _ = a.strides.remove(dim));
    if kept {
        kernel.store.strides.remove(dim);
    }
    if let crate::lower::plan::Ending::Reduce { reduced, .. } = &mut kernel.ending
        && !kept
    {
        *reduced -= 1;
    }
}

/// Lowest and highest element an access touches over the loop nest.
pub fn extent(access: &Access, dims: &SmallVec<[usize; 4]>) -> (isize, isize) {
    let mut range = (access.offset, access.offset);
    for (&stride, &n) in access.strides.iter().zip(dims) {
        let span = stride * (n as isize - 1);
        if span < 0 {
            range.0 += span;
        } else {
            range.1 += span;
        }
    }
    range
}
