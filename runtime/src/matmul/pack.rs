//! Copies of operand blocks, laid out as the kernels read them.

use super::simd::Element;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

/// Bytes of `k` in a block: eight rows of `a` that long take a third of a first-level cache.
pub const K_BYTES: usize = 2048;
/// Bytes of a packed block of `b`: half a second-level cache.
const BLOCK_BYTES: usize = 1 << 20;
/// Bytes of a packed block of `b` that may live on the stack.
pub const SMALL_BYTES: usize = 32 << 10;

/// Uninitialised room, aligned to a cache line.
#[repr(C, align(64))]
pub struct Room<const BYTES: usize>(MaybeUninit<[u8; BYTES]>);

impl<const BYTES: usize> Room<BYTES> {
    /// Fresh room.
    #[inline(always)]
    pub fn new() -> Self {
        Room(MaybeUninit::uninit())
    }

    /// Its start.
    #[inline(always)]
    pub fn start<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }
}

thread_local! {
    /// The block of `b` of large products, kept from call to call.
    static BLOCK: UnsafeCell<Option<Box<Room<BLOCK_BYTES>>>> = const { UnsafeCell::new(None) };
}

/// Runs `f` with the thread's block and its size in bytes; without one (the thread is ending)
/// with a small one on the stack.
pub fn with_block(f: impl FnOnce(*mut u8, usize)) {
    let start = BLOCK.try_with(|block| {
        // SAFETY: the reference ends before the closure does, and nothing in between comes
        // back here.
        let block = unsafe { &mut *block.get() };
        block
            .get_or_insert_with(|| {
                // SAFETY: uninitialised bytes are a valid `Room`.
                unsafe { Box::<Room<BLOCK_BYTES>>::new_uninit().assume_init() }
            })
            .start::<u8>()
    });
    match start {
        Ok(start) => f(start, BLOCK_BYTES),
        Err(_) => f(Room::<SMALL_BYTES>::new().start(), SMALL_BYTES),
    }
}

/// Packs `rows` by `k` of `a`; returns the steps from row to row and from column to column.
///
/// # Safety
/// The source is valid for the extents; `to` has room for `rows * k`.
pub unsafe fn pack_a<T: Element>(
    to: *mut T,
    rows: usize,
    k: usize,
    a: *const T,
    a_row: isize,
    a_col: isize,
) -> (isize, isize) {
    // SAFETY: the caller's.
    unsafe {
        if a_row == 1 {
            for p in 0..k {
                let from = a.offset(p as isize * a_col);
                for r in 0..rows {
                    *to.add(p * rows + r) = *from.add(r);
                }
            }
            return (1, rows as isize);
        }
        for r in 0..rows {
            let (from, to) = (a.offset(r as isize * a_row), to.add(r * k));
            if a_col == 1 {
                std::ptr::copy_nonoverlapping(from, to, k);
            } else {
                for p in 0..k {
                    *to.add(p) = *from.offset(p as isize * a_col);
                }
            }
        }
        (k as isize, 1)
    }
}

/// Packs `k` by `cols` of `b` into rows of `width`.
///
/// # Safety
/// The source is valid for the extents; `to` has room for `k * width`, and `cols <= width`.
pub unsafe fn pack_b<T: Element>(
    to: *mut T,
    width: usize,
    k: usize,
    cols: usize,
    b: *const T,
    b_row: isize,
    b_col: isize,
) {
    // SAFETY: the caller's.
    unsafe {
        if b_col == 1 {
            for p in 0..k {
                let (from, to) = (b.offset(p as isize * b_row), to.add(p * width));
                // Short copies of fixed size need no call.
                let whole = cols & !7;
                for j in (0..whole).step_by(8) {
                    let part = from.add(j).cast::<[T; 8]>().read_unaligned();
                    to.add(j).cast::<[T; 8]>().write_unaligned(part);
                }
                for j in whole..cols {
                    *to.add(j) = *from.add(j);
                }
            }
            return;
        }
        const SIDE: usize = 4;
        let whole = cols - cols % SIDE;
        for j in (0..whole).step_by(SIDE) {
            let from: [*const T; SIDE] = std::array::from_fn(|x| b.offset((j + x) as isize * b_col));
            for p in 0..k {
                let at = p as isize * b_row;
                let row: [T; SIDE] = std::array::from_fn(|x| *from[x].offset(at));
                to.add(p * width + j).cast::<[T; SIDE]>().write_unaligned(row);
            }
        }
        for j in whole..cols {
            let from = b.offset(j as isize * b_col);
            for p in 0..k {
                *to.add(p * width + j) = *from.offset(p as isize * b_row);
            }
        }
    }
}
