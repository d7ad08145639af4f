//! A network exported from PyTorch: imported, run, differentiated, and improved by a few
//! steps of gradient descent.
//!
//! ```sh
//! cargo run --release --example ir --features ir
//! cargo run --release --example ir --features ir -- graph.json parameters.safetensors
//! ```
//!
//! The output of the graph must be one number. Without arguments the network is
//! `tests/data/ir/cnn.json`, with its parameters and its input.

use cotangent::ir::{ImportOptions, IrGraph, Payload, Trainable};
use cotangent::tape::Tensor;
use cotangent::{Arg, ArgMut, Options, Program};
use std::error::Error;

/// Steps of descent and their size.
const STEPS: usize = 20;
const RATE: f64 = 0.05;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ir/cnn");
    let (graph, parameters) = match args.as_slice() {
        [graph, parameters] => (graph.clone(), parameters.clone()),
        [] => (format!("{data}.json"), format!("{data}.safetensors")),
        _ => return Err("expected a graph and its parameters, or nothing".into()),
    };
    let graph = IrGraph::parse(&std::fs::read_to_string(graph)?)?;
    let payload = Payload::from_safetensors(&std::fs::read(parameters)?)?;

    let exec = graph.import(&payload, &ImportOptions::default().trainable(Trainable::All))?;
    let x: Vec<f64> = (0..exec.in_shape().numel()).map(|i| (i as f64 * 0.7).sin()).collect();
    let mut inputs: Vec<Vec<f64>> = exec.inputs(&x)?.iter().map(Tensor::to_f64).collect();
    println!("{} nodes, {} parameters", graph.nodes().len(), exec.parameters().len());

    let wrt: Vec<usize> = exec.parameters().iter().map(|p| p.value.index()).collect();
    let program = Program::compile(exec.graph(), &Options::default().wrt(&wrt))?;
    let mut ws = program.workspace();
    let mut gradients: Vec<Vec<f64>> = inputs[1..].iter().map(|p| vec![0.0; p.len()]).collect();
    for step in 0..=STEPS {
        let args: Vec<Arg<'_>> = inputs.iter().map(Arg::from).collect();
        let mut out: Vec<ArgMut<'_>> = gradients.iter_mut().map(ArgMut::from).collect();
        let loss = program.value_and_grad(&mut ws, &args, &mut out)?;
        if step == 0 {
            for (p, g) in exec.parameters().iter().zip(&gradients) {
                let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
                println!(
                    "{:>10} {:12} |gradient| {norm:.6}",
                    p.parameter.key(),
                    p.parameter.shape.to_string()
                );
            }
        }
        if step % 5 == 0 {
            println!("step {step:2}: {loss:.9}");
        }
        for (p, (values, gradient)) in exec.parameters().iter().zip(inputs[1..].iter_mut().zip(&gradients)) {
            // Targets and scales are constants of the network, not weights.
            if p.parameter.name != "values" {
                values.iter_mut().zip(gradient).for_each(|(v, g)| *v -= RATE * g);
            }
        }
    }
    Ok(())
}
