//! The sub-graph of a loop.

use crate::graph::{Graph, Origin, ValueId};
use crate::ops::error::OpError;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Graphs within each other: what looks at them recurs.
const MAX_DEPTH: usize = 64;
/// Nodes that a body may stand for, those of bodies inside it counted.
const MAX_NODES: u64 = 1 << 24;

/// Depth and size of what the ops of a graph hold and expand to.
pub(crate) fn extent(graph: &Graph) -> (usize, u64) {
    graph.nodes().iter().fold((0, 0u64), |(depth, nodes), node| {
        let (inner, more) = match (node.op.body(), node.op.custom()) {
            (Some(body), _) => (body.0.depth, body.0.nodes),
            (None, Some(custom)) => custom.extent(),
            (None, None) => (0, 1),
        };
        (depth.max(inner), nodes.saturating_add(more))
    })
}

/// A graph that an op holds: one step of a loop. Cheap to clone; equal to another
/// where the graphs are.
#[derive(Clone)]
pub struct Body(Arc<Inner>);

struct Inner {
    graph: Graph,
    depth: usize,
    nodes: u64,
}

impl Body {
    /// A graph to be held.
    ///
    /// # Errors
    /// More than 64 graphs within each other, or 2^24 nodes in all of them.
    pub fn new(graph: Graph) -> Result<Body, OpError> {
        let (depth, nodes) = extent(&graph);
        let depth = depth + 1;
        let why = if depth > MAX_DEPTH {
            format!("has more than {MAX_DEPTH} graphs within each other")
        } else if nodes > MAX_NODES {
            format!("its graph stands for more than {MAX_NODES} nodes")
        } else {
            return Ok(Body(Arc::new(Inner { graph, depth, nodes })));
        };
        Err(OpError::Refused { op: "scan", why })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }

    /// Whether both are one graph in memory.
    pub(crate) fn is(&self, other: &Body) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} nodes)", self.0.graph.nodes().len())
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.is(other) || self.0.graph == other.0.graph
    }
}

impl Eq for Body {}

impl Hash for Body {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.graph.hash(state);
    }
}

/// A body cut down to what some of its outputs need.
pub struct Cut {
    /// What is left.
    pub graph: Graph,
    /// The inputs it has, by their positions before, ascending.
    pub inputs: Vec<usize>,
    /// The outputs it has, likewise.
    pub outputs: Vec<usize>,
}

/// Cuts a body down to the outputs to `keep`, and to the carries (the first so
/// many inputs and outputs) on which these depend in any step.
pub fn cut(body: &Graph, carries: usize, keep: &[bool]) -> Result<Cut, OpError> {
    let mut live = vec![false; body.len()];
    let mut kept = keep.to_vec();
    let mut next: Vec<ValueId> =
        body.outputs().iter().zip(keep).filter(|(_, keep)| **keep).map(|(&v, _)| v).collect();
    while let Some(v) = next.pop() {
        if std::mem::replace(&mut live[v.index()], true) {
            continue;
        }
        match body.origin(v) {
            Origin::Node(id) => next.extend(body.node(id).operands()),
            Origin::Input(i) if (i as usize) < carries => {
                kept[i as usize] = true;
                next.push(body.outputs()[i as usize]);
            }
            Origin::Input(_) => {}
        }
    }
    // A carry that stays has an input, even where nothing reads it.
    let inputs: Vec<usize> = body
        .input_values()
        .map(ValueId::index)
        .filter(|&i| if i < carries { kept[i] } else { live[i] })
        .collect();
    let outputs: Vec<usize> = (0..kept.len()).filter(|&i| kept[i]).collect();
    let mut graph = Graph::new();
    let mut map: Vec<ValueId> = vec![ValueId::new(0); body.len()];
    for &i in &inputs {
        let v = ValueId::new(i as u32);
        map[i] = graph.push_input(body.inputs()[i].name.clone(), body.ty(v).clone())?;
    }
    for node in body.nodes() {
        if !node.results().any(|v| live[v.index()]) {
            continue;
        }
        let operands: Vec<ValueId> = node.operands().iter().map(|v| map[v.index()]).collect();
        let results = graph.push(node.op.clone(), &operands, node.source())?;
        for (v, made) in node.results().zip(results) {
            map[v.index()] = made;
        }
    }
    graph.set_outputs(outputs.iter().map(|&i| map[body.outputs()[i].index()]).collect());
    Ok(Cut { graph, inputs, outputs })
}
