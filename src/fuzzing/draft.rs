//! A graph being drafted: unlike a [`Graph`] it takes inputs at any time and
//! can be edited, which generation and shrinking need.

use crate::graph::{DType, Graph, GraphError, ValueId, ValueType};
use crate::ops::{Literal, Op, OpError, Operand, Types};
use std::sync::Arc;

/// A value of a draft, by position.
pub type Slot = usize;

/// One value.
#[derive(Clone, Debug)]
pub struct DraftValue {
    /// Its type.
    pub ty: ValueType,
    /// The node that gives it; `None` for an input.
    pub node: Option<usize>,
    /// For integers: all elements are known to lie in `0..bound`.
    pub bound: Option<usize>,
}

/// One node.
#[derive(Clone, Debug)]
pub struct DraftNode {
    /// The operation.
    pub op: Op,
    /// Operands.
    pub operands: Vec<Slot>,
    /// Results.
    pub results: Vec<Slot>,
}

/// Values and nodes in an order in which operands come first.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Values, inputs among them.
    pub values: Vec<DraftValue>,
    /// Nodes.
    pub nodes: Vec<DraftNode>,
    /// Outputs.
    pub outputs: Vec<Slot>,
}

/// A finished graph, with what is known of its integer inputs.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// The graph.
    pub graph: Graph,
    /// For each input: the bound its elements must keep to, for indices.
    pub bounds: Vec<Option<usize>>,
}

impl Draft {
    /// The draft of a graph.
    pub fn of(drafted: &Drafted) -> Draft {
        let graph = &drafted.graph;
        let mut draft = Draft::default();
        for (v, &bound) in graph.input_values().zip(&drafted.bounds) {
            draft.input(graph.ty(v).clone(), bound);
        }
        for node in graph.nodes() {
            let operands = node.operands().iter().map(|v| v.index()).collect();
            let types = node.results().map(|v| graph.ty(v).clone()).collect();
            draft.push(node.op.clone(), operands, types);
        }
        draft.outputs = graph.outputs().iter().map(|v| v.index()).collect();
        draft
    }

    /// A new input.
    pub fn input(&mut self, ty: ValueType, bound: Option<usize>) -> Slot {
        self.values.push(DraftValue { ty, node: None, bound });
        self.values.len() - 1
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.values.iter().filter(|v| v.node.is_none()).count()
    }

    /// The elements of a constant.
    pub fn literal(&self, slot: Slot) -> Option<&Arc<Literal>> {
        let node = &self.nodes[self.values[slot].node?];
        node.op.attrs.data(0).filter(|_| node.op.name() == "const")
    }

    /// Types of the results of a node that is not yet there.
    pub fn infer(&self, op: &Op, operands: &[Slot]) -> Result<Types, OpError> {
        let views: Vec<Operand<'_>> = operands
            .iter()
            .map(|&v| Operand { ty: &self.values[v].ty, literal: self.literal(v).map(|l| &**l) })
            .collect();
        op.infer(&views)
    }

    /// Appends a node whose types were inferred.
    pub fn push(&mut self, op: Op, operands: Vec<Slot>, types: Types) {
        let bound = self.bound_of(&op, &operands);
        let node = self.nodes.len();
        let first = self.values.len();
        let results = (first..first + types.len()).collect();
        self.values.extend(types.into_iter().map(|ty| DraftValue { ty, node: Some(node), bound }));
        self.nodes.push(DraftNode { op, operands, results });
    }

    /// The bound that an integer result keeps to, where it follows from the operands.
    fn bound_of(&self, op: &Op, operands: &[Slot]) -> Option<usize> {
        let of = |i: usize| operands.get(i).and_then(|&v| self.values[v].bound);
        match op.name() {
            "const" => {
                let literal = op.attrs.data(0)?;
                let all = (0..literal.elements().len()).map(|i| usize::try_from(literal.bits(i) as i64));
                all.collect::<Result<Vec<_>, _>>()
                    .ok()?
                    .into_iter()
                    .max()
                    .map_or(Some(0), |m| m.checked_add(1))
            }
            "broadcast_to" | "reshape" | "permute" | "slice" | "flip" | "split" | "detach" | "unfold" => {
                of(0)
            }
            "argsort" => self.values[operands[0]].ty.shape.dims().get(op.attrs.int(0) as usize).copied(),
            "index_select" | "gather" | "embedding" => of(0).map(|b| b.max(1)),
            "concat" => (0..operands.len()).map(of).try_fold(0, |m, b| Some(m.max(b?))),
            "pad" if op.attrs.float(3) == 0.0 => of(0).map(|b| b.max(1)),
            "cast" if self.values[operands[0]].ty.dtype == DType::Bool => Some(2),
            "where" => Some(of(1)?.max(of(2)?)),
            _ => None,
        }
    }

    /// The graph, its inputs first.
    pub fn finish(&self) -> Result<Drafted, GraphError> {
        let mut graph = Graph::new();
        let mut map = vec![ValueId::new(0); self.values.len()];
        let mut bounds = Vec::new();
        for (slot, value) in self.values.iter().enumerate().filter(|(_, v)| v.node.is_none()) {
            map[slot] = graph.push_input(format!("x{}", bounds.len()), value.ty.clone())?;
            bounds.push(value.bound);
        }
        for node in &self.nodes {
            let operands: Vec<ValueId> = node.operands.iter().map(|&v| map[v]).collect();
            let results = graph.push(node.op.clone(), &operands, None)?;
            for (&slot, id) in node.results.iter().zip(results) {
                map[slot] = id;
            }
        }
        graph.set_outputs(self.outputs.iter().map(|&v| map[v]).collect());
        Ok(Drafted { graph, bounds })
    }
}
