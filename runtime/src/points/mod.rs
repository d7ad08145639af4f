//! Records of points to rows of lanes and back: a row holds one element of many points side by
//! side. Masks are bytes 0 and 1 in records, ones or zeros in every bit in rows.

#[cfg(target_arch = "x86_64")]
mod tiles;

/// Where the elements of points stand, in elements: that of point `p` and position `e` at
/// `p * point + e * element`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// From a point to the next.
    pub point: usize,
    /// From an element of a point to the next.
    pub element: usize,
}

/// Rows side by side: their length from first to first, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// How many rows.
    pub count: usize,
    /// From a row to the next.
    pub apart: usize,
}

/// What stands in a row.
pub trait Lane: Copy {
    /// Ones or zeros.
    fn of_mask(mask: u8) -> Self;
    /// 0 or 1.
    fn to_mask(self) -> u8;
    /// Points and elements of a tile that goes through registers, if this CPU has them.
    fn tile() -> Option<(usize, usize)>;
    /// Reads whole tiles of records whose elements stand side by side.
    ///
    /// # Safety
    /// There is a [`Lane::tile`], and both sides are whole tiles.
    unsafe fn read_tiles(n: usize, src: *const Self, point: usize, to: *mut Self, rows: Rows);
    /// Writes whole tiles.
    ///
    /// # Safety
    /// As for [`Lane::read_tiles`].
    unsafe fn write_tiles(n: usize, from: *const Self, rows: Rows, dst: *mut Self, point: usize);
}

macro_rules! lanes {
    ($($T:ident $tile:ident $read:ident $write:ident;)*) => {$(
        impl Lane for $T {
            fn of_mask(mask: u8) -> $T {
                (0 as $T).wrapping_sub(mask.into())
            }

            fn to_mask(self) -> u8 {
                u8::from(self != 0)
            }

            fn tile() -> Option<(usize, usize)> {
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("avx") {
                    return Some(tiles::$tile);
                }
                None
            }

            unsafe fn read_tiles(n: usize, src: *const $T, point: usize, to: *mut $T, rows: Rows) {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the caller's promise; there are tiles where the CPU has AVX.
                unsafe {
                    tiles::$read(n, src, point, to, rows);
                }
                #[cfg(not(target_arch = "x86_64"))]
                let _ = (n, src, point, to, rows);
            }

            unsafe fn write_tiles(n: usize, from: *const $T, rows: Rows, dst: *mut $T, point: usize) {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                unsafe {
                    tiles::$write(n, from, rows, dst, point);
                }
                #[cfg(not(target_arch = "x86_64"))]
                let _ = (n, from, rows, dst, point);
            }
        }
    )*};
}
lanes! {
    u64 WIDE read_wide write_wide;
    u32 NARROW read_narrow write_narrow;
}

/// Points and elements that whole tiles cover.
fn tiled<T: Lane>(n: usize, elements: usize, strides: Strides) -> (usize, usize) {
    match T::tile() {
        // A row of points that stand side by side is copied as it is.
        Some((points, side)) if strides.element == 1 && strides.point != 1 => {
            let elements = elements / side * side;
            (if elements > 0 { n / points * points } else { 0 }, elements)
        }
        _ => (0, 0),
    }
}

/// Reads `n` points to rows.
///
/// # Safety
/// `src` has the elements of `n` points, `rows` room for `rows.count` rows of `n`, apart from it.
pub unsafe fn read<T: Lane>(n: usize, src: *const T, strides: Strides, to: *mut T, rows: Rows) {
    let (points, elements) = tiled::<T>(n, rows.count, strides);
    // SAFETY: the caller's promise; the three parts are all points and rows.
    unsafe {
        if points > 0 {
            T::read_tiles(points, src, strides.point, to, Rows { count: elements, ..rows });
            let rest = Rows { count: rows.count - elements, ..rows };
            read_by(points, src.add(elements), strides, to.add(elements * rows.apart), rest, |x| x);
        }
        if points < n {
            let src = src.add(points * strides.point);
            read_by(n - points, src, strides, to.add(points), rows, |x| x);
        }
    }
}

/// Reads masks of `n` points to rows.
///
/// # Safety
/// As for [`read()`].
pub unsafe fn read_masks<T: Lane>(n: usize, src: *const u8, strides: Strides, to: *mut T, rows: Rows) {
    // SAFETY: the caller's promise.
    unsafe { read_by(n, src, strides, to, rows, T::of_mask) }
}

/// Writes `n` points from rows.
///
/// # Safety
/// `dst` has room for the elements of `n` points, no two in one place; `from` has `rows.count` rows of `n`.
pub unsafe fn write<T: Lane>(n: usize, from: *const T, rows: Rows, dst: *mut T, strides: Strides) {
    let (points, elements) = tiled::<T>(n, rows.count, strides);
    // SAFETY: the caller's promise; the three parts are all points and rows.
    unsafe {
        if points > 0 {
            T::write_tiles(points, from, Rows { count: elements, ..rows }, dst, strides.point);
            let rest = Rows { count: rows.count - elements, ..rows };
            write_by(points, from.add(elements * rows.apart), rest, dst.add(elements), strides, |x| x);
        }
        if points < n {
            let dst = dst.add(points * strides.point);
            write_by(n - points, from.add(points), rows, dst, strides, |x| x);
        }
    }
}

/// Writes masks of `n` points from rows.
///
/// # Safety
/// As for [`write()`].
pub unsafe fn write_masks<T: Lane>(n: usize, from: *const T, rows: Rows, dst: *mut u8, strides: Strides) {
    // SAFETY: the caller's promise.
    unsafe { write_by(n, from, rows, dst, strides, T::to_mask) }
}

#[inline(always)]
unsafe fn read_by<S: Copy, T: Copy>(
    n: usize,
    src: *const S,
    strides: Strides,
    to: *mut T,
    rows: Rows,
    f: impl Fn(S) -> T,
) {
    for e in 0..rows.count {
        // SAFETY: the element at `e` of the first point, and a row of `n`, exist by the caller's promise.
        let (src, row) = unsafe {
            (src.add(e * strides.element), std::slice::from_raw_parts_mut(to.add(e * rows.apart), n))
        };
        if strides.point == 1 {
            // SAFETY: the points stand side by side.
            let from = unsafe { std::slice::from_raw_parts(src, n) };
            row.iter_mut().zip(from).for_each(|(to, &x)| *to = f(x));
            continue;
        }
        for (p, to) in row.iter_mut().enumerate() {
            // SAFETY: point `p` is one of the `n`.
            *to = f(unsafe { *src.add(p * strides.point) });
        }
    }
}

#[inline(always)]
unsafe fn write_by<S: Copy, T: Copy>(
    n: usize,
    from: *const S,
    rows: Rows,
    dst: *mut T,
    strides: Strides,
    f: impl Fn(S) -> T,
) {
    for e in 0..rows.count {
        // SAFETY: as in `read_by`.
        let (dst, row) = unsafe {
            (dst.add(e * strides.element), std::slice::from_raw_parts(from.add(e * rows.apart), n))
        };
        if strides.point == 1 {
            // SAFETY: the points stand side by side, and nothing else is there.
            let to = unsafe { std::slice::from_raw_parts_mut(dst, n) };
            to.iter_mut().zip(row).for_each(|(to, &x)| *to = f(x));
            continue;
        }
        for (p, &x) in row.iter().enumerate() {
            // SAFETY: point `p` is one of the `n`.
            unsafe { *dst.add(p * strides.point) = f(x) };
        }
    }
}
