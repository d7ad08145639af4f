//! What a model is to the trainer: a graph, how its parameters start, and its data.

use crate::Failure;
use crate::weights::Weights;
use cotangent::optim::{Init, Rule, Schedule};
use cotangent::{Builder, DType, Graph, Var};

/// The data of one step, one column for each input behind the parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Column<T = f64> {
    Float(Vec<T>),
    Index(Vec<i64>),
}

pub type Batches = Box<dyn Fn(usize) -> Vec<Column>>;

/// A model ready for training.
pub struct Model {
    /// Inputs: parameters, then data. One output: the loss.
    pub graph: Graph,
    /// How the parameters start.
    pub params: Vec<Vec<f64>>,
    /// The data of a step.
    pub batches: Batches,
    pub recipe: Recipe,
}

/// How a model is trained.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub rule: Rule,
    pub schedule: Schedule,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    pub steps: usize,
    /// Steps that go over the data once: losses are reported as means over so many.
    pub epoch: usize,
    /// The last loss must be less than this share of the first.
    pub goal: f64,
}

impl Recipe {
    /// Adam at a constant rate.
    pub fn adam(rate: f64, steps: usize, goal: f64) -> Recipe {
        let schedule = Schedule::constant(rate);
        Recipe { rule: Rule::adam(), schedule, clip: None, steps, epoch: 1, goal }
    }
}

impl Model {
    pub fn new(
        builder: &Builder,
        loss: Var<'_>,
        weights: Weights<'_>,
        recipe: Recipe,
        batches: impl Fn(usize) -> Vec<Column> + 'static,
    ) -> Result<Model, Failure> {
        let graph = builder.finish(&[loss])?;
        Ok(Model { graph, params: weights.values(), batches: Box::new(batches), recipe })
    }
}

/// A model, by the element type of its parameters.
pub type Author = fn(DType) -> Result<Model, Failure>;

/// Uniform numbers on [low, high).
pub fn uniform(n: usize, [low, high]: [f64; 2], seed: u64) -> Result<Vec<f64>, Failure> {
    Ok(Init::Uniform { low, high }.values([n], seed)?)
}

/// Standard normal numbers.
pub fn normal(n: usize, seed: u64) -> Result<Vec<f64>, Failure> {
    Ok(Init::Normal { mean: 0.0, std: 1.0 }.values([n], seed)?)
}

/// Rows `step n..(step + 1) n` of a matrix of `width` columns, round and round.
pub fn rows<T: Copy>(from: &[T], width: usize, n: usize, step: usize) -> Vec<T> {
    let all = from.len() / width;
    (0..n).flat_map(|i| from[(step * n + i) % all * width..][..width].iter().copied()).collect()
}
