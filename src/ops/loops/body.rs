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
        let (inner, more) = node.op.custom().map_or((0, 1), |custom| custom.extent());
        node.op.bodies().fold((depth.max(inner), nodes.saturating_add(more)), |(depth, nodes), body| {
            (depth.max(body.0.depth), nodes.saturating_add(body.0.nodes))
        })
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

/// Which inputs of a body the outputs to keep depend on, in any step: the first
/// inputs and outputs are `carries`. What is kept with these. Where something is kept, its `guard` is too.
fn needed(body: &Graph, carries: usize, keep: &[bool], guard: Option<usize>) -> (Vec<bool>, Vec<bool>) {
    let mut live = vec![false; body.len()];
    let mut kept = keep.to_vec();
    let mut next: Vec<ValueId> =
        body.outputs().iter().zip(keep).filter(|(_, keep)| **keep).map(|(&v, _)| v).collect();
    if !next.is_empty() {
        next.extend(guard.map(|guard| ValueId::new(guard as u32)));
    }
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
    live.truncate(body.inputs().len());
    (live, kept)
}

/// The positions that are set.
fn positions(of: &[bool]) -> Vec<usize> {
    (0..of.len()).filter(|&i| of[i]).collect()
}

/// A graph with these inputs and outputs of a body, by position, and what the
/// outputs need: nothing else.
fn with_only(body: &Graph, inputs: &[usize], outputs: &[usize]) -> Result<Graph, OpError> {
    let mut live = vec![false; body.len()];
    for &i in outputs {
        live[body.outputs()[i].index()] = true;
    }
    for node in body.nodes().iter().rev() {
        if node.results().any(|v| live[v.index()]) {
            node.operands().iter().for_each(|v| live[v.index()] = true);
        }
    }
    let mut graph = Graph::new();
    let mut map: Vec<ValueId> = vec![ValueId::new(0); body.len()];
    for &i in inputs {
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
    Ok(graph)
}

/// Bodies cut down to what some of their outputs need.
pub struct Cut<G> {
    /// What is left.
    pub bodies: G,
    /// The inputs they have, by their positions before, ascending.
    pub inputs: Vec<usize>,
    /// The outputs they have, likewise.
    pub outputs: Vec<usize>,
}

impl<G> Cut<G> {
    /// Where an input is that was there before.
    pub fn input(&self, before: Option<usize>) -> Option<usize> {
        self.inputs.binary_search(&before?).ok()
    }
}

/// Cuts a body down to the outputs to `keep`, and to the carries (the first so
/// many inputs and outputs) on which these depend in any step, and to the guard.
pub fn cut_loop(
    body: &Graph,
    carries: usize,
    keep: &[bool],
    guard: Option<usize>,
) -> Result<Cut<Graph>, OpError> {
    let (mut live, kept) = needed(body, carries, keep, guard);
    // A carry that stays has an input, even where nothing reads it.
    live[..carries].copy_from_slice(&kept[..carries]);
    let (inputs, outputs) = (positions(&live), positions(&kept));
    Ok(Cut { bodies: with_only(body, &inputs, &outputs)?, inputs, outputs })
}

/// Cuts two bodies of the same inputs and outputs down to the outputs to `keep`.
pub fn cut_both([a, b]: [&Graph; 2], keep: &[bool]) -> Result<Cut<[Graph; 2]>, OpError> {
    let (mut live, _) = needed(a, 0, keep, None);
    live.iter_mut().zip(needed(b, 0, keep, None).0).for_each(|(live, other)| *live |= other);
    let (inputs, outputs) = (positions(&live), positions(keep));
    let bodies = [with_only(a, &inputs, &outputs)?, with_only(b, &inputs, &outputs)?];
    Ok(Cut { bodies, inputs, outputs })
}
