//! Losses.

use crate::graph::{Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::elementwise::BINARY;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Row, Rule, Site, Value};
use crate::ops::rules::{add_tangents, seed};
use smallvec::smallvec;

/// How a loss is reduced over its elements: the `reduction` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReduction {
    /// One loss per element.
    None,
    /// Their sum.
    Sum,
    /// Their mean; an empty mean is 0.
    Mean,
}

impl LossReduction {
    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    fn of(site: &Site<'_>) -> LossReduction {
        match site.op.attrs.int(0) {
            0 => LossReduction::None,
            1 => LossReduction::Sum,
            _ => LossReduction::Mean,
        }
    }
}

/// (a - b)^2, its sum or its mean.
pub static MSE: Row = Row {
    name: "mse",
    attrs: &[AttrSpec::new("reduction", AttrKind::Int)],
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let (a, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
        if a != b {
            return Err(OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why: "must be equal" });
        }
        match op.attrs.int(0) {
            0 => infer::one(dtype, a.clone()),
            1 | 2 => infer::one(dtype, Shape::scalar()),
            n => Err(OpError::Attr {
                op: op.name(),
                attr: "reduction",
                why: format!("{n} is not 0 (none), 1 (sum) or 2 (mean)"),
            }),
        }
    },
    value: Value::Expand(|e, site| {
        let diff = e.sub(site.operands[0], site.operands[1])?;
        let square = e.unary(make::square(), diff)?;
        Ok(smallvec![reduce(e, site, square)?])
    }),
    // base = 2 (a - b) d / n; a += base, b -= base
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 2]) };
        let d = if LossReduction::of(site) == LossReduction::Mean { over_count(e, site, d)? } else { d };
        let diff = e.sub(site.operands[0], site.operands[1])?;
        let twice = e.add(diff, diff)?;
        let base = e.mul(d, twice)?;
        let minus = if site.wants(1) { Flow::To(e.neg(base)?) } else { Flow::Zero };
        Ok(smallvec![Flow::To(base), minus])
    }),
    jvp: Rule::By(|e, site, t| {
        let minus = t[1].map(|db| e.neg(db)).transpose()?;
        let Some(change) = add_tangents(e, &[t[0], minus])? else { return Ok(smallvec![None]) };
        let diff = e.sub(site.operands[0], site.operands[1])?;
        let twice = e.add(diff, diff)?;
        let terms = e.mul(twice, change)?;
        Ok(smallvec![Some(reduce(e, site, terms)?)])
    }),
    ..BINARY
};

fn over_count(e: &mut dyn Emitter, site: &Site<'_>, v: ValueId) -> Result<ValueId, OpError> {
    let n = e.ty(site.operands[0]).numel().max(1);
    let n = e.scalar_like(v, n as f64)?;
    e.div(v, n)
}

fn reduce(e: &mut dyn Emitter, site: &Site<'_>, v: ValueId) -> Result<ValueId, OpError> {
    let axes: Vec<usize> = (0..e.ty(v).shape.rank()).collect();
    match LossReduction::of(site) {
        LossReduction::None => Ok(v),
        LossReduction::Sum => e.sum(v, &axes, false),
        LossReduction::Mean => {
            let sum = e.sum(v, &axes, false)?;
            over_count(e, site, sum)
        }
    }
}

pub static ROWS: &[&Row] = &[&MSE];
