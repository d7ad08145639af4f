//! The graph: inputs first, then nodes, each using only smaller value ids.

use crate::graph::error::{GraphError, GraphErrorKind};
use crate::graph::intern::{TypeId, TypeTable};
use crate::graph::types::{DType, NodeId, Shape, ValueId, ValueType};
use crate::ops::{Emitter, Literal, Op, OpError, Operand, Prim, Results, Value, make};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;

/// Where a node was authored, if it was authored by a program.
pub type Source = Option<&'static Location<'static>>;

/// One input of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// Name, unique among the inputs unless empty.
    pub name: Arc<str>,
}

/// One operation of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The operation and its attributes.
    pub op: Op,
    operands: SmallVec<[ValueId; 3]>,
    first: ValueId,
    results: u32,
    source: Source,
}

impl Node {
    /// Operands, all with smaller ids than the results.
    #[inline]
    pub fn operands(&self) -> &[ValueId] {
        &self.operands
    }

    /// Results: consecutive value ids.
    #[inline]
    pub fn results(&self) -> impl DoubleEndedIterator<Item = ValueId> + ExactSizeIterator + use<> {
        let first = self.first.index() as u32;
        (first..first + self.results).map(ValueId::new)
    }

    /// The first result.
    #[inline]
    pub fn result(&self) -> ValueId {
        self.first
    }

    /// Line of the program that authored this node.
    pub fn source(&self) -> Source {
        self.source
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The input at this position.
    Input(u32),
    /// A result of this node.
    Node(NodeId),
}

/// Type and node of a value; the node of an input means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ValueInfo {
    ty: TypeId,
    node: NodeId,
}

/// A static-shape tensor graph in SSA form. Made by [`crate::Builder`], by the
/// text parser, or by differentiation; always well-formed.
///
/// Graphs are equal where all that can be told of them is: names, types, ops with
/// their attributes and constants to the bit (-0 is not 0), outputs, source lines. Custom ops
/// are equal where they are clones of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    types: TypeTable,
    values: Vec<ValueInfo>,
    inputs: Vec<Input>,
    nodes: Vec<Node>,
    outputs: Vec<ValueId>,
}

impl Graph {
    /// An empty graph.
    pub(crate) fn new() -> Graph {
        Graph::default()
    }

    /// An empty graph with room for inputs and nodes.
    pub(crate) fn with_capacity(inputs: usize, nodes: usize) -> Graph {
        Graph {
            types: TypeTable::default(),
            values: Vec::with_capacity(inputs + nodes),
            inputs: Vec::with_capacity(inputs),
            nodes: Vec::with_capacity(nodes),
            outputs: Vec::new(),
        }
    }

    /// Inputs, in order; input `i` is value `%i`.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Value ids of the inputs.
    pub fn input_values(&self) -> impl ExactSizeIterator<Item = ValueId> + use<> {
        (0..self.inputs.len() as u32).map(ValueId::new)
    }

    /// Nodes, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Nodes with their ids.
    pub fn nodes_with_ids(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeId::new(i as u32), node))
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Outputs, in order; any value may be one, also several times.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// Number of values: inputs and results of all nodes.
    #[inline]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All value ids, ascending.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = ValueId> + ExactSizeIterator + use<> {
        (0..self.values.len() as u32).map(ValueId::new)
    }

    /// Type of a value of this graph.
    #[inline]
    pub fn ty(&self, value: ValueId) -> &ValueType {
        self.types.get(self.values[value.index()].ty)
    }

    /// The types of the values.
    #[cfg(feature = "jit")]
    pub(crate) fn types(&self) -> &TypeTable {
        &self.types
    }

    /// Which of the types a value has.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn type_id(&self, value: ValueId) -> TypeId {
        self.values[value.index()].ty
    }

    /// Shape of a value of this graph.
    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.ty(value).shape
    }

    /// Where a value comes from.
    pub fn origin(&self, value: ValueId) -> Origin {
        match value.index() < self.inputs.len() {
            true => Origin::Input(value.index() as u32),
            false => Origin::Node(self.values[value.index()].node),
        }
    }

    /// Whether the id is one of this graph's.
    #[inline]
    pub fn contains(&self, value: ValueId) -> bool {
        value.index() < self.values.len()
    }

    /// The elements of a value that is a constant.
    pub fn literal(&self, value: ValueId) -> Option<&Arc<Literal>> {
        match self.origin(value) {
            Origin::Node(id) if matches!(self.node(id).op.row().value, Value::Prim(Prim::Const)) => {
                self.node(id).op.attrs.data(0)
            }
            _ => None,
        }
    }

    /// Name of an input, or the id.
    pub fn describe(&self, value: ValueId) -> String {
        match self.origin(value) {
            Origin::Input(i) if !self.inputs[i as usize].name.is_empty() => {
                format!("{value} \"{}\"", self.inputs[i as usize].name)
            }
            _ => value.to_string(),
        }
    }

    pub(crate) fn push_input(
        &mut self,
        name: impl Into<Arc<str>>,
        ty: ValueType,
    ) -> Result<ValueId, OpError> {
        debug_assert!(self.nodes.is_empty(), "inputs come first");
        if ty.checked_bytes().is_none() {
            return Err(OpError::TooLarge { op: "input", ty });
        }
        let id = self.next_id("input")?;
        let ty = self.types.id(&ty);
        self.inputs.push(Input { name: name.into() });
        self.values.push(ValueInfo { ty, node: NodeId::new(0) });
        Ok(id)
    }

    /// The elements of a constant of integers: what a shape rule may look at.
    #[inline]
    fn indices(&self, v: ValueId) -> Option<&Literal> {
        if self.ty(v).dtype != DType::I64 {
            return None;
        }
        self.literal(v).map(Arc::as_ref)
    }

    fn next_id(&self, op: &'static str) -> Result<ValueId, OpError> {
        ValueId::from_usize(self.values.len()).ok_or(OpError::TooManyValues { op })
    }

    /// Appends the nodes of a graph whose inputs are the first of this one's and
    /// which has been checked: values of nodes move up by the other inputs.
    pub(crate) fn extend_from(&mut self, graph: &Graph) -> Result<(), OpError> {
        debug_assert!(self.nodes.is_empty(), "nodes keep their numbers");
        let (inputs, shift) = (graph.inputs.len(), self.inputs.len() - graph.inputs.len());
        if ValueId::from_usize(graph.len() + shift).is_none() {
            return Err(OpError::TooManyValues { op: "input" });
        }
        let moved =
            |v: ValueId| if v.index() < inputs { v } else { ValueId::new((v.index() + shift) as u32) };
        let mut ids = vec![None; graph.types.len()];
        self.values.extend(graph.values[inputs..].iter().map(|&ValueInfo { ty, node }| {
            let id = &mut ids[ty.index()];
            let ty = *id.get_or_insert_with(|| self.types.id(graph.types.get(ty)));
            ValueInfo { ty, node }
        }));
        self.nodes.extend(graph.nodes.iter().map(|node| Node {
            op: node.op.clone(),
            operands: node.operands.iter().map(|&v| moved(v)).collect(),
            first: moved(node.first),
            results: node.results,
            source: node.source,
        }));
        Ok(())
    }

    /// Appends a node after checking it.
    pub(crate) fn push(&mut self, op: Op, operands: &[ValueId], source: Source) -> Result<Results, OpError> {
        let types = match self.kept_type(&op, operands) {
            Some(ty) => SmallVec::<[TypeId; 1]>::from_buf([ty]),
            None => self.infer(&op, operands)?,
        };
        let first = self.next_id(op.name())?;
        if ValueId::from_usize(self.values.len() + types.len()).is_none() {
            return Err(OpError::TooManyValues { op: op.name() });
        }
        let node = NodeId::new(self.nodes.len() as u32);
        let results = types.len() as u32;
        self.values.extend(types.into_iter().map(|ty| ValueInfo { ty, node }));
        let node = Node { op, operands: SmallVec::from_slice(operands), first, results, source };
        let ids = node.results().collect();
        self.nodes.push(node);
        Ok(ids)
    }

    /// The type of an op's result where it is that of its operands without a closer look.
    #[inline]
    fn kept_type(&self, op: &Op, operands: &[ValueId]) -> Option<TypeId> {
        let (&first, rest) = operands.split_first()?;
        let id = |v: ValueId| self.values[v.index()].ty;
        let ty = id(first);
        let same = op.keeps_type_of(operands.len()) && rest.iter().all(|&v| id(v) == ty);
        (same && self.types.get(ty).dtype.is_float()).then_some(ty)
    }

    fn infer(&mut self, op: &Op, operands: &[ValueId]) -> Result<SmallVec<[TypeId; 1]>, OpError> {
        let views: SmallVec<[Operand<'_>; 4]> =
            operands.iter().map(|&v| Operand { ty: self.ty(v), literal: self.indices(v) }).collect();
        let types = op.infer(&views)?;
        drop(views);
        Ok(types.iter().map(|ty| self.types.id(ty)).collect())
    }

    pub(crate) fn set_outputs(&mut self, outputs: Vec<ValueId>) {
        self.outputs = outputs;
    }

    /// The same graph with other outputs; ids out of range are an error.
    pub fn with_outputs(&self, outputs: &[ValueId]) -> Result<Graph, GraphError> {
        for &v in outputs {
            if !self.contains(v) {
                return Err(GraphErrorKind::NoSuchValue { id: v, len: self.len() }.into());
            }
        }
        let mut graph = self.clone();
        graph.outputs = outputs.to_vec();
        Ok(graph)
    }

    /// The last value, the seed's `out_id` convention: inputs + nodes - 1,
    /// saturating at 0.
    pub fn out_id(&self) -> ValueId {
        ValueId::new(self.len().saturating_sub(1) as u32)
    }

    /// The last value, or an error where the graph has no node.
    pub fn checked_out_id(&self) -> Result<ValueId, GraphError> {
        if self.nodes.is_empty() {
            return Err(GraphErrorKind::NoOutputNode.into());
        }
        Ok(self.out_id())
    }

    /// The first float input or value that is a scalar output, for gradients.
    pub(crate) fn scalar_output(&self) -> Result<ValueId, GraphError> {
        match self.outputs.as_slice() {
            [out] if self.ty(*out).numel() == 1 && self.ty(*out).dtype.is_float() => Ok(*out),
            [out] => Err(GraphErrorKind::NotScalar { id: *out, ty: self.ty(*out).clone() }.into()),
            many => Err(GraphErrorKind::OneOutput { got: many.len() }.into()),
        }
    }
}

// Types of results follow from the rest; source lines would cost more than they tell apart.
impl Hash for Graph {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inputs.hash(state);
        self.input_values().for_each(|value| self.ty(value).hash(state));
        self.nodes.len().hash(state);
        for node in &self.nodes {
            node.op.hash(state);
            node.operands.hash(state);
        }
        self.outputs.hash(state);
    }
}

impl AsRef<Graph> for Graph {
    fn as_ref(&self) -> &Graph {
        self
    }
}

/// What a gradient is at one point of a reverse sweep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The node whose rule gave the last part of it; `None` for a seed.
    pub node: Option<NodeId>,
    /// The value it is the gradient of.
    pub value: ValueId,
    /// The gradient so far, in the derived graph.
    pub gradient: ValueId,
}

/// Which nodes of a graph the nodes of one derived from it come of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// The first so many are those of the graph.
    #[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "the tape knows its nodes"))]
    copied: usize,
    /// From which derived node on they come of which node, ascending.
    spans: Vec<(u32, NodeId)>,
    /// The gradients of a reverse sweep, in its order.
    steps: Vec<Step>,
}

impl Trace {
    /// The trace of a graph to itself.
    #[cfg(feature = "jit")]
    pub fn identity(graph: &Graph) -> Trace {
        Trace { copied: graph.nodes.len(), ..Trace::default() }
    }

    /// The gradients of a reverse sweep, in its order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether a derived node is a copy, with its number.
    #[cfg(feature = "jit")]
    pub fn is_copy(&self, derived: NodeId) -> bool {
        derived.index() < self.copied
    }

    /// The node that a derived node comes of.
    #[cfg(feature = "jit")]
    pub fn origin(&self, derived: NodeId) -> Option<NodeId> {
        if self.is_copy(derived) {
            return Some(derived);
        }
        let after = self.spans.partition_point(|&(first, _)| first as usize <= derived.index());
        Some(self.spans.get(after.checked_sub(1)?)?.1)
    }
}

/// Appends nodes to a graph: the emitter that gives reverse graphs.
pub struct Recorder {
    graph: Graph,
    source: Source,
    trace: Trace,
    /// Scalar constants that were emitted, by element type and bits: what is the same is shared.
    scalars: FxHashMap<(DType, u64), Op>,
}

impl Recorder {
    /// Continues a graph.
    pub fn new(graph: Graph) -> Recorder {
        Recorder { graph, source: None, trace: Trace::default(), scalars: FxHashMap::default() }
    }

    /// Continues the copy of a graph whose nodes have kept their ids.
    pub(crate) fn after_copy(graph: Graph) -> Recorder {
        let trace = Trace { copied: graph.nodes.len(), ..Trace::default() };
        Recorder { trace, ..Recorder::new(graph) }
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph with these outputs.
    pub fn finish(self, outputs: Vec<ValueId>) -> Graph {
        self.finish_traced(outputs).0
    }

    /// The graph with these outputs, and where its nodes come from.
    pub(crate) fn finish_traced(mut self, outputs: Vec<ValueId>) -> (Graph, Trace) {
        self.graph.outputs = outputs;
        (self.graph, self.trace)
    }
}

impl Emitter for Recorder {
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError> {
        self.graph.push(op, operands, self.source)
    }

    fn ty(&self, value: ValueId) -> &ValueType {
        self.graph.ty(value)
    }

    fn fill(&mut self, dtype: DType, shape: &Shape, value: f64) -> Result<ValueId, OpError> {
        let op = || make::constant(Literal::filled(dtype, shape, value));
        let op = match shape.is_scalar() {
            true => self.scalars.entry((dtype, value.to_bits())).or_insert_with(op).clone(),
            false => op(),
        };
        Ok(self.emit(op, &[])?[0])
    }

    fn attribute(&mut self, node: NodeId, source: Source) {
        self.source = source;
        self.trace.spans.push((self.graph.nodes.len() as u32, node));
    }

    fn observe(&mut self, value: ValueId, gradient: ValueId) {
        let node = self.trace.spans.last().map(|&(_, node)| node);
        self.trace.steps.push(Step { node, value, gradient });
    }
}
