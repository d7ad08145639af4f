//! The two sweeps, written once against the emitter: nodes from high id to low
//! with VJP rules, nodes from low id to high with JVP rules.

use crate::derive::definition;
use crate::graph::{Graph, GraphError, Node, NodeId, ValueId};
use crate::ops::{Emitter, Flow, OpError, Rule, Site, Swept, Value};
use smallvec::SmallVec;

/// How an input hangs together with the seeded values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// A gradient flows.
    Connected,
    /// There is a path, but a rule on it says zero by definition (`detach`, an
    /// integer, a comparison).
    ZeroByRule,
    /// No seeded value depends on it.
    Disconnected,
}

impl Connection {
    /// From whether a derivative arrived, and whether there is a path at all.
    pub(super) fn of(arrived: bool, path: bool) -> Connection {
        match (arrived, path) {
            (true, _) => Connection::Connected,
            (false, true) => Connection::ZeroByRule,
            (false, false) => Connection::Disconnected,
        }
    }
}

/// What a reverse sweep found, by value id of the graph. Cotangents are handles
/// in the emitter, `None` where no seed reaches (or nobody asked).
pub struct Reverse {
    values: Vec<Swept>,
}

impl Reverse {
    /// The gradient of a value.
    pub fn cotangent(&self, value: ValueId) -> Option<ValueId> {
        self.values[value.index()].cotangent
    }

    /// How a value hangs together with the seeds.
    pub fn connection(&self, value: ValueId) -> Connection {
        let Swept { cotangent, touched, .. } = self.values[value.index()];
        Connection::of(cotangent.is_some(), touched)
    }
}

/// Which values lie on a path from `wrt`: only those need contributions.
pub fn active(graph: &Graph, wrt: &[ValueId]) -> Vec<bool> {
    let mut active = vec![false; graph.len()];
    for v in wrt {
        active[v.index()] = true;
    }
    for node in graph.nodes() {
        if node.operands().iter().any(|v| active[v.index()]) {
            for result in node.results() {
                active[result.index()] = true;
            }
        }
    }
    active
}

/// Whose graph a sweep goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One that is differentiated: what is emitted comes of its nodes.
    Graph,
    /// The definition of an op, for a rule within the sweep of a graph.
    Definition,
}

/// The reverse sweep.
///
/// `handles` gives the emitter's handle of each primal value; `seeds` the
/// initial cotangents. Contributions of one node to one value are combined with
/// each other first, in operand order, then `existing + contribution`. A node
/// none of whose results is reached is skipped. Only `active` values (see
/// [`active`]; all, if not given) get contributions, and only cotangents of `kept` values are
/// of use afterwards.
pub fn reverse(
    graph: &Graph,
    e: &mut dyn Emitter,
    handles: &[ValueId],
    seeds: Vec<Option<ValueId>>,
    active: Option<&[bool]>,
    kept: Option<&[ValueId]>,
    level: Level,
) -> Result<Reverse, GraphError> {
    let wanted = |i: usize| active.is_none_or(|active| active[i]);
    let fresh = |(i, cotangent)| Swept { cotangent, wanted: wanted(i), touched: false, kept: kept.is_none() };
    let mut values: Vec<Swept> = seeds.into_iter().enumerate().map(fresh).collect();
    for v in kept.into_iter().flatten() {
        values[v.index()].kept = true;
    }
    for (v, value) in graph.values().zip(&values) {
        let Some(seed) = value.cotangent else { continue };
        e.hold(seed);
        if level == Level::Graph {
            e.observe(v, seed);
        }
    }
    // On the tape a value of the graph is its own handle; in a definition it is not.
    let identity = handles.iter().enumerate().all(|(i, handle)| handle.index() == i);
    for (id, node) in graph.nodes_with_ids().rev() {
        let results = node.result().index()..node.result().index() + node.results().len();
        if let ([Swept { cotangent: Some(d), .. }], true) = (&values[results.clone()], identity)
            && let d = *d
            && e.replay(node, d, &mut values)
        {
            continue;
        }
        let cotangents: SmallVec<[Option<ValueId>; 2]> =
            values[results.clone()].iter().map(|v| v.cotangent).collect();
        let reached = cotangents.iter().any(Option::is_some);
        if !reached && !values[results.clone()].iter().any(|v| v.touched) {
            continue;
        }
        let mut wanted: SmallVec<[bool; 4]> = SmallVec::new();
        for v in node.operands() {
            values[v.index()].touched = true;
            wanted.push(values[v.index()].wanted && graph.ty(*v).dtype.is_float());
        }
        let rule = match node.op.vjp() {
            Rule::Zero => continue,
            _ if !reached || !wanted.contains(&true) => continue,
            Rule::By(rule) => rule,
            Rule::ByDefinition => definition::vjp,
            Rule::Missing => {
                let missing = OpError::MissingRule { op: node.op.name(), rule: "VJP" };
                return Err(located(missing.into(), graph, id));
            }
        };
        let operands: SmallVec<[ValueId; 4]> = node.operands().iter().map(|v| handles[v.index()]).collect();
        let so_far = so_far(node, &wanted, &values);
        let site = Site {
            op: &node.op,
            operands: &operands,
            results: &handles[results.clone()],
            wanted: &wanted,
            so_far: &so_far,
        };
        if level == Level::Graph {
            e.attribute(id, node.source());
        }
        let mark = e.mark();
        let swept = rule(e, &site, &cotangents)
            .and_then(|flows| accumulate(e, graph, node, &wanted, &flows, mark, &mut values));
        let targets = swept.map_err(|error| located(error.into(), graph, id))?;
        if level == Level::Graph {
            for v in targets {
                if let Some(gradient) = values[v.index()].cotangent {
                    e.observe(v, gradient);
                }
            }
        }
        for (v, d) in results.zip(cotangents) {
            if let (false, Some(d)) = (values[v].kept, d) {
                e.forget(d);
            }
        }
    }
    Ok(Reverse { values })
}

/// The gradients that the rule of a loop goes on from, as its steps written out would: those of
/// operands that it has once.
fn so_far(node: &Node, wanted: &[bool], values: &[Swept]) -> SmallVec<[Option<ValueId>; 4]> {
    if !matches!(node.op.row().value, Value::Loop) {
        return SmallVec::new();
    }
    let mut times = std::collections::HashMap::new();
    for v in node.operands() {
        *times.entry(v).or_insert(0) += 1;
    }
    let of = |(v, &wanted): (&ValueId, &bool)| {
        values[v.index()].cotangent.filter(|_| wanted && times.get(v) == Some(&1))
    };
    node.operands().iter().zip(wanted).map(of).collect()
}

/// Adds the contributions of one node to the gradients of its operands; which
/// these are.
fn accumulate(
    e: &mut dyn Emitter,
    graph: &Graph,
    node: &Node,
    wanted: &[bool],
    flows: &[Flow],
    mark: usize,
    swept: &mut [Swept],
) -> Result<SmallVec<[ValueId; 4]>, OpError> {
    let operands = node.operands();
    if flows.len() != operands.len() {
        let why = format!("gave {} contributions for {} operands", flows.len(), operands.len());
        return Err(OpError::BadRule { op: node.op.name(), rule: "VJP", why });
    }
    let (targets, mut values) = combine(e, operands, wanted, flows)?;
    let all = operands.iter().zip(flows);
    let onto: SmallVec<[ValueId; 4]> =
        all.filter(|(_, flow)| matches!(flow, Flow::Onto(_))).map(|(&v, _)| v).collect();
    let whole = |target: &ValueId| onto.contains(target);
    for (&target, &value) in targets.iter().zip(&values) {
        let (expected, got) = (graph.ty(target), e.ty(value));
        if expected != got {
            let why = format!("gave a contribution of type {got} to an operand of type {expected}");
            return Err(OpError::BadRule { op: node.op.name(), rule: "VJP", why });
        }
    }
    e.release(mark, &mut values);
    for &value in &values {
        e.hold(value);
    }
    for (target, &value) in targets.iter().zip(&values) {
        let slot = &mut swept[target.index()].cotangent;
        *slot = Some(match *slot {
            None => value,
            Some(existing) if whole(target) => {
                e.forget(existing);
                value
            }
            Some(existing) => e.accumulate(existing, value)?,
        });
    }
    Ok(targets)
}

type Combined = (SmallVec<[ValueId; 4]>, SmallVec<[ValueId; 4]>);

/// One contribution per distinct operand, those to the same value added first.
fn combine(
    e: &mut dyn Emitter,
    operands: &[ValueId],
    wanted: &[bool],
    flows: &[Flow],
) -> Result<Combined, OpError> {
    let mut targets: SmallVec<[ValueId; 4]> = SmallVec::new();
    let mut values: SmallVec<[ValueId; 4]> = SmallVec::new();
    // Joining many tensors must stay linear, so only small nodes search backwards.
    let mut seen = (operands.len() > 16).then(std::collections::HashMap::new);
    for (i, flow) in flows.iter().enumerate() {
        let (Flow::To(value) | Flow::Onto(value)) = *flow else { continue };
        if !wanted[i] {
            continue;
        }
        let at = match &mut seen {
            Some(map) => map.insert(operands[i], targets.len()),
            None => targets.iter().position(|&t| t == operands[i]),
        };
        match at {
            Some(at) => {
                values[at] = e.add(values[at], value)?;
                if let Some(map) = &mut seen {
                    map.insert(operands[i], at);
                }
            }
            None => {
                targets.push(operands[i]);
                values.push(value);
            }
        }
    }
    Ok((targets, values))
}

/// The forward sweep: tangents of all values, `None` where known to be zero.
pub fn forward(
    graph: &Graph,
    e: &mut dyn Emitter,
    handles: &[ValueId],
    seeds: Vec<Option<ValueId>>,
    level: Level,
) -> Result<Vec<Option<ValueId>>, GraphError> {
    let mut tangents = seeds;
    for (id, node) in graph.nodes_with_ids() {
        let t: SmallVec<[Option<ValueId>; 4]> = node.operands().iter().map(|v| tangents[v.index()]).collect();
        if t.iter().all(Option::is_none) {
            continue;
        }
        let rule = match node.op.jvp() {
            Rule::Zero => continue,
            Rule::By(rule) => rule,
            Rule::ByDefinition => definition::jvp,
            Rule::Missing => {
                let missing = OpError::MissingRule { op: node.op.name(), rule: "JVP" };
                return Err(located(missing.into(), graph, id));
            }
        };
        let operands: SmallVec<[ValueId; 4]> = node.operands().iter().map(|v| handles[v.index()]).collect();
        let results: SmallVec<[ValueId; 2]> = node.results().map(|v| handles[v.index()]).collect();
        let site = Site { results: &results, ..Site::of(&node.op, &operands) };
        if level == Level::Graph {
            e.attribute(id, node.source());
        }
        let mark = e.mark();
        let out = rule(e, &site, &t).map_err(|error| located(error.into(), graph, id))?;
        let mut kept: SmallVec<[ValueId; 2]> = out.iter().flatten().copied().collect();
        e.release(mark, &mut kept);
        let mut kept = kept.into_iter();
        for (result, tangent) in node.results().zip(out) {
            tangents[result.index()] = tangent.and_then(|_| kept.next());
        }
    }
    Ok(tangents)
}

/// An error at a node: its id, operands and source line.
pub(crate) fn located(error: GraphError, graph: &Graph, id: NodeId) -> GraphError {
    let node = graph.node(id);
    let operands =
        node.operands().iter().map(|&v| format!("{}: {}", graph.describe(v), graph.ty(v))).collect();
    error.on(id).with_operands(operands).at(node.source())
}
