//! Optimisers: against worked numbers, against PyTorch's, and their errors.

mod clip_init;
mod errors;
mod golden;
mod pytorch;
mod state;
#[allow(unused_imports)]
#[path = "../support/mod.rs"]
mod support;

use cotangent::tape::Tensor;
use cotangent::{Graph, Tape};

type Failure = Box<dyn std::error::Error>;

/// Value and gradients by all inputs, on the tape.
fn value_and_grads(
    graph: &Graph,
    shapes: &[&[usize]],
    inputs: &[Vec<f64>],
) -> Result<(f64, Vec<Vec<f64>>), Failure> {
    let tensors = shapes.iter().zip(inputs).map(|(&shape, v)| Tensor::f64(shape, v).ok_or("length"));
    let tape = Tape::compile(graph, tensors.collect::<Result<_, _>>()?)?;
    let value = tape.outputs()[0].to_f64()[0];
    let grads = tape.backward_scalar(graph.outputs()[0])?;
    Ok((value, graph.input_values().map(|v| grads[&v].to_f64()).collect()))
}

#[track_caller]
fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(expected) {
        let error = (g - e).abs() / e.abs().max(1e-3);
        assert!(error <= tolerance, "{what}: {got:?}, expected {expected:?} (relative error {error:e})");
    }
}
