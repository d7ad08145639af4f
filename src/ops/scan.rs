//! What runs along an axis in index order: linear recurrences, cumulative sums
//! and products; sorting.

use crate::graph::{DType, ValueId};
use crate::ops::arrange::part;
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Prim, Row, Rule, Site, Value};
use crate::ops::rules::{add_tangents, seed, unary_jvp, unary_vjp};
use cotangent_runtime::array::ArrayFn;
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

const ALONG: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: &[AttrSpec::new("axis", AttrKind::Int)],
    infer: |op, operands| {
        infer::float(op, operands, 0)?;
        infer::axis(op, op.attrs.int(0), &operands[0].ty.shape)?;
        infer::same(op, operands)
    },
    value: Value::Prim(Prim::Array(ArrayFn::Recurrence)),
    vjp: Rule::ByDefinition,
    jvp: Rule::ByDefinition,
    exact: true,
};

fn axis(site: &Site<'_>) -> usize {
    site.op.attrs.int(0) as usize
}

/// `x` with `before` and `after` elements of a value along an axis.
fn padded(e: &mut dyn Emitter, x: ValueId, axis: usize, [before, after]: [usize; 2], value: f64) -> R {
    let rank = e.shape(x).rank();
    let (mut lo, mut hi) = (vec![0; rank], vec![0; rank]);
    (lo[axis], hi[axis]) = (before, after);
    e.one(make::pad(&lo, &hi, &vec![0; rank], value), &[x])
}

/// 0, then `factor_i y_{i-1}`.
fn times_previous(e: &mut dyn Emitter, factor: ValueId, y: ValueId, axis: usize) -> R {
    let n = e.shape(y).dims()[axis];
    if n < 2 {
        return e.zeros_like(y);
    }
    let (factor, y) = (part(e, factor, axis, 1, n)?, part(e, y, axis, 0, n - 1)?);
    let product = e.mul(factor, y)?;
    padded(e, product, axis, [1, 0], 0.0)
}

/// `y_0 = b_0`, then `y_i = a_i y_{i-1} + b_i` with one rounding: a linear
/// recurrence, or selective scan. `a_0` is not read.
pub static RECURRENCE: Row = Row {
    name: "recurrence",
    min_operands: 2,
    max_operands: 2,
    infer: |op, operands| {
        infer::same_dtype(op, operands, 0, 1)?;
        let (a, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
        if a != b {
            let why = "must be equal";
            return Err(OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why });
        }
        (ALONG.infer)(op, operands)
    },
    // r_i = d_i + a_{i+1} r_{i+1}; db = r, da_i = r_i y_{i-1}
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let axis = axis(site);
        let mut back = e.one(make::flip(&[axis]), &[site.operands[0]])?;
        back = e.one(make::roll(axis, 1), &[back])?;
        let d = e.one(make::flip(&[axis]), &[d])?;
        let r = e.one(site.op.clone(), &[back, d])?;
        let r = e.one(make::flip(&[axis]), &[r])?;
        let da = match site.wants(0) {
            true => Flow::To(times_previous(e, r, site.results[0], axis)?),
            false => Flow::Zero,
        };
        Ok(smallvec![da, Flow::To(r)])
    }),
    jvp: Rule::By(|e, site, t| {
        let left = t[0].map(|da| times_previous(e, da, site.results[0], axis(site))).transpose()?;
        let driven = add_tangents(e, &[left, t[1]])?;
        Ok(smallvec![driven.map(|b| e.one(site.op.clone(), &[site.operands[0], b])).transpose()?])
    }),
    ..ALONG
};

/// Sums of all elements up to each, along an axis.
pub static CUMSUM: Row = Row {
    name: "cumsum",
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let (dtype, shape) = (e.dtype(x), e.shape(x));
        let ones = e.full(dtype, shape, 1.0)?;
        Ok(smallvec![e.one(make::recurrence(axis(site)), &[ones, x])?])
    }),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let back = e.one(make::flip(&[axis(site)]), &[d])?;
            let sums = e.one(site.op.clone(), &[back])?;
            e.one(make::flip(&[axis(site)]), &[sums])
        })
    }),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| e.one(site.op.clone(), &[dx]))),
    ..ALONG
};

/// Products of all elements up to each, along an axis. The derivative by an
/// element holds the products of the others, zeros or not.
pub static CUMPROD: Row = Row {
    name: "cumprod",
    value: Value::Expand(|e, site| {
        let (x, axis) = (site.operands[0], axis(site));
        let n = e.shape(x).dims()[axis];
        if n < 2 {
            return Ok(smallvec![x]);
        }
        // fma(x, y, -0) is the rounded product.
        let first = part(e, x, axis, 0, 1)?;
        let start = padded(e, first, axis, [0, n - 1], -0.0)?;
        Ok(smallvec![e.one(make::recurrence(axis), &[x, start])?])
    }),
    ..ALONG
};

/// The positions that sort an axis in ascending order: equal elements as they
/// stand (-0 equals 0), NaN last.
pub static ARGSORT: Row = Row {
    name: "argsort",
    infer: |op, operands| {
        let ty = operands[0].ty;
        if ty.dtype == DType::Bool {
            let expected = "a number";
            return Err(OpError::DType { op: op.name(), operand: 0, got: ty.dtype, expected });
        }
        infer::axis(op, op.attrs.int(0), &ty.shape)?;
        infer::one(DType::I64, ty.shape.clone())
    },
    value: Value::Prim(Prim::Array(ArrayFn::ArgSort)),
    vjp: Rule::Zero,
    jvp: Rule::Zero,
    ..ALONG
};

/// Elements in ascending order along an axis, NaN last; the gradient goes back
/// to where each came from.
pub static SORT: Row = Row {
    name: "sort",
    value: Value::Expand(|e, site| {
        let (x, axis) = (site.operands[0], axis(site));
        let order = e.one(make::argsort(axis), &[x])?;
        Ok(smallvec![e.one(make::gather(axis, false), &[x, order])?])
    }),
    ..ALONG
};

pub static ROWS: &[&Row] = &[&RECURRENCE, &CUMSUM, &CUMPROD, &ARGSORT, &SORT];
