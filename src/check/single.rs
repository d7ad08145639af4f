//! One node by itself: a graph of its own.

use crate::graph::{DType, Graph, NodeId, ValueId, ValueType};
use crate::ops::{Attr, Body, Elements, Literal, Op, OpError, Value, make};
use std::sync::Arc;

/// A graph with f64 in the place of f32.
pub fn widened(graph: &Graph) -> Result<Graph, OpError> {
    let wide = |dtype: DType| if dtype == DType::F32 { DType::F64 } else { dtype };
    let mut made = Graph::new();
    for (v, input) in graph.input_values().zip(graph.inputs()) {
        let ty = graph.ty(v);
        made.push_input(input.name.clone(), ValueType::new(wide(ty.dtype), ty.shape.clone()))?;
    }
    for node in graph.nodes() {
        let attrs = node.op.attrs.all().iter().map(|attr| match attr {
            Attr::DType(dtype) => Attr::DType(wide(*dtype)),
            Attr::Data(literal) => match literal.elements() {
                Elements::F32(v) => {
                    let elements = Elements::F64(v.iter().map(|&x| f64::from(x)).collect());
                    let shape = literal.ty().shape.clone();
                    Literal::new(shape, elements)
                        .map_or_else(|| attr.clone(), |wide| Attr::Data(Arc::new(wide)))
                }
                _ => attr.clone(),
            },
            Attr::Graph(body) => match widened(body.graph()).and_then(Body::new) {
                Ok(wide) => Attr::Graph(wide),
                Err(_) => attr.clone(),
            },
            other => other.clone(),
        });
        // Ids are the same: every node has as many results as before.
        made.push(Op::new(node.op.row(), attrs.collect())?, node.operands(), node.source())?;
    }
    made.set_outputs(graph.outputs().to_vec());
    Ok(made)
}

/// A node alone. Its operands are inputs (one that stands twice is one input);
/// constant indices and masks stay constants, because shape rules look at them.
pub struct Single {
    /// The graph of the node; its outputs are the results that are floats.
    pub graph: Graph,
    /// The same in f64, where it computes in f32: the formulas at full precision.
    pub wide: Graph,
    /// The values of the primal graph that the inputs stand for.
    pub operands: Vec<ValueId>,
}

impl Single {
    /// The node `id` of `graph` by itself.
    pub fn new(graph: &Graph, id: NodeId) -> Result<Single, OpError> {
        let node = graph.node(id);
        let mut alone = Graph::new();
        let mut operands: Vec<ValueId> = Vec::new();
        let mut map: Vec<Option<ValueId>> = vec![None; node.operands().len()];
        let fixed = |v: ValueId| graph.literal(v).filter(|l| !l.ty().dtype.is_float());
        for (slot, &v) in map.iter_mut().zip(node.operands()) {
            if fixed(v).is_some() {
                continue;
            }
            let at = match operands.iter().position(|&w| w == v) {
                Some(at) => at,
                None => {
                    alone.push_input("", graph.ty(v).clone())?;
                    operands.push(v);
                    operands.len() - 1
                }
            };
            *slot = ValueId::from_usize(at);
        }
        let mut handles = Vec::with_capacity(map.len());
        for (slot, &v) in map.into_iter().zip(node.operands()) {
            handles.push(match (slot, fixed(v)) {
                (Some(input), _) => input,
                (None, Some(literal)) => alone.push(make::constant((**literal).clone()), &[], None)?[0],
                (None, None) => {
                    return Err(OpError::BadRule { op: node.op.name(), rule: "value", why: "lost".into() });
                }
            });
        }
        let results = alone.push(node.op.clone(), &handles, node.source())?;
        let floats = results.iter().copied().filter(|&v| alone.ty(v).dtype.is_float()).collect();
        alone.set_outputs(floats);
        let wide = widened(&alone)?;
        Ok(Single { graph: alone, wide, operands })
    }

    /// Whether there is a float to move and a float that could move by it.
    pub fn can_move(&self) -> bool {
        !self.graph.outputs().is_empty()
            && self
                .graph
                .input_values()
                .any(|v| self.graph.ty(v).dtype.is_float() && self.graph.ty(v).numel() > 0)
    }

    /// Scalar operations of the node, very roughly: for a contraction of a and b
    /// to c the geometric mean of the three sizes is right.
    pub fn work(&self) -> f64 {
        let sizes = self
            .graph
            .values()
            .map(|v| self.graph.ty(v))
            .filter(|t| t.dtype.is_float())
            .map(|t| t.numel() as f64);
        let sizes: Vec<f64> = sizes.collect();
        let largest = sizes.iter().copied().fold(1.0, f64::max);
        match sizes.len() {
            0..=2 => largest,
            _ => {
                let mut largest_three = sizes;
                largest_three.sort_by(f64::total_cmp);
                let product: f64 = largest_three.iter().rev().take(3).product();
                // Element-wise ops do not multiply: all three are of one size.
                if largest_three.iter().rev().take(3).all(|&n| n == largest) && self.is_map() {
                    largest
                } else {
                    product.sqrt().max(largest)
                }
            }
        }
    }

    fn is_map(&self) -> bool {
        self.graph.nodes().last().is_some_and(|node| matches!(node.op.row().value, Value::Map(_)))
    }
}
