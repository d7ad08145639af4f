//! Moves defined by others: stack, roll, triangles; outer product and trace.

use crate::graph::{DType, Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Row, Rule, Types, Value};
use smallvec::{SmallVec, smallvec};

type R = Result<ValueId, OpError>;

const DEFINED: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: infer::same,
    value: Value::Expand(|_, _| Ok(smallvec![])),
    vjp: Rule::ByDefinition,
    jvp: Rule::ByDefinition,
    exact: true,
};

/// Tensors of one shape side by side along a new axis.
pub static STACK: Row = Row {
    name: "stack",
    max_operands: usize::MAX,
    attrs: &[AttrSpec::new("axis", AttrKind::Int)],
    infer: |op, operands| {
        let first = operands[0].ty;
        for (i, operand) in operands.iter().enumerate().skip(1) {
            infer::same_dtype(op, operands, 0, i)?;
            let (a, b) = (&first.shape, &operand.ty.shape);
            if a != b {
                return Err(OpError::Shapes {
                    op: op.name(),
                    a: a.clone(),
                    b: b.clone(),
                    why: "must be equal",
                });
            }
        }
        let axis =
            usize::try_from(op.attrs.int(0)).ok().filter(|&a| a <= first.shape.rank()).ok_or_else(|| {
                OpError::Axis { op: op.name(), axis: op.attrs.int(0), shape: first.shape.clone() }
            })?;
        infer::one(first.dtype, inserted(&first.shape, axis, operands.len()))
    },
    value: Value::Expand(|e, site| {
        let axis = site.op.attrs.int(0) as usize;
        let shape = inserted(&e.shape(site.operands[0]), axis, 1);
        let mut parts = Vec::with_capacity(site.operands.len());
        for &v in site.operands {
            parts.push(e.reshape(v, &shape)?);
        }
        Ok(smallvec![e.one(make::concat(axis), &parts)?])
    }),
    ..DEFINED
};

fn inserted(shape: &Shape, axis: usize, extent: usize) -> Shape {
    let mut dims: SmallVec<[usize; 4]> = SmallVec::from_slice(shape.dims());
    dims.insert(axis, extent);
    Shape::new(&dims)
}

/// Elements moved along an axis by `shift`, those that leave come in again.
pub static ROLL: Row = Row {
    name: "roll",
    attrs: &[AttrSpec::new("axis", AttrKind::Int), AttrSpec::new("shift", AttrKind::Int)],
    infer: |op, operands| {
        infer::axis(op, op.attrs.int(0), &operands[0].ty.shape)?;
        infer::same(op, operands)
    },
    value: Value::Expand(|e, site| {
        let (x, axis) = (site.operands[0], site.op.attrs.int(0) as usize);
        let n = e.shape(x).dims()[axis];
        let shift = match i64::try_from(n) {
            Ok(n) if n > 0 => site.op.attrs.int(1).rem_euclid(n) as usize,
            _ => 0,
        };
        if shift == 0 {
            return Ok(smallvec![x]);
        }
        let (end, start) = (part(e, x, axis, n - shift, n)?, part(e, x, axis, 0, n - shift)?);
        Ok(smallvec![e.one(make::concat(axis), &[end, start])?])
    }),
    ..DEFINED
};

/// Elements `from..to` along an axis.
pub(super) fn part(e: &mut dyn Emitter, x: ValueId, axis: usize, from: usize, to: usize) -> R {
    let shape = e.shape(x);
    let (mut start, mut stop) = (vec![0; shape.rank()], shape.dims().to_vec());
    (start[axis], stop[axis]) = (from, to);
    e.one(make::slice(&start, &stop, &vec![1; shape.rank()]), &[x])
}

const TRIANGLE: Row = Row {
    attrs: &[AttrSpec::new("k", AttrKind::Int)],
    infer: |op, operands| {
        infer::float(op, operands, 0)?;
        matrix(op, &operands[0].ty.shape)?;
        infer::same(op, operands)
    },
    ..DEFINED
};

fn matrix(op: &Op, shape: &Shape) -> Result<(usize, usize), OpError> {
    match *shape.dims() {
        [.., m, n] => Ok((m, n)),
        _ => Err(OpError::Shape { op: op.name(), shape: shape.clone(), why: "needs two axes".into() }),
    }
}

/// The elements on and below diagonal `k` of matrices, 0 above.
pub static TRIL: Row = Row {
    name: "tril",
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let below = below(e, x, site.op.attrs.int(0))?;
        Ok(smallvec![e.select_or_zero(below, x)?])
    }),
    ..TRIANGLE
};

/// The elements on and above diagonal `k` of matrices, 0 below.
pub static TRIU: Row = Row {
    name: "triu",
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let below = below(e, x, site.op.attrs.int(0).saturating_sub(1))?;
        let zero = e.scalar_like(x, 0.0)?;
        Ok(smallvec![e.select(below, zero, x)?])
    }),
    ..TRIANGLE
};

/// Whether an element of matrices is on or below diagonal `k`: views of a few
/// filled constants, however large the matrix.
pub(super) fn below(e: &mut dyn Emitter, x: ValueId, k: i64) -> R {
    let shape = e.shape(x);
    let [.., m, n] = *shape.dims() else { return e.full(DType::Bool, Shape::scalar(), 1.0) };
    let at = |row: i128, least: usize| row.clamp(least as i128, m as i128) as usize;
    // Above `first` no element is, from `last` on all are.
    let first = at(-i128::from(k), 0);
    let last = at(n as i128 - 1 - i128::from(k), first);
    let mut blocks: SmallVec<[ValueId; 3]> = SmallVec::new();
    if first > 0 {
        blocks.push(e.full(DType::Bool, Shape::new(&[first, n]), 0.0)?);
    }
    if last > first {
        blocks.push(staircase(e, last - first, n, (first as i128 + i128::from(k)) as usize)?);
    }
    if m > last || m == 0 {
        blocks.push(e.full(DType::Bool, Shape::new(&[m - last, n]), 1.0)?);
    }
    match *blocks.as_slice() {
        [only] => Ok(only),
        _ => e.one(make::concat(0), &blocks),
    }
}

/// column <= row + k of a matrix with fewer rows than columns: a pattern of length
/// `m + n`, cut into rows of one less, so that each row is shifted by one.
fn staircase(e: &mut dyn Emitter, m: usize, n: usize, k: usize) -> R {
    let mut parts: SmallVec<[ValueId; 3]> = SmallVec::new();
    for (value, length) in [(1.0, k + 1), (0.0, n - k), (1.0, m - 1)] {
        if length > 0 {
            parts.push(e.full(DType::Bool, Shape::new(&[length]), value)?);
        }
    }
    let pattern = e.one(make::concat(0), &parts)?;
    let (long, short) = (m + n, m + n - 1);
    let rows = e.broadcast_to(pattern, &Shape::new(&[m, long]))?;
    let flat = e.reshape(rows, &Shape::new(&[m * long]))?;
    let cut = e.one(make::slice(&[0], &[m * short], &[1]), &[flat])?;
    let skewed = e.reshape(cut, &Shape::new(&[m, short]))?;
    e.one(make::slice(&[0, 0], &[m, n], &[1, 1]), &[skewed])
}

/// a_i b_j of two vectors.
pub static OUTER: Row = Row {
    name: "outer",
    min_operands: 2,
    max_operands: 2,
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let mut dims = [0; 2];
        for (dim, operand) in dims.iter_mut().zip(operands) {
            let shape = &operand.ty.shape;
            let [n] = *shape.dims() else {
                let why = "is not a vector".into();
                return Err(OpError::Shape { op: op.name(), shape: shape.clone(), why });
            };
            *dim = n;
        }
        infer::one(dtype, Shape::new(&dims))
    },
    value: Value::Expand(|e, site| {
        let n = e.shape(site.operands[0]).numel();
        let column = e.reshape(site.operands[0], &Shape::new(&[n, 1]))?;
        Ok(smallvec![e.mul(column, site.operands[1])?])
    }),
    ..DEFINED
};

/// The sum of the diagonal of a matrix.
pub static TRACE: Row = Row {
    name: "trace",
    infer: infer_trace,
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let (m, n) = matrix(site.op, &e.shape(x))?;
        let flat = e.reshape(x, &Shape::new(&[m * n]))?;
        let long = m.min(n).saturating_sub(1) * (n + 1) + usize::from(m.min(n) > 0);
        let diagonal = e.one(make::slice(&[0], &[long], &[n + 1]), &[flat])?;
        Ok(smallvec![e.sum(diagonal, &[0], false)?])
    }),
    ..DEFINED
};

fn infer_trace(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let (dtype, shape): (DType, &Shape) = (infer::float(op, operands, 0)?, &operands[0].ty.shape);
    if shape.rank() != 2 {
        return Err(OpError::Shape { op: op.name(), shape: shape.clone(), why: "is not a matrix".into() });
    }
    infer::one(dtype, Shape::scalar())
}

pub static ROWS: &[&Row] = &[&STACK, &ROLL, &TRIL, &TRIU, &OUTER, &TRACE];
