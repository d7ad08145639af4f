//! Expansion to primitives, with IEEE-exact simplification, constant folding
//! and common subexpressions merged as nodes are made.

use crate::graph::{Graph, GraphError, Shape, ValueId, ValueType};
use crate::lower::simplify;
use crate::ops::{
    Attrs, Emitter, Literal, Loop, MapFn, Op, OpError, Operand, Prim, Results, Site, Types, Value, make,
};
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use std::hash::BuildHasher;
use std::sync::Arc;

/// What a core node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The input at this position.
    Input(u32),
    /// A scalar function, operands of the result's shape.
    Map(MapFn),
    /// A primitive.
    Prim(Prim),
    /// A result of a callback, by its number; its other results stand beside it.
    Callback(u32),
    /// A result of a loop, by its number; its other results stand beside it.
    Loop(u32),
}

/// A node of the core graph: one primitive, one result.
#[derive(Clone, Debug)]
pub struct CoreNode {
    pub kind: Kind,
    pub op: Op,
    pub operands: SmallVec<[ValueId; 3]>,
    pub ty: ValueType,
    /// The node of the graph it was expanded from, for errors at run time.
    pub origin: u32,
}

impl CoreNode {
    pub fn attrs(&self) -> &Attrs {
        &self.op.attrs
    }

    pub fn shape(&self) -> &Shape {
        &self.ty.shape
    }
}

/// A graph of primitives.
#[derive(Debug, Default)]
pub struct Core {
    pub nodes: Vec<CoreNode>,
    pub outputs: Vec<ValueId>,
}

impl Core {
    pub fn node(&self, id: ValueId) -> &CoreNode {
        &self.nodes[id.index()]
    }

    /// The elements of a node that is a constant.
    pub fn literal(&self, id: ValueId) -> Option<&Arc<Literal>> {
        match self.node(id).kind {
            Kind::Prim(Prim::Const) => self.node(id).op.attrs.data(0),
            _ => None,
        }
    }

    /// The bits of a constant all of whose elements are the same.
    pub fn uniform(&self, id: ValueId) -> Option<u64> {
        self.literal(id)?.uniform_bits()
    }

    /// Which nodes the outputs depend on.
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        for output in &self.outputs {
            live[output.index()] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if live[i] {
                for v in &self.nodes[i].operands {
                    live[v.index()] = true;
                }
            }
        }
        live
    }
}

/// The emitter that expands ops to primitives.
pub struct Expander {
    pub(super) core: Core,
    /// By hash: a collision only means that two equal nodes stay apart.
    merged: FxHashMap<u32, ValueId>,
    simplify: bool,
    origin: u32,
}

impl Expander {
    fn new(simplify: bool, graph: &Graph, origin: Option<u32>) -> Expander {
        let core = Core { nodes: Vec::with_capacity(graph.len()), outputs: Vec::new() };
        let distinct = if simplify { graph.nodes().len() } else { 0 };
        let merged = FxHashMap::with_capacity_and_hasher(distinct, FxBuildHasher);
        Expander { core, merged, simplify, origin: origin.unwrap_or(0) }
    }

    fn push(&mut self, kind: Kind, op: Op, operands: &[ValueId], ty: ValueType) -> ValueId {
        let id = ValueId::new(self.core.nodes.len() as u32);
        let operands = SmallVec::from_slice(operands);
        self.core.nodes.push(CoreNode { kind, op, operands, ty, origin: self.origin });
        id
    }

    /// A node as it is, merged with an equal one.
    pub(super) fn node(&mut self, kind: Kind, op: Op, operands: &[ValueId], ty: ValueType) -> ValueId {
        let next = ValueId::new(self.core.nodes.len() as u32);
        if self.simplify {
            let hash = FxBuildHasher.hash_one((kind, &op.attrs, operands)) as u32;
            let id = *self.merged.entry(hash).or_insert(next);
            if id != next {
                let node = self.core.node(id);
                if node.kind == kind && node.op.attrs == op.attrs && node.operands.as_slice() == operands {
                    return id;
                }
            }
        }
        self.push(kind, op, operands, ty)
    }

    pub(super) fn literal(&mut self, literal: Literal) -> ValueId {
        let ty = literal.ty().clone();
        self.node(Kind::Prim(Prim::Const), make::constant(literal), &[], ty)
    }

    /// A scalar function of operands of the result's shape, simplified.
    pub(super) fn map(&mut self, f: MapFn, op: Op, operands: &[ValueId], ty: ValueType) -> ValueId {
        if self.simplify
            && let Some(id) = simplify::map(self, f, &op, operands, &ty)
        {
            return id;
        }
        self.node(Kind::Map(f), op, operands, ty)
    }

    pub(super) fn broadcast(&mut self, v: ValueId, shape: &Shape) -> ValueId {
        if self.core.node(v).shape() == shape {
            return v;
        }
        let ty = ValueType { dtype: self.core.node(v).ty.dtype, shape: shape.clone() };
        self.prim(Prim::Broadcast, make::broadcast_to(shape), &[v], ty)
    }

    fn prim(&mut self, prim: Prim, op: Op, operands: &[ValueId], ty: ValueType) -> ValueId {
        if self.simplify
            && let Some(id) = simplify::prim(self, prim, &op, operands, &ty)
        {
            return id;
        }
        self.node(Kind::Prim(prim), op, operands, ty)
    }
}

impl Emitter for Expander {
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError> {
        if let Value::Expand(expand) = op.row().value {
            let site = Site { op: &op, operands, results: &[], wanted: &[] };
            return expand(self, &site);
        }
        let views: SmallVec<[Operand<'_>; 4]> =
            operands.iter().map(|&v| Operand { ty: &self.core.node(v).ty, literal: None }).collect();
        let mut types = op.infer(&views)?;
        drop(views);
        if let Value::Callback = op.row().value {
            // Never merged: the results must stay beside each other.
            let results = (0..).zip(types);
            return Ok(results
                .map(|(i, ty)| self.push(Kind::Callback(i), op.clone(), operands, ty))
                .collect());
        }
        if let Value::Loop = op.row().value {
            return self.emit_loop(op, operands, types);
        }
        let Some(ty) = types.pop() else {
            return Err(OpError::BadRule { op: op.name(), rule: "shape", why: "gave no result".into() });
        };
        Ok(SmallVec::from_elem(self.typed(op, operands, ty)?, 1))
    }

    fn ty(&self, value: ValueId) -> &ValueType {
        &self.core.node(value).ty
    }
}

impl Expander {
    /// A loop. Where it was met before, its results stand beside each other there.
    fn emit_loop(&mut self, op: Op, operands: &[ValueId], types: Types) -> Result<Results, OpError> {
        let l = Loop::of(&op)?;
        if l.steps == 0 {
            let given = operands[..l.carries].iter().copied();
            let empty = types[l.carries..].iter();
            let empty = empty.map(|ty| self.literal(Literal::filled(ty.dtype, ty.shape.clone(), 0.0)));
            return Ok(given.chain(empty.collect::<Results>()).collect());
        }
        let next = self.core.nodes.len();
        let first = self.node(Kind::Loop(0), op.clone(), operands, types[0].clone());
        if first.index() == next {
            for (i, ty) in (0..).zip(types.iter().cloned()).skip(1) {
                self.push(Kind::Loop(i), op.clone(), operands, ty);
            }
        }
        Ok((0..types.len()).map(|i| ValueId::new((first.index() + i) as u32)).collect())
    }

    /// An op that is not defined by others, with the type of its result.
    fn typed(&mut self, op: Op, operands: &[ValueId], ty: ValueType) -> Result<ValueId, OpError> {
        Ok(match op.row().value {
            Value::Map(f) => {
                let fits = |v: &ValueId| {
                    let shape = self.core.node(*v).shape();
                    shape.rank() == ty.shape.rank() && (shape.is_scalar() || *shape == ty.shape)
                };
                if operands.iter().all(fits) {
                    return Ok(self.map(f, op, operands, ty));
                }
                let operands: SmallVec<[ValueId; 3]> =
                    operands.iter().map(|&v| self.broadcast(v, &ty.shape)).collect();
                self.map(f, op, &operands, ty)
            }
            Value::Prim(prim) => self.prim(prim, op, operands, ty),
            Value::Expand(_) | Value::Callback | Value::Loop => {
                return Err(OpError::BadRule { op: op.name(), rule: "value", why: "recurs".into() });
            }
        })
    }
}

/// Expands a graph to primitives; `outputs` are values of it. All of a body comes
/// of the one node whose it is.
pub fn expand(
    graph: &Graph,
    outputs: &[ValueId],
    simplify: bool,
    origin: Option<u32>,
) -> Result<Core, GraphError> {
    let mut e = Expander::new(simplify, graph, origin);
    let mut map: Vec<ValueId> = Vec::with_capacity(graph.len());
    for v in graph.input_values() {
        let kind = Kind::Input(v.index() as u32);
        map.push(e.push(kind, crate::lower::INPUT_OP, &[], graph.ty(v).clone()));
    }
    let mut operands: Vec<ValueId> = Vec::new();
    for (id, node) in graph.nodes_with_ids() {
        e.origin = origin.unwrap_or(id.index() as u32);
        operands.clear();
        operands.extend(node.operands().iter().map(|v| map[v.index()]));
        let located = |error: OpError| crate::derive::sweep::located(error.into(), graph, id);
        match node.op.row().value {
            Value::Map(_) | Value::Prim(_) => {
                // Its type is known.
                let ty = graph.ty(node.result()).clone();
                map.push(e.typed(node.op.clone(), &operands, ty).map_err(located)?);
            }
            _ => map.extend(e.emit(node.op.clone(), &operands).map_err(located)?),
        }
    }
    let mut core = e.core;
    core.outputs = outputs.iter().map(|v| map[v.index()]).collect();
    Ok(core)
}
