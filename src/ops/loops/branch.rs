//! One of two graphs, as a boolean says when the program runs.

use crate::derive::sweep::{self, Level};
use crate::graph::{DType, Graph, Recorder, ValueId};
use crate::ops::attr::{AttrKind, Attrs};
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::loops::rules::inside;
use crate::ops::loops::{Body, cut_both};
use crate::ops::make;
use crate::ops::row::{AttrSpec, Flow, Flows, Op, Operand, Row, Rule, Site, Tangents, Types, Value};
use smallvec::smallvec;

/// The first graph where the condition holds, else the second: the other is not
/// computed. Operands are the condition, one boolean, then the inputs of both
/// graphs; results are their outputs. Derivatives are those of the branch taken.
pub static COND: Row = Row {
    name: "cond",
    min_operands: 1,
    max_operands: usize::MAX,
    attrs: &[AttrSpec::new("then", AttrKind::Graph), AttrSpec::new("otherwise", AttrKind::Graph)],
    infer,
    value: Value::Branch,
    vjp: Rule::By(vjp),
    jvp: Rule::By(jvp),
    exact: true,
};

/// A branch as its attributes say.
#[derive(Clone, Copy)]
pub struct Branch<'a> {
    /// What is run where the condition holds, and where it does not.
    pub bodies: [&'a Graph; 2],
}

impl<'a> Branch<'a> {
    /// The branch that an op is.
    pub fn of(op: &'a Op) -> Result<Branch<'a>, OpError> {
        Branch::with(&op.attrs).ok_or(OpError::AttrCount { op: op.row().name, expected: 2, got: 0 })
    }

    /// The branch with these attributes, if they are those of one.
    pub fn with(attrs: &'a Attrs) -> Option<Branch<'a>> {
        let mut bodies = attrs.bodies().map(Body::graph);
        Some(Branch { bodies: [bodies.next()?, bodies.next()?] })
    }
}

fn infer(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    let [then, otherwise] = Branch::of(op)?.bodies;
    let n = 1 + then.inputs().len();
    if operands.len() != n {
        return Err(OpError::Arity { op: op.name(), min: n, max: n, got: operands.len() });
    }
    let refused = |why: String| Err(OpError::Refused { op: op.name(), why });
    let condition = operands[0].ty;
    if condition.dtype != DType::Bool || !condition.shape.is_scalar() {
        return refused(format!("its condition is {condition}, not one boolean"));
    }
    let types =
        |graph: &Graph, of: &[ValueId]| -> Types { of.iter().map(|&v| graph.ty(v).clone()).collect() };
    let inputs = |graph: &Graph| types(graph, &graph.input_values().collect::<Vec<_>>());
    for (i, expected) in inputs(then).into_iter().enumerate() {
        let got = operands[i + 1].ty.clone();
        if got != expected {
            return Err(OpError::OperandType { op: op.name(), operand: i + 1, got, expected });
        }
    }
    let outputs = [then, otherwise].map(|graph| types(graph, graph.outputs()));
    if inputs(then) != inputs(otherwise) {
        return refused("its two graphs have other inputs than each other".into());
    }
    let [outputs, others] = outputs;
    if outputs.is_empty() {
        return refused("its graphs have no output".into());
    }
    if outputs.len() != others.len() {
        return refused(format!(
            "one of its graphs gives {} values, the other {}",
            outputs.len(),
            others.len()
        ));
    }
    if let Some((i, (a, b))) = outputs.iter().zip(&others).enumerate().find(|(_, (a, b))| a != b) {
        return refused(format!("value {i} is {a} in one of its graphs and {b} in the other"));
    }
    Ok(outputs)
}

/// A derived graph for one of the two: its inputs are those of the branch, then a
/// direction for each that was given; for each derivative its value, if it is not
/// known to be zero.
struct Derived {
    recorder: Recorder,
    found: Vec<Option<ValueId>>,
}

/// A graph with inputs for directions, and the handles of the body in it.
fn begin(
    site: &Site<'_>,
    body: &Graph,
    directions: &[(ValueId, ValueId)],
) -> Result<(Recorder, Vec<ValueId>, Vec<Option<ValueId>>), OpError> {
    let mut graph = Graph::new();
    let mut inputs = Vec::with_capacity(body.inputs().len());
    for v in body.input_values() {
        inputs.push(graph.push_input("", body.ty(v).clone())?);
    }
    let mut seeds = vec![None; body.len()];
    let mut given = Vec::with_capacity(directions.len());
    for &(of, _) in directions {
        given.push(graph.push_input("", body.ty(of).clone())?);
    }
    let mut recorder = Recorder::new(graph);
    let e: &mut dyn Emitter = &mut recorder;
    let handles = e.inline(site.op.name(), body, &inputs)?;
    for (&(of, _), seed) in directions.iter().zip(given) {
        let slot = &mut seeds[of.index()];
        *slot = Some(match *slot {
            Some(before) => e.add(before, seed)?,
            None => seed,
        });
    }
    Ok((recorder, handles, seeds))
}

/// The branch between two derived graphs: its results where either has one.
fn join(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    derived: [Derived; 2],
    directions: &[(ValueId, ValueId)],
    like: impl Fn(usize) -> (DType, crate::graph::Shape),
) -> Result<Vec<Option<ValueId>>, OpError> {
    let n = derived[0].found.len();
    let some: Vec<usize> = (0..n).filter(|&i| derived.iter().any(|d| d.found[i].is_some())).collect();
    let mut out = vec![None; n];
    if some.is_empty() {
        return Ok(out);
    }
    let finish = |Derived { mut recorder, found }: Derived| {
        let mut outputs = Vec::with_capacity(some.len());
        for &i in &some {
            outputs.push(match found[i] {
                Some(v) => v,
                None => {
                    let (dtype, shape) = like(i);
                    (&mut recorder as &mut dyn Emitter).full(dtype, shape, 0.0)?
                }
            });
        }
        Ok::<Graph, OpError>(recorder.finish(outputs))
    };
    let [then, otherwise] = derived.map(finish);
    let (then, otherwise) = (then?, otherwise?);
    let cut = cut_both([&then, &otherwise], &vec![true; some.len()])?;
    let all = site.operands[1..].iter().copied().chain(directions.iter().map(|&(_, given)| given));
    let all: Vec<ValueId> = all.collect();
    let mut operands = vec![site.operands[0]];
    operands.extend(cut.inputs.iter().map(|&i| all[i]));
    let [then, otherwise] = cut.bodies;
    let op = make::cond(Body::new(then)?, Body::new(otherwise)?);
    for (i, v) in some.into_iter().zip(e.emit(op, &operands)?) {
        out[i] = Some(v);
    }
    Ok(out)
}

/// The branch between the reverse sweeps of both graphs.
fn vjp(e: &mut dyn Emitter, site: &Site<'_>, cotangents: &[Option<ValueId>]) -> Result<Flows, OpError> {
    let bodies = Branch::of(site.op)?.bodies;
    let inputs = bodies[0].inputs().len();
    let wanted = |i: usize| site.wants(i + 1) && bodies[0].ty(ValueId::new(i as u32)).dtype.is_float();
    let sweep = |body: &Graph| {
        let seeded = body.outputs().iter().zip(cotangents);
        let directions: Vec<_> = seeded.filter_map(|(&of, d)| Some((of, (*d)?))).collect();
        let (mut recorder, handles, seeds) = begin(site, body, &directions)?;
        let wrt: Vec<ValueId> = body.input_values().filter(|v| wanted(v.index())).collect();
        let active = sweep::active(body, &wrt);
        let swept =
            sweep::reverse(body, &mut recorder, &handles, seeds, Some(&active), None, Level::Definition)
                .map_err(inside(site, "VJP"))?;
        let of = |v: ValueId| swept.cotangent(v).filter(|_| wanted(v.index()));
        let found = body.input_values().map(of).collect();
        Ok::<_, OpError>((Derived { recorder, found }, directions))
    };
    let ((then, directions), (otherwise, _)) = (sweep(bodies[0])?, sweep(bodies[1])?);
    let like = |i: usize| {
        let ty = bodies[0].ty(ValueId::new(i as u32));
        (ty.dtype, ty.shape.clone())
    };
    let found = join(e, site, [then, otherwise], &directions, like)?;
    let mut flows: Flows = smallvec![Flow::Zero; inputs + 1];
    for (i, d) in found.into_iter().enumerate() {
        flows[i + 1] = d.map_or(Flow::Zero, Flow::To);
    }
    Ok(flows)
}

/// The branch between the forward sweeps of both graphs.
fn jvp(e: &mut dyn Emitter, site: &Site<'_>, tangents: &[Option<ValueId>]) -> Result<Tangents, OpError> {
    let bodies = Branch::of(site.op)?.bodies;
    let moved = bodies[0].input_values().zip(&tangents[1..]);
    let directions: Vec<_> = moved.filter_map(|(of, t)| Some((of, (*t)?))).collect();
    let sweep = |body: &Graph| {
        let (mut recorder, handles, seeds) = begin(site, body, &directions)?;
        let swept = sweep::forward(body, &mut recorder, &handles, seeds, Level::Definition)
            .map_err(inside(site, "JVP"))?;
        let found = body.outputs().iter().map(|v| swept[v.index()]).collect();
        Ok::<_, OpError>(Derived { recorder, found })
    };
    let like = |i: usize| {
        let ty = bodies[0].ty(bodies[0].outputs()[i]);
        (ty.dtype, ty.shape.clone())
    };
    Ok(join(e, site, [sweep(bodies[0])?, sweep(bodies[1])?], &directions, like)?.into_iter().collect())
}
