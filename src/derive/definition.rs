//! Rules of ops that are defined by others: the definition is written down as a
//! graph, computed again in the emitter, and swept like any graph. Compiled code
//! merges what is computed again with what there was.

use crate::derive::sweep::{self, Level};
use crate::graph::{Graph, GraphError, Recorder, ValueId};
use crate::ops::{Emitter, Flow, Flows, OpError, Site, Tangents, Value};
use smallvec::SmallVec;

/// A definition in an emitter: its graph, whose inputs are the operands and whose
/// outputs are the results, and the handle of each of its values.
struct Definition {
    graph: Graph,
    handles: Vec<ValueId>,
}

fn define(e: &mut dyn Emitter, site: &Site<'_>) -> Result<Definition, OpError> {
    let Value::Expand(expand) = site.op.row().value else {
        return Err(OpError::MissingRule { op: site.op.name(), rule: "definition" });
    };
    let mut graph = Graph::new();
    let mut inputs: SmallVec<[ValueId; 4]> = SmallVec::new();
    for &v in site.operands {
        inputs.push(graph.push_input("", e.ty(v).clone())?);
    }
    let mut recorder = Recorder::new(graph);
    let results = expand(&mut recorder, &Site::of(site.op, &inputs))?;
    let graph = recorder.finish(results.to_vec());
    let handles = e.inline(site.op.name(), &graph, site.operands)?;
    Ok(Definition { graph, handles })
}

fn inside(site: &Site<'_>, rule: &'static str) -> impl Fn(GraphError) -> OpError {
    let op = site.op.name();
    move |error| OpError::BadRule {
        op,
        rule,
        why: format!("its definition cannot be differentiated: {error}"),
    }
}

/// The VJP rule that follows from the definition.
pub fn vjp(e: &mut dyn Emitter, site: &Site<'_>, cotangents: &[Option<ValueId>]) -> Result<Flows, OpError> {
    let Definition { graph, handles } = define(e, site)?;
    let mut seeds: Vec<Option<ValueId>> = vec![None; graph.len()];
    for (&output, &d) in graph.outputs().iter().zip(cotangents) {
        let seed = &mut seeds[output.index()];
        *seed = match (*seed, d) {
            (Some(a), Some(b)) => Some(e.add(a, b)?),
            (a, b) => a.or(b),
        };
    }
    let wanted: Vec<ValueId> = graph.input_values().filter(|v| site.wants(v.index())).collect();
    let active = sweep::active(&graph, &wanted);
    let swept = sweep::reverse(&graph, e, &handles, seeds, Some(&active), None, Level::Definition)
        .map_err(inside(site, "VJP"))?;
    let flow = |v: ValueId| match swept.cotangent(v) {
        Some(d) if site.wants(v.index()) => Flow::To(d),
        _ => Flow::Zero,
    };
    Ok(graph.input_values().map(flow).collect())
}

/// The JVP rule that follows from the definition.
pub fn jvp(e: &mut dyn Emitter, site: &Site<'_>, tangents: &[Option<ValueId>]) -> Result<Tangents, OpError> {
    let Definition { graph, handles } = define(e, site)?;
    let mut seeds = tangents.to_vec();
    seeds.resize(graph.len(), None);
    let moved = sweep::forward(&graph, e, &handles, seeds, Level::Definition).map_err(inside(site, "JVP"))?;
    Ok(graph.outputs().iter().map(|v| moved[v.index()]).collect())
}
