//! Small products as element-wise nodes, for kernels. Dots of the short rows of a constant matrix go
//! column by column: rows side by side fill vectors, where a row by itself ends before its sum pays
//! for being put together. A row times a small matrix is a sum of rows.

use crate::graph::{Shape, ValueId, ValueType};
use crate::lower::core::{Expander, Kind};
use crate::lower::explode::put_together;
use crate::ops::{Elements, Literal, MapFn, Prim, make};
use cotangent_runtime::math::has_fma;
use smallvec::SmallVec;

/// Fewer rows stay as they are.
const FEWEST: usize = 16;
/// The matrix is there a second time, so it should not be too large.
const MOST: usize = 1 << 20;
/// A product of more rows of a matrix is a call.
const MOST_ROWS: usize = 16;
/// So is one of fewer columns.
const FEWEST_COLUMNS: usize = 8;
/// Bytes between columns are a multiple of these, so that a vector is in one line of the cache.
const LINE: usize = 64;

/// The dots of the rows of a constant `matrix` [rows, k] with `vector` [k], `k` up to the lanes of
/// a sum: each lane then has one product, and the lanes are put together as those of a sum are.
pub fn dots(e: &mut Expander, matrix: ValueId, vector: ValueId) -> Option<ValueId> {
    let ty = e.core.node(matrix).ty;
    let dtype = ty.dtype;
    let &[rows, k] = ty.shape.dims() else { return None };
    if rows < FEWEST || !(2..=dtype.lanes()).contains(&k) || rows.saturating_mul(k) > MOST {
        return None;
    }
    let apart = rows.next_multiple_of(LINE / dtype.size());
    let elements = e.core.literal(matrix)?.elements();
    // Filled with one number it is that number alone.
    if elements.len() != rows * k {
        return None;
    }
    let turned = turned(elements, rows, k, apart)?;
    let turned = e.literal(Literal::new([k, apart], turned)?);
    let mut id = |dims: &[usize]| e.core.types.id(&ValueType { dtype, shape: Shape::new(dims) });
    let (one_row, row, one) = (id(&[1, rows]), id(&[rows]), id(&[1]));
    let view = |e: &mut Expander, prim: Prim, op, v, ty| e.node(Kind::Prim(prim), op, &[v], ty);
    let products = (0..k).map(|j| {
        // As it is: a piece of a constant would become a constant of its own.
        let cut = make::slice(&[j, 0], &[j + 1, rows], &[1, 1]);
        let column = view(e, Prim::Slice, cut, turned, one_row);
        let column = view(e, Prim::Reshape, make::reshape(&Shape::new(&[rows])), column, row);
        let factor = view(e, Prim::Slice, make::slice(&[j], &[j + 1], &[1]), vector, one);
        let factor = e.broadcast(factor, &Shape::new(&[rows]));
        e.map(MapFn::Mul, make::mul(), &[column, factor], row)
    });
    let products: SmallVec<[ValueId; 32]> = products.collect();
    put_together(products, dtype, |a, b| e.map(MapFn::Add, make::add(), &[a, b], row))
}

/// The product of a row [1, k] and a matrix [k, n]: a sum of its rows, for one kernel with what comes of
/// it. A call of the runtime takes longer than a few rows do.
pub fn row_times(e: &mut Expander, row: ValueId, matrix: ValueId) -> Option<ValueId> {
    let ty = e.core.node(matrix).ty;
    let dtype = ty.dtype;
    let (&[1, _], &[k, n]) = (e.core.node(row).shape().dims(), ty.shape.dims()) else { return None };
    if !(1..=MOST_ROWS).contains(&k) || n < FEWEST_COLUMNS || !has_fma() {
        return None;
    }
    let mut id = |dims: &[usize]| e.core.types.id(&ValueType { dtype, shape: Shape::new(dims) });
    let (out, one) = (id(&[1, n]), id(&[1, 1]));
    let mut sum = e.full(out, 0.0);
    for p in 0..k {
        let cut = |e: &mut Expander, v, from: [usize; 2], to: [usize; 2], ty| {
            e.node(Kind::Prim(Prim::Slice), make::slice(&from, &to, &[1, 1]), &[v], ty)
        };
        let factor = cut(e, row, [0, p], [1, p + 1], one);
        let factor = e.broadcast(factor, &Shape::new(&[1, n]));
        let terms = cut(e, matrix, [p, 0], [p + 1, n], out);
        sum = e.map(MapFn::Fma, make::mul_add(), &[factor, terms, sum], out);
    }
    Some(sum)
}

/// Element [i, j] at [j, i] of rows that are `apart` long, zeros at their ends.
fn turned(x: &Elements, rows: usize, k: usize, apart: usize) -> Option<Elements> {
    fn turn<T: Copy + Default>(x: &[T], rows: usize, k: usize, apart: usize) -> Vec<T> {
        let mut out = vec![T::default(); k * apart];
        for (i, row) in x.chunks_exact(k).take(rows).enumerate() {
            row.iter().enumerate().for_each(|(j, &x)| out[j * apart + i] = x);
        }
        out
    }
    match x {
        Elements::F64(x) => Some(Elements::F64(turn(x, rows, k, apart))),
        Elements::F32(x) => Some(Elements::F32(turn(x, rows, k, apart))),
        Elements::I64(_) | Elements::Bool(_) => None,
    }
}
