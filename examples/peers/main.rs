//! Speed against other engines: value and gradient of standard workloads,
//! written as result files and JSON lines that a table is made from.
//!
//!     cargo run --release --example peers -- DATA OUT RES [--fast] [WORKLOAD...]
//!
//! DATA holds raw little-endian inputs; sizes are read from them. `OUT` gets
//! `<workload>.<peer>.bin` (f64: value, then gradient), `RES/<peer>.jsonl` one
//! line per workload. A workload is named by a prefix, or exactly as `name=`.

mod adjust;
mod clock;
mod harness;
mod logistic;
mod mixture;
mod network;
mod rosenbrock;

use cotangent::Tier;
use harness::{Failure, Harness};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("peers: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let (options, mut given): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let tier = match options.as_slice() {
        [] => Tier::Full,
        [only] if only == "--fast" => Tier::Fast,
        _ => return Err("the only option is --fast".into()),
    };
    if given.len() < 3 {
        return Err("usage: peers DATA OUT RES [--fast] [WORKLOAD...]".into());
    }
    let only = given.split_off(3);
    let [data, out, results] = [0, 1, 2].map(|i| PathBuf::from(&given[i]));
    let mut harness = Harness::new(data, out, results, only, tier)?;
    rosenbrock::run(&mut harness)?;
    mixture::run(&mut harness)?;
    adjust::run(&mut harness)?;
    network::run(&mut harness)?;
    logistic::run(&mut harness)?;
    match harness.reported() {
        0 => Err("no workload of that name has its data in the directory".into()),
        _ => Ok(()),
    }
}
