//! The checks of a graph, in the order in which their errors are reported.

use crate::graph::{DType, Shape, ValueType};
use crate::ir::error::IrError;
use crate::ir::graph::IrNode;
use crate::ir::infer::infer;
use crate::ir::kind::Kind;

/// Axes that a shape may have, as in the text form of graphs: shape rules may
/// take time quadratic in the rank.
const MAX_AXES: usize = 64;

pub(super) fn check(nodes: &[IrNode], input: usize, output: usize) -> Result<(), IrError> {
    ids(nodes.iter().map(|n| n.id))?;
    for node in nodes {
        arity(node)?;
    }
    for node in nodes {
        if let Some(&parent) = node.parents.iter().find(|&&p| p >= node.id) {
            return Err(IrError::Parent { node: node.id, parent, summary: node.summary() });
        }
    }
    for node in nodes {
        shapes(nodes, node)?;
    }
    for (role, id) in [("input", input), ("output", output)] {
        if id >= nodes.len() {
            return Err(IrError::NoNode { role, id, len: nodes.len() });
        }
    }
    match &nodes[input].kind {
        Kind::Input => Ok(()),
        other => Err(IrError::NotInput { node: input, kind: other.tag() }),
    }
}

/// Ids count up from 0.
pub(super) fn ids(ids: impl Iterator<Item = usize>) -> Result<(), IrError> {
    match ids.enumerate().find(|(index, id)| index != id) {
        Some((index, id)) => Err(IrError::Ids { index, id }),
        None => Ok(()),
    }
}

fn arity(node: &IrNode) -> Result<(), IrError> {
    let ((lo, hi), got) = (node.kind.arity(), node.parents.len());
    if (lo..=hi).contains(&got) {
        return Ok(());
    }
    let expected = if hi == usize::MAX { format!("at least {lo}") } else { format!("{lo}..{hi}") };
    Err(IrError::ParentCount { node: node.id, kind: node.kind.tag(), expected, got, summary: node.summary() })
}

/// The inferred shape is the declared one; parents stand before.
pub(super) fn shapes(nodes: &[IrNode], node: &IrNode) -> Result<(), IrError> {
    let wrong = |why| IrError::Shape { node: node.id, kind: node.kind.tag(), why, summary: node.summary() };
    if node.shape.rank() > MAX_AXES {
        let why = format!("a shape of {} axes, of at most {MAX_AXES}", node.shape.rank());
        return Err(IrError::Shape { node: node.id, kind: node.kind.tag(), why, summary: String::new() });
    }
    if ValueType::new(DType::F64, node.shape.clone()).checked_bytes().is_none() {
        return Err(wrong(format!("a tensor of shape {} is larger than 2^40 bytes", node.shape)));
    }
    if let Some(eps) = node.kind.eps().filter(|eps| !eps.is_finite() || *eps < 0.0) {
        return Err(wrong(format!("eps {eps} is not a number from 0 on")));
    }
    let parents: Vec<&Shape> = node.parents.iter().map(|&p| &nodes[p].shape).collect();
    let inferred = infer(&node.kind, &parents, &node.shape).map_err(wrong)?;
    if inferred != node.shape {
        return Err(IrError::OutShape {
            node: node.id,
            inferred: inferred.to_string(),
            declared: node.shape.to_string(),
            summary: node.summary(),
        });
    }
    Ok(())
}
