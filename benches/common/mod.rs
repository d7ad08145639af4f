//! What the benchmarks share: inputs, graphs, hand-written counterparts.
#![allow(dead_code, reason = "each benchmark uses its part")]

pub mod dag;
pub mod hand;
pub mod jobs;

use cotangent::tape::{Native, Tensor};
use cotangent::{Connection, Graph, Tape, ValueId};

/// A small generator: the same inputs on every run.
pub struct Lcg(u64);

impl Lcg {
    pub fn new(seed: u64) -> Lcg {
        Lcg(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Uniform below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in -1..1.
    pub fn number(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 30) as f64 - 1.0
    }

    pub fn numbers(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.number()).collect()
    }
}

/// Inputs of a graph as tensors of the tape.
pub fn tensors(graph: &Graph, inputs: &[Vec<f64>]) -> Vec<Tensor<Native>> {
    let tensor = |(v, data): (ValueId, &Vec<f64>)| Tensor::<Native>::f64(graph.shape(v).clone(), data);
    graph.input_values().zip(inputs).filter_map(tensor).collect()
}

/// Value and gradients by the tape, one after another as a user would ask for them.
pub fn tape_gradient(
    graph: &Graph,
    inputs: Vec<Tensor<Native>>,
    wrt: &[ValueId],
) -> (f64, Vec<(Tensor<Native>, Connection)>) {
    let tape = Tape::compile(graph, inputs).expect("inputs of the right types");
    let one = Tensor::<Native>::f64([], &[1.0]).expect("one number");
    let gradients = tape.vjp(vec![one], wrt).expect("rules for all ops");
    (tape.outputs()[0].to_f64()[0], gradients)
}
