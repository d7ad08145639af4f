//! What was found, by node and by op, and how it is shown.

use crate::graph::{NodeId, Source};
use std::collections::BTreeMap;
use std::fmt;

/// How a rule is wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// VJP and JVP are not transposes of one another: both sides of the law.
    #[allow(missing_docs)]
    NotAdjoint { jvp: f64, vjp: f64 },
    /// The JVP is not the derivative of the value.
    #[allow(missing_docs)]
    NotDerivative { result: usize, element: usize, by_rule: f64, by_differences: f64 },
    /// A rule gave something of the wrong type, or could not be applied.
    Fails(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotAdjoint { jvp, vjp } => {
                write!(
                    f,
                    "VJP and JVP are not transposes: <jvp(x; dx), d> = {jvp:e}, <dx, vjp(x; d)> = {vjp:e}"
                )
            }
            Fault::NotDerivative { result, element, by_rule, by_differences } => write!(
                f,
                "the JVP is not the derivative of the value: at element {element} of result {result} the rule \
                 says {by_rule:e}, differences of the value {by_differences:e}"
            ),
            Fault::Fails(why) => f.write_str(why),
        }
    }
}

/// What became of the rules of a node, or of the whole graph.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Shown over the rationals at every point: VJP and JVP are transposes, and
    /// (of a node) the JVP is the derivative of the value.
    Exact,
    /// The same in floating point, within the bounds of [`crate::check`].
    Tested,
    /// The rules say zero by definition. Where the value moves all the same
    /// (`detach`), gradients stop here.
    ZeroByRule {
        /// Whether differences of the value are not zero.
        moves: bool,
    },
    /// Nothing could be said, and why.
    NotTestable(String),
    /// A rule is wrong.
    Broken(Fault),
}

impl Outcome {
    /// One or two words.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Exact => "exact",
            Outcome::Tested => "tested",
            Outcome::ZeroByRule { .. } => "zero by rule",
            Outcome::NotTestable(_) => "not testable",
            Outcome::Broken(_) => "BROKEN",
        }
    }

    /// Of several nodes the worst one speaks for their op.
    fn rank(&self) -> u8 {
        match self {
            Outcome::ZeroByRule { moves: false } => 0,
            Outcome::ZeroByRule { moves: true } => 1,
            Outcome::Exact => 2,
            Outcome::Tested => 3,
            Outcome::NotTestable(_) => 4,
            Outcome::Broken(_) => 5,
        }
    }

    fn note(&self) -> String {
        match self {
            Outcome::NotTestable(why) => why.clone(),
            Outcome::ZeroByRule { moves: true } => "the value moves: gradients stop here".into(),
            Outcome::Broken(fault) => fault.to_string(),
            _ => String::new(),
        }
    }
}

/// The numbers behind an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Points that said something.
    pub points: usize,
    /// Points drawn again: a division by zero, a NaN, an infinity.
    pub redrawn: usize,
    /// Elements at kinks or jumps, where there is no derivative to compare with.
    pub kinks: usize,
    /// Elements whose differences did not settle.
    pub unsettled: usize,
    /// Largest distance of the two sides of the law, as part of what the lengths
    /// of their vectors allow (where terms cancel: of the size of their roundings);
    /// 0 where all was exact.
    pub adjoint_error: f64,
    /// Largest distance of JVP and differences, as part of the largest tangent;
    /// 0 where all was exact.
    pub difference_error: f64,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.points += other.points;
        self.redrawn += other.redrawn;
        self.kinks += other.kinks;
        self.unsettled += other.unsettled;
        self.adjoint_error = self.adjoint_error.max(other.adjoint_error);
        self.difference_error = self.difference_error.max(other.difference_error);
    }
}

/// What was found of one node.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeReport {
    /// The node.
    pub node: NodeId,
    /// Name of its op.
    pub op: &'static str,
    /// Line of the program that authored it.
    pub source: Source,
    /// What became of its rules.
    pub outcome: Outcome,
    /// The numbers behind that.
    pub counts: Counts,
}

/// What was found of the nodes of one op.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OpReport {
    /// Name of the op.
    pub op: &'static str,
    /// Number of nodes.
    pub nodes: usize,
    /// The outcome of the node that fared worst.
    pub outcome: Outcome,
    /// Sums and maxima over the nodes.
    pub counts: Counts,
}

/// What [`crate::check_rules`] found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The seed that points were drawn from.
    pub seed: u64,
    /// Points asked for.
    pub points: usize,
    /// Every node, in order.
    pub nodes: Vec<NodeReport>,
    /// The law for the graph as a whole, with seeds on all values.
    pub graph: Outcome,
    /// The numbers behind that; `redrawn` counts the points of the graph.
    pub graph_counts: Counts,
}

impl Report {
    /// Whether no rule was found to be wrong. What could not be tested does not
    /// count against it; see [`Report::not_testable`].
    pub fn is_ok(&self) -> bool {
        !matches!(self.graph, Outcome::Broken(_)) && self.broken().next().is_none()
    }

    /// The nodes with a rule that is wrong.
    pub fn broken(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|n| matches!(n.outcome, Outcome::Broken(_)))
    }

    /// The nodes of which nothing could be said.
    pub fn not_testable(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|n| matches!(n.outcome, Outcome::NotTestable(_)))
    }

    /// What was found, by op, in alphabetical order.
    pub fn ops(&self) -> Vec<OpReport> {
        let mut ops: BTreeMap<&'static str, OpReport> = BTreeMap::new();
        for node in &self.nodes {
            let op = ops.entry(node.op).or_insert_with(|| OpReport {
                op: node.op,
                nodes: 0,
                outcome: node.outcome.clone(),
                counts: Counts::default(),
            });
            op.nodes += 1;
            op.counts.add(&node.counts);
            if node.outcome.rank() > op.outcome.rank() {
                op.outcome = node.outcome.clone();
            }
        }
        ops.into_values().collect()
    }
}

const HEAD: [&str; 8] = ["op", "nodes", "result", "points", "redrawn", "kinks", "adjoint", "derivative"];

fn row(name: &str, nodes: String, outcome: &Outcome, counts: &Counts, derivative: bool) -> [String; 8] {
    let tested = matches!(outcome, Outcome::Tested);
    let error = |x: f64, has: bool| if has { format!("{x:.1e}") } else { String::new() };
    let count = |n: usize| if n == 0 { String::new() } else { n.to_string() };
    [
        name.to_string(),
        nodes,
        outcome.name().to_string(),
        count(counts.points),
        count(counts.redrawn),
        count(counts.kinks),
        error(counts.adjoint_error, tested),
        error(counts.difference_error, tested && derivative),
    ]
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops = self.ops();
        let mut rows: Vec<([String; 8], String)> = vec![(HEAD.map(String::from), "note".into())];
        for op in &ops {
            let note =
                if let Outcome::Broken(_) = op.outcome { "see below".into() } else { op.outcome.note() };
            rows.push((row(op.op, op.nodes.to_string(), &op.outcome, &op.counts, true), note));
        }
        let note = self.graph.note();
        rows.push((row("whole graph", String::new(), &self.graph, &self.graph_counts, false), note));
        let width = |c: usize| rows.iter().map(|(cells, _)| cells[c].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        for (cells, note) in &rows {
            let mut line = String::new();
            for (c, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                // Words to the left, numbers to the right.
                line +=
                    &if c == 0 || c == 2 { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
            }
            line += note;
            writeln!(f, "{}", line.trim_end())?;
        }
        for node in self.broken() {
            write!(f, "\nnode {}: {}: {}", node.node, node.op, node.outcome.note())?;
            if let Some(at) = node.source {
                write!(f, " at {}:{}", at.file(), at.line())?;
            }
            writeln!(f)?;
        }
        let count = |pick: fn(&Outcome) -> bool| self.nodes.iter().filter(|n| pick(&n.outcome)).count();
        write!(
            f,
            "\n{} nodes at {} points (seed {}): {} exact, {} tested, {} zero by rule, {} not testable, {} broken",
            self.nodes.len(),
            self.points,
            self.seed,
            count(|o| matches!(o, Outcome::Exact)),
            count(|o| matches!(o, Outcome::Tested)),
            count(|o| matches!(o, Outcome::ZeroByRule { .. })),
            count(|o| matches!(o, Outcome::NotTestable(_))),
            count(|o| matches!(o, Outcome::Broken(_))),
        )
    }
}
