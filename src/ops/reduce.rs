//! Reductions over sets of axes. Orders of summation are contract C1.

use crate::graph::{Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Prim, Reduction, Row, Rule, Site, Types, Value};
use crate::ops::rules::{unary_jvp, unary_vjp};
use smallvec::{SmallVec, smallvec};

type R = Result<ValueId, OpError>;

pub(super) const AXES: &[AttrSpec] =
    &[AttrSpec::new("axes", AttrKind::Ints), AttrSpec::new("keepdims", AttrKind::Bool)];

/// The shape left by a reduction over ascending axes.
pub(crate) fn reduced(shape: &Shape, axes: &[usize], keepdims: bool) -> Shape {
    shape
        .dims()
        .iter()
        .enumerate()
        .filter_map(|(axis, &d)| match (axes.contains(&axis), keepdims) {
            (false, _) => Some(d),
            (true, true) => Some(1),
            (true, false) => None,
        })
        .collect()
}

pub(super) fn infer_reduction(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let dtype = infer::float(op, operands, 0)?;
    let shape = &operands[0].ty.shape;
    let axes = infer::axes(op, op.attrs.ints(0), shape)?;
    infer::one(dtype, reduced(shape, &axes, op.attrs.flag(1)))
}

/// A maximum of nothing is not a number anyone agrees on.
pub(super) fn infer_extremum(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let types = infer_reduction(op, operands)?;
    let shape = &operands[0].ty.shape;
    if op.attrs.ints(0).iter().any(|&a| shape.dims()[a as usize] == 0) && types[0].numel() > 0 {
        return Err(OpError::Shape {
            op: op.name(),
            shape: shape.clone(),
            why: "reduces an axis of length 0".into(),
        });
    }
    Ok(types)
}

pub(super) const REDUCTION: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: AXES,
    infer: infer_reduction,
    value: Value::Prim(Prim::Reduce(Reduction::Sum)),
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: true,
};

pub(super) fn axes(site: &Site<'_>) -> SmallVec<[usize; 4]> {
    site.op.attrs.sizes(0)
}

/// A reduced value brought back to the shape of the operand.
pub(super) fn spread(e: &mut dyn Emitter, site: &Site<'_>, v: ValueId) -> R {
    let shape = e.shape(site.operands[0]);
    let kept = e.reshape(v, &reduced(&shape, &axes(site), true))?;
    e.broadcast_to(kept, &shape)
}

/// Number of elements that join one result.
pub(super) fn count(e: &dyn Emitter, site: &Site<'_>) -> f64 {
    let shape = e.shape(site.operands[0]);
    axes(site).iter().map(|&a| shape.dims()[a] as f64).product()
}

pub static SUM: Row = Row {
    name: "sum",
    value: Value::Prim(Prim::Reduce(Reduction::Sum)),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| spread(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| e.sum(dx, &axes(site), site.op.attrs.flag(1)))),
    ..REDUCTION
};

/// The sum divided by the count, so that it is exact over the rationals.
pub static MEAN: Row = Row {
    name: "mean",
    infer: infer_extremum,
    value: Value::Expand(|e, site| {
        let sum = e.sum(site.operands[0], &axes(site), site.op.attrs.flag(1))?;
        Ok(smallvec![over_count(e, site, sum)?])
    }),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let share = over_count(e, site, d)?;
            spread(e, site, share)
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |dx| {
            let op = make::mean(&axes(site), site.op.attrs.flag(1));
            e.one(op, &[dx])
        })
    }),
    ..REDUCTION
};

fn over_count(e: &mut dyn Emitter, site: &Site<'_>, v: ValueId) -> R {
    let n = count(e, site);
    let n = e.scalar_like(v, n)?;
    e.div(v, n)
}

/// Largest element; NaN propagates. Ties share the gradient evenly.
pub static REDUCE_MAX: Row = Row {
    name: "reduce_max",
    infer: infer_extremum,
    value: Value::Prim(Prim::Reduce(Reduction::Max)),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let (mask, ties) = winners(e, site)?;
            let share = e.div(d, ties)?;
            let share = spread(e, site, share)?;
            e.select_or_zero(mask, share)
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |dx| {
            let (mask, ties) = winners(e, site)?;
            let picked = e.select_or_zero(mask, dx)?;
            let sum = e.sum(picked, &axes(site), site.op.attrs.flag(1))?;
            e.div(sum, ties)
        })
    }),
    ..REDUCTION
};

/// Which elements attain the maximum (all NaN elements where it is NaN), and how many.
fn winners(e: &mut dyn Emitter, site: &Site<'_>) -> Result<(ValueId, ValueId), OpError> {
    let (x, dtype) = (site.operands[0], e.dtype(site.operands[0]));
    let best = spread(e, site, site.results[0])?;
    let equal = e.eq(x, best)?;
    let x_nan = e.one(make::ne(), &[x, x])?;
    let mask = e.or(equal, x_nan)?;
    let ones = e.cast(mask, dtype)?;
    let ties = e.sum(ones, &axes(site), site.op.attrs.flag(1))?;
    Ok((mask, ties))
}

pub static ROWS: &[&Row] = &[&SUM, &MEAN, &REDUCE_MAX];
