//! Indexed copies and indexed sums along one axis.
//!
//! Arrays are contiguous and seen as `(outer, axis, inner)`. No index, whatever its value,
//! makes a function read or write out of bounds.

/// The shape of an indexed copy or sum.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexDims {
    /// Product of the dimensions before the axis.
    pub outer: usize,
    /// Length of the indexed axis.
    pub axis: usize,
    /// Product of the dimensions after the axis.
    pub inner: usize,
    /// Entries along the axis on the index's side.
    pub count: usize,
    /// [`MODE_ERROR`] or [`MODE_SKIP`].
    pub mode: u32,
    /// The node to name in an error; not `u32::MAX`.
    pub node: u32,
}

/// An index out of range is recorded, and clamped to the nearest entry meanwhile.
pub const MODE_ERROR: u32 = 0;
/// An index out of range reads zero, and adds nowhere.
pub const MODE_SKIP: u32 = 1;

/// The lowest `(node, position)` at which an index was out of range.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStatus {
    /// The node, `u32::MAX` for none.
    pub node: u32,
    /// Row-major position in the index array.
    pub position: u64,
    /// The index found there.
    pub index: i64,
    /// The length it had to stay below.
    pub len: u64,
}

impl CallStatus {
    /// A status without an error.
    pub const OK: CallStatus = CallStatus { node: u32::MAX, position: 0, index: 0, len: 0 };

    /// Whether no error was recorded.
    pub fn is_ok(&self) -> bool {
        self.node == u32::MAX
    }

    /// Keeps the lower of the recorded error and `new`.
    pub fn record(&mut self, new: CallStatus) {
        if self.is_ok() || (new.node, new.position) < (self.node, self.position) {
            *self = new;
        }
    }
}

impl Default for CallStatus {
    fn default() -> Self {
        Self::OK
    }
}

/// Whether all of `len` indices are in range; the first that is not is noted, in [`MODE_ERROR`].
///
/// # Safety
/// `idx` is valid for `len` reads; `status` is null or valid for reads and writes.
unsafe fn check(d: &IndexDims, idx: *const i64, len: usize, status: *mut CallStatus) -> bool {
    if len == 0 {
        return true;
    }
    let Ok(axis) = i64::try_from(d.axis) else { return false };
    // SAFETY: the caller's promise.
    let indices = unsafe { std::slice::from_raw_parts(idx, len) };
    // The sign bit of what is negative or above the last; without a way out, so that it is quick.
    let outside = indices.iter().fold(0, |signs, &i| signs | i | (axis - 1).wrapping_sub(i));
    if axis > 0 && outside >= 0 {
        return true;
    }
    if d.mode == MODE_ERROR
        && let Some(position) = indices.iter().position(|&i| i as u64 >= d.axis as u64)
        // SAFETY: null or valid by contract.
        && let Some(status) = unsafe { status.as_mut() }
    {
        let (index, len) = (indices[position], d.axis as u64);
        status.record(CallStatus { node: d.node, position: position as u64, index, len });
    }
    false
}

/// The entry an index stands for, `None` where it reads zero and adds nowhere.
#[inline(always)]
fn entry(d: &IndexDims, index: i64) -> Option<usize> {
    if (index as u64) < d.axis as u64 {
        Some(index as usize)
    } else if d.mode == MODE_SKIP || d.axis == 0 {
        None
    } else if index < 0 {
        Some(0)
    } else {
        Some(d.axis - 1)
    }
}

macro_rules! reads {
    ($($gather:ident, $take_along:ident, $T:ty;)*) => {$(
        /// `dst[o, c, i] = src[o, idx[c], i]`.
        ///
        /// # Safety
        /// `d` points to the dims; `src` is valid for `outer * axis * inner` reads, `idx` for
        /// `count` reads, `dst` for `outer * count * inner` writes; `status` is null or valid.
        /// `dst` overlaps none of the others.
        pub unsafe extern "C" fn $gather(
            d: *const IndexDims, src: *const $T, idx: *const i64, dst: *mut $T,
            status: *mut CallStatus,
        ) {
            // SAFETY: every offset below is inside the extents the contract names, since
            // `entry` gives numbers less than axis only, and so are indices that `check` found inside.
            unsafe {
                let d = &*d;
                let inside = check(d, idx, d.count, status);
                if d.inner == 0 || d.count == 0 {
                    return;
                }
                for o in 0..d.outer {
                    let src = src.add(o * d.axis * d.inner);
                    let dst = dst.add(o * d.count * d.inner);
                    if d.inner == 1 && inside {
                        for c in 0..d.count {
                            *dst.add(c) = *src.add(*idx.add(c) as usize);
                        }
                        continue;
                    }
                    if d.inner == 1 {
                        for c in 0..d.count {
                            *dst.add(c) = match entry(d, *idx.add(c)) {
                                Some(e) => *src.add(e),
                                None => 0 as $T,
                            };
                        }
                        continue;
                    }
                    for c in 0..d.count {
                        let to = dst.add(c * d.inner);
                        match entry(d, *idx.add(c)) {
                            Some(e) => std::ptr::copy_nonoverlapping(src.add(e * d.inner), to, d.inner),
                            None => std::ptr::write_bytes(to, 0, d.inner),
                        }
                    }
                }
            }
        }

        /// `dst[o, c, i] = src[o, idx[o, c, i], i]`.
        ///
        /// # Safety
        /// `d` points to the dims; `src` is valid for `outer * axis * inner` reads, `idx` and
        /// `dst` for `outer * count * inner` reads and writes; `status` is null or valid.
        /// `dst` overlaps none of the others.
        pub unsafe extern "C" fn $take_along(
            d: *const IndexDims, src: *const $T, idx: *const i64, dst: *mut $T,
            status: *mut CallStatus,
        ) {
            // SAFETY: as above.
            unsafe {
                let d = &*d;
                check(d, idx, d.outer.wrapping_mul(d.count).wrapping_mul(d.inner), status);
                if d.inner == 0 || d.count == 0 {
                    return;
                }
                let mut at = 0;
                for o in 0..d.outer {
                    let src = src.add(o * d.axis * d.inner);
                    for _ in 0..d.count {
                        for i in 0..d.inner {
                            *dst.add(at) = match entry(d, *idx.add(at)) {
                                Some(e) => *src.add(e * d.inner + i),
                                None => 0 as $T,
                            };
                            at += 1;
                        }
                    }
                }
            }
        }
    )*};
}

macro_rules! sums {
    ($($scatter:ident, $put_along:ident, $T:ty;)*) => {$(
        /// `dst = base`, then `dst[o, idx[c], i] += updates[o, c, i]` with `c` ascending.
        ///
        /// # Safety
        /// `d` points to the dims; `base` is valid for `outer * axis * inner` reads, `dst` for
        /// as many reads and writes, `idx` for `count` reads, `updates` for
        /// `outer * count * inner` reads; `status` is null or valid. `dst` is `base` itself or
        /// overlaps none of the others.
        pub unsafe extern "C" fn $scatter(
            d: *const IndexDims, base: *const $T, idx: *const i64, updates: *const $T,
            dst: *mut $T, status: *mut CallStatus,
        ) {
            // SAFETY: every offset below is inside the extents the contract names, since
            // `entry` gives numbers less than axis only, and so are indices that `check` found inside.
            unsafe {
                let d = &*d;
                let inside = check(d, idx, d.count, status);
                if !std::ptr::eq(base, dst) {
                    std::ptr::copy_nonoverlapping(base, dst, d.outer.wrapping_mul(d.axis).wrapping_mul(d.inner));
                }
                if d.inner == 0 || d.count == 0 {
                    return;
                }
                for o in 0..d.outer {
                    let dst = dst.add(o * d.axis * d.inner);
                    let updates = updates.add(o * d.count * d.inner);
                    if d.inner == 1 && inside {
                        for c in 0..d.count {
                            *dst.add(*idx.add(c) as usize) += *updates.add(c);
                        }
                        continue;
                    }
                    for c in 0..d.count {
                        let Some(e) = entry(d, *idx.add(c)) else { continue };
                        let (to, from) = (dst.add(e * d.inner), updates.add(c * d.inner));
                        for i in 0..d.inner {
                            *to.add(i) += *from.add(i);
                        }
                    }
                }
            }
        }

        /// `dst = base`, then `dst[o, idx[o, c, i], i] += updates[o, c, i]` in row-major order.
        ///
        /// # Safety
        /// `d` points to the dims; `base` is valid for `outer * axis * inner` reads, `dst` for
        /// as many reads and writes, `idx` and `updates` for `outer * count * inner` reads;
        /// `status` is null or valid. `dst` is `base` itself or overlaps none of the others.
        pub unsafe extern "C" fn $put_along(
            d: *const IndexDims, base: *const $T, idx: *const i64, updates: *const $T,
            dst: *mut $T, status: *mut CallStatus,
        ) {
            // SAFETY: as above.
            unsafe {
                let d = &*d;
                check(d, idx, d.outer.wrapping_mul(d.count).wrapping_mul(d.inner), status);
                if !std::ptr::eq(base, dst) {
                    std::ptr::copy_nonoverlapping(base, dst, d.outer.wrapping_mul(d.axis).wrapping_mul(d.inner));
                }
                if d.inner == 0 || d.count == 0 {
                    return;
                }
                let mut at = 0;
                for o in 0..d.outer {
                    let dst = dst.add(o * d.axis * d.inner);
                    for _ in 0..d.count {
                        for i in 0..d.inner {
                            if let Some(e) = entry(d, *idx.add(at)) {
                                *dst.add(e * d.inner + i) += *updates.add(at);
                            }
                            at += 1;
                        }
                    }
                }
            }
        }
    )*};
}

reads! {
    gather_f64, take_along_f64, f64;
    gather_f32, take_along_f32, f32;
    gather_i64, take_along_i64, i64;
    gather_u8, take_along_u8, u8;
}

sums! {
    scatter_add_f64, put_along_add_f64, f64;
    scatter_add_f32, put_along_add_f32, f32;
}
