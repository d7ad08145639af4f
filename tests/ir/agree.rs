//! The naive evaluator, the tape and compiled code give the same table of all nodes on
//! random well-formed graphs, and the last two the same gradients.

use crate::evaluator::{Value, meaning};
use crate::graphs;
use crate::support::{Case, Rng as Reals, levels, run, run_tape, vector_forms};
use cotangent::fuzzing::{Rng, Source, ir_graph};
use cotangent::ir::{ImportOptions, IrGraph, Kind, Payload, Trainable};
use cotangent::{DType, Program};

/// Random parameters of a graph; variances may be negative, which counts as 0.
fn payload(graph: &IrGraph, rng: &mut Reals) -> Payload {
    let mut payload = Payload::new();
    for parameter in graph.parameters() {
        let n = parameter.shape.numel();
        let values: Vec<f64> = (0..n).map(|_| number(rng)).collect();
        payload.insert(parameter.node, parameter.name, values);
    }
    for node in graph.nodes() {
        if matches!(node.kind, Kind::BatchNorm2dNchwEval { eps: None, .. }) && node.id % 2 == 0 {
            payload.insert(node.id, "eps", [1e-3]);
        }
    }
    payload
}

/// An f32 number: ties, zeros and signs among others.
fn number(rng: &mut Reals) -> f64 {
    match rng.next() % 10 {
        0 => 0.0,
        1 => -1.0,
        _ => f64::from(rng.real() as f32),
    }
}

fn narrow(x: f64) -> f64 {
    f64::from(x as f32)
}

/// Compares each node with what its parents' values on the tape mean. Errors do
/// not add up, so the bounds are those of one node.
fn compare(
    graph: &IrGraph,
    payload: &Payload,
    x: &[f64],
    dtype: DType,
    met: &mut [usize],
) -> Result<(), String> {
    let (one, epsilon): (fn(f64) -> f64, f64) = match dtype {
        DType::F32 => (narrow, f64::from(f32::EPSILON)),
        _ => (|x| x, f64::EPSILON),
    };
    let exec = graph.import(payload, &ImportOptions::default().dtype(dtype)).map_err(|e| e.to_string())?;
    let table = exec.denote_all(x).map_err(|e| e.to_string())?;
    let values: Vec<Value> =
        table.into_iter().map(|(shape, at)| Value { dims: shape.dims().to_vec(), at }).collect();
    for node in graph.nodes() {
        let parents: Vec<&Value> = node.parents.iter().map(|&p| &values[p]).collect();
        let meant = meaning(graph, node, &parents, x, payload, one);
        let got = &values[node.id];
        assert_eq!(
            (got.dims.as_slice(), got.at.len()),
            (node.shape.dims(), meant.at.len()),
            "{}",
            node.kind.tag()
        );
        for (i, ((&got, &at), &off)) in got.at.iter().zip(&meant.at).zip(&meant.off).enumerate() {
            let at = one(at);
            let same = got.to_bits() == at.to_bits()
                || got.is_nan() && at.is_nan()
                || got == at && !meant.to_the_bit;
            // A bound that is not finite says nothing: some sum overflows on the way.
            let close = off != 0.0 && ((got - at).abs() <= off * epsilon || !off.is_finite());
            let tiny =
                off != 0.0 && (got - at).abs() <= 8.0 * if dtype == DType::F32 { 1e-44 } else { 5e-324 };
            if !(same || close || tiny) {
                return Err(format!("node {node:?} at {i}: {got} is not {at} to {off} epsilon"));
            }
            met[Kind::TAGS.iter().position(|t| *t == node.kind.tag()).unwrap()] += 1;
        }
    }
    Ok(())
}

#[test]
fn every_node_has_the_value_that_its_kind_means() {
    let (mut met, mut wrong) = (vec![0; Kind::TAGS.len()], Vec::new());
    for seed in 0..graphs(400).max(100) {
        let mut rng = Rng::new(seed);
        let nodes = 2 + rng.below(40);
        let graph = ir_graph(&mut rng, nodes).unwrap();
        let mut reals = Reals(seed);
        let payload = payload(&graph, &mut reals);
        let x: Vec<f64> = (0..graph.nodes()[0].shape.numel()).map(|_| number(&mut reals)).collect();
        for dtype in [DType::F64, DType::F32] {
            if let Err(e) = compare(&graph, &payload, &x, dtype, &mut met) {
                wrong.push(format!("seed {seed}, {dtype}: {e}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} graphs, among them\n{}",
        wrong.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
    let missing: Vec<_> = Kind::TAGS.iter().zip(&met).filter(|(_, n)| **n < 50).collect();
    assert!(missing.is_empty(), "hardly compared: {missing:?}");
}

/// Values and gradients of all nodes, and every other form.
#[test]
fn tape_and_compiled_code_agree_on_every_node() {
    for seed in 0..graphs(480) / 4 {
        let mut rng = Rng::new(1000 + seed);
        let nodes = 2 + rng.below(20);
        let graph = ir_graph(&mut rng, nodes).unwrap();
        let dtype = if seed % 3 == 0 { DType::F32 } else { DType::F64 };
        let options = ImportOptions::default().dtype(dtype).trainable(Trainable::All);
        let exec = graph.import(&Payload::new(), &options).unwrap();
        assert_eq!(exec.values().len(), graph.nodes().len());
        let mut distinct: Vec<_> = exec.values().to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), graph.nodes().len(), "every node has a value of its own");
        let case = Case::random(exec.graph(), seed);
        let options = levels()[seed as usize % 4].clone().forms(vector_forms());
        let program = Program::compile(exec.graph(), &options).unwrap_or_else(|e| panic!("{e}\n{graph}"));
        let (code, tape) = (run(&program, &case).unwrap(), run_tape(exec.graph(), &case).unwrap());
        assert_eq!(code, tape, "seed {seed}\n{graph}\n{}", exec.graph());
    }
}
