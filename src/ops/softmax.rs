//! logsumexp, softmax and log_softmax, shifted by the maximum.

use crate::graph::{DType, ValueId};
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::reduce::{AXES, REDUCTION, axes, infer_reduction, reduced, spread};
use crate::ops::row::{AttrSpec, Flow, Row, Rule, Site, Value};
use crate::ops::rules::{seed, unary_jvp, unary_vjp};
use crate::ops::{attr::AttrKind, make as op};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

/// log sum exp over a set of axes. An empty sum is -inf.
pub static LOGSUMEXP: Row = Row {
    name: "logsumexp",
    attrs: AXES,
    infer: infer_reduction,
    value: Value::Expand(|e, site| {
        let x = site.operands[0];
        let (axes, shape) = (axes(site), e.shape(x));
        let out = reduced(&shape, &axes, site.op.attrs.flag(1));
        if shape.numel() == 0 {
            let dtype = e.dtype(x);
            return Ok(smallvec![e.full(dtype, out, f64::NEG_INFINITY)?]);
        }
        let max = finite_max(e, x, &axes)?;
        let (_, sum) = exp_and_sum(e, x, max, &axes)?;
        let log = e.unary(op::log(), sum)?;
        let y = e.add(log, max)?;
        Ok(smallvec![e.reshape(y, &out)?])
    }),
    // dy/dx = exp(x - max) / sum: the rounding of a large y would show in exp(x - y).
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let weights = lse_weights(e, site)?;
            let d = spread(e, site, d)?;
            e.mul(d, weights)
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |dx| {
            let weights = lse_weights(e, site)?;
            let terms = e.mul(weights, dx)?;
            e.sum(terms, &axes(site), site.op.attrs.flag(1))
        })
    }),
    exact: false,
    ..REDUCTION
};

/// The maximum over axes, 0 where it is infinite.
fn finite_max(e: &mut dyn Emitter, x: ValueId, axes: &[usize]) -> R {
    let max = e.one(op::reduce_max(axes, true), &[x])?;
    finite_or_zero(e, max)
}

fn exp_and_sum(
    e: &mut dyn Emitter,
    x: ValueId,
    max: ValueId,
    axes: &[usize],
) -> Result<(ValueId, ValueId), OpError> {
    let shifted = e.sub(x, max)?;
    let exp = e.unary(op::exp(), shifted)?;
    let sum = e.sum(exp, axes, true)?;
    Ok((exp, sum))
}

/// The same nodes as the value's, so that compiled code shares them. The shift
/// does not change the result and is no part of its derivative. The sum is 0
/// only where all x are -inf; there the weights are 0.
fn lse_weights(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let (x, axes) = (site.operands[0], axes(site));
    if e.shape(x).numel() == 0 {
        return e.zeros_like(x);
    }
    let max = finite_max(e, x, &axes)?;
    let max = e.unary(op::detach(), max)?;
    quotients(e, x, max, &axes)
}

/// exp(x - max) / sum, and 0 where the sum is 0.
fn quotients(e: &mut dyn Emitter, x: ValueId, max: ValueId, axes: &[usize]) -> R {
    let (exp, sum) = exp_and_sum(e, x, max, axes)?;
    let zero = e.scalar_like(x, 0.0)?;
    let one = e.scalar_like(x, 1.0)?;
    let none = e.eq(sum, zero)?;
    let divisor = e.select(none, one, sum)?;
    e.div(exp, divisor)
}

/// x where it is finite or NaN, else 0: inf - inf would be NaN.
fn finite_or_zero(e: &mut dyn Emitter, x: ValueId) -> R {
    let inf = e.scalar_like(x, f64::INFINITY)?;
    let size = e.unary(op::abs(), x)?;
    let infinite = e.eq(size, inf)?;
    let zero = e.scalar_like(x, 0.0)?;
    e.select(infinite, zero, x)
}

const ALONG: Row = Row {
    attrs: &[AttrSpec::new("axis", AttrKind::Int)],
    infer: |op, operands| {
        infer::float(op, operands, 0)?;
        infer::axis(op, op.attrs.int(0), &operands[0].ty.shape)?;
        infer::same(op, operands)
    },
    exact: false,
    ..REDUCTION
};

fn axis(site: &Site<'_>) -> usize {
    site.op.attrs.int(0) as usize
}

/// x - max x, along the axis; the axis is not empty.
fn shifted(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let x = site.operands[0];
    let max = e.one(make::reduce_max(&[axis(site)], true), &[x])?;
    e.sub(x, max)
}

fn is_empty(e: &dyn Emitter, site: &Site<'_>) -> bool {
    e.ty(site.operands[0]).numel() == 0
}

/// exp(x - max) / sum
pub static SOFTMAX: Row = Row {
    name: "softmax",
    value: Value::Expand(|e, site| {
        if is_empty(e, site) {
            return Ok(smallvec![site.operands[0]]);
        }
        let x = shifted(e, site)?;
        let exp = e.unary(op::exp(), x)?;
        let sum = e.sum(exp, &[axis(site)], true)?;
        Ok(smallvec![e.div(exp, sum)?])
    }),
    vjp: Rule::By(|e, site, d| unary_vjp(d, |d| softmax_slope(e, site, d))),
    jvp: Rule::By(|e, site, t| unary_jvp(t, |dx| softmax_slope(e, site, dx))),
    ..ALONG
};

/// y (d - sum(d y)); the Jacobian is symmetric, so both modes share it.
fn softmax_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let y = site.results[0];
    let rest = centred(e, site, y, d)?;
    let rest = centred(e, site, y, rest)?;
    e.mul(y, rest)
}

/// d - sum(d p). The weights sum to 1, so that centring twice changes nothing
/// but the rounding: the second time takes away what the first left where d is
/// nearly constant or one weight nearly 1.
fn centred(e: &mut dyn Emitter, site: &Site<'_>, p: ValueId, d: ValueId) -> R {
    let terms = e.mul(d, p)?;
    let mean = e.sum(terms, &[axis(site)], true)?;
    e.sub(d, mean)
}

/// (x - max) - log sum exp(x - max)
pub static LOG_SOFTMAX: Row = Row {
    name: "log_softmax",
    value: Value::Expand(|e, site| {
        if is_empty(e, site) {
            return Ok(smallvec![site.operands[0]]);
        }
        let x = shifted(e, site)?;
        let exp = e.unary(op::exp(), x)?;
        let sum = e.sum(exp, &[axis(site)], true)?;
        let log = e.unary(op::log(), sum)?;
        Ok(smallvec![e.sub(x, log)?])
    }),
    // d - exp(y) sum(d)
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let p = e.unary(op::exp(), site.results[0])?;
            let sum = e.sum(d, &[axis(site)], true)?;
            let pull = e.mul(p, sum)?;
            e.sub(d, pull)
        })
    }),
    // dx - sum(exp(y) dx)
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |dx| {
            let p = e.unary(op::exp(), site.results[0])?;
            let rest = centred(e, site, p, dx)?;
            centred(e, site, p, rest)
        })
    }),
    ..ALONG
};

/// Softmax over the entries that a mask keeps: the others are exactly 0, and so is
/// a row of which nothing is kept.
pub static MASKED_SOFTMAX: Row = Row {
    name: "masked_softmax",
    min_operands: 2,
    max_operands: 2,
    infer: |op, operands| {
        let types = (ALONG.infer)(op, &operands[..1])?;
        let (x, mask) = (operands[0].ty, operands[1].ty);
        if mask.dtype != DType::Bool {
            return Err(OpError::DType { op: op.name(), operand: 1, got: mask.dtype, expected: "bool" });
        }
        if infer::broadcast(op.name(), &x.shape, &mask.shape)? != x.shape {
            let why = "are not scores and a mask that broadcasts to them";
            return Err(OpError::Shapes { op: op.name(), a: x.shape.clone(), b: mask.shape.clone(), why });
        }
        Ok(types)
    },
    value: Value::Expand(|e, site| {
        let (x, keep) = (site.operands[0], site.operands[1]);
        if is_empty(e, site) {
            return Ok(smallvec![x]);
        }
        let never = e.scalar_like(x, f64::NEG_INFINITY)?;
        let kept = e.select(keep, x, never)?;
        let max = finite_max(e, kept, &[axis(site)])?;
        let weights = quotients(e, kept, max, &[axis(site)])?;
        Ok(smallvec![e.select_or_zero(keep, weights)?])
    }),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        Ok(smallvec![Flow::To(masked_slope(e, site, d)?), Flow::Zero])
    }),
    jvp: Rule::By(|e, site, t| unary_jvp(&t[..1], |dx| masked_slope(e, site, dx))),
    ..ALONG
};

/// The slope of the softmax; what is not kept takes no part, whatever its number.
fn masked_slope(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> R {
    let d = e.select_or_zero(site.operands[1], d)?;
    let slope = softmax_slope(e, site, d)?;
    e.select_or_zero(site.operands[1], slope)
}

pub static ROWS: &[&Row] = &[&LOGSUMEXP, &SOFTMAX, &LOG_SOFTMAX, &MASKED_SOFTMAX];
