//! Graphs and points for contract C5: over the rationals the rules of both modes
//! are adjoint, exactly. The law itself is [`crate::check`]'s.
//!
//! It proves for the graph and numbers at hand that VJP and JVP are transposes
//! of one another. That the JVP is the derivative of the value is for the truth
//! cases to say.

use crate::check::law::{fits, fractions};
use crate::fuzzing::draft::{Draft, Drafted, Slot};
use crate::fuzzing::generate::{Generator, Profile};
use crate::fuzzing::numbers::integer;
use crate::fuzzing::source::Source;
use crate::graph::ValueType;
use crate::ops::{Op, Row};
use crate::tape::{Exact, Tape, Tensor};

pub use crate::check::law::{Adjointness, MAX_BITS, adjoint};

/// Values past this many bits are not drawn, so that few graphs get there.
const DRAWN_BITS: u64 = 300;

/// A tensor of small numbers; indices below `bound` where there is one.
fn tensor(source: &mut dyn Source, ty: &ValueType, bound: Option<usize>) -> Option<Tensor<Exact>> {
    fractions(source, ty, &mut |source| integer(source, bound))
}

/// A graph of exact rows whose values at the inputs returned with it are
/// small numbers, none of them refused.
pub fn draw(source: &mut dyn Source) -> Option<(Drafted, Vec<Tensor<Exact>>)> {
    // The numbers' own stream: the generator holds the other while it draws.
    let mut numbers = crate::fuzzing::source::Rng::new(source.bits());
    let mut known: Vec<Option<Tensor<Exact>>> = Vec::new();
    let draft = Generator::graph(source, &Profile::EXACT, &mut |draft, op, operands| {
        let made = evaluate(draft, &mut known, &mut numbers, op, operands);
        made.is_some_and(|results| {
            let small = results.iter().all(|t| fits(t, DRAWN_BITS));
            if small {
                known.extend(results.into_iter().map(Some));
            }
            small
        })
    });
    supply(&draft, &mut known, &mut numbers)?;
    let inputs = draft.values.iter().zip(known).filter(|(v, _)| v.node.is_none());
    let inputs = inputs.map(|(_, tensor)| tensor).collect::<Option<Vec<_>>>()?;
    Some((draft.finish().ok()?, inputs))
}

/// Numbers for inputs that have none yet.
fn supply(draft: &Draft, known: &mut Vec<Option<Tensor<Exact>>>, numbers: &mut dyn Source) -> Option<()> {
    for value in draft.values.iter().skip(known.len()) {
        let made = match value.node {
            None => Some(tensor(numbers, &value.ty, value.bound)?),
            Some(_) => None,
        };
        known.push(made);
    }
    Some(())
}

/// The results of a node about to be drawn: a graph of it alone, evaluated.
fn evaluate(
    draft: &Draft,
    known: &mut Vec<Option<Tensor<Exact>>>,
    numbers: &mut dyn Source,
    op: &Op,
    operands: &[Slot],
) -> Option<Vec<Tensor<Exact>>> {
    supply(draft, known, numbers)?;
    let inputs: Vec<Tensor<Exact>> = operands.iter().map(|&v| known[v].clone()).collect::<Option<_>>()?;
    let mut single = Draft::default();
    let slots = inputs.iter().map(|t| single.input(t.ty().clone(), None)).collect();
    let types = draft.infer(op, operands).ok()?;
    single.push(op.clone(), slots, types);
    let graph = single.finish().ok()?.graph;
    let tape = Tape::<Exact>::compile(&graph, inputs).ok()?;
    graph.values().skip(operands.len()).map(|v| tape.value(v)).collect()
}

/// A small graph around one node of a row, with numbers it is defined at.
pub fn draw_row(row: &'static Row, source: &mut dyn Source) -> Option<(Drafted, Vec<Tensor<Exact>>)> {
    for _ in 0..200 {
        if let Some((drafted, inputs)) = draw(source)
            && drafted.graph.nodes().iter().any(|node| node.op.is(row))
        {
            return around(&drafted, inputs, row);
        }
    }
    None
}

/// The first node of a row alone: its operands become inputs, constants stay.
fn around(
    drafted: &Drafted,
    inputs: Vec<Tensor<Exact>>,
    row: &'static Row,
) -> Option<(Drafted, Vec<Tensor<Exact>>)> {
    let graph = &drafted.graph;
    let tape = Tape::<Exact>::compile(graph, inputs).ok()?;
    let node = graph.nodes().iter().find(|node| node.op.is(row))?;
    let mut single = Draft::default();
    let mut values = Vec::new();
    let mut slots = Vec::new();
    for &v in node.operands() {
        // The same value twice stays one input.
        if let Some(at) = node.operands().iter().take(slots.len()).position(|&w| w == v) {
            slots.push(slots[at]);
            continue;
        }
        slots.push(single.input(graph.ty(v).clone(), None));
        values.push(tape.value(v)?);
    }
    let types = node.results().map(|v| graph.ty(v).clone()).collect();
    single.push(node.op.clone(), slots, types);
    single.outputs = single.nodes[0].results.clone();
    Some((single.finish().ok()?, values))
}
