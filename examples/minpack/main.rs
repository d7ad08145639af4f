//! Solves the least-squares problems of MINPACK's test set with Jacobians from
//! compiled code, and compares with the solutions of the original lmder.
//!
//!     cargo run --release --example minpack
//!
//! `distance` is the largest difference of a component, relative where the
//! component is larger than 1. Some problems have no unique solution, and some
//! runs of the original stopped on the way to infinity: there the path decides.

mod data;
mod functions;
mod solve;

use data::Run;
use indicatif::{ProgressBar, ProgressStyle};
use solve::{Solved, solve};
use std::io::{self, Write};
use std::process::ExitCode;

const SHIPPED: &str = include_str!("../data/minpack/solutions.json");

fn main() -> ExitCode {
    match print() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("minpack: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every run could be made.
fn print() -> Result<bool, String> {
    let runs = data::read(SHIPPED).map_err(|error| format!("solutions.json: {error}"))?;
    let bar = progress(runs.len());
    let say = |line: &str| bar.suspend(|| writeln!(io::stdout(), "{line}")).map_err(|e| e.to_string());
    say(&format!(
        "{:<22} {:>3} {:>3} {:>6}  {:>10} {:>5}  {:>12}  {:>8}",
        "problem", "n", "m", "factor", "compile_us", "calls", "norm", "distance"
    ))?;
    let (mut matched, mut made) = (0, 0);
    for run in &runs {
        bar.set_message(functions::NAMES[run.function - 1]);
        match solve(run) {
            Ok(solved) => {
                made += 1;
                matched += usize::from(solved.matches(run));
                say(&row(run, &solved))?;
            }
            Err(error) => bar.suspend(|| eprintln!("{}: {error}", functions::NAMES[run.function - 1])),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    say(&format!("matched: {matched}/{}", runs.len()))?;
    Ok(made == runs.len())
}

fn row(run: &Run, solved: &Solved) -> String {
    let name = functions::NAMES[run.function - 1];
    format!(
        "{name:<22} {:>3} {:>3} {:>6}  {:>10.0} {:>5}  {:>12.6e}  {:>8.1e}{}",
        run.n,
        run.m,
        run.factor,
        solved.compile.as_secs_f64() * 1e6,
        solved.calls,
        solved.norm,
        solved.distance(run),
        if solved.matches(run) { "" } else { "  differs" }
    )
}

/// Progress on standard error; nothing where that is not a terminal.
fn progress(runs: usize) -> ProgressBar {
    let bar = ProgressBar::new(runs as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_runs_end_where_the_original_did() {
        let runs = data::read(SHIPPED).unwrap();
        assert_eq!(runs.len(), 53);
        let matched = runs.iter().filter(|run| solve(run).unwrap().matches(run)).count();
        assert!(matched >= 40, "matched: {matched}/53");
    }

    #[test]
    fn the_solutions_are_stationary_points_of_the_functions() {
        // Norms at the solutions, as published beside the definitions.
        let norms = [(16, 6.998875), (19, 0.09063596), (22, 0.0175358), (38, 292.954288)];
        let runs = data::read(SHIPPED).unwrap();
        for (i, norm) in norms {
            let solved = solve(&runs[i - 1]).unwrap();
            assert!((solved.norm - norm).abs() <= 1e-5 * norm, "run {i}: {}", solved.norm);
        }
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        for (from, to) in [("\"ns\"", "\"nz\""), ("\"17\"", "\"a\""), ("\n18\n", "\n19\n")] {
            assert!(data::read(&SHIPPED.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
