//! Ops that hold graphs. Loops: a graph that is run for each step, with values
//! carried from one step to the next and slices of tensors taken and given.
//! Branches: one of two graphs, as a value says when the program runs.

mod body;
mod branch;
mod rules;

pub use body::Body;
pub(crate) use body::{Cut, cut_both, cut_loop, extent};
pub(crate) use branch::Branch;
pub use branch::COND;

use crate::graph::{DType, Graph, ValueId};
use crate::ops::attr::{AttrKind, Attrs};
use crate::ops::error::OpError;
use crate::ops::row::{AttrSpec, Op, Operand, Row, Rule, Types, Value};

/// A loop of a known number of steps.
///
/// Inputs of the body are the carries, then a slice of each sliced operand, then
/// operands that are the same in every step; its outputs the next carries, then
/// what is stacked. Operands of the op are the first carries, the sliced operands
/// (steps along their first axis), then the others; its results the last carries,
/// then the stacks. Backwards, the first step takes and gives the last slices.
///
/// A step whose `guard`, an input of the body that is one boolean, is false is not
/// run: carries stay as they are, and what it would stack is zeros. A carry may
/// be the guard, which then ends the loop, or a slice; -1 for none.
///
/// The gradient of an operand that every step reads is added up in the order of
/// the reverse sweep of the same steps written out: it goes on from the gradient
/// so far, or from -0, which adds nothing (from 0 where all steps may be left out).
/// The cotangent of a carry starts as zeros where the last one has none.
pub static SCAN: Row = Row {
    name: "scan",
    min_operands: 0,
    max_operands: usize::MAX,
    attrs: &[
        AttrSpec::new("body", AttrKind::Graph),
        AttrSpec::new("steps", AttrKind::Int),
        AttrSpec::new("carries", AttrKind::Int),
        AttrSpec::new("slices", AttrKind::Int),
        AttrSpec::new("backwards", AttrKind::Bool),
        AttrSpec::new("guard", AttrKind::Int),
    ],
    infer,
    value: Value::Loop,
    vjp: Rule::By(rules::vjp),
    jvp: Rule::By(rules::jvp),
    exact: true,
};

pub static ROWS: &[&Row] = &[&SCAN, &COND];

/// A loop as its attributes say.
#[derive(Clone, Copy)]
pub struct Loop<'a> {
    /// One step.
    pub body: &'a Graph,
    pub steps: usize,
    pub carries: usize,
    pub slices: usize,
    pub backwards: bool,
    /// The input of the body that says whether a step is run.
    pub guard: Option<usize>,
}

impl<'a> Loop<'a> {
    /// The loop that an op is.
    pub fn of(op: &'a Op) -> Result<Loop<'a>, OpError> {
        Loop::with(&op.attrs)
    }

    /// The loop with these attributes.
    pub fn with(attrs: &'a Attrs) -> Result<Loop<'a>, OpError> {
        let op = SCAN.name;
        let body =
            attrs.bodies().next().ok_or(OpError::AttrCount { op, expected: SCAN.attrs.len(), got: 0 })?;
        let count = |i: usize| {
            let why = || OpError::Attr { op, attr: SCAN.attrs[i].name, why: "must not be negative".into() };
            usize::try_from(attrs.int(i)).map_err(|_| why())
        };
        let (steps, carries, slices) = (count(1)?, count(2)?, count(3)?);
        let guard = usize::try_from(attrs.int(5)).ok();
        Ok(Loop { body: body.graph(), steps, carries, slices, backwards: attrs.flag(4), guard })
    }

    /// Where in a stack the slice of a step stands.
    pub fn place(&self, step: usize) -> usize {
        if self.backwards { self.steps - 1 - step } else { step }
    }

    /// Positions of the sliced operands.
    pub fn sliced(&self) -> std::ops::Range<usize> {
        self.carries..self.carries + self.slices
    }
}

fn infer(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let l = Loop::of(op)?;
    let n = l.body.inputs().len();
    if operands.len() != n {
        return Err(OpError::Arity { op: op.name(), min: n, max: n, got: operands.len() });
    }
    let refused = |why: String| Err(OpError::Refused { op: op.name(), why });
    if l.carries.checked_add(l.slices).is_none_or(|both| both > n) {
        return refused(format!("{} carries and {} slices of {n} inputs", l.carries, l.slices));
    }
    if let Some(guard) = l.guard {
        let guards = guard < l.carries + l.slices && {
            let ty = l.body.ty(ValueId::new(guard as u32));
            ty.dtype == DType::Bool && ty.shape.is_scalar()
        };
        if !guards {
            return refused(format!(
                "its guard, input {guard} of its body, is no carry or slice of one boolean"
            ));
        }
    }
    let outputs = l.body.outputs();
    if outputs.is_empty() {
        return refused("its body has no output".into());
    }
    if outputs.len() < l.carries {
        return refused(format!("{} carries, but the body gives {} values", l.carries, outputs.len()));
    }
    for (i, v) in l.body.input_values().enumerate() {
        let mut expected = l.body.ty(v).clone();
        if l.sliced().contains(&i) {
            expected = expected.stacked(l.steps);
        }
        if *operands[i].ty != expected {
            let got = operands[i].ty.clone();
            return Err(OpError::OperandType { op: op.name(), operand: i, got, expected });
        }
        if i < l.carries && l.body.ty(outputs[i]) != l.body.ty(v) {
            let (expected, got) = (l.body.ty(v), l.body.ty(outputs[i]));
            return refused(format!("carry {i} is {expected} and becomes {got} in a step"));
        }
    }
    Ok(outputs
        .iter()
        .enumerate()
        .map(|(i, &v)| match i < l.carries {
            true => l.body.ty(v).clone(),
            false => l.body.ty(v).stacked(l.steps),
        })
        .collect())
}
