//! Random numbers as a function of a key, an i64 operand (seed, counter): an input of
//! the program draws anew with each call, a constant freezes the numbers. The bits
//! are those of `cotangent_runtime::random`; nothing flows back through any of these.

use crate::graph::{DType, Shape, ValueId};
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Prim, Row, Rule, Site, Types, Value};
use smallvec::smallvec;

type R = Result<ValueId, OpError>;

const SHAPE: AttrSpec = AttrSpec::new("shape", AttrKind::Ints);
const TYPED: &[AttrSpec] = &[AttrSpec::new("dtype", AttrKind::DType), SHAPE];

/// Integers in [0, 2^32): element `i`, row-major, is that of the key's stream.
pub static RANDOM_BITS: Row = Row {
    name: "random_bits",
    min_operands: 1,
    max_operands: 1,
    attrs: &[SHAPE],
    infer: |op, operands| {
        keyed(op, operands, 0)?;
        infer::one(DType::I64, infer::extents(op, "shape", op.attrs.ints(0))?)
    },
    value: Value::Prim(Prim::RandomBits),
    vjp: Rule::Zero,
    jvp: Rule::Zero,
    exact: true,
};

/// Operand `i` must be a key.
fn keyed(op: &Op, operands: &[Operand<'_>], i: usize) -> Result<(), OpError> {
    infer::index(op, operands, i)?;
    let shape = &operands[i].ty.shape;
    match shape.dims() {
        [2] => Ok(()),
        _ => {
            let why = "is not that of a key (seed, counter)".into();
            Err(OpError::Shape { op: op.name(), shape: shape.clone(), why })
        }
    }
}

fn infer_typed(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    keyed(op, operands, 0)?;
    let dtype = op.attrs.dtype(0);
    if !dtype.is_float() {
        let why = format!("{dtype} is not a float type");
        return Err(OpError::Attr { op: op.name(), attr: "dtype", why });
    }
    infer::one(dtype, infer::extents(op, "shape", op.attrs.ints(1))?)
}

/// Bits over 2^32. In f32 the largest round to 1.
fn uniform(e: &mut dyn Emitter, key: ValueId, dtype: DType, shape: &Shape) -> R {
    let bits = e.one(make::random_bits(shape), &[key])?;
    let number = e.cast(bits, dtype)?;
    e.one(make::scale(1.0 / 4_294_967_296.0), &[number])
}

fn shape_of(site: &Site<'_>, i: usize) -> Shape {
    Shape::new(&site.op.attrs.sizes(i))
}

/// Uniform numbers in [0, 1); in f32 also 1.
pub static RAND_UNIFORM: Row = Row {
    name: "rand_uniform",
    attrs: TYPED,
    infer: infer_typed,
    value: Value::Expand(|e, site| {
        Ok(smallvec![uniform(e, site.operands[0], site.op.attrs.dtype(0), &shape_of(site, 1))?])
    }),
    ..RANDOM_BITS
};

/// Normal numbers by the method of Box and Muller: element `i` is made of uniform
/// numbers 2 i, at least 1e-6, and 2 i + 1.
pub static RAND_NORMAL: Row = Row {
    name: "rand_normal",
    attrs: TYPED,
    infer: infer_typed,
    value: Value::Expand(|e, site| {
        let shape = shape_of(site, 1);
        let n = shape.numel();
        let pairs = Shape::new(&[n, 2]);
        let pairs = uniform(e, site.operands[0], site.op.attrs.dtype(0), &pairs)?;
        let mut half = |i: usize| {
            let part = e.one(make::slice(&[0, i], &[n, i + 1], &[1, 1]), &[pairs])?;
            e.reshape(part, &shape)
        };
        let (u1, u2) = (half(0)?, half(1)?);
        let least = e.scalar_like(u1, 1e-6)?;
        let u1 = e.one(make::maximum(), &[u1, least])?;
        let log = e.unary(make::log(), u1)?;
        let square = e.one(make::scale(-2.0), &[log])?;
        let radius = e.unary(make::sqrt(), square)?;
        let angle = e.one(make::scale(std::f64::consts::TAU), &[u2])?;
        let cosine = e.unary(make::cos(), angle)?;
        Ok(smallvec![e.mul(radius, cosine)?])
    }),
    exact: false,
    ..RANDOM_BITS
};

/// 1 where the probability to keep, the first operand, is above a uniform number, else 0.
pub static BERNOULLI_MASK: Row = Row {
    name: "bernoulli_mask",
    min_operands: 2,
    max_operands: 2,
    infer: |op, operands| {
        let dtype = infer::float(op, operands, 0)?;
        keyed(op, operands, 1)?;
        let keep = &operands[0].ty.shape;
        if !keep.is_scalar() {
            let why = "the probability must be one number".into();
            return Err(OpError::Shape { op: op.name(), shape: keep.clone(), why });
        }
        infer::one(dtype, infer::extents(op, "shape", op.attrs.ints(0))?)
    },
    value: Value::Expand(|e, site| {
        let (keep, dtype) = (site.operands[0], e.dtype(site.operands[0]));
        let number = uniform(e, site.operands[1], dtype, &shape_of(site, 0))?;
        let kept = e.lt(number, keep)?;
        Ok(smallvec![e.cast(kept, dtype)?])
    }),
    ..RANDOM_BITS
};

pub static ROWS: &[&Row] = &[&RANDOM_BITS, &RAND_UNIFORM, &RAND_NORMAL, &BERNOULLI_MASK];
