//! Speed against other engines: value and gradient of standard workloads,
//! written as result files and JSON lines that a table is made from.
//!
//!     cargo run --release --example peers -- DATA OUT RES [--fast | --tape] [WORKLOAD...]
//!
//! DATA holds raw little-endian inputs; sizes are read from them. `OUT` gets
//! `<workload>.<peer>.bin` (f64: value, then gradient), `RES/<peer>.jsonl` one
//! line per workload. A workload is named by a prefix, or exactly as `name=`.

mod clock;
mod results;
mod workloads;

use cotangent::Tier;
use results::Results;
use std::path::PathBuf;
use std::process::ExitCode;
use workloads::{Bench, Data, Engine, Failure};

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
    let engine = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Engine::Compiled(Tier::Full),
        ["--fast"] => Engine::Compiled(Tier::Fast),
        ["--tape"] => Engine::Tape,
        _ => return Err("the only options are --fast and --tape, one of them".into()),
    };
    if given.len() < 3 {
        return Err("usage: peers DATA OUT RES [--fast | --tape] [WORKLOAD...]".into());
    }
    let only = given.split_off(3);
    let [data, out, lines] = [0, 1, 2].map(|i| PathBuf::from(&given[i]));
    let meter = Results::new(&out, &lines, engine)?;
    let mut bench = Bench { data: Data::Files(data), only, engine, meter };
    workloads::run(&mut bench)?;
    match bench.meter.reported() {
        [] => Err("no workload of that name has its data in the directory".into()),
        _ => Ok(()),
    }
}
