//! From a product with batches and strides to tiles.

use super::MatmulDims;
use super::isa::Isa;
use super::pack::{K_BYTES, Room, SMALL_BYTES, pack_a, pack_b, with_block};
use super::simd::Element;
use super::tile::{Kernels, MAX_ROWS, MAX_WIDTH, Tile, kernels};

/// Tiles of `c` one above the other that read `b` faster where it is than from a copy.
const FEW_TILES: usize = 6;

/// One product without batch.
#[derive(Clone, Copy)]
struct Plane<T> {
    m: usize,
    n: usize,
    k: usize,
    a: *const T,
    a_row: isize,
    a_col: isize,
    b: *const T,
    b_row: isize,
    b_col: isize,
    c: *mut T,
    c_row: isize,
    c_col: isize,
}

/// Where a tile stands: rows of `c`, columns of `c`, part of `k`.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    len: usize,
}

/// Cuts `len` into the fewest spans of at most `most`, of nearly equal length.
fn cut(len: usize, most: usize) -> impl Iterator<Item = Span> {
    // Divisions take longer than a small product.
    let parts = if len <= most { 1 } else { len.div_ceil(most) };
    let (each, more) = if parts == 1 { (len, 0) } else { (len / parts, len % parts) };
    (0..parts).map(move |i| Span { start: i * each + i.min(more), len: each + usize::from(i < more) })
}

/// Every product of the batch.
///
/// # Safety
/// As for `matmul_f64`; the CPU has `isa`.
pub unsafe fn batched<T: Element>(isa: Isa, d: &MatmulDims, a: *const T, b: *const T, c: *mut T) {
    let kernels = kernels::<T>(isa);
    let mut plane = Plane {
        m: d.m,
        n: d.n,
        k: d.k,
        a,
        a_row: d.a_row,
        a_col: d.a_col,
        b,
        b_row: d.b_row,
        b_col: d.b_col,
        c,
        c_row: d.c_row,
        c_col: d.c_col,
    };
    let mut rank = d.batch.min(4);
    // Rows that go on from batch to batch with one `b` make one taller product.
    while rank > 0 {
        let (last, rows) = (rank - 1, plane.m as isize);
        let joins = |step: isize, row: isize| row.checked_mul(rows) == Some(step);
        if d.b_batch[last] != 0 || !joins(d.a_batch[last], d.a_row) || !joins(d.c_batch[last], d.c_row) {
            break;
        }
        plane.m *= d.batch_dims[last];
        rank = last;
    }
    let dims = &d.batch_dims[..rank];
    if plane.m == 0 || plane.n == 0 || dims.contains(&0) {
        return;
    }
    let turned = turns(&kernels, &plane);
    let mut at = [0usize; 4];
    loop {
        let offset = |steps: &[isize; 4]| -> isize {
            at[..rank].iter().zip(steps).map(|(&i, &step)| i as isize * step).sum()
        };
        let mut p = Plane {
            a: a.wrapping_offset(offset(&d.a_batch)),
            b: b.wrapping_offset(offset(&d.b_batch)),
            c: c.wrapping_offset(offset(&d.c_batch)),
            ..plane
        };
        if turned {
            p = turn(p);
        }
        // SAFETY: the offsets stay inside the operands.
        unsafe { product(&kernels, p) };
        let Some(next) = (0..rank).rev().find(|&i| at[i] + 1 < dims[i]) else { return };
        at[next] += 1;
        at[next + 1..].fill(0);
    }
}

/// The transposed product; the chains are the same.
fn turn<T>(p: Plane<T>) -> Plane<T> {
    Plane {
        m: p.n,
        n: p.m,
        k: p.k,
        a: p.b,
        a_row: p.b_col,
        a_col: p.b_row,
        b: p.a,
        b_row: p.a_col,
        b_col: p.a_row,
        c: p.c,
        c_row: p.c_col,
        c_col: p.c_row,
    }
}

/// Whether the transposed product fills the vectors better, or saves copies.
fn turns<T: Element>(kernels: &Kernels<T>, p: &Plane<T>) -> bool {
    if p.b_col == 1 && p.c_col == 1 && (p.n >= 4 * kernels.lanes || p.n >= p.m) {
        return false;
    }
    let cost = |p: &Plane<T>| {
        let (m, n, k) = (p.m as f64, p.n as f64, p.k as f64);
        let copy = |step: isize| if step == 1 || p.n == 1 { 0.0 } else { 3.0 };
        let vectors = kernels.vectors_of(p.n) as f64;
        m * vectors * k + k * n * copy(p.b_col) + m * n * copy(p.c_col)
    };
    cost(&turn(*p)) < cost(p)
}

/// # Safety
/// The extents are inside the operands and the CPU has the kernels.
unsafe fn product<T: Element>(kernels: &Kernels<T>, mut p: Plane<T>) {
    if p.n == 1 {
        // A single column has no step.
        (p.b_col, p.c_col) = (1, 1);
    }
    let tall = kernels.by_rows.len();
    let size = size_of::<T>();
    let b_bytes = p.k.saturating_mul(p.n).saturating_mul(size);
    // SAFETY: the caller's.
    unsafe {
        if p.c_col == 1 && p.b_col == 1 && p.k == 1 && p.m > tall {
            outer(kernels, &p);
        } else if p.c_col == 1 && p.b_col == 1 && (p.m <= FEW_TILES * tall || b_bytes <= SMALL_BYTES) {
            direct(kernels, &p);
        } else if b_bytes <= SMALL_BYTES && p.k <= K_BYTES / size {
            small(kernels, &p);
        } else {
            with_block(|block, bytes| blocked(kernels, &p, block.cast(), bytes / size));
        }
    }
}

/// Kernels straight on the operands: `b` and `c` have adjacent columns.
unsafe fn direct<T: Element>(kernels: &Kernels<T>, p: &Plane<T>) {
    let most = cut(p.m, kernels.by_rows.len()).next().map_or(1, |rows| rows.len);
    let widest = kernels.by_rows[most - 1].len();
    // A chain longer than a block rests in c only if b is read more than once.
    let block = if p.m <= kernels.by_rows.len() { p.k } else { K_BYTES / size_of::<T>() };
    for steps in cut(p.k, block.max(1)) {
        for vectors in cut(kernels.vectors_of(p.n), widest) {
            let cols = columns(kernels, p.n, vectors);
            for rows in cut(p.m, kernels.by_rows.len()) {
                let tile = Tile {
                    k: steps.len,
                    a: at(at(p.a, p.a_row, rows.start), p.a_col, steps.start),
                    a_row: p.a_row,
                    a_col: p.a_col,
                    b: at(p.b, p.b_row, steps.start).wrapping_add(cols.start),
                    b_row: p.b_row,
                    c: at(p.c, p.c_row, rows.start).cast_mut().wrapping_add(cols.start),
                    c_row: p.c_row,
                    last: cols.len - (vectors.len - 1) * kernels.lanes,
                    first: steps.start == 0,
                };
                // SAFETY: the tile is inside the operands.
                unsafe { kernels.by_rows[rows.len - 1][vectors.len - 1](&tile) };
            }
        }
    }
}

/// A column times a row, whose columns and those of `c` are adjacent.
unsafe fn outer<T: Element>(kernels: &Kernels<T>, p: &Plane<T>) {
    for vectors in cut(kernels.vectors_of(p.n), kernels.outer.len()) {
        let cols = columns(kernels, p.n, vectors);
        let tile = Tile {
            k: 1,
            a: p.a,
            a_row: p.a_row,
            a_col: p.a_col,
            b: p.b.wrapping_add(cols.start),
            b_row: p.b_row,
            c: p.c.wrapping_add(cols.start),
            c_row: p.c_row,
            last: cols.len - (vectors.len - 1) * kernels.lanes,
            first: true,
        };
        // SAFETY: all rows of these columns are inside the operands.
        unsafe { kernels.outer[vectors.len - 1](&tile, p.m) };
    }
}

/// The element `index` steps on.
fn at<T>(p: *const T, step: isize, index: usize) -> *const T {
    p.wrapping_offset(step * index as isize)
}

/// The columns of some vectors.
fn columns<T: Element>(kernels: &Kernels<T>, n: usize, vectors: Span) -> Span {
    let start = vectors.start * kernels.lanes;
    Span { start, len: (vectors.len * kernels.lanes).min(n - start) }
}

/// One packed block of `b`, on the stack.
#[inline(never)]
unsafe fn small<T: Element>(kernels: &Kernels<T>, p: &Plane<T>) {
    // Whole vectors may take more than n.
    let mut room = Room::<{ 2 * SMALL_BYTES }>::new();
    // SAFETY: the caller's.
    unsafe { blocked(kernels, p, room.start(), 2 * SMALL_BYTES / size_of::<T>()) }
}

/// Packed blocks of `b`, and of `a` where that pays, in `room` for `block`.
#[inline(never)]
unsafe fn blocked<T: Element>(kernels: &Kernels<T>, p: &Plane<T>, block: *mut T, room: usize) {
    let (lanes, tall) = (kernels.lanes, kernels.by_rows.len());
    let depth = K_BYTES / size_of::<T>();
    let most = cut(p.k, depth).next().map_or(1, |s| s.len).max(1);
    let widest = (room / most / lanes).max(1);
    let panels = p.n.div_ceil(lanes * kernels.vectors);
    let packs_a = panels >= 3 && p.m.saturating_mul(p.k) > SMALL_BYTES / size_of::<T>();
    let mut a_room = Room::<{ MAX_ROWS * K_BYTES }>::new();
    let mut c_room = Room::<{ MAX_ROWS * MAX_WIDTH }>::new();
    for wide in cut(kernels.vectors_of(p.n), widest) {
        let from = wide.start * lanes;
        for steps in cut(p.k, depth) {
            let b = at(p.b, p.b_row, steps.start);
            for v in cut(wide.len, kernels.vectors) {
                let cols = columns(kernels, p.n - from, v);
                // SAFETY: the block has room for the whole vectors before and in this panel.
                unsafe {
                    let to = block.add(cols.start * steps.len);
                    let b = at(b, p.b_col, from + cols.start);
                    pack_b(to, v.len * lanes, steps.len, cols.len, b, p.b_row, p.b_col);
                }
            }
            for rows in cut(p.m, tall) {
                let mut a = at(at(p.a, p.a_row, rows.start), p.a_col, steps.start);
                let (mut a_row, mut a_col) = (p.a_row, p.a_col);
                if packs_a {
                    let to = a_room.start();
                    // SAFETY: rows and steps stay below the room's two sides.
                    (a_row, a_col) = unsafe { pack_a(to, rows.len, steps.len, a, a_row, a_col) };
                    a = to;
                }
                for v in cut(wide.len, kernels.vectors) {
                    let cols = columns(kernels, p.n - from, v);
                    let width = v.len * lanes;
                    let c = at(at(p.c, p.c_row, rows.start), p.c_col, from + cols.start).cast_mut();
                    let mut tile = Tile {
                        k: steps.len,
                        a,
                        a_row,
                        a_col,
                        b: block.wrapping_add(cols.start * steps.len),
                        b_row: width as isize,
                        c,
                        c_row: p.c_row,
                        last: cols.len - (v.len - 1) * lanes,
                        first: steps.start == 0,
                    };
                    let kernel = kernels.by_rows[rows.len - 1][v.len - 1];
                    // SAFETY: the tile is inside the operands and the block.
                    unsafe {
                        if p.c_col == 1 {
                            kernel(&tile);
                        } else {
                            (tile.c, tile.c_row) = (c_room.start(), width as isize);
                            scattered(kernel, &tile, p, c, rows.len, cols.len);
                        }
                    }
                }
            }
        }
    }
}

/// A tile whose columns of `c` are apart: by way of `tile.c`, where they are adjacent.
unsafe fn scattered<T: Element>(
    kernel: unsafe fn(&Tile<T>),
    tile: &Tile<T>,
    p: &Plane<T>,
    c: *mut T,
    rows: usize,
    cols: usize,
) {
    // SAFETY: the tile's extents are inside c.
    unsafe {
        let each = |f: &dyn Fn(*mut T, *mut T)| {
            for r in 0..rows {
                for j in 0..cols {
                    let far = c.offset(r as isize * p.c_row + j as isize * p.c_col);
                    f(far, tile.c.offset(r as isize * tile.c_row).add(j));
                }
            }
        };
        if !tile.first {
            each(&|far, near| *near = *far);
        }
        kernel(tile);
        each(&|far, near| *far = *near);
    }
}
