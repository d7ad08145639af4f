//! logsumexp, softmax and log_softmax, shifted by the maximum.

use crate::graph::ValueId;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::reduce::{AXES, REDUCTION, axes, infer_reduction, reduced, spread};
use crate::ops::row::{AttrSpec, Row, Rule, Site, Value};
use crate::ops::rules::{unary_jvp, unary_vjp};
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
        let max = e.one(op::reduce_max(&axes, true), &[x])?;
        let max = finite_or_zero(e, max)?;
        let shifted = e.sub(x, max)?;
        let exp = e.unary(op::exp(), shifted)?;
        let sum = e.sum(exp, &axes, true)?;
        let log = e.unary(op::log(), sum)?;
        let y = e.add(log, max)?;
        Ok(smallvec![e.reshape(y, &out)?])
    }),
    // dy/dx = exp(x - y); y = -inf only where all x are, and there it is 0.
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

fn lse_weights(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let y = finite_or_zero(e, site.results[0])?;
    let y = spread(e, site, y)?;
    let shifted = e.sub(site.operands[0], y)?;
    e.unary(op::exp(), shifted)
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
    let terms = e.mul(d, y)?;
    let mean = e.sum(terms, &[axis(site)], true)?;
    let rest = e.sub(d, mean)?;
    e.mul(y, rest)
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
            let terms = e.mul(p, dx)?;
            let sum = e.sum(terms, &[axis(site)], true)?;
            e.sub(dx, sum)
        })
    }),
    ..ALONG
};

pub static ROWS: &[&Row] = &[&LOGSUMEXP, &SOFTMAX, &LOG_SOFTMAX];
