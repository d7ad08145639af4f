//! What was compiled, and what the stages of compiling made and took.

use crate::jit::CodeReport;
use std::time::{Duration, Instant};

/// What was compiled.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Bytes of machine code of all functions.
    pub code_bytes: usize,
    /// Native functions, chunks counted.
    pub functions: usize,
    /// Steps of all plans: scalars, stores, loops, calls.
    pub items: usize,
    /// Loop nests among them.
    pub kernels: usize,
    /// Calls into the runtime among them.
    pub calls: usize,
    /// Bytes of the workspace.
    pub workspace_bytes: usize,
    /// The stages of compiling.
    pub stages: Stages,
    /// From the graph to callable code, by the clock.
    pub time: Duration,
    /// Names of the runtime functions that the code calls.
    pub symbols: Vec<String>,
    /// Cranelift IR of all functions, where [`crate::Options::listing`] asks for it.
    pub clif: String,
    /// Their assembly.
    pub assembly: String,
}

impl Report {
    /// Of these functions.
    pub(super) fn of<'f>(
        functions: impl Iterator<Item = (&'f Stages, &'f CodeReport)>,
        workspace_bytes: usize,
        time: Duration,
    ) -> Report {
        let mut report = Report { workspace_bytes, time, ..Report::default() };
        for (stages, code) in functions {
            report.stages.add(stages);
            report.kernels += code.kernels;
            report.calls += code.calls;
            report.symbols.extend(code.symbols.iter().cloned());
            report.clif.push_str(&code.clif);
            report.assembly.push_str(&code.assembly);
        }
        let Stages { schedule, generate, link, .. } = report.stages;
        (report.items, report.code_bytes, report.functions) = (schedule.made, generate.made, link.made);
        report.symbols.sort_unstable();
        report.symbols.dedup();
        report
    }
}

/// What one stage of compiling made, and the time it worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stage {
    /// How many it made of what the stage makes.
    pub made: usize,
    /// Time of work. Where threads work side by side their times are added, so
    /// that all stages together may take longer than [`Report::time`].
    pub time: Duration,
}

/// The stages of compiling in their order, each for all functions of a program.
///
/// # Example
/// ```
/// use cotangent::{Builder, Options, Program, dtype};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [1000]);
/// let program = Program::compile(&g.finish(&[x.square().sum()])?, &Options::default())?;
/// for (name, stage, unit) in program.report().stages.list() {
///     println!("{name:9} {:7.3} ms {:6} {unit}", stage.time.as_secs_f64() * 1e3, stage.made);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stages {
    /// Differentiation: nodes of the graphs that functions are made of.
    pub derive: Stage,
    /// Expansion to primitives, exact rewrites and merging of equal nodes:
    /// primitives that a result depends on.
    pub simplify: Stage,
    /// Unrolling, fusion, memory, proof of addresses: steps, that is scalars,
    /// stores, kernels and calls ([`Report::items`]).
    pub schedule: Stage,
    /// Cranelift IR: its instructions.
    pub emit: Stage,
    /// Machine code, by the code generator: bytes ([`Report::code_bytes`]).
    pub generate: Stage,
    /// Code at its addresses, executable: native functions ([`Report::functions`]).
    pub link: Stage,
}

impl Stages {
    /// Name, result and unit of each stage, first to last.
    pub fn list(&self) -> [(&'static str, Stage, &'static str); 6] {
        [
            ("derive", self.derive, "nodes"),
            ("simplify", self.simplify, "primitives"),
            ("schedule", self.schedule, "steps"),
            ("emit", self.emit, "instructions"),
            ("generate", self.generate, "bytes"),
            ("link", self.link, "functions"),
        ]
    }

    pub(super) fn add(&mut self, other: &Stages) {
        self.derive.add(other.derive);
        self.simplify.add(other.simplify);
        self.schedule.add(other.schedule);
        self.emit.add(other.emit);
        self.generate.add(other.generate);
        self.link.add(other.link);
    }
}

impl Stage {
    pub(crate) fn add(&mut self, other: Stage) {
        self.made += other.made;
        self.time += other.time;
    }

    /// Runs a part of the stage.
    pub(crate) fn run<T>(&mut self, part: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let given = part();
        self.time += start.elapsed();
        given
    }
}
