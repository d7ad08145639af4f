//! Fits the NIST nonlinear regression problems: data file -> formula -> graph ->
//! compiled value and gradient -> Levenberg-Marquardt -> table and picture.
//!
//!     cargo run --release --example nist_strd [-- DIRECTORY] [--svg FILE]
//!
//! The directory holds `.dat` files in the layout of the shipped ones. A file
//! that cannot be read or fitted is reported and does not stop the others.

mod data;
mod fault;
mod fit;
mod formula;
mod model;
mod picture;
mod problem;
mod table;
#[cfg(test)]
mod tests;
mod timing;

use fit::{Fit, fit};
use indicatif::{ProgressBar, ProgressStyle};
use model::{Model, ModelError};
use problem::Problem;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use timing::Times;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/nist-strd");

/// What came of a problem.
#[derive(Debug)]
pub struct Outcome {
    /// One fit per start.
    pub fits: Vec<Fit>,
    pub times: Times,
    /// What the picture shows.
    pub plot: picture::Plot,
}

fn main() -> ExitCode {
    let (directory, svg) = match arguments(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    run(&directory, &svg).unwrap_or_else(|failure| {
        eprintln!("nist_strd: {failure}");
        ExitCode::FAILURE
    })
}

fn arguments(mut given: impl Iterator<Item = std::ffi::OsString>) -> Result<(PathBuf, PathBuf), String> {
    let usage = "usage: nist_strd [DIRECTORY] [--svg FILE]";
    let (mut directory, mut svg) = (None, None);
    while let Some(argument) = given.next() {
        let slot = if argument == "--svg" { &mut svg } else { &mut directory };
        let value = if argument == "--svg" { given.next() } else { Some(argument) };
        match value {
            Some(value) if slot.is_none() && !value.to_string_lossy().starts_with('-') => {
                *slot = Some(PathBuf::from(value));
            }
            _ => return Err(usage.to_owned()),
        }
    }
    let svg = svg.unwrap_or_else(|| PathBuf::from("out/nist_strd.svg"));
    Ok((directory.unwrap_or_else(|| PathBuf::from(SHIPPED)), svg))
}

fn run(directory: &Path, svg: &Path) -> Result<ExitCode, String> {
    let files = data_files(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    if files.is_empty() {
        return Err(format!("{}: no .dat files", directory.display()));
    }
    let bar = progress(files.len());
    let say =
        |line: &str| bar.suspend(|| writeln!(io::stdout(), "{line}")).map_err(|error| error.to_string());
    let complain = |fault: String| bar.suspend(|| eprintln!("{fault}"));
    let width = files.iter().map(|f| name(f).chars().count()).max().unwrap_or_default().max(10);

    say(&table::header(width))?;
    let mut outcomes = Vec::new();
    for file in &files {
        bar.set_message(name(file));
        match Problem::open(file).and_then(|p| solve(&p).map(|o| (p, o)).map_err(|e| failed(e, file))) {
            Ok((problem, outcome)) => {
                table::rows(width, &problem, &outcome).iter().try_for_each(|row| say(row))?;
                outcomes.push((problem, outcome));
            }
            Err(fault) => complain(fault.to_string()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();

    let drawn = picture::draw(svg, &outcomes);
    match &drawn {
        Ok(()) if outcomes.is_empty() => {}
        Ok(()) => say(&format!("\npicture: {}", svg.display()))?,
        Err(error) => complain(format!("{}: {error}", svg.display())),
    }
    say(&table::summary(&outcomes, files.len()))?;
    Ok(if drawn.is_ok() && outcomes.len() == files.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Outcome {
    /// The fit with the least sum of squares.
    fn best(&self) -> Option<&Fit> {
        best(&self.fits)
    }
}

fn best(fits: &[Fit]) -> Option<&Fit> {
    fits.iter().min_by(|a, b| a.rss.total_cmp(&b.rss))
}

/// Both fits of one problem.
fn solve(problem: &Problem) -> Result<Outcome, ModelError> {
    let mut model = Model::compile(problem)?;
    let fits = (0..2).map(|i| fit(problem, &mut model, &problem.start(i))).collect::<Result<Vec<_>, _>>()?;
    let b = best(&fits).map_or_else(|| problem.start(0), |fit| fit.b.clone());
    let times = timing::time(problem, &mut model, &b)?;
    let plot = picture::Plot::new(problem, &mut model, &b)?;
    Ok(Outcome { fits, times, plot })
}

fn failed(error: ModelError, file: &Path) -> fault::Fault {
    fault::Trouble::new(error.to_string()).in_file(file)
}

/// The `.dat` files of a directory, by name.
fn data_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dat")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What a file is called in table and picture.
fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Progress on standard error; nothing where that is not a terminal.
fn progress(files: usize) -> ProgressBar {
    let bar = ProgressBar::new(files as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}
