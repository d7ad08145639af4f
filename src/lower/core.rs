//! Expansion to primitives, with IEEE-exact simplification, constant folding
//! and common subexpressions merged as nodes are made.

use crate::graph::{Graph, GraphError, Shape, TypeId, TypeTable, ValueId, ValueType};
use crate::lower::merge::Made;
use crate::lower::simplify;
use crate::ops::{
    Attrs, Emitter, Literal, Loop, MapFn, Op, OpError, Operand, Prim, Results, Site, Value, make,
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
    /// A result of an op that runs bodies, by its number; its other results stand beside it.
    Bodies(u32),
}

/// A node of the core graph: one primitive, one result.
#[derive(Clone, Copy, Debug)]
pub struct CoreNode<'c> {
    pub kind: Kind,
    pub attrs: &'c Attrs,
    pub operands: &'c [ValueId],
    pub ty: &'c ValueType,
    /// The node of the graph it was expanded from, for errors at run time.
    pub origin: u32,
}

impl<'c> CoreNode<'c> {
    pub fn shape(&self) -> &'c Shape {
        &self.ty.shape
    }
}

/// A node as it is kept: small, and plain numbers, so that appending one is a few stores.
#[derive(Clone, Copy, Debug)]
struct Kept {
    kind: Kind,
    /// The first of its operands, which end where those of the next node start.
    first: usize,
    /// Which of the attributes it has.
    attrs: u32,
    ty: TypeId,
    origin: u32,
}

/// Which attributes ops have that have none.
const PLAIN: u32 = u32::MAX;

/// A graph of primitives.
#[derive(Debug, Default)]
pub struct Core {
    nodes: Vec<Kept>,
    operands: Vec<ValueId>,
    attrs: Vec<Attrs>,
    pub types: TypeTable,
    pub outputs: Vec<ValueId>,
}

/// The last nodes of a core graph, cut off; their attributes and types are still there.
pub struct Tail(Core);

impl Tail {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn ty(&self, at: usize) -> TypeId {
        self.0.nodes[at].ty
    }

    pub fn origin(&self, at: usize) -> u32 {
        self.0.nodes[at].origin
    }
}

impl Core {
    /// Without nodes, with these types.
    pub fn of_types(types: TypeTable) -> Core {
        Core { types, ..Core::default() }
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ValueId> + ExactSizeIterator + use<> {
        (0..self.nodes.len() as u32).map(ValueId::new)
    }

    #[inline]
    pub fn node(&self, id: ValueId) -> CoreNode<'_> {
        let node = &self.nodes[id.index()];
        let (operands, ty) = (self.operands(id), self.types.get(node.ty));
        CoreNode { kind: node.kind, attrs: self.attrs(node), operands, ty, origin: node.origin }
    }

    #[inline]
    fn attrs(&self, node: &Kept) -> &Attrs {
        const NONE: &Attrs = &Attrs::NONE;
        self.attrs.get(node.attrs as usize).unwrap_or(NONE)
    }

    #[inline]
    pub fn kind(&self, id: ValueId) -> Kind {
        self.nodes[id.index()].kind
    }

    #[inline]
    pub fn type_id(&self, id: ValueId) -> TypeId {
        self.nodes[id.index()].ty
    }

    #[inline]
    pub fn operands(&self, id: ValueId) -> &[ValueId] {
        let end = self.nodes.get(id.index() + 1).map_or(self.operands.len(), |next| next.first);
        &self.operands[self.nodes[id.index()].first..end]
    }

    pub fn push(
        &mut self,
        kind: Kind,
        attrs: Attrs,
        operands: &[ValueId],
        ty: TypeId,
        origin: u32,
    ) -> ValueId {
        let which = match attrs.all().is_empty() {
            true => PLAIN,
            false => self.attrs.len() as u32,
        };
        if which != PLAIN {
            self.attrs.push(attrs);
        }
        let first = self.operands.len();
        self.operands.extend_from_slice(operands);
        self.keep(Kept { kind, first, attrs: which, ty, origin })
    }

    #[inline]
    fn keep(&mut self, node: Kept) -> ValueId {
        let id = ValueId::new(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }

    /// Cuts off the nodes from `first` on.
    pub fn split_off(&mut self, first: usize) -> Tail {
        let mut nodes = self.nodes.split_off(first);
        let start = nodes.first().map_or(self.operands.len(), |node| node.first);
        nodes.iter_mut().for_each(|node| node.first -= start);
        let operands = self.operands.split_off(start);
        Tail(Core { nodes, operands, ..Core::default() })
    }

    /// Appends a node that was cut off; `now` gives the new ids of its operands.
    pub fn push_again(&mut self, tail: &Tail, at: usize, now: impl Fn(ValueId) -> ValueId) -> ValueId {
        let first = self.operands.len();
        self.operands.extend(tail.0.operands(ValueId::new(at as u32)).iter().map(|&v| now(v)));
        self.keep(Kept { first, ..tail.0.nodes[at] })
    }

    /// The elements of a node that is a constant.
    #[inline]
    pub fn literal(&self, id: ValueId) -> Option<&Arc<Literal>> {
        let node = &self.nodes[id.index()];
        match node.kind {
            Kind::Prim(Prim::Const) => self.attrs(node).data(0),
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
        let mut end = self.operands.len();
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if live[i] {
                self.operands[node.first..end].iter().for_each(|v| live[v.index()] = true);
            }
            end = node.first;
        }
        live
    }
}

/// The emitter that expands ops to primitives.
pub struct Expander {
    pub(super) core: Core,
    made: Made,
    /// Constants of one number, by type and bits.
    filled: FxHashMap<(TypeId, u64), ValueId>,
    simplify: bool,
    origin: u32,
}

impl Expander {
    fn new(simplify: bool, graph: &Graph, origin: Option<u32>) -> Expander {
        let core = Core {
            nodes: Vec::with_capacity(graph.len()),
            operands: Vec::with_capacity(2 * graph.len()),
            attrs: Vec::new(),
            types: graph.types().clone(),
            outputs: Vec::new(),
        };
        let distinct = if simplify { graph.nodes().len() } else { 0 };
        let (made, filled) = (Made::with_capacity(distinct), FxHashMap::default());
        Expander { core, made, filled, simplify, origin: origin.unwrap_or(0) }
    }

    fn push(&mut self, kind: Kind, op: Op, operands: &[ValueId], ty: TypeId) -> ValueId {
        self.core.push(kind, op.attrs, operands, ty, self.origin)
    }

    /// A node as it is, merged with an equal one.
    pub(super) fn node(&mut self, kind: Kind, op: Op, operands: &[ValueId], ty: TypeId) -> ValueId {
        if self.simplify {
            let (core, next) = (&self.core, self.core.len() as u32);
            let same = |id: u32| {
                let node = core.node(ValueId::new(id));
                node.kind == kind && node.operands == operands && *node.attrs == op.attrs
            };
            let latest = operands.iter().max().map(|v| v.index());
            let hash = || FxBuildHasher.hash_one((kind, &op.attrs, operands));
            if let Some(id) = self.made.find(latest, next, hash, same) {
                return ValueId::new(id);
            }
        }
        self.push(kind, op, operands, ty)
    }

    pub(super) fn literal(&mut self, literal: Literal) -> ValueId {
        let ty = self.core.types.id(literal.ty());
        self.constant(make::constant(literal), ty)
    }

    /// A constant of this type filled with one number.
    pub(super) fn full(&mut self, ty: TypeId, value: f64) -> ValueId {
        let ValueType { dtype, shape } = self.core.types.get(ty);
        let bits = Literal::bits_of(*dtype, value);
        match self.filled.get(&(ty, bits)) {
            Some(&id) => id,
            None => {
                let literal = Literal::filled(*dtype, shape, value);
                self.constant(make::constant(literal), ty)
            }
        }
    }

    fn constant(&mut self, op: Op, ty: TypeId) -> ValueId {
        let one = |literal: &Arc<Literal>| match literal.elements().len() {
            1 => literal.elements().bits(0),
            _ => None,
        };
        let Some(bits) = op.attrs.data(0).and_then(one).filter(|_| self.simplify) else {
            return self.node(Kind::Prim(Prim::Const), op, &[], ty);
        };
        if let Some(&id) = self.filled.get(&(ty, bits)) {
            return id;
        }
        let id = self.push(Kind::Prim(Prim::Const), op, &[], ty);
        self.filled.insert((ty, bits), id);
        id
    }

    /// A scalar function of operands of the result's shape, simplified.
    pub(super) fn map(&mut self, f: MapFn, op: Op, operands: &[ValueId], ty: TypeId) -> ValueId {
        if self.simplify
            && let Some(id) = simplify::map(self, f, &op, operands, ty)
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
        let ty = self.core.types.id(&ty);
        self.prim(Prim::Broadcast, make::broadcast_to(shape), &[v], ty)
    }

    fn prim(&mut self, prim: Prim, op: Op, operands: &[ValueId], ty: TypeId) -> ValueId {
        if self.simplify
            && let Some(id) = simplify::prim(self, prim, &op, operands, ty)
        {
            return id;
        }
        self.node(Kind::Prim(prim), op, operands, ty)
    }
}

impl Emitter for Expander {
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError> {
        if let Value::Expand(expand) = op.row().value {
            return expand(self, &Site::of(&op, operands));
        }
        let views: SmallVec<[Operand<'_>; 4]> =
            operands.iter().map(|&v| Operand { ty: self.core.node(v).ty, literal: None }).collect();
        let types = op.infer(&views)?;
        drop(views);
        let mut types: SmallVec<[TypeId; 1]> = types.iter().map(|ty| self.core.types.id(ty)).collect();
        if let Value::Callback = op.row().value {
            // Never merged: the results must stay beside each other.
            let results = (0..).zip(types);
            return Ok(results
                .map(|(i, ty)| self.push(Kind::Callback(i), op.clone(), operands, ty))
                .collect());
        }
        if let Value::Loop | Value::Branch = op.row().value {
            return self.emit_bodies(op, operands, &types);
        }
        let Some(ty) = types.pop() else {
            return Err(OpError::BadRule { op: op.name(), rule: "shape", why: "gave no result".into() });
        };
        Ok(SmallVec::from_elem(self.typed(op, operands, ty)?, 1))
    }

    fn ty(&self, value: ValueId) -> &ValueType {
        self.core.node(value).ty
    }
}

impl Expander {
    /// An op that runs bodies. Where it was met before, its results stand beside each other there.
    fn emit_bodies(&mut self, op: Op, operands: &[ValueId], types: &[TypeId]) -> Result<Results, OpError> {
        if let Value::Loop = op.row().value
            && let l = Loop::of(&op)?
            && l.steps == 0
        {
            let mut given: Results = operands[..l.carries].iter().copied().collect();
            for &ty in &types[l.carries..] {
                let ty = self.core.types.get(ty);
                let empty = Literal::filled(ty.dtype, ty.shape.clone(), 0.0);
                given.push(self.literal(empty));
            }
            return Ok(given);
        }
        let next = self.core.len();
        let first = self.node(Kind::Bodies(0), op.clone(), operands, types[0]);
        if first.index() == next {
            for (i, &ty) in (0..).zip(types).skip(1) {
                self.push(Kind::Bodies(i), op.clone(), operands, ty);
            }
        }
        Ok((0..types.len()).map(|i| ValueId::new((first.index() + i) as u32)).collect())
    }

    /// An op that is not defined by others, with the type of its result.
    fn typed(&mut self, op: Op, operands: &[ValueId], ty: TypeId) -> Result<ValueId, OpError> {
        Ok(match op.row().value {
            Value::Map(f) => {
                let shape = &self.core.types.get(ty).shape;
                let fits = |&v: &ValueId| self.core.type_id(v) == ty || self.core.node(v).shape() == shape;
                if operands.iter().all(fits) {
                    return Ok(self.map(f, op, operands, ty));
                }
                let shape = shape.clone();
                let operands: SmallVec<[ValueId; 3]> =
                    operands.iter().map(|&v| self.broadcast(v, &shape)).collect();
                self.map(f, op, &operands, ty)
            }
            Value::Prim(Prim::Const) => self.constant(op, ty),
            Value::Prim(prim) => self.prim(prim, op, operands, ty),
            Value::Expand(_) | Value::Callback | Value::Loop | Value::Branch => {
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
        map.push(e.push(kind, crate::lower::INPUT_OP, &[], graph.type_id(v)));
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
                let ty = graph.type_id(node.result());
                map.push(e.typed(node.op.clone(), &operands, ty).map_err(located)?);
            }
            _ => map.extend(e.emit(node.op.clone(), &operands).map_err(located)?),
        }
    }
    let mut core = e.core;
    core.outputs = outputs.iter().map(|v| map[v.index()]).collect();
    Ok(core)
}
