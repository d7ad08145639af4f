//! Normalisations: of rows, of groups of channels, of batches.

use crate::graph::{Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Row, Rule, Site, Types, Value};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

const EPS: AttrSpec = AttrSpec::new("eps", AttrKind::Float);

const NORM: Row = Row {
    name: "",
    min_operands: 3,
    max_operands: 3,
    attrs: &[EPS],
    infer: infer::by_definition,
    value: Value::Expand(|_, _| Ok(smallvec![])),
    vjp: Rule::ByDefinition,
    jvp: Rule::ByDefinition,
    exact: false,
};

fn wrong(op: &Op, a: &Shape, b: &Shape, why: &'static str) -> OpError {
    OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why }
}

/// A weight (and a bias) of the shape of the trailing axes of x.
fn infer_trailing(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let x = &operands[0].ty.shape;
    for (i, operand) in operands.iter().enumerate().skip(1) {
        infer::same_dtype(op, operands, 0, i)?;
        let w = &operand.ty.shape;
        if w.is_scalar() || !x.dims().ends_with(w.dims()) {
            return Err(wrong(op, x, w, "are not an input and a weight of its trailing axes"));
        }
        if w != &operands[1].ty.shape {
            return Err(wrong(op, &operands[1].ty.shape, w, "are not a weight and a bias of its shape"));
        }
    }
    infer::elementwise(op, operands)
}

/// Vectors of one number per channel, the second axis of x.
fn infer_channels(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let x = &operands[0].ty.shape;
    for (i, operand) in operands.iter().enumerate().skip(1) {
        infer::same_dtype(op, operands, 0, i)?;
        let w = &operand.ty.shape;
        if x.rank() < 2 || w.dims() != &x.dims()[1..2] {
            return Err(wrong(op, x, w, "are not an input (n, c, ..) and a vector (c)"));
        }
    }
    infer::float(op, operands, 0)?;
    infer::same(op, &operands[..1])
}

/// sqrt(v + eps)
fn deviation(e: &mut dyn Emitter, site: &Site<'_>, variance: ValueId) -> R {
    let eps = e.scalar_like(variance, site.op.attrs.float(site.op.attrs.all().len() - 1))?;
    let raised = e.add(variance, eps)?;
    e.unary(make::sqrt(), raised)
}

/// (x - mean) / sqrt(variance + eps) over axes; the variance is biased.
fn standardised(e: &mut dyn Emitter, site: &Site<'_>, x: ValueId, axes: &[usize]) -> R {
    if e.ty(x).numel() == 0 {
        return Ok(x);
    }
    let mean = e.one(make::mean(axes, true), &[x])?;
    let centred = e.sub(x, mean)?;
    let square = e.unary(make::square(), centred)?;
    let variance = e.one(make::mean(axes, true), &[square])?;
    let deviation = deviation(e, site, variance)?;
    e.div(centred, deviation)
}

/// A vector of channels under the axes of x.
fn channels(e: &mut dyn Emitter, x: ValueId, vector: ValueId) -> R {
    let shape = e.shape(x);
    let dims: Shape = (1..shape.rank()).map(|a| if a == 1 { shape.dims()[1] } else { 1 }).collect();
    e.reshape(vector, &dims)
}

fn scaled(e: &mut dyn Emitter, x: ValueId, w: ValueId, b: ValueId) -> R {
    let product = e.mul(x, w)?;
    e.add(product, b)
}

fn scaled_channels(e: &mut dyn Emitter, x: ValueId, w: ValueId, b: ValueId) -> R {
    let (w, b) = (channels(e, x, w)?, channels(e, x, b)?);
    scaled(e, x, w, b)
}

fn trailing(e: &dyn Emitter, site: &Site<'_>) -> Vec<usize> {
    let (all, own) = (e.ty(site.operands[0]).shape.rank(), e.ty(site.operands[1]).shape.rank());
    (all - own..all).collect()
}

/// Mean 0 and variance 1 over the trailing axes, those of the weight.
pub static LAYER_NORM: Row = Row {
    name: "layer_norm",
    infer: infer_trailing,
    value: Value::Expand(|e, site| {
        let &[x, w, b] = site.operands else { return Ok(smallvec![]) };
        let axes = trailing(e, site);
        let x = standardised(e, site, x, &axes)?;
        Ok(smallvec![scaled(e, x, w, b)?])
    }),
    ..NORM
};

/// Mean square 1 over the trailing axes, those of the weight.
pub static RMS_NORM: Row = Row {
    name: "rms_norm",
    min_operands: 2,
    max_operands: 2,
    infer: infer_trailing,
    value: Value::Expand(|e, site| {
        let &[x, w] = site.operands else { return Ok(smallvec![]) };
        if e.ty(x).numel() == 0 {
            return Ok(smallvec![x]);
        }
        let square = e.unary(make::square(), x)?;
        let axes = trailing(e, site);
        let mean = e.one(make::mean(&axes, true), &[square])?;
        let root = deviation(e, site, mean)?;
        let x = e.div(x, root)?;
        Ok(smallvec![e.mul(x, w)?])
    }),
    ..NORM
};

/// Given mean and variance of each channel: operands x, mean, variance, weight, bias.
pub static BATCH_NORM_EVAL: Row = Row {
    name: "batch_norm_eval",
    min_operands: 5,
    max_operands: 5,
    infer: infer_channels,
    value: Value::Expand(|e, site| {
        let &[x, mean, variance, w, b] = site.operands else { return Ok(smallvec![]) };
        let (mean, variance) = (channels(e, x, mean)?, channels(e, x, variance)?);
        let centred = e.sub(x, mean)?;
        let deviation = deviation(e, site, variance)?;
        let standard = e.div(centred, deviation)?;
        Ok(smallvec![scaled_channels(e, standard, w, b)?])
    }),
    ..NORM
};

/// Mean 0 and variance 1 of each channel over the batch and the other axes.
pub static BATCH_NORM_TRAIN: Row = Row {
    name: "batch_norm_train",
    infer: infer_channels,
    value: Value::Expand(|e, site| {
        let &[x, w, b] = site.operands else { return Ok(smallvec![]) };
        let axes: Vec<usize> = (0..e.ty(x).shape.rank()).filter(|&a| a != 1).collect();
        let standard = standardised(e, site, x, &axes)?;
        Ok(smallvec![scaled_channels(e, standard, w, b)?])
    }),
    ..NORM
};

/// Mean 0 and variance 1 of each group of channels of each sample.
pub static GROUP_NORM: Row = Row {
    name: "group_norm",
    attrs: &[AttrSpec::new("groups", AttrKind::Int), EPS],
    infer: |op, operands| {
        let types = infer_channels(op, operands)?;
        let (shape, groups) = (&operands[0].ty.shape, op.attrs.int(0));
        if groups < 1 || !(shape.dims()[1] as i64).unsigned_abs().is_multiple_of(groups.unsigned_abs()) {
            let why = format!("{groups} groups do not part {} channels", shape.dims()[1]);
            return Err(OpError::Attr { op: op.name(), attr: "groups", why });
        }
        Ok(types)
    },
    value: Value::Expand(|e, site| {
        let &[x, w, b] = site.operands else { return Ok(smallvec![]) };
        let (shape, groups) = (e.shape(x), site.op.attrs.int(0) as usize);
        let (n, rest) = (shape.dims()[0], shape.dims()[1..].iter().product::<usize>() / groups.max(1));
        let grouped = e.reshape(x, &Shape::new(&[n, groups, rest]))?;
        let standard = standardised(e, site, grouped, &[2])?;
        let standard = e.reshape(standard, &shape)?;
        Ok(smallvec![scaled_channels(e, standard, w, b)?])
    }),
    ..NORM
};

pub static ROWS: &[&Row] = &[&LAYER_NORM, &RMS_NORM, &BATCH_NORM_EVAL, &BATCH_NORM_TRAIN, &GROUP_NORM];
