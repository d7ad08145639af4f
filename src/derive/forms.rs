//! Derived graphs: value and gradient, reverse alone, Jacobian-vector product.

use crate::derive::sweep::{self, Connection, Level};
use crate::graph::{Graph, GraphError, GraphErrorKind, Recorder, Trace, ValueId, ValueType};
use crate::ops::{Emitter, Op, make};
use std::collections::HashSet;
use std::sync::Arc;

/// A reverse graph whose inputs stand for the values of the primal graph.
pub struct ReverseGraph {
    /// Input `i` is value `%i` of the primal graph for all its values, then come
    /// the seeds; outputs are the gradients of the wanted values, in order.
    pub graph: Graph,
    /// How each wanted value hangs together with the seeds.
    pub connections: Vec<Connection>,
    pub(crate) trace: Trace,
}

/// A graph of derivatives behind a copy of what it is derived from.
pub(crate) struct Derived {
    pub graph: Graph,
    /// One for each derivative.
    pub connections: Vec<Connection>,
    #[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "the tape knows its nodes"))]
    pub trace: Trace,
}

impl Derived {
    /// What is of use to those who only read the graph.
    pub fn untraced(self) -> (Graph, Vec<Connection>) {
        (self.graph, self.connections)
    }
}

/// What seeds a reverse form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// The single output, one number, seeded with 1.
    One,
    /// An input per output of the graph.
    Outputs,
}

/// Copies a graph behind additional inputs; maps old ids to new ones.
pub(super) fn copy_with(
    graph: &Graph,
    extra: &[(Arc<str>, ValueType)],
) -> Result<(Recorder, Vec<ValueId>, Vec<ValueId>), GraphError> {
    // Some two operations more per operation.
    let inputs = graph.inputs().len();
    let mut copy = Graph::with_capacity(inputs + extra.len(), 3 * graph.nodes().len());
    for (v, input) in graph.input_values().zip(graph.inputs()) {
        copy.push_input(input.name.clone(), graph.ty(v).clone())?;
    }
    // A graph that was derived before has inputs of these names.
    let mut taken: HashSet<Arc<str>> = graph.inputs().iter().map(|input| input.name.clone()).collect();
    let mut added = Vec::with_capacity(extra.len());
    for (name, ty) in extra {
        let mut name = name.clone();
        while !taken.insert(name.clone()) {
            name = format!("{name}'").into();
        }
        added.push(copy.push_input(name, ty.clone())?);
    }
    copy.extend_from(graph)?;
    let map = graph.input_values().chain(copy.values().skip(inputs + extra.len())).collect();
    Ok((Recorder::after_copy(copy), map, added))
}

/// Float values only: an integer has no gradient to ask for.
pub(super) fn check_wrt(graph: &Graph, wrt: &[ValueId]) -> Result<(), GraphError> {
    for &v in wrt {
        if !graph.contains(v) {
            return Err(GraphErrorKind::NoSuchValue { id: v, len: graph.len() }.into());
        }
        if !graph.ty(v).dtype.is_float() {
            return Err(GraphErrorKind::NotDifferentiable { id: v, ty: graph.ty(v).clone() }.into());
        }
    }
    Ok(())
}

/// Seeds at the outputs; several at one value add up in output order.
fn seed_outputs(
    graph: &Graph,
    e: &mut dyn Emitter,
    seeds: &[Option<ValueId>],
) -> Result<Vec<Option<ValueId>>, GraphError> {
    let mut initial: Vec<Option<ValueId>> = vec![None; graph.len()];
    for (&output, &seed) in graph.outputs().iter().zip(seeds) {
        let Some(seed) = seed else { continue };
        let slot = &mut initial[output.index()];
        *slot = Some(match *slot {
            None => seed,
            Some(existing) => e.add(existing, seed)?,
        });
    }
    Ok(initial)
}

fn seed_inputs(graph: &Graph) -> Vec<(Arc<str>, ValueType)> {
    let floats = graph.outputs().iter().filter(|&&o| graph.ty(o).dtype.is_float());
    floats.enumerate().map(|(i, &o)| (format!("seed{i}").into(), graph.ty(o).clone())).collect()
}

/// Seeds in the order of the outputs; integer and boolean outputs have none.
fn spread_seeds(graph: &Graph, seeds: &[ValueId]) -> Vec<Option<ValueId>> {
    let mut seeds = seeds.iter().copied();
    graph.outputs().iter().map(|&o| if graph.ty(o).dtype.is_float() { seeds.next() } else { None }).collect()
}

/// Gradients as outputs: a zero tensor where nothing flows.
fn gradients(
    graph: &Graph,
    e: &mut dyn Emitter,
    swept: &sweep::Reverse,
    wrt: &[ValueId],
) -> Result<(Vec<ValueId>, Vec<Connection>), GraphError> {
    let mut out = Vec::with_capacity(wrt.len());
    for &v in wrt {
        out.push(match swept.cotangent(v) {
            Some(d) => d,
            None => e.full(graph.ty(v).dtype, graph.shape(v).clone(), 0.0)?,
        });
    }
    Ok((out, wrt.iter().map(|&v| swept.connection(v)).collect()))
}

/// The graph whose outputs are the outputs of `graph`, then the gradients with
/// respect to `wrt`. With [`Seeds::Outputs`] one seed input per float output
/// follows the inputs of `graph`.
///
/// # Errors
/// An op without a VJP rule; with [`Seeds::One`], an output that is not one number.
pub fn value_and_grad(
    graph: &Graph,
    wrt: &[ValueId],
    seeds: Seeds,
) -> Result<(Graph, Vec<Connection>), GraphError> {
    Ok(traced_value_and_grad(graph, wrt, seeds)?.untraced())
}

/// [`value_and_grad`], and where its nodes come from.
pub(crate) fn traced_value_and_grad(
    graph: &Graph,
    wrt: &[ValueId],
    seeds: Seeds,
) -> Result<Derived, GraphError> {
    check_wrt(graph, wrt)?;
    let extra = match seeds {
        Seeds::One => {
            graph.scalar_output()?;
            Vec::new()
        }
        Seeds::Outputs => seed_inputs(graph),
    };
    let (mut e, map, added) = copy_with(graph, &extra)?;
    let given: Vec<Option<ValueId>> = match seeds {
        Seeds::One => {
            let ty = graph.ty(graph.scalar_output()?).clone();
            let e: &mut dyn Emitter = &mut e;
            vec![Some(e.full(ty.dtype, ty.shape, 1.0)?)]
        }
        Seeds::Outputs => spread_seeds(graph, &added),
    };
    let initial = seed_outputs(graph, &mut e, &given)?;
    let swept =
        sweep::reverse(graph, &mut e, &map, initial, Some(&sweep::active(graph, wrt)), None, Level::Graph)?;
    let (grads, connections) = gradients(graph, &mut e, &swept, wrt)?;
    let outputs = graph.outputs().iter().map(|o| map[o.index()]).chain(grads).collect();
    let (graph, trace) = e.finish_traced(outputs);
    Ok(Derived { graph, connections, trace })
}

/// A recorder with one input per value of the graph; constants stay constants,
/// so that what is known of them is not lost.
fn primal_inputs(
    graph: &Graph,
    extra: &[(Arc<str>, ValueType)],
) -> Result<(Recorder, Vec<ValueId>, Vec<ValueId>), GraphError> {
    // Some four operations per reversed one.
    let mut copy = Graph::with_capacity(graph.len() + extra.len(), 4 * graph.nodes().len());
    let unnamed: Arc<str> = "".into();
    for v in graph.values() {
        copy.push_input(unnamed.clone(), graph.ty(v).clone())?;
    }
    let mut added = Vec::with_capacity(extra.len());
    for (name, ty) in extra {
        added.push(copy.push_input(name.clone(), ty.clone())?);
    }
    let mut map: Vec<ValueId> = graph.values().collect();
    for v in graph.values() {
        if let Some(literal) = graph.literal(v) {
            let op: Op = make::constant((**literal).clone());
            map[v.index()] = copy.push(op, &[], None)?[0];
        }
    }
    Ok((Recorder::new(copy), map, added))
}

/// The reverse sweep alone, seeded at the outputs.
pub fn reverse(graph: &Graph, wrt: &[ValueId]) -> Result<ReverseGraph, GraphError> {
    check_wrt(graph, wrt)?;
    let (mut e, map, seeds) = primal_inputs(graph, &seed_inputs(graph))?;
    let initial = seed_outputs(graph, &mut e, &spread_seeds(graph, &seeds))?;
    let swept =
        sweep::reverse(graph, &mut e, &map, initial, Some(&sweep::active(graph, wrt)), None, Level::Graph)?;
    let (grads, connections) = gradients(graph, &mut e, &swept, wrt)?;
    let (graph, trace) = e.finish_traced(grads);
    Ok(ReverseGraph { graph, connections, trace })
}

/// The dense reverse sweep: a seed for every float value, the gradient of every
/// float value, in the order of the values.
pub fn dense_reverse(graph: &Graph) -> Result<ReverseGraph, GraphError> {
    let floats: Vec<ValueId> = graph.values().filter(|&v| graph.ty(v).dtype.is_float()).collect();
    let unnamed: Arc<str> = "".into();
    let extra: Vec<(Arc<str>, ValueType)> =
        floats.iter().map(|&v| (unnamed.clone(), graph.ty(v).clone())).collect();
    let (mut e, map, seeds) = primal_inputs(graph, &extra)?;
    let mut initial = vec![None; graph.len()];
    for (v, seed) in floats.iter().zip(seeds) {
        initial[v.index()] = Some(seed);
    }
    let swept = sweep::reverse(graph, &mut e, &map, initial, None, None, Level::Graph)?;
    let (grads, connections) = gradients(graph, &mut e, &swept, &floats)?;
    let (graph, trace) = e.finish_traced(grads);
    Ok(ReverseGraph { graph, connections, trace })
}

/// The graph whose outputs are the outputs of `graph`, then their tangents
/// (zeros where nothing flows; none for integer and boolean outputs). One
/// tangent input per float value of `wrt` follows the inputs of `graph`.
pub fn jvp(graph: &Graph, wrt: &[ValueId]) -> Result<Graph, GraphError> {
    Ok(traced_jvp(graph, wrt)?.graph)
}

/// [`jvp`], how each float output hangs together with `wrt`, and where nodes come from.
pub(crate) fn traced_jvp(graph: &Graph, wrt: &[ValueId]) -> Result<Derived, GraphError> {
    check_wrt(graph, wrt)?;
    let extra: Vec<(Arc<str>, ValueType)> =
        wrt.iter().enumerate().map(|(i, &v)| (format!("tangent{i}").into(), graph.ty(v).clone())).collect();
    let (mut e, map, added) = copy_with(graph, &extra)?;
    let mut seeds = vec![None; graph.len()];
    for (v, seed) in wrt.iter().zip(added) {
        // A value named twice moves by both of its tangents.
        let slot = &mut seeds[v.index()];
        *slot = Some(match *slot {
            None => seed,
            Some(existing) => (&mut e as &mut dyn Emitter).add(existing, seed)?,
        });
    }
    let tangents = sweep::forward(graph, &mut e, &map, seeds, Level::Graph)?;
    let active = sweep::active(graph, wrt);
    let mut outputs: Vec<ValueId> = graph.outputs().iter().map(|o| map[o.index()]).collect();
    let mut connections = Vec::new();
    for &o in graph.outputs() {
        if graph.ty(o).dtype.is_float() {
            let e: &mut dyn Emitter = &mut e;
            connections.push(Connection::of(tangents[o.index()].is_some(), active[o.index()]));
            outputs.push(match tangents[o.index()] {
                Some(t) => t,
                None => e.full(graph.ty(o).dtype, graph.shape(o).clone(), 0.0)?,
            });
        }
    }
    let (graph, trace) = e.finish_traced(outputs);
    Ok(Derived { graph, connections, trace })
}
