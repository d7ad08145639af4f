//! Trains small models on compiled code and on the tape side by side, compares every
//! loss and every gradient bit for bit, and prints what each step costs.
//!
//!     cargo run --release --example models [-- MODEL.. [--steps N]]
//!     cargo run --release --example models -- digits [FILE] [--svg FILE] [--epochs N]
//!
//! The second form trains a classifier of handwritten digits on compiled code alone.

mod cnn;
mod digits;
mod fourier;
mod gpt;
mod kan;
mod mlp;
mod model;
mod ppo;
mod recurrent;
mod ssm;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod train;
mod vae;
mod weights;

use cotangent::DType;
use indicatif::{ProgressBar, ProgressStyle};
use model::Author;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use train::{Report, train};

pub type Failure = Box<dyn std::error::Error>;

/// Every model of the table.
const MODELS: [(&str, Author); 13] = [
    ("grid", mlp::grid),
    ("cars", mlp::cars),
    ("cnn", cnn::tiny),
    ("pooled", cnn::pooled),
    ("residual", cnn::residual),
    ("lstm", recurrent::lstm),
    ("gru", recurrent::gru),
    ("ssm", ssm::ssm),
    ("gpt", gpt::gpt),
    ("vae", vae::vae),
    ("fourier", fourier::fourier),
    ("kan", kan::kan),
    ("ppo", ppo::ppo),
];

/// What is to be done.
#[derive(Debug, PartialEq)]
enum Job {
    /// Places in [`MODELS`], and another number of steps.
    Models(Vec<usize>, Option<usize>),
    /// Images, picture, epochs.
    Digits(PathBuf, PathBuf, usize),
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    let done = match &arguments {
        Job::Models(models, steps) => run(models, *steps),
        Job::Digits(images, svg, epochs) => digits::run(images, svg, *epochs),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("models: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(given: impl Iterator<Item = String>) -> Result<Job, String> {
    let mut given = given.peekable();
    let names: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
    let usage = || {
        let digits = "models digits [FILE] [--svg FILE] [--epochs N]";
        format!("usage: models [MODEL..] [--steps N]\n       {digits}\nmodels: {}", names.join(" "))
    };
    let number = |text: Option<String>| {
        text.and_then(|n| n.parse::<usize>().ok()).filter(|&n| n > 0).ok_or_else(usage)
    };
    if given.next_if(|first| first == "digits").is_some() {
        let (mut images, mut svg, mut epochs) = (None, None, None);
        while let Some(argument) = given.next() {
            let path = match argument.as_str() {
                "--epochs" => {
                    epochs = Some(number(given.next())?);
                    continue;
                }
                "--svg" => svg.replace(given.next().ok_or_else(usage)?),
                other if other.starts_with('-') => return Err(usage()),
                _ => images.replace(argument),
            };
            if path.is_some() {
                return Err(usage());
            }
        }
        let path = |given: Option<String>, or: &str| PathBuf::from(given.as_deref().unwrap_or(or));
        let (images, svg) = (path(images, digits::SHIPPED), path(svg, "out/digits.svg"));
        return Ok(Job::Digits(images, svg, epochs.unwrap_or(digits::EPOCHS)));
    }
    let (mut models, mut steps) = (Vec::new(), None);
    while let Some(argument) = given.next() {
        if argument == "--steps" {
            steps = Some(number(given.next())?);
        } else {
            models.push(names.iter().position(|&name| name == argument).ok_or_else(usage)?);
        }
    }
    if models.is_empty() {
        models = (0..MODELS.len()).collect();
    }
    Ok(Job::Models(models, steps))
}

fn run(models: &[usize], steps: Option<usize>) -> Result<(), Failure> {
    let bar = ProgressBar::new(2 * models.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?);
    let mut reached = 0;
    bar.suspend(|| writeln!(io::stdout(), "{}", table::header()))?;
    for &index in models {
        let (name, author) = MODELS[index];
        for dtype in [DType::F64, DType::F32] {
            bar.set_message(format!("{name} in {dtype}"));
            let report = trained(author, dtype, steps)?;
            bar.suspend(|| writeln!(io::stdout(), "{}", table::row(name, &report)))?;
            reached += usize::from(report.last < report.goal);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    writeln!(io::stdout(), "\nlosses as low as they should be: {reached}/{}", 2 * models.len())?;
    Ok(())
}

/// Trains a model in one element type, for as many steps as its recipe says.
fn trained(author: Author, dtype: DType, steps: Option<usize>) -> Result<Report, Failure> {
    let model = author(dtype)?;
    let steps = steps.unwrap_or(model.recipe.steps);
    match dtype {
        DType::F32 => train::<f32>(model, steps),
        _ => train::<f64>(model, steps),
    }
}
