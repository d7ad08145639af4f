//! Losses.

use crate::graph::{DType, Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::elementwise::BINARY;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::index::check_constant;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Op, Row, Rule, Site, Types, Value};
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

const REDUCTION: AttrSpec = AttrSpec::new("reduction", AttrKind::Int);

/// The type of losses of this shape, reduced.
fn infer_reduced(op: &Op, dtype: DType, shape: &Shape) -> Result<Types, OpError> {
    match op.attrs.int(0) {
        0 => infer::one(dtype, shape.clone()),
        1 | 2 => infer::one(dtype, Shape::scalar()),
        n => Err(OpError::Attr {
            op: op.name(),
            attr: "reduction",
            why: format!("{n} is not 0 (none), 1 (sum) or 2 (mean)"),
        }),
    }
}

/// (a - b)^2, its sum or its mean.
pub static MSE: Row = Row {
    name: "mse",
    attrs: &[REDUCTION],
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        infer::same_dtype(op, operands, 0, 1)?;
        let (a, b) = (&operands[0].ty.shape, &operands[1].ty.shape);
        if a != b {
            return Err(OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why: "must be equal" });
        }
        infer_reduced(op, dtype, a)
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
    let n = e.ty(site.operands[1]).numel().max(1);
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

const DEFINED: Row = Row { vjp: Rule::ByDefinition, jvp: Rule::ByDefinition, ..MSE };

/// |a - b|, its sum or its mean.
pub static L1: Row = Row {
    name: "l1",
    value: Value::Expand(|e, site| {
        let diff = e.sub(site.operands[0], site.operands[1])?;
        let size = e.unary(make::abs(), diff)?;
        Ok(smallvec![reduce(e, site, size)?])
    }),
    ..DEFINED
};

/// (a - b)^2 / 2 within `delta`, beyond it delta (|a - b| - delta / 2).
pub static HUBER: Row = Row {
    name: "huber",
    attrs: &[REDUCTION, AttrSpec::new("delta", AttrKind::Float)],
    value: Value::Expand(|e, site| {
        let diff = e.sub(site.operands[0], site.operands[1])?;
        let size = e.unary(make::abs(), diff)?;
        let delta = site.op.attrs.float(1);
        let (half, bound) = (e.scalar_like(diff, 0.5)?, e.scalar_like(diff, delta)?);
        let square = e.unary(make::square(), diff)?;
        let near = e.mul(half, square)?;
        let offset = e.mul(half, bound)?;
        let past = e.sub(size, offset)?;
        let far = e.mul(bound, past)?;
        let outside = e.lt(bound, size)?;
        let loss = e.select(outside, far, near)?;
        Ok(smallvec![reduce(e, site, loss)?])
    }),
    ..DEFINED
};

/// Cross entropy of a probability `b` with sigmoid(a), without cancellation:
/// b softplus(-a) + (1 - b) softplus(a).
pub static BCE_WITH_LOGITS: Row = Row {
    name: "bce_with_logits",
    value: Value::Expand(|e, site| {
        let (x, target) = (site.operands[0], site.operands[1]);
        let minus = e.neg(x)?;
        let (hit, miss) = (e.unary(make::softplus(), minus)?, e.unary(make::softplus(), x)?);
        let one = e.scalar_like(x, 1.0)?;
        let rest = e.sub(one, target)?;
        let (hit, miss) = (e.mul(target, hit)?, e.mul(rest, miss)?);
        let loss = e.add(hit, miss)?;
        Ok(smallvec![reduce(e, site, loss)?])
    }),
    exact: false,
    ..DEFINED
};

/// b (log b - a) of a log-probability `a` and a probability `b`; 0 where b is 0.
pub static KL_DIV: Row = Row {
    name: "kl_div",
    value: Value::Expand(|e, site| {
        let (input, target) = (site.operands[0], site.operands[1]);
        let zero = e.scalar_like(target, 0.0)?;
        let positive = e.lt(zero, target)?;
        let one = e.scalar_like(target, 1.0)?;
        let safe = e.select(positive, target, one)?;
        let log = e.unary(make::log(), safe)?;
        let entropy = e.mul(target, log)?;
        let cross = e.mul(target, input)?;
        let loss = e.sub(entropy, cross)?;
        Ok(smallvec![reduce(e, site, loss)?])
    }),
    exact: false,
    ..DEFINED
};

/// -log softmax(logits) at the class of each row; `label_smoothing` spreads that
/// part of the probability evenly over all classes.
pub static CROSS_ENTROPY: Row = Row {
    name: "cross_entropy",
    attrs: &[REDUCTION, AttrSpec::new("label_smoothing", AttrKind::Float)],
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        infer::index(op, operands, 1)?;
        let (logits, target) = (&operands[0].ty.shape, &operands[1].ty.shape);
        match logits.dims() {
            [rows @ .., _] if *rows == *target.dims() => {
                check_constant(op, &operands[1], logits, rows.len())?;
                infer_reduced(op, dtype, target)
            }
            _ => Err(OpError::Shapes {
                op: op.name(),
                a: logits.clone(),
                b: target.clone(),
                why: "are not rows of logits and a class for each row",
            }),
        }
    },
    value: Value::Expand(|e, site| {
        let (logits, target) = (site.operands[0], site.operands[1]);
        let (shape, rows) = (e.shape(logits), e.shape(target));
        let axis = rows.rank();
        let classes = shape.dims()[axis];
        let log = e.one(make::log_softmax(axis), &[logits])?;
        let column: Shape = rows.dims().iter().copied().chain([1]).collect();
        let index = e.reshape(target, &column)?;
        let hit = e.one(make::gather(axis, false), &[log, index])?;
        let hit = e.reshape(hit, &rows)?;
        let smoothing = site.op.attrs.float(1);
        let mut gain = hit;
        if smoothing != 0.0 {
            let all = e.sum(log, &[axis], false)?;
            let (own, each) = (1.0 - smoothing, smoothing / classes.max(1) as f64);
            let (own, each) = (e.scalar_like(log, own)?, e.scalar_like(log, each)?);
            let (own, each) = (e.mul(own, hit)?, e.mul(each, all)?);
            gain = e.add(own, each)?;
        }
        let loss = e.neg(gain)?;
        Ok(smallvec![reduce(e, site, loss)?])
    }),
    exact: false,
    ..DEFINED
};

pub static ROWS: &[&Row] = &[&MSE, &L1, &HUBER, &BCE_WITH_LOGITS, &KL_DIV, &CROSS_ENTROPY];
