//! Checked mode: the first value that became NaN or infinite, by tape and by
//! compiled code alike; then the first gradient.

mod gradients;
#[path = "../support/mod.rs"]
mod support;

use cotangent::check::NonFinite;
use cotangent::tape::Tensor;
use cotangent::{Builder, Checked, Forms, Graph, Options, Program, RunError, Tape, dtype};

/// What the tape says, and that every form of a compiled program says the same.
fn first(graph: &Graph, x: &[f64]) -> Option<NonFinite> {
    let shape = graph.shape(graph.input_values().next().expect("an input")).clone();
    let tape: Tape<'_> =
        Tape::compile(graph, vec![Tensor::f64(shape, x).expect("a tensor")]).expect("a tape");
    let found = tape.first_nonfinite();
    let all =
        Forms::FORWARD | Forms::VALUE_AND_GRAD | Forms::VJP | Forms::REVERSE | Forms::DENSE | Forms::JVP;
    let options = Options::default().forms(all).checked(Checked::Finite);
    let program = Program::compile(graph, &options).expect("a program");
    let mut ws = program.workspace();
    let (mut y, mut dy, mut dx) = (0.0, 0.0, vec![0.0; x.len()]);
    let direction = vec![1.0; x.len()];
    let runs = [
        program.forward(&mut ws, &[x.into()], &mut [(&mut y).into()]),
        program.value_and_grad(&mut ws, &[x.into()], &mut [(&mut dx).into()]).map(|_| ()),
        program.value_and_vjp(
            &mut ws,
            &[x.into()],
            &[(&1.0).into()],
            &mut [(&mut y).into()],
            &mut [(&mut dx).into()],
        ),
        program.jvp(
            &mut ws,
            &[x.into()],
            &[(&direction).into()],
            &mut [(&mut y).into()],
            &mut [(&mut dy).into()],
        ),
        program.forward_dense(&mut ws, &[x.into()]),
    ];
    for run in runs {
        match (&found, run) {
            (None, Ok(())) => {}
            // NaN is not equal to itself: the texts are.
            (Some(found), Err(RunError::NonFinite(other))) => {
                assert_eq!(found.to_string(), other.to_string())
            }
            (found, run) => panic!("tape: {found:?}, compiled: {run:?}"),
        }
    }
    if found.is_none() {
        program.reverse_dense(&mut ws).expect("a sweep");
    }
    // Without the option nothing is said.
    let program = Program::compile(graph, &Options::default()).expect("a program");
    program.forward(&mut program.workspace(), &[x.into()], &mut [(&mut y).into()]).expect("a call");
    found
}

#[test]
fn the_first_value_is_named_with_its_line() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2, 3]);
    let y = x.square() - 1.0;
    let line = line!() + 1;
    let z = y.log();
    let graph = g.finish(&[(z * x).sum()]).expect("a graph");
    assert_eq!(first(&graph, &[2.0; 6]), None);
    let found = first(&graph, &[2.0, 2.0, 2.0, 2.0, 2.0, 0.5]).expect("a NaN");
    assert!(found.number.is_nan());
    assert_eq!((found.element, found.index()), (5, vec![1, 2]));
    assert_eq!(found.node.map(|(_, op)| op), Some("log"));
    assert!(found.is_log_of_non_positive());
    assert_eq!(found.operands[0].element, Some(-0.75));
    assert_eq!(found.source.map(|at| at.line()), Some(line));
    let id = found.node.expect("a node").0;
    assert_eq!(
        found.to_string(),
        format!(
            "node {id}: log: element [1, 2] of {}: f64[2,3] is NaN: log of a value <= 0; use safe_log for \
             protection by an epsilon (operands {}: f64[2,3] with -0.75 there) at {}:{line}",
            found.value,
            found.operands[0].name,
            file!()
        )
    );
    // Zero has -inf.
    let found = first(&graph, &[2.0, 1.0, 2.0, 2.0, 2.0, 0.5]).expect("an infinity");
    assert_eq!((found.element, found.number), (1, f64::NEG_INFINITY));
    assert!(found.is_log_of_non_positive());
}

#[test]
fn inputs_that_are_not_finite_are_reported_as_inputs() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [3]);
    let graph = g.finish(&[x.exp().sum()]).expect("a graph");
    let found = first(&graph, &[0.0, f64::NAN, f64::INFINITY]).expect("a NaN");
    assert_eq!(found.node, None);
    assert_eq!(found.to_string(), "input element [1] of %0 \"x\": f64[3] is NaN");
    let found = first(&graph, &[0.0, 1.0, 1000.0]).expect("an overflow");
    assert_eq!((found.element, found.number), (2, f64::INFINITY));
    assert_eq!(found.operands[0].element, Some(1000.0));
}

#[test]
fn infinite_constants_are_meant() {
    // A causal mask: -inf above the diagonal, gone after the softmax.
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2, 2]);
    let mask = g.constant_of([2, 2], [0.0, f64::NEG_INFINITY, 0.0, 0.0]);
    let graph = g.finish(&[((x + mask).softmax(1) * x).sum()]).expect("a graph");
    assert_eq!(first(&graph, &[1.0, 2.0, 3.0, 4.0]), None);
    // inf - inf is not.
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1]);
    let inf = g.constant([f64::INFINITY]);
    let graph = g.finish(&[(x + inf - inf).sum()]).expect("a graph");
    assert_eq!(first(&graph, &[1.0]).map(|found| found.number.is_nan()), Some(true));
}

#[test]
fn f32_and_reductions() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let graph = g.finish(&[x.cast(dtype::f32).square().sum().cast(dtype::f64)]).expect("a graph");
    assert_eq!(first(&graph, &[1.0, 2.0]), None);
    let found = first(&graph, &[1.0, 1e30]).expect("an overflow in f32");
    assert_eq!((found.node.map(|(_, op)| op), found.element), (Some("square"), 1));
    let found = first(&graph, &[1.5e19, 1.5e19]).expect("an overflow of the sum");
    assert_eq!((found.node.map(|(_, op)| op), found.index()), (Some("sum"), vec![]));
}

#[test]
fn a_dense_run_is_not_disturbed() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let y = x.log();
    let graph = g.finish(&[y.sum()]).expect("a graph");
    let options = Options::default().forms(Forms::DENSE | Forms::VALUE_AND_GRAD).checked(Checked::Finite);
    let program = Program::compile(&graph, &options).expect("a program");
    let (mut ws, mut dx) = (program.workspace(), [0.0; 2]);
    program.forward_dense(&mut ws, &[(&[1.0, 2.0]).into()]).expect("a call");
    program.value_and_grad(&mut ws, &[(&[-1.0, 2.0]).into()], &mut [(&mut dx).into()]).unwrap_err();
    let out = graph.outputs()[0];
    match program.value(&ws, out).expect("a value") {
        cotangent::program::Elements::F64(v) => assert_eq!(v, [2.0f64.ln()]),
        other => panic!("{other:?}"),
    }
}
