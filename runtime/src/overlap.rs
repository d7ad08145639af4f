//! Sums of overlapping windows: elements of one array added to places of another that
//! several of them share.

/// Loops that one call can nest.
pub const LOOPS: usize = 12;

/// The loops of a sum, outermost first, with the stride of each on both sides.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlapDims {
    /// Elements of the result.
    pub len: usize,
    /// Loops in use.
    pub loops: usize,
    /// Extents.
    pub dims: [usize; LOOPS],
    /// Strides of the source, in elements.
    pub src: [isize; LOOPS],
    /// Strides of the result, in elements.
    pub dst: [isize; LOOPS],
}

impl OverlapDims {
    /// A sum of no loops into `len` elements.
    pub fn new(len: usize) -> OverlapDims {
        OverlapDims { len, loops: 0, dims: [1; LOOPS], src: [0; LOOPS], dst: [0; LOOPS] }
    }

    /// Nests one more loop inside; `None` if there are too many.
    pub fn push(&mut self, n: usize, src: isize, dst: isize) -> Option<()> {
        let at = self.loops;
        *self.dims.get_mut(at)? = n;
        (self.src[at], self.dst[at]) = (src, dst);
        self.loops += 1;
        Some(())
    }
}

macro_rules! sums {
    ($($name:ident $T:ty;)*) => {$(
        /// `dst = 0`, then `dst[..] += src[..]` in the order of the loops.
        ///
        /// # Safety
        /// `d` points to the dims, of at most [`LOOPS`] loops; `dst` is valid for `len` reads and
        /// writes; the strides lead `src` and `dst` to elements that are valid; `dst` and what
        /// `src` reaches do not overlap.
        pub unsafe extern "C" fn $name(d: *const OverlapDims, src: *const $T, dst: *mut $T) {
            // SAFETY: the extents and strides are those that the contract names.
            unsafe {
                let d = &*d;
                std::ptr::write_bytes(dst, 0, d.len);
                let Some(outer) = d.loops.checked_sub(1) else {
                    *dst += *src;
                    return;
                };
                if d.dims[..d.loops].contains(&0) {
                    return;
                }
                let (n, from_step, to_step) = (d.dims[outer], d.src[outer], d.dst[outer]);
                let mut index = [0usize; LOOPS];
                let (mut from, mut to) = (0isize, 0isize);
                loop {
                    let (a, b) = (src.offset(from), dst.offset(to));
                    if from_step == 1 && to_step == 1 {
                        for i in 0..n {
                            *b.add(i) += *a.add(i);
                        }
                    } else {
                        for i in 0..n as isize {
                            *b.offset(i * to_step) += *a.offset(i * from_step);
                        }
                    }
                    // The next row: an odometer over the outer loops.
                    let mut axis = outer;
                    loop {
                        if axis == 0 {
                            return;
                        }
                        axis -= 1;
                        index[axis] += 1;
                        from += d.src[axis];
                        to += d.dst[axis];
                        if index[axis] < d.dims[axis] {
                            break;
                        }
                        from -= d.src[axis] * d.dims[axis] as isize;
                        to -= d.dst[axis] * d.dims[axis] as isize;
                        index[axis] = 0;
                    }
                }
            }
        }
    )*};
}

sums! {
    overlap_add_f64 f64;
    overlap_add_f32 f32;
}
