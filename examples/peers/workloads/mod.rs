//! The workloads: read from data, authored through the public API, called by a
//! meter. Sizes are those of the data.

pub mod adjust;
mod bench;
mod classifier;
pub mod data;
mod logistic;
mod lstm;
mod mixture;
mod network;
mod pricing;
mod rosenbrock;
mod transformer;

use bench::parts;
pub use bench::{Bench, Engine, Made, Meter};
pub use data::Data;

/// Why a workload cannot be run.
pub type Failure = Box<dyn std::error::Error>;

/// Every workload that is wanted and has its data.
pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    rosenbrock::run(bench)?;
    mixture::run(bench)?;
    adjust::run(bench)?;
    lstm::run(bench)?;
    classifier::run(bench)?;
    network::run(bench)?;
    pricing::run(bench)?;
    logistic::run(bench)?;
    transformer::run(bench)
}
