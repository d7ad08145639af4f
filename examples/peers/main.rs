//! Speed against other engines: value and gradient of standard workloads,
//! written as result files and JSON lines that a table is made from.
//!
//!     cargo run --release --example peers -- DATA OUT RES [--fast | --tape] [WORKLOAD...]
//!
//! DATA holds raw little-endian inputs; sizes are read from them. `OUT` gets
//! `<workload>.<peer>.bin` (f64: value, then gradient), `RES/<peer>.jsonl` one
//! line per workload. A workload is named by a prefix, or exactly as `name=`.
//! Where RES has lines of hand-written gradients, a table and `RES/peers.svg` set
//! all engines in RES beside them, and a gradient that differs from the hand-written
//! one in OUT is an error.

mod clock;
mod machine;
mod picture;
mod results;
mod standings;
mod table;
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
    let names = bench.meter.reported();
    if names.is_empty() {
        return Err("no workload of that name has its data in the directory".into());
    }
    let peer = results::peer(engine);
    let rows = standings::rows(peer, names, &out, &lines)?;
    if rows.is_empty() {
        return Ok(());
    }
    println!("{}{}", table::table(&rows), machine::describe());
    picture::draw(&lines.join("peers.svg"), &rows)?;
    let wrong: Vec<&str> = rows.iter().filter(|row| row.is_wrong()).map(|row| row.name.as_str()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("gradients differ: {}", wrong.join(", ")).into()) }
}
