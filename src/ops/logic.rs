//! Comparisons, logical ops on masks, and `where`.

use crate::graph::DType;
use crate::ops::elementwise::BINARY;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::row::{Flow, MapFn, Op, Operand, Row, Rule, Types, Value};
use crate::ops::rules::{seed, tangent, to};
use smallvec::smallvec;

/// Two numbers of one type (floats or integers), broadcast, to a mask.
fn compare(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    infer::same_dtype(op, operands, 0, 1)?;
    if operands[0].ty.dtype == DType::Bool {
        return Err(OpError::DType {
            op: op.name(),
            operand: 0,
            got: DType::Bool,
            expected: "f64, f32 or i64",
        });
    }
    infer::one(DType::Bool, infer::broadcast(op.name(), &operands[0].ty.shape, &operands[1].ty.shape)?)
}

fn logical(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let mut shape = operands[0].ty.shape.clone();
    for (i, operand) in operands.iter().enumerate() {
        if operand.ty.dtype != DType::Bool {
            return Err(OpError::DType {
                op: op.name(),
                operand: i,
                got: operand.ty.dtype,
                expected: "bool",
            });
        }
        shape = infer::broadcast(op.name(), &shape, &operand.ty.shape)?;
    }
    infer::one(DType::Bool, shape)
}

const COMPARE: Row = Row { infer: compare, vjp: Rule::Zero, jvp: Rule::Zero, ..BINARY };
const LOGICAL: Row = Row { infer: logical, ..COMPARE };

pub static EQ: Row = Row { name: "eq", value: Value::Map(MapFn::Eq), ..COMPARE };
pub static NE: Row = Row { name: "ne", value: Value::Map(MapFn::Ne), ..COMPARE };
pub static LT: Row = Row { name: "lt", value: Value::Map(MapFn::Lt), ..COMPARE };
pub static LE: Row = Row { name: "le", value: Value::Map(MapFn::Le), ..COMPARE };
pub static AND: Row = Row { name: "logical_and", value: Value::Map(MapFn::And), ..LOGICAL };
pub static OR: Row = Row { name: "logical_or", value: Value::Map(MapFn::Or), ..LOGICAL };
pub static XOR: Row = Row { name: "logical_xor", value: Value::Map(MapFn::Xor), ..LOGICAL };
pub static NOT: Row =
    Row { name: "logical_not", min_operands: 1, max_operands: 1, value: Value::Map(MapFn::Not), ..LOGICAL };

/// `where(condition, a, b)`: the branch not taken gets an exact zero.
pub static WHERE: Row = Row {
    name: "where",
    min_operands: 3,
    max_operands: 3,
    infer: |op, operands| {
        if operands[0].ty.dtype != DType::Bool {
            return Err(OpError::DType {
                op: op.name(),
                operand: 0,
                got: operands[0].ty.dtype,
                expected: "bool",
            });
        }
        let dtype = infer::same_dtype(op, operands, 1, 2)?;
        if dtype == DType::Bool {
            return Err(OpError::DType {
                op: op.name(),
                operand: 1,
                got: dtype,
                expected: "f64, f32 or i64",
            });
        }
        let values = infer::broadcast(op.name(), &operands[1].ty.shape, &operands[2].ty.shape)?;
        infer::one(dtype, infer::broadcast(op.name(), &operands[0].ty.shape, &values)?)
    },
    value: Value::Map(MapFn::Select),
    vjp: Rule::By(|e, site, d| {
        let Some(d) = seed(d) else { return Ok(smallvec![Flow::Zero; 3]) };
        let zero = e.scalar_like(d, 0.0)?;
        let mask = site.operands[0];
        let mut flow = |i: usize| {
            if !site.wants(i) {
                return Ok(Flow::Zero);
            }
            let v = if i == 1 { e.select(mask, d, zero)? } else { e.select(mask, zero, d)? };
            to(e, site, i, v)
        };
        Ok(smallvec![Flow::Zero, flow(1)?, flow(2)?])
    }),
    jvp: Rule::By(|e, site, t| {
        let dtype = e.dtype(site.results[0]);
        let picked = match (t[1], t[2]) {
            (None, None) => None,
            (a, b) => {
                let zero = e.full(dtype, crate::graph::Shape::scalar(), 0.0)?;
                Some(e.select(site.operands[0], a.unwrap_or(zero), b.unwrap_or(zero))?)
            }
        };
        tangent(e, site, picked)
    }),
    ..BINARY
};

pub static ROWS: &[&Row] = &[&EQ, &NE, &LT, &LE, &AND, &OR, &XOR, &NOT, &WHERE];
