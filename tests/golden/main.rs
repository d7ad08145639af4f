//! Golden cases: small problems with known numbers, on the tape and in compiled
//! code at every level, to 1e-12 or to the digits the numbers have. The numbers
//! of the cases in brackets are those of the suite that the cases follow.
#![cfg(feature = "jit")]

mod attention;
mod einsum;
mod indices;
mod linear;
mod losses;
mod norms;
mod random;
mod scan;
mod smooth;
#[allow(unused_imports)]
#[path = "../support/mod.rs"]
mod support;
mod tails;
mod windows;

use cotangent::{Builder, Graph, Program, Var, dtype};
use support::{Case, Column, levels, run, run_tape, types, vector_forms};

/// Digits of most numbers.
const TIGHT: f64 = 1e-12;

/// An input: extents and elements.
type Input<'a> = (&'a [usize], &'a [f64]);

struct Answer {
    value: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    tangent: Vec<f64>,
}

fn numbers(bits: &[u64]) -> Vec<f64> {
    bits.iter().map(|&b| f64::from_bits(b)).collect()
}

/// One output of some inputs: its value, gradients for the seed, and the
/// tangent for tangents of 1. Compiled code must agree with the tape to the bit.
fn seeded(inputs: &[Input<'_>], seed: &[f64], build: impl for<'b> Fn(&[Var<'b>]) -> Var<'b>) -> Answer {
    let ones: Vec<Vec<f64>> = inputs.iter().map(|(_, v)| vec![1.0; v.len()]).collect();
    along(inputs, &ones, seed, build)
}

/// The same with given tangents.
fn along(
    inputs: &[Input<'_>],
    tangents: &[Vec<f64>],
    seed: &[f64],
    build: impl for<'b> Fn(&[Var<'b>]) -> Var<'b>,
) -> Answer {
    let g = Builder::new();
    let vars: Vec<Var<'_>> = inputs.iter().map(|(shape, _)| g.input("", dtype::f64, *shape)).collect();
    let graph = g.finish(&[build(&vars)]).unwrap();
    answered(&graph, inputs, tangents, seed)
}

/// The same of a graph.
fn answered(graph: &Graph, inputs: &[Input<'_>], tangents: &[Vec<f64>], seed: &[f64]) -> Answer {
    let n = graph.shape(graph.outputs()[0]).numel();
    let seed = if seed.len() == 1 { vec![seed[0]; n] } else { seed.to_vec() };
    let case = Case {
        inputs: inputs.iter().map(|(_, v)| Column::F64(v.to_vec())).collect(),
        seeds: vec![Column::F64(seed)],
        tangents: tangents.iter().cloned().map(Column::F64).collect(),
        dense: types(graph, graph.values()).iter().map(Column::zeros).collect(),
    };
    let bits = run_tape(graph, &case).unwrap();
    for options in levels() {
        let program = Program::compile(graph, &options.clone().forms(vector_forms())).unwrap();
        assert!(run(&program, &case).unwrap() == bits, "compiled with {options:?}");
    }
    Answer {
        value: numbers(&bits.outputs[0]),
        gradients: bits.gradients.iter().map(|g| numbers(g)).collect(),
        tangent: numbers(&bits.tangents[0]),
    }
}

/// With seeds of 1.
fn golden(inputs: &[Input<'_>], build: impl for<'b> Fn(&[Var<'b>]) -> Var<'b>) -> Answer {
    seeded(inputs, &[1.0], build)
}

#[track_caller]
fn near(got: &[f64], want: &[f64], allowed: f64) {
    assert_eq!(got.len(), want.len(), "got {got:?}, expected {want:?}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= allowed * w.abs().max(1.0), "[{i}] got {g:e}, expected {w:e}");
    }
}
