//! Graphs and code as text and pictures.

use crate::args::{As, Form, ShowArgs, TierArg};
use crate::file::GraphFile;
use crate::message::Failure;
use crate::output::print;
use cotangent::derive::{self, Seeds};
use cotangent::{Forms, Graph, Listing, Options, Program, Report, Tier, ValueId};
use std::time::Duration;

/// The functions that a form is made of.
pub fn forms(form: Form) -> Forms {
    match form {
        Form::Forward => Forms::FORWARD,
        Form::ValueAndGrad => Forms::VALUE_AND_GRAD,
        Form::Vjp => Forms::VJP,
        Form::Jvp => Forms::JVP,
        Form::Dense => Forms::DENSE,
    }
}

/// The graph of a form.
fn derived(file: &GraphFile, form: Form) -> Result<Graph, Failure> {
    let graph = &file.graph;
    let wrt: Vec<ValueId> = graph.input_values().filter(|&v| graph.ty(v).dtype.is_float()).collect();
    let made = match form {
        Form::Forward => Ok(graph.clone()),
        Form::ValueAndGrad => derive::value_and_grad(graph, &wrt, Seeds::One).map(|(graph, _)| graph),
        Form::Vjp => derive::value_and_grad(graph, &wrt, Seeds::Outputs).map(|(graph, _)| graph),
        Form::Jvp => derive::jvp(graph, &wrt),
        Form::Dense => derive::dense_reverse(graph).map(|reverse| reverse.graph),
    };
    made.map_err(|error| file.graph_error(&error))
}

/// The stages of compiling, and what came out.
fn stages(report: &Report) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut text = String::new();
    for (name, stage, unit) in report.stages.list() {
        text += &format!("{name:<8}  {:>10.3} ms  {:>9} {unit}\n", ms(stage.time), stage.made);
    }
    text += &format!("in all    {:>10.3} ms\n", ms(report.time));
    let Report { kernels, calls, workspace_bytes, .. } = report;
    text + &format!("{kernels} kernels, {calls} calls, {workspace_bytes} bytes of workspace\n")
}

/// `show`
pub fn show(args: &ShowArgs) -> Result<(), Failure> {
    let file = GraphFile::read(&args.graph.file, args.graph.single)?;
    let text = match args.how {
        As::Text => derived(&file, args.form)?.to_string(),
        As::Dot => derived(&file, args.form)?.to_dot(),
        As::Svg => derived(&file, args.form)?.to_svg(),
        As::Clif | As::Asm | As::Report => {
            let tier = if args.tier == TierArg::Fast { Tier::Fast } else { Tier::Full };
            let listing = if args.how == As::Report { Listing::None } else { Listing::Code };
            let options = Options::default().forms(forms(args.form)).tier(tier).listing(listing);
            let program = Program::compile(&file.graph, &options).map_err(|e| file.compile_error(&e))?;
            let report = program.report();
            match args.how {
                As::Clif => report.clif,
                As::Asm => report.assembly,
                _ => stages(&report),
            }
        }
    };
    print(&text)
}
