//! Rows without derivative flow: constants and the gradient stop.

use crate::ops::attr::AttrKind;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::row::{AttrSpec, Op, Operand, Prim, Row, Rule, Types, Value};
use smallvec::smallvec;

pub static CONST: Row = Row {
    name: "const",
    min_operands: 0,
    max_operands: 0,
    attrs: &[AttrSpec::new("data", AttrKind::Data)],
    infer: |op: &Op, _: &[Operand<'_>]| -> Result<Types, OpError> {
        match op.attrs.data(0) {
            Some(literal) => Ok(smallvec![literal.ty().clone()]),
            None => Err(OpError::AttrCount { op: op.name(), expected: 1, got: 0 }),
        }
    },
    value: Value::Prim(Prim::Const),
    vjp: Rule::Zero,
    jvp: Rule::Zero,
    exact: true,
};

/// The identity whose derivative is zero, in both modes.
pub static DETACH: Row = Row {
    name: "detach",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: infer::same,
    value: Value::Expand(|_, site| Ok(smallvec![site.operands[0]])),
    vjp: Rule::Zero,
    jvp: Rule::Zero,
    exact: true,
};

pub static ROWS: &[&Row] = &[&CONST, &DETACH];
