//! Arguments.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cotangent check model.ct                       prove or test every derivative rule
  cotangent run model.ct --input x=1,2,3         outputs at a point
  cotangent grad model.ct --random 7             value and gradient at a random point
  cotangent grad model.ct -i w.safetensors -i x=x.npy --wrt w --out g.safetensors
  cotangent grad net.json -i net.safetensors -i x=x.npy --wrt 1.W,1.b
  cotangent bench model.ct --random 7            tape against compiled code
  cotangent show model.ct --as svg > model.svg   a picture
  cat model.ct | cotangent show - --as asm --form value-and-grad

Exit codes: 0 fine; 1 a rule is wrong or a call failed; 2 bad usage or a bad file.";

/// Check, run, differentiate, measure and show tensor graphs.
#[derive(Debug, Parser)]
#[command(name = "cotangent", version, about, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read and verify a graph, check the derivative rules of every node, print a table
    Check(CheckArgs),
    /// Print the outputs at given inputs
    Run(RunArgs),
    /// Print the value and the gradient of the one output, a number
    Grad(GradArgs),
    /// Time the tape against compiled code
    Bench(BenchArgs),
    /// Show the graph, a graph derived from it, or its code
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub struct GraphArgs {
    /// A graph in the text form, or a torchlean.ir.v1 file, whose parameters are inputs
    /// with names such as 1.W; `-` reads standard input
    pub file: PathBuf,
    /// Read an interchange file in f32 rather than f64
    #[arg(long = "f32")]
    pub single: bool,
}

#[derive(Debug, Args)]
pub struct InputArgs {
    /// NAME=1,2,3 (one number fills the shape), NAME=FILE.npy, or FILE.safetensors with
    /// tensors named like inputs. NAME may be an id such as %0. Files in f64 are rounded
    /// for inputs in f32
    #[arg(short, long, value_name = "INPUT", allow_hyphen_values = true)]
    pub input: Vec<String>,
    /// Inputs that are not given: random, from this seed (floats in [0.5, 1.5), indices 0 and 1)
    #[arg(long, value_name = "SEED")]
    pub random: Option<u64>,
}

#[derive(Debug, Args)]
pub struct OutArgs {
    /// Write results to FILE.npy (one result) or FILE.safetensors instead of printing them
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub graph: GraphArgs,
    /// Points for each node
    #[arg(long, default_value_t = 5, value_parser = count)]
    pub points: usize,
    /// Seed that points are drawn from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// With inputs given, points are this one and others near it
    #[command(flatten)]
    pub inputs: InputArgs,
}

/// Who computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Compiled code
    Jit,
    /// The interpreter: the same bits
    Tape,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub inputs: InputArgs,
    #[command(flatten)]
    pub out: OutArgs,
    /// Fail at the first value, then gradient, that is NaN or infinite, and name its node
    #[arg(long)]
    pub checked: bool,
    /// Who computes
    #[arg(long, value_enum, default_value_t = Engine::Jit)]
    pub engine: Engine,
}

#[derive(Debug, Args)]
pub struct GradArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// Inputs to differentiate by, by name or id; by default all floats
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub wrt: Vec<String>,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub inputs: InputArgs,
    /// What is called; by default value and gradient where there is one
    #[arg(long, value_enum)]
    pub form: Option<Form>,
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 11, value_parser = count)]
    pub rounds: usize,
}

/// A function derived from a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The outputs
    Forward,
    /// Value and gradient of the one output
    ValueAndGrad,
    /// Outputs and vector-Jacobian product
    Vjp,
    /// Outputs and Jacobian-vector product
    Jvp,
    /// Every value; the gradient of every value
    Dense,
}

/// How a graph is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum As {
    /// The text form
    Text,
    /// GraphViz
    Dot,
    /// A picture
    Svg,
    /// Cranelift IR
    Clif,
    /// Assembly
    Asm,
    /// What the stages of compiling made, and how long they took
    Report,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TierArg {
    /// Quick to compile
    Fast,
    /// Quick to run
    Full,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub graph: GraphArgs,
    /// How it is shown
    #[arg(long = "as", value_enum, default_value_t = As::Text)]
    pub how: As,
    /// What is shown: the graph itself, or what is derived from it
    #[arg(long, value_enum, default_value_t = Form::Forward)]
    pub form: Form,
    /// Code generator
    #[arg(long, value_enum, default_value_t = TierArg::Full)]
    pub tier: TierArg,
}

/// A number of points or rounds.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=100_000) => Ok(n),
        _ => Err("expected a number from 1 to 100000".into()),
    }
}
