//! Contract C5: over the rationals the rules of both modes are adjoint, exactly.
//!
//! For values v with tangents t_v (from tangents dx_i of the inputs) and seeds
//! d_v on *all* values with gradients g_i of the inputs:
//!
//! ```text
//! sum_v <t_v, d_v> = sum_i <dx_i, g_i>
//! ```
//!
//! This proves for the graph and numbers at hand that VJP and JVP are
//! transposes of one another. That the JVP is the derivative of the value is
//! for the truth cases to say.

use crate::fuzzing::draft::{Draft, Drafted, Slot};
use crate::fuzzing::generate::{Generator, Profile};
use crate::fuzzing::numbers::integer;
use crate::fuzzing::source::Source;
use crate::graph::{DType, Graph, ValueType};
use crate::ops::{Op, Row};
use crate::tape::{Data, Exact, Tape, TapeError, Tensor, bits};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use std::fmt;

/// Numbers past this many bits make a graph be skipped.
pub const MAX_BITS: u64 = 10_000;
/// Values past this many bits are not drawn, so that few graphs get there.
const DRAWN_BITS: u64 = 300;

type Rational = BigRational;

/// What became of one graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Adjointness {
    /// Both sides are equal.
    Holds,
    /// Numbers grew past [`MAX_BITS`].
    Skipped,
    /// The arithmetic refused something (a division by zero).
    Refused(String),
    /// The law is broken: both sides, rounded.
    Broken(f64, f64),
}

impl fmt::Display for Adjointness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Adjointness::Holds => f.write_str("holds"),
            Adjointness::Skipped => f.write_str("numbers grew past 10,000 bits"),
            Adjointness::Refused(why) => write!(f, "refused: {why}"),
            Adjointness::Broken(a, b) => {
                write!(f, "broken: <jvp, seeds> = {a:e}, <tangents, gradients> = {b:e}")
            }
        }
    }
}

/// A small fraction, 0 now and then.
fn fraction(source: &mut dyn Source) -> Rational {
    let numerator = source.below(13) as i64 - 6;
    let denominator = [1, 1, 1, 2, 3, 5][source.below(6)];
    Rational::new(BigInt::from(numerator), BigInt::from(denominator))
}

/// A tensor of small numbers.
pub fn tensor(source: &mut dyn Source, ty: &ValueType, bound: Option<usize>) -> Option<Tensor<Exact>> {
    let n = ty.numel();
    let data = match ty.dtype {
        DType::F64 => Data::F64((0..n).map(|_| fraction(source)).collect()),
        DType::F32 => Data::F32((0..n).map(|_| fraction(source)).collect()),
        DType::I64 => Data::I64((0..n).map(|_| integer(source, bound)).collect()),
        DType::Bool => Data::Bool((0..n).map(|_| source.chance(1, 2)).collect()),
    };
    Tensor::new(ty.shape.clone(), data)
}

fn rationals(tensor: &Tensor<Exact>) -> &[Rational] {
    tensor.as_f64().or_else(|| tensor.as_f32()).unwrap_or(&[])
}

fn fits(tensor: &Tensor<Exact>, limit: u64) -> bool {
    rationals(tensor).iter().all(|x| bits(x) <= limit)
}

fn inner(a: &Tensor<Exact>, b: &Tensor<Exact>) -> Rational {
    let terms = rationals(a).iter().zip(rationals(b)).filter(|(x, y)| !x.is_zero() && !y.is_zero());
    terms.fold(Rational::zero(), |sum, (x, y)| sum + x * y)
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

/// The law at these inputs, with random tangents and seeds.
pub fn adjoint(graph: &Graph, inputs: Vec<Tensor<Exact>>, source: &mut dyn Source) -> Adjointness {
    match try_adjoint(graph, inputs, source) {
        Ok(found) => found,
        Err(error) => Adjointness::Refused(error.to_string()),
    }
}

fn try_adjoint(
    graph: &Graph,
    inputs: Vec<Tensor<Exact>>,
    source: &mut dyn Source,
) -> Result<Adjointness, TapeError> {
    let tape = Tape::<Exact>::compile(graph, inputs)?;
    let mut direction = |ty: &ValueType| if ty.dtype.is_float() { tensor(source, ty, None) } else { None };
    let tangents: Vec<_> = graph.input_values().map(|v| direction(graph.ty(v))).collect();
    let seeds: Vec<_> = graph.values().map(|v| direction(graph.ty(v))).collect();
    let moved = tape.jvp(tangents.clone())?;
    let small = |tensors: &[Option<Tensor<Exact>>]| tensors.iter().flatten().all(|t| fits(t, MAX_BITS));
    if graph.values().any(|v| tape.with_value(v, |t| !fits(t, MAX_BITS)).unwrap_or(false)) || !small(&moved) {
        return Ok(Adjointness::Skipped);
    }
    let gradients = tape.backward_dense_from(seeds.clone())?;
    if !small(&gradients) {
        return Ok(Adjointness::Skipped);
    }
    let sum = |a: &[Option<Tensor<Exact>>], b: &[Option<Tensor<Exact>>]| {
        let pairs = a.iter().zip(b).filter_map(|(a, b)| Some(inner(a.as_ref()?, b.as_ref()?)));
        pairs.fold(Rational::zero(), |sum, x| sum + x)
    };
    let (left, right) = (sum(&moved, &seeds), sum(&tangents, &gradients));
    if left == right {
        return Ok(Adjointness::Holds);
    }
    let rounded = |x: &Rational| num_traits::ToPrimitive::to_f64(x).unwrap_or(f64::NAN);
    Ok(Adjointness::Broken(rounded(&left), rounded(&right)))
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
