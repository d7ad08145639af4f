//! Gathers and scatters. Indices are an i64 operand, constant or given at run
//! time; out of range is an error, or with `zero = true` reads 0 and adds nothing.

use crate::graph::Shape;
use crate::ops::attr::AttrKind;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Op, Operand, Prim, Row, Rule, Types, Value};
use crate::ops::rules::seed;
use smallvec::{SmallVec, smallvec};

const ATTRS: &[AttrSpec] = &[AttrSpec::new("axis", AttrKind::Int), AttrSpec::new("zero", AttrKind::Bool)];

const INDEXED: Row = Row {
    name: "",
    min_operands: 2,
    max_operands: 2,
    attrs: ATTRS,
    infer: infer_select,
    value: Value::Prim(Prim::IndexSelect),
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: true,
};

/// Checks a constant index against the axis it selects from.
pub(super) fn check_constant(
    op: &Op,
    index: &Operand<'_>,
    shape: &Shape,
    axis: usize,
) -> Result<(), OpError> {
    let Some(literal) = index.literal.filter(|_| !op.attrs.flag(1)) else { return Ok(()) };
    if literal.ty().numel() == 0 {
        return Ok(());
    }
    for position in 0..literal.elements().len() {
        let i = literal.bits(position) as i64;
        if usize::try_from(i).map_or(true, |i| i >= shape.dims()[axis]) {
            return Err(OpError::Index { op: op.name(), index: i, position, axis, shape: shape.clone() });
        }
    }
    Ok(())
}

fn with_axis(shape: &Shape, axis: usize, n: usize) -> Shape {
    let mut dims: SmallVec<[usize; 4]> = SmallVec::from_slice(shape.dims());
    dims[axis] = n;
    Shape::new(&dims)
}

fn source(op: &Op, operands: &[Operand<'_>]) -> Result<usize, OpError> {
    infer::index(op, operands, 1)?;
    infer::axis(op, op.attrs.int(0), &operands[0].ty.shape)
}

fn infer_select(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let axis = source(op, operands)?;
    let (x, index) = (operands[0].ty, operands[1].ty);
    if index.shape.rank() != 1 {
        return Err(OpError::Shape {
            op: op.name(),
            shape: index.shape.clone(),
            why: "the index must have one axis".into(),
        });
    }
    check_constant(op, &operands[1], &x.shape, axis)?;
    infer::one(x.dtype, with_axis(&x.shape, axis, index.shape.dims()[0]))
}

fn infer_gather(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let axis = source(op, operands)?;
    let (x, index) = (operands[0].ty, operands[1].ty);
    aligned(op, &x.shape, &index.shape, axis)?;
    check_constant(op, &operands[1], &x.shape, axis)?;
    infer::one(x.dtype, index.shape.clone())
}

fn aligned(op: &Op, x: &Shape, index: &Shape, axis: usize) -> Result<(), OpError> {
    let fits = x.rank() == index.rank() && (0..x.rank()).all(|a| a == axis || x.dims()[a] == index.dims()[a]);
    if fits {
        return Ok(());
    }
    let why = "must agree outside the indexed axis";
    Err(OpError::Shapes { op: op.name(), a: x.clone(), b: index.clone(), why })
}

fn infer_add(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let axis = source(op, operands)?;
    infer::float(op, operands, 0)?;
    infer::same_dtype(op, operands, 0, 2)?;
    let (x, index, update) = (operands[0].ty, operands[1].ty, operands[2].ty);
    let expected = if op.is(&INDEX_ADD) {
        if index.shape.rank() != 1 {
            return Err(OpError::Shape {
                op: op.name(),
                shape: index.shape.clone(),
                why: "the index must have one axis".into(),
            });
        }
        with_axis(&x.shape, axis, index.shape.dims()[0])
    } else {
        aligned(op, &x.shape, &index.shape, axis)?;
        index.shape.clone()
    };
    if update.shape != expected {
        let why = "are not the shapes of index and update";
        return Err(OpError::Shapes { op: op.name(), a: expected, b: update.shape.clone(), why });
    }
    check_constant(op, &operands[1], &x.shape, axis)?;
    infer::one(x.dtype, x.shape.clone())
}

/// Whole slices along an axis, by a vector of indices (an embedding for axis 0).
pub static INDEX_SELECT: Row = Row {
    name: "index_select",
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let zeros = e.zeros_like(site.operands[0])?;
        let op = Op::with(&INDEX_ADD, site.op.attrs.all().to_vec());
        Ok(smallvec![Flow::To(e.one(op, &[zeros, site.operands[1], d])?), Flow::Zero])
    }),
    jvp: Rule::By(|e, site, t| {
        Ok(smallvec![match t[0] {
            Some(dx) => Some(e.one(site.op.clone(), &[dx, site.operands[1]])?),
            None => None,
        }])
    }),
    ..INDEXED
};

/// One element per index, along an axis (NumPy's take_along_axis).
pub static GATHER: Row = Row {
    name: "gather",
    infer: infer_gather,
    value: Value::Prim(Prim::Gather),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let zeros = e.zeros_like(site.operands[0])?;
        let op = Op::with(&SCATTER_ADD, site.op.attrs.all().to_vec());
        Ok(smallvec![Flow::To(e.one(op, &[zeros, site.operands[1], d])?), Flow::Zero])
    }),
    jvp: INDEX_SELECT.jvp,
    ..INDEXED
};

/// x with slices of `update` added at the indices; duplicates accumulate in order.
pub static INDEX_ADD: Row = Row {
    name: "index_add",
    min_operands: 3,
    max_operands: 3,
    infer: infer_add,
    value: Value::Prim(Prim::IndexAdd),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 3]) };
        let op = Op::with(&INDEX_SELECT, site.op.attrs.all().to_vec());
        let picked = if site.wants(2) { Flow::To(e.one(op, &[d, site.operands[1]])?) } else { Flow::Zero };
        Ok(smallvec![Flow::To(d), Flow::Zero, picked])
    }),
    jvp: Rule::By(|e, site, t| {
        if t[0].is_none() && t[2].is_none() {
            return Ok(smallvec![None]);
        }
        let base = match t[0] {
            Some(v) => v,
            None => e.zeros_like(site.operands[0])?,
        };
        Ok(smallvec![Some(match t[2] {
            Some(update) => e.one(site.op.clone(), &[base, site.operands[1], update])?,
            None => base,
        })])
    }),
    ..INDEXED
};

/// x with single elements of `update` added at the indices along an axis
/// (PyTorch's scatter_add); duplicates accumulate in row-major order.
pub static SCATTER_ADD: Row = Row {
    name: "scatter_add",
    min_operands: 3,
    max_operands: 3,
    infer: infer_add,
    value: Value::Prim(Prim::ScatterAdd),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 3]) };
        let op = Op::with(&GATHER, site.op.attrs.all().to_vec());
        let picked = if site.wants(2) { Flow::To(e.one(op, &[d, site.operands[1]])?) } else { Flow::Zero };
        Ok(smallvec![Flow::To(d), Flow::Zero, picked])
    }),
    jvp: INDEX_ADD.jvp,
    ..INDEXED
};

/// Rows of a table w (V, ..) by an index of any rank: `w[index]`.
pub static EMBEDDING: Row = Row {
    name: "embedding",
    attrs: &[],
    infer: |op, operands| {
        infer::index(op, operands, 1)?;
        let (w, index) = (operands[0].ty, operands[1].ty);
        infer::axis(op, 0, &w.shape)?;
        check_constant(op, &operands[1], &w.shape, 0)?;
        infer::one(w.dtype, index.shape.dims().iter().chain(&w.shape.dims()[1..]).copied().collect())
    },
    value: Value::Expand(|e, site| {
        let (w, index) = (site.operands[0], site.operands[1]);
        let (table, shape) = (e.shape(w), e.shape(index));
        let index = e.reshape(index, &Shape::new(&[shape.numel()]))?;
        let rows = e.one(make::index_select(0, false), &[w, index])?;
        let out = shape.dims().iter().chain(&table.dims()[1..]).copied().collect();
        Ok(smallvec![e.reshape(rows, &out)?])
    }),
    vjp: Rule::ByDefinition,
    jvp: Rule::ByDefinition,
    ..INDEXED
};

pub static ROWS: &[&Row] = &[&INDEX_SELECT, &GATHER, &INDEX_ADD, &SCATTER_ADD, &EMBEDDING];
