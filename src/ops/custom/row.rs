//! The rows of custom ops, and their rules.

use crate::graph::{Graph, ValueId, ValueType};
use crate::ops::attr::AttrKind;
use crate::ops::custom::{Body, Custom, CustomRule};
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::row::{AttrSpec, Flow, Flows, Op, Operand, Results, Row, Rule, Site, Tangents, Types, Value};
use smallvec::SmallVec;

/// An op given as graphs.
pub static CUSTOM: Row = Row {
    name: "custom",
    min_operands: 0,
    max_operands: usize::MAX,
    attrs: &[AttrSpec::new("op", AttrKind::Custom)],
    infer,
    value: Value::Expand(expand),
    // The rules are those of the op at hand: `Op::vjp`, `Op::jvp`.
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: false,
};

/// An op given as callbacks.
pub static CALLBACK: Row = Row { value: Value::Callback, ..CUSTOM };

fn custom(op: &Op) -> Result<&Custom, OpError> {
    let missing = || OpError::AttrCount { op: op.row().name, expected: 1, got: 0 };
    op.custom().map(|custom| &*custom.0).ok_or_else(missing)
}

fn infer(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let custom = custom(op)?;
    let (n, got) = (custom.operands.len(), operands.len());
    if n != got {
        return Err(OpError::Arity { op: custom.name, min: n, max: n, got });
    }
    for (operand, (given, want)) in operands.iter().zip(&custom.operands).enumerate() {
        if given.ty != want {
            let (got, expected) = (given.ty.clone(), want.clone());
            return Err(OpError::OperandType { op: custom.name, operand, got, expected });
        }
    }
    Ok(custom.results.iter().cloned().collect())
}

fn expand(e: &mut dyn Emitter, site: &Site<'_>) -> Result<Results, OpError> {
    match &custom(site.op)?.body {
        Body::Graph(graph) => outputs(e, site.op, graph, site.operands),
        Body::Callback(_) => Err(OpError::MissingRule { op: site.op.name(), rule: "definition" }),
    }
}

fn outputs(e: &mut dyn Emitter, op: &Op, graph: &Graph, inputs: &[ValueId]) -> Result<Results, OpError> {
    let handles = e.inline(op.name(), graph, inputs)?;
    Ok(graph.outputs().iter().map(|v| handles[v.index()]).collect())
}

/// What a rule gives for its inputs: those of the site, then `given` where there is
/// one, zeros elsewhere.
fn apply<'t>(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    rule: &CustomRule,
    given: impl Iterator<Item = (&'t ValueType, Option<ValueId>)>,
) -> Result<Results, OpError> {
    let mut inputs: SmallVec<[ValueId; 8]> = site.operands.iter().chain(site.results).copied().collect();
    for (ty, value) in given.filter(|(ty, _)| ty.dtype.is_float()) {
        inputs.push(match value {
            Some(value) => value,
            None => e.full(ty.dtype, ty.shape.clone(), 0.0)?,
        });
    }
    match rule {
        CustomRule::Graph(graph) => outputs(e, site.op, graph, &inputs),
        CustomRule::Op(op) => e.emit(op.op(), &inputs),
        _ => Err(OpError::MissingRule { op: site.op.name(), rule: "derivative" }),
    }
}

pub fn vjp(e: &mut dyn Emitter, site: &Site<'_>, cotangents: &[Option<ValueId>]) -> Result<Flows, OpError> {
    let custom = custom(site.op)?;
    let given = custom.results.iter().zip(cotangents.iter().copied());
    let mut out = apply(e, site, &custom.vjp, given)?.into_iter();
    let flow = |(i, ty): (usize, &ValueType)| match ty.dtype.is_float().then(|| out.next()).flatten() {
        Some(d) if site.wants(i) => Flow::To(d),
        _ => Flow::Zero,
    };
    Ok(custom.operands.iter().enumerate().map(flow).collect())
}

pub fn jvp(e: &mut dyn Emitter, site: &Site<'_>, tangents: &[Option<ValueId>]) -> Result<Tangents, OpError> {
    let custom = custom(site.op)?;
    let given = custom.operands.iter().zip(tangents.iter().copied());
    let mut out = apply(e, site, &custom.jvp, given)?.into_iter();
    Ok(custom.results.iter().map(|ty| ty.dtype.is_float().then(|| out.next()).flatten()).collect())
}
