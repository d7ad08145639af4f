//! Reductions defined by others: minimum, product, variance, Euclidean norm.

use crate::graph::{Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::make;
use crate::ops::reduce::{AXES, REDUCTION, axes, count, infer_extremum, reduced, spread};
use crate::ops::row::{AttrSpec, Row, Rule, Site, Value};
use crate::ops::rules::{unary_jvp, unary_vjp};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

const DEFINED: Row = Row { vjp: Rule::ByDefinition, jvp: Rule::ByDefinition, ..REDUCTION };

/// Smallest element; NaN propagates. Ties share the gradient evenly.
pub static REDUCE_MIN: Row = Row {
    name: "reduce_min",
    infer: infer_extremum,
    value: Value::Expand(|e, site| {
        let minus = e.neg(site.operands[0])?;
        let max = e.one(make::reduce_max(&axes(site), site.op.attrs.flag(1)), &[minus])?;
        Ok(smallvec![e.neg(max)?])
    }),
    ..DEFINED
};

/// The product of all elements, halves multiplied until one is left. An empty
/// product is 1. Its derivative are the products of the others, zeros or not.
pub static PROD: Row = Row {
    name: "prod",
    value: Value::Expand(|e, site| {
        let (x, axes) = (site.operands[0], axes(site));
        let shape = e.shape(x);
        let out = reduced(&shape, &axes, site.op.attrs.flag(1));
        if shape.numel() == 0 {
            let dtype = e.dtype(x);
            return Ok(smallvec![e.full(dtype, out, 1.0)?]);
        }
        let kept = (0..shape.rank()).filter(|a| !axes.contains(a));
        let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
        let moved = e.permute(x, &order)?;
        let n: usize = axes.iter().map(|&a| shape.dims()[a]).product();
        let mut rows = e.reshape(moved, &Shape::new(&[shape.numel() / n, n]))?;
        let mut n = n;
        while n > 1 {
            let half = n / 2;
            let (left, right) = (columns(e, rows, 0, half)?, columns(e, rows, half, 2 * half)?);
            let mut joined = e.mul(left, right)?;
            if n % 2 == 1 {
                let last = columns(e, rows, n - 1, n)?;
                joined = e.one(make::concat(1), &[joined, last])?;
            }
            rows = joined;
            n = half + n % 2;
        }
        Ok(smallvec![e.reshape(rows, &out)?])
    }),
    ..DEFINED
};

fn columns(e: &mut dyn Emitter, x: ValueId, from: usize, to: usize) -> R {
    let rows = e.shape(x).dims()[0];
    e.one(make::slice(&[0, from], &[rows, to], &[1, 1]), &[x])
}

/// The mean squared deviation from the mean, over `n - ddof`.
pub static VAR: Row = Row {
    name: "var",
    attrs: &[AXES[0], AXES[1], AttrSpec::new("ddof", AttrKind::Int)],
    infer: infer_extremum,
    value: Value::Expand(|e, site| {
        let (x, axes) = (site.operands[0], axes(site));
        let mean = e.one(make::mean(&axes, true), &[x])?;
        let deviation = e.sub(x, mean)?;
        let square = e.unary(make::square(), deviation)?;
        let sum = e.sum(square, &axes, site.op.attrs.flag(1))?;
        let freedom = count(e, site) - site.op.attrs.int(2) as f64;
        let freedom = e.scalar_like(x, freedom)?;
        Ok(smallvec![e.div(sum, freedom)?])
    }),
    ..DEFINED
};

/// The square root of the sum of squares. Where all elements are 0 its gradient
/// is 0.
pub static NORM2: Row = Row {
    name: "norm2",
    value: Value::Expand(|e, site| {
        let square = e.unary(make::square(), site.operands[0])?;
        let sum = e.sum(square, &axes(site), site.op.attrs.flag(1))?;
        Ok(smallvec![e.unary(make::sqrt(), sum)?])
    }),
    vjp: Rule::By(|e, site, d| {
        unary_vjp(d, |d| {
            let direction = direction(e, site)?;
            let d = spread(e, site, d)?;
            e.mul(d, direction)
        })
    }),
    jvp: Rule::By(|e, site, t| {
        unary_jvp(t, |dx| {
            let direction = direction(e, site)?;
            let along = e.mul(direction, dx)?;
            e.sum(along, &axes(site), site.op.attrs.flag(1))
        })
    }),
    exact: false,
    ..REDUCTION
};

/// x / |x|, 0 where all of x are 0.
fn direction(e: &mut dyn Emitter, site: &Site<'_>) -> R {
    let x = site.operands[0];
    let norm = spread(e, site, site.results[0])?;
    let zero = e.zeros_like(x)?;
    let none = e.eq(norm, zero)?;
    let direction = e.div(x, norm)?;
    e.select(none, zero, direction)
}

pub static ROWS: &[&Row] = &[&REDUCE_MIN, &PROD, &VAR, &NORM2];
