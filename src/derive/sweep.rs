//! The two sweeps, written once against the emitter: nodes from high id to low
//! with VJP rules, nodes from low id to high with JVP rules.

use crate::graph::{Graph, GraphError, NodeId, ValueId};
use crate::ops::{Emitter, Flow, OpError, Rule, Site};
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

/// Gradients of all values, `None` where no seed reaches (or nobody asked).
pub struct Reverse {
    /// By value id of the graph: handles in the emitter.
    pub cotangents: Vec<Option<ValueId>>,
    /// By value id: whether some reached node uses the value.
    touched: Vec<bool>,
}

impl Reverse {
    /// How a value hangs together with the seeds.
    pub fn connection(&self, value: ValueId) -> Connection {
        match (self.cotangents[value.index()].is_some(), self.touched[value.index()]) {
            (true, _) => Connection::Connected,
            (false, true) => Connection::ZeroByRule,
            (false, false) => Connection::Disconnected,
        }
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

/// The reverse sweep.
///
/// `handles` gives the emitter's handle of each primal value; `seeds` the
/// initial cotangents. Contributions of one node to one value are combined with
/// each other first, in operand order, then `existing + contribution`. A node
/// none of whose results is reached is skipped.
pub fn reverse(
    graph: &Graph,
    e: &mut dyn Emitter,
    handles: &[ValueId],
    seeds: Vec<Option<ValueId>>,
    active: Option<&[bool]>,
) -> Result<Reverse, GraphError> {
    let mut cotangents = seeds;
    let mut touched = vec![false; graph.len()];
    let wants: Vec<bool> =
        graph.values().map(|v| graph.ty(v).dtype.is_float() && active.is_none_or(|a| a[v.index()])).collect();
    // On the tape a value is its own handle.
    let identity = handles.iter().enumerate().all(|(i, h)| h.index() == i);
    for (id, node) in graph.nodes_with_ids().rev() {
        let (first, last) = (node.result().index(), node.result().index() + node.results().len());
        let reached = cotangents[first..last].iter().any(Option::is_some);
        if !reached && !touched[first..last].contains(&true) {
            continue;
        }
        let mut wanted: SmallVec<[bool; 4]> = SmallVec::new();
        for v in node.operands() {
            touched[v.index()] = true;
            wanted.push(wants[v.index()]);
        }
        let rule = match node.op.row().vjp {
            Rule::Zero => continue,
            _ if !reached => continue,
            _ if !wanted.contains(&true) => continue,
            Rule::By(rule) => rule,
            Rule::Missing => {
                let missing = OpError::MissingRule { op: node.op.name(), rule: "VJP" };
                return Err(located(missing.into(), graph, id));
            }
        };
        let mut mapped: SmallVec<[ValueId; 4]> = SmallVec::new();
        let operands = match identity {
            true => node.operands(),
            false => {
                mapped.extend(node.operands().iter().map(|v| handles[v.index()]));
                &mapped
            }
        };
        let site = Site { op: &node.op, operands, results: &handles[first..last], wanted: &wanted };
        let mark = e.mark();
        let quick = match cotangents[first..last] {
            [Some(d)] => e.replay(&site, d),
            _ => None,
        };
        let swept = match quick {
            Some(flows) => Ok(flows),
            None => rule(e, &site, &cotangents[first..last]),
        };
        let swept = swept.and_then(|flows| {
            accumulate(e, node.op.name(), node.operands(), &wanted, &flows, mark, &mut cotangents)
        });
        if let Err(error) = swept {
            return Err(located(error.into(), graph, id));
        }
    }
    Ok(Reverse { cotangents, touched })
}

/// Adds the contributions of one node to the gradients of its operands.
fn accumulate(
    e: &mut dyn Emitter,
    op: &'static str,
    operands: &[ValueId],
    wanted: &[bool],
    flows: &[Flow],
    mark: usize,
    cotangents: &mut [Option<ValueId>],
) -> Result<(), OpError> {
    if flows.len() != operands.len() {
        let why = format!("gave {} contributions for {} operands", flows.len(), operands.len());
        return Err(OpError::BadRule { op, rule: "VJP", why });
    }
    let mut add_to = |e: &mut dyn Emitter, target: ValueId, value: ValueId| -> Result<(), OpError> {
        let slot = &mut cotangents[target.index()];
        *slot = Some(match *slot {
            None => value,
            Some(existing) => e.accumulate(existing, value)?,
        });
        Ok(())
    };
    // Most nodes have one operand or two different ones.
    match (operands, flows) {
        (&[a], &[Flow::To(x)]) | (&[a, _], &[Flow::To(x), Flow::Zero]) if wanted[0] => {
            let mut kept = [x];
            e.release(mark, &mut kept);
            add_to(e, a, kept[0])
        }
        (&[a, b], &[Flow::To(x), Flow::To(y)]) if wanted[0] != wanted[1] => {
            let (target, mut kept) = if wanted[0] { (a, [x]) } else { (b, [y]) };
            e.release(mark, &mut kept);
            add_to(e, target, kept[0])
        }
        (&[a, b], &[Flow::To(x), Flow::To(y)]) if a != b && wanted[0] && wanted[1] => {
            let mut kept = [x, y];
            e.release(mark, &mut kept);
            add_to(e, a, kept[0])?;
            add_to(e, b, kept[1])
        }
        _ => {
            let (targets, mut values) = combine(e, operands, wanted, flows)?;
            e.release(mark, &mut values);
            targets.iter().zip(&values).try_for_each(|(&target, &value)| add_to(e, target, value))
        }
    }
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
        let Flow::To(value) = *flow else { continue };
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
) -> Result<Vec<Option<ValueId>>, GraphError> {
    let mut tangents = seeds;
    for (id, node) in graph.nodes_with_ids() {
        let t: SmallVec<[Option<ValueId>; 4]> = node.operands().iter().map(|v| tangents[v.index()]).collect();
        if t.iter().all(Option::is_none) {
            continue;
        }
        let rule = match node.op.row().jvp {
            Rule::Zero => continue,
            Rule::By(rule) => rule,
            Rule::Missing => {
                let missing = OpError::MissingRule { op: node.op.name(), rule: "JVP" };
                return Err(located(missing.into(), graph, id));
            }
        };
        let operands: SmallVec<[ValueId; 4]> = node.operands().iter().map(|v| handles[v.index()]).collect();
        let results: SmallVec<[ValueId; 2]> = node.results().map(|v| handles[v.index()]).collect();
        let site = Site { op: &node.op, operands: &operands, results: &results, wanted: &[] };
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
