//! Bodies of the fuzz targets. Each takes bytes, panics on a defect, and counts
//! what the bytes led to, so that a run that tests nothing is seen.

use crate::fuzzing::campaign::Found;
use crate::fuzzing::case::{Case, Config};
use crate::fuzzing::compare::Compared;
use crate::fuzzing::coverage::Coverage;
use crate::fuzzing::differential::{Verdict, check, draw};
use crate::fuzzing::draft::Drafted;
use crate::fuzzing::forms::Form;
use crate::fuzzing::generate::{Profile, generate};
use crate::fuzzing::source::{Bytes, Rng, Source};
use crate::graph::Graph;
use crate::program::Program;
use std::fmt;

/// Runs between two notes of [`Target::note`].
const INTERVAL: u64 = 1000;

/// Counts of one target.
#[derive(Debug, Default)]
pub struct Target {
    /// Byte strings tried.
    pub runs: u64,
    /// Those that led to something to check.
    pub valid: u64,
    /// Rows met on the way.
    pub coverage: Coverage,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((ops, all), (pairs, reachable)) = (self.coverage.ops(), self.coverage.pairs());
        let share = 100.0 * self.valid as f64 / self.runs.max(1) as f64;
        write!(
            f,
            "{} runs, {:.0} % valid, ops {ops}/{all}, op pairs {pairs}/{reachable}, median {} nodes",
            self.runs,
            share,
            self.coverage.median_nodes()
        )
    }
}

impl Target {
    /// The counts, every so many runs.
    pub fn note(&self) -> Option<String> {
        self.runs.is_multiple_of(INTERVAL).then(|| self.to_string())
    }

    fn count(&mut self, graph: Option<&Graph>) {
        self.runs += 1;
        if let Some(graph) = graph {
            self.valid += 1;
            self.coverage.add(graph);
        }
    }

    /// Tape and compiled code on a graph drawn from the bytes.
    ///
    /// # Panics
    /// Where they differ.
    pub fn differential(&mut self, bytes: &[u8]) {
        let Some(case) = draw(&mut Bytes::new(bytes)) else { return self.count(None) };
        match check(&case, &mut Compared::default()) {
            Verdict::Same => self.count(Some(case.graph())),
            Verdict::Invalid => self.count(None),
            Verdict::Differs(difference) => {
                panic!("{}", Found { seed: case.seed, case, difference }.shrink())
            }
        }
    }

    /// The text form: no bytes make the parser panic, and what parses prints
    /// and parses back to the same graph. Half of the bytes are edits of the
    /// text of a graph, since few others parse.
    ///
    /// # Panics
    /// Where the graph that is read back is another.
    pub fn parse(&mut self, bytes: &[u8]) {
        let text = match bytes.split_first() {
            Some((&first, rest)) if first % 2 == 1 => edited(rest),
            Some((_, rest)) => String::from_utf8_lossy(rest).into_owned(),
            None => String::new(),
        };
        let Ok(graph) = Graph::parse(&text) else { return self.count(None) };
        let printed = graph.to_string();
        let again = Graph::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert!(same(&graph, &again), "another graph is read back:\n{printed}\n{again}");
        assert_eq!(printed, again.to_string());
        self.count(Some(&graph));
    }

    /// The interchange file `torchlean.ir.v1`: no bytes make its parser panic, and
    /// what parses prints and parses back to the same file.
    ///
    /// # Panics
    /// Where the file that is read back is another.
    #[cfg(feature = "ir")]
    pub fn ir(&mut self, bytes: &[u8]) {
        crate::fuzzing::ir::check_file(self, bytes);
    }

    /// Graphs of odd and very large shapes compile or are refused.
    ///
    /// # Panics
    /// Only by a defect: compiling itself must not.
    pub fn compile(&mut self, bytes: &[u8]) {
        let mut source = Bytes::new(bytes);
        let Ok(drafted) = generate(&mut source, &Profile::COMPILE) else { return self.count(None) };
        let case = Case { drafted, seed: source.bits() };
        let form = crate::fuzzing::forms::CALLS[source.below(5)];
        let options = Config::draw(&mut source).options().forms(form.flag());
        let graph = match (form, case.scalar()) {
            (Form::ValueAndGrad, Some(number)) => case.graph().with_outputs(&[number]),
            _ => Ok(case.graph().clone()),
        };
        let compiled = graph.is_ok_and(|graph| match Program::compile(&graph, &options) {
            Ok(_) => true,
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains("internal error"), "{text}\n{graph}");
                false
            }
        });
        self.count(compiled.then_some(case.graph()));
    }
}

/// The text of a graph with a few characters changed, moved or left out.
fn edited(bytes: &[u8]) -> String {
    let mut source = Bytes::new(bytes);
    let small = Profile { min_nodes: 1, max_nodes: 12, ..Profile::RUN };
    let drafted: Option<Drafted> = generate(&mut Rng::new(source.bits()), &small).ok();
    edit(&drafted.map(|d| d.graph.to_string()).unwrap_or_default(), &mut source)
}

/// A text with a few characters changed, moved or left out.
pub(super) fn edit(text: &str, source: &mut dyn Source) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..source.below(5) {
        let (from, to) = (source.below(text.len()), source.below(text.len()));
        let any = char::from(source.below(128) as u8);
        match source.below(4) {
            _ if text.is_empty() => {}
            0 => text[from] = any,
            1 => text.insert(from, any),
            2 => drop(text.remove(from)),
            _ => text[from] = text[to],
        }
    }
    text.into_iter().collect()
}

/// Whether two graphs are the same, constants compared by bits.
fn same(a: &Graph, b: &Graph) -> bool {
    let types = |g: &Graph| g.values().map(|v| g.ty(v).clone()).collect::<Vec<_>>();
    a.inputs().len() == b.inputs().len()
        && a.inputs().iter().zip(b.inputs()).all(|(x, y)| x.name == y.name)
        && a.nodes().len() == b.nodes().len()
        && a.nodes().iter().zip(b.nodes()).all(|(x, y)| x.op == y.op && x.operands() == y.operands())
        && a.outputs() == b.outputs()
        && types(a) == types(b)
}
