//! Derivatives of any order as graphs: compiled code against the tape to the
//! bit, one way of building them against another, and what is said of those that
//! are not connected.
#![cfg(feature = "jit")]

#[path = "../support/mod.rs"]
mod support;

mod custom;
mod matrices;
mod nested;

use cotangent::{Forms, Graph, Options, Program};
use support::{Column, Rng, args, args_mut, random, tensor_bits, types, zeros};

/// Outputs at random inputs, by the tape and by compiled code of every level,
/// which must agree to the bit.
fn outputs(graph: &Graph, seed: u64) -> Vec<Column> {
    outputs_at(graph, &random(&types(graph, graph.input_values()), &mut Rng(seed)))
}

fn outputs_at(graph: &Graph, inputs: &[Column]) -> Vec<Column> {
    let tensors = inputs.iter().zip(graph.input_values()).map(|(c, v)| c.tensor(graph.ty(v))).collect();
    let tape: cotangent::Tape<'_> = cotangent::Tape::compile(graph, tensors).unwrap();
    let expected: Vec<_> = tape.outputs().iter().map(tensor_bits).collect();
    let mut out = zeros(&types(graph, graph.outputs().iter().copied()));
    let levels = support::levels().into_iter().chain([Options::default().unroll(0)]);
    for options in levels {
        let options = options.forms(Forms::FORWARD);
        let program = Program::compile(graph, &options).unwrap();
        let mut ws = program.workspace();
        program.forward(&mut ws, &args(inputs), &mut args_mut(&mut out)).unwrap();
        let bits: Vec<_> = out.iter().map(Column::bits).collect();
        assert_eq!(bits, expected, "tape and code differ with {options:?} on\n{graph}");
    }
    out
}

fn reals(column: &Column) -> &[f64] {
    match column {
        Column::F64(v) => v,
        other => panic!("not f64: {other:?}"),
    }
}

/// Equal up to a few roundings of numbers of size one.
fn close(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        let scale = 1.0 + x.abs().max(y.abs());
        assert!((x - y).abs() <= 1e-12 * scale, "element {i}: {x} and {y}");
    }
}
