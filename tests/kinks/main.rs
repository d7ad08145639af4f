//! Every choice at kinks and special values, in one table: `elementwise.rs`, `functions.rs`,
//! `reductions.rs` and `windows.rs` hold its rows, `flow.rs` what concerns whole graphs.
//!
//! Each row is checked on the tape and in compiled code, at every level and
//! tier, unrolled and in loops, in f64 and in f32, to the bit (NaNs as a class).
#![cfg(feature = "jit")]

mod elementwise;
mod flow;
mod functions;
mod order;
mod reductions;
#[allow(unused_imports)]
#[path = "../support/mod.rs"]
mod support;
mod windows;

use cotangent::{Builder, DType, Graph, Options, Program, Shape, ValueType, Var};
use support::{Bits, Case, Column, levels, run, run_tape, types, vector_forms};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;
/// Every seed and every tangent of a row.
const SEED: f64 = 2.0;

type Build = Box<dyn for<'b> Fn(&[Var<'b>]) -> Var<'b>>;

/// How a row's tangent follows from its gradients, all seeds and tangents equal.
#[derive(Clone, Copy, PartialEq)]
enum Adjoint {
    /// Element by element, the sum over the operands.
    Elements,
    /// In total.
    Total,
    /// Not: forward mode does not meet what reverse mode meets.
    No,
}

/// One choice: at these inputs (vectors), this value, and these gradients for
/// seeds of 2.
struct Row {
    name: &'static str,
    build: Build,
    inputs: Vec<Vec<f64>>,
    value: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    adjoint: Adjoint,
}

/// A row of an element-wise op: `points` are inputs, value, gradients.
fn points<const N: usize>(
    name: &'static str,
    build: impl for<'b> Fn(&[Var<'b>]) -> Var<'b> + 'static,
    points: &[[f64; N]],
) -> Row {
    let build: Build = Box::new(build);
    let operands = N / 2;
    let column = |i: usize| points.iter().map(|p| p[i]).collect::<Vec<f64>>();
    Row {
        name,
        build,
        inputs: (0..operands).map(column).collect(),
        value: column(operands),
        gradients: (operands + 1..N).map(column).collect(),
        adjoint: Adjoint::Elements,
    }
}

/// A row of any other op.
fn whole(
    name: &'static str,
    build: impl for<'b> Fn(&[Var<'b>]) -> Var<'b> + 'static,
    inputs: &[&[f64]],
    value: &[f64],
    gradients: &[&[f64]],
) -> Row {
    let lists = |v: &[&[f64]]| v.iter().map(|v| v.to_vec()).collect();
    let (inputs, gradients) = (lists(inputs), lists(gradients));
    let build: Build = Box::new(build);
    Row { name, build, inputs, value: value.to_vec(), gradients, adjoint: Adjoint::Total }
}

/// A number in the element type of a variable.
fn number(v: Var<'_>, x: f64) -> Var<'_> {
    v.builder().full(v.ty().map_or(DType::F64, |ty| ty.dtype), Shape::scalar(), x)
}

fn column(dtype: DType, v: &[f64]) -> Column {
    match dtype {
        DType::F32 => Column::F32(v.iter().map(|&x| x as f32).collect()),
        _ => Column::F64(v.to_vec()),
    }
}

fn filled(ty: &ValueType, x: f64) -> Column {
    match ty.dtype {
        DType::F64 | DType::F32 => column(ty.dtype, &vec![x; ty.numel()]),
        _ => Column::zeros(ty),
    }
}

/// All options that a row is compiled with.
fn configurations() -> Vec<Options> {
    levels().into_iter().flat_map(|o| [o.clone().unroll(0), o]).map(|o| o.forms(vector_forms())).collect()
}

/// What the tape says, after every compiled form has said the same.
fn agreed(name: &str, graph: &Graph, case: &Case) -> Bits {
    let want = run_tape(graph, case).unwrap();
    for options in configurations() {
        let program = Program::compile(graph, &options).unwrap();
        assert!(run(&program, case).unwrap() == want, "{name}: compiled with {options:?}");
    }
    want
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

fn numbers(dtype: DType, bits: &[u64]) -> Vec<f64> {
    let number = |&b: &u64| match (b, dtype) {
        (u64::MAX, _) => NAN,
        (_, DType::F32) => f64::from(f32::from_bits(b as u32)),
        _ => f64::from_bits(b),
    };
    bits.iter().map(number).collect()
}

/// The tangent that goes with the gradients; the signs of its zeros are not
/// determined by them.
fn check_tangent(row: &Row, dtype: DType, bits: &Bits) {
    let tangent = numbers(dtype, &bits.tangents[0]);
    let gradients: Vec<Vec<f64>> = bits.gradients.iter().map(|g| numbers(dtype, g)).collect();
    if row.adjoint == Adjoint::No {
        return;
    }
    if row.adjoint == Adjoint::Elements {
        for (j, &t) in tangent.iter().enumerate() {
            let sum = gradients.iter().map(|g| g[j]).sum();
            assert!(same(t, sum), "{} {dtype} [{j}]: tangent {t}, gradients {gradients:?}", row.name);
        }
    } else {
        let (t, sum) = (tangent.iter().sum(), gradients.iter().flatten().sum());
        assert!(same(t, sum), "{} {dtype}: tangent {tangent:?}, gradients {gradients:?}", row.name);
    }
}

fn check(row: &Row, dtype: DType) {
    let g = Builder::new();
    let inputs: Vec<Var<'_>> = row.inputs.iter().map(|v| g.input("", dtype, [v.len()])).collect();
    let graph = g.finish(&[(row.build)(&inputs)]).unwrap();
    let all = types(&graph, graph.values());
    let case = Case {
        inputs: row.inputs.iter().map(|v| column(dtype, v)).collect(),
        seeds: vec![filled(graph.ty(graph.outputs()[0]), SEED)],
        tangents: types(&graph, graph.input_values()).iter().map(|ty| filled(ty, SEED)).collect(),
        dense: all.iter().map(|ty| filled(ty, SEED)).collect(),
    };
    let bits = agreed(row.name, &graph, &case);
    let name = row.name;
    let seen = |bits: &[u64]| numbers(dtype, bits);
    assert_eq!(
        bits.outputs[0],
        column(dtype, &row.value).bits(),
        "{name} {dtype}: value {:?} at {:?}",
        seen(&bits.outputs[0]),
        row.inputs
    );
    assert_eq!(bits.gradients.len(), row.gradients.len(), "{name}: gradients");
    for (got, want) in bits.gradients.iter().zip(&row.gradients) {
        let want = column(dtype, want).bits();
        assert_eq!(*got, want, "{name} {dtype}: gradient {:?} at {:?}", seen(got), row.inputs);
    }
    check_tangent(row, dtype, &bits);
}

fn check_all(rows: &[Row]) {
    for row in rows {
        check(row, DType::F64);
        check(row, DType::F32);
    }
}

#[test]
fn element_by_element() {
    check_all(&elementwise::rows());
}

#[test]
fn functions() {
    check_all(&functions::rows());
}

#[test]
fn pools_and_convolutions() {
    check_all(&windows::rows());
}

#[test]
fn reductions_and_movement() {
    check_all(&reductions::rows());
}

#[test]
fn order_and_linear_algebra() {
    check_all(&order::rows());
}
