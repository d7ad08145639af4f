//! The command-line tool: check, run, differentiate, measure and show graphs.

mod args;
mod bench;
mod file;
mod grad;
mod message;
mod npy;
mod output;
mod show;
mod values;

use args::{Cli, Command};
use clap::Parser;
use cotangent::{CheckOptions, check::check_rules_with};
use file::GraphFile;
use message::{Failure, progress};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap chooses the stream.
            let code = if error.use_stderr() { 2 } else { 0 };
            _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            _ = writeln!(std::io::stderr(), "{}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Check(args) => check(args),
        Command::Run(args) => grad::run(args),
        Command::Grad(args) => grad::grad(args),
        Command::Bench(args) => bench::bench(args),
        Command::Show(args) => show::show(args),
    }
}

fn check(args: &args::CheckArgs) -> Result<(), Failure> {
    let file = GraphFile::read(&args.graph.file, args.graph.single)?;
    let mut options = CheckOptions::default().points(args.points).seed(args.seed);
    if !args.inputs.input.is_empty() {
        options = options.at(values::inputs(&file, &args.inputs)?);
    }
    let bar = progress(0, "checking rules");
    let report = check_rules_with(&file.graph, &options, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    output::print(&format!("{report}\n"))?;
    let mut broken = report.broken().peekable();
    if broken.peek().is_none() && report.is_ok() {
        return Ok(());
    }
    let mut text = String::new();
    for node in broken {
        text += &file.at_node(node.node, &format!("the rules of {} are wrong", node.op));
        text.push('\n');
    }
    if text.is_empty() {
        text = "error: the rules of the graph as a whole are not adjoint".into();
    }
    Err(Failure { code: 1, text: text.trim_end().into() })
}
