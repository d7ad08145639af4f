//! Contract C5 for users: are the derivative rules of a graph right?
//!
//! [`check_rules`] tests every node by itself at random points, and the graph
//! as a whole:
//!
//! * Ops that are exact over the rationals (sums, products, quotients, whatever
//!   moves or selects elements): that VJP and JVP are transposes,
//!   `<jvp(x; dx), d> = <dx, vjp(x; d)>`, with equality; and that the JVP is the
//!   derivative of the value, by dual numbers over the rationals, which know the
//!   value alone.
//! * All others, in f64 (also where the node computes in f32): transposes within
//!   1e-10 of what the lengths of the vectors allow, or, where terms cancel, within
//!   a bound on their roundings; the JVP within 1e-8 of eighth-order central
//!   differences of the value, or within their own error where that is larger.
//!   Elements at kinks and jumps are counted, not compared.
//! * The graph with seeds on all values: exactly, if all of its ops are exact
//!   and the numbers stay small; else within 1e-8 of what lengths allow, or that bound.
//!
//! Points of the graph are drawn from a seed, in several ranges, and drawn again
//! where a value is NaN or infinite. A node that no such point is found for gets
//! operands of its own.

mod difference;
pub(crate) mod finite;
pub(crate) mod law;
mod node;
mod point;
mod report;
mod rounding;
mod single;
mod source;
mod tally;
mod whole;

use crate::graph::Graph;
use crate::tape::Tensor;
use tally::Tally;

pub use finite::{Blamed, NonFinite, Quantity};
pub use report::{Counts, Fault, NodeReport, OpReport, Outcome, Report};
pub use source::{Rng, Source};

/// Options of [`check_rules`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckOptions {
    /// Points for each node and for the graph.
    pub points: usize,
    /// The seed that points and directions are drawn from.
    pub seed: u64,
    /// A point to start from: the first point is this one, the others are drawn
    /// around it. For graphs that are defined in a small part of space only.
    pub at: Option<Vec<Tensor>>,
    /// Scalar operations of a node (of the graph) up to which exact arithmetic
    /// is used; larger ones are tested in f64.
    pub exact_work: f64,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions { points: 5, seed: 1, at: None, exact_work: 20_000.0 }
    }
}

impl CheckOptions {
    /// With so many points.
    pub fn points(mut self, points: usize) -> CheckOptions {
        self.points = points;
        self
    }

    /// With points drawn from this seed.
    pub fn seed(mut self, seed: u64) -> CheckOptions {
        self.seed = seed;
        self
    }

    /// With points at and around this one.
    pub fn at(mut self, inputs: Vec<Tensor>) -> CheckOptions {
        self.at = Some(inputs);
        self
    }

    /// With exact arithmetic for nodes of so many scalar operations.
    pub fn exact_work(mut self, operations: f64) -> CheckOptions {
        self.exact_work = operations;
        self
    }
}

/// Checks the derivative rules of a graph; see [`crate::check`].
///
/// ```
/// use cotangent::{Builder, CheckOptions, check_rules, dtype};
///
/// let g = Builder::new();
/// let x = g.input("x", dtype::f64, [3]);
/// let graph = g.finish(&[(x.square() + 1.0).log().sum()])?;
/// let report = check_rules(&graph, &CheckOptions::default());
/// assert!(report.is_ok(), "{report}");
/// # Ok::<(), cotangent::GraphError>(())
/// ```
pub fn check_rules(graph: &Graph, options: &CheckOptions) -> Report {
    check_rules_with(graph, options, &mut |_, _| {})
}

/// [`check_rules`], telling how many of how many steps are done.
pub fn check_rules_with(
    graph: &Graph,
    options: &CheckOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Report {
    let total = options.points * (graph.nodes().len() + 1);
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(done, total);
    };
    let mut nodes: Vec<Tally> = graph.nodes_with_ids().map(|(id, _)| Tally::new(graph, id)).collect();
    let mut all = whole::Whole::new(graph, options);
    for point in 0..options.points {
        let tape = all.next_point(point);
        for (i, tally) in nodes.iter_mut().enumerate() {
            let mut rng = Rng::keyed(options.seed, &[1, point as u64, i as u64]);
            tally.at(tape.as_ref(), options, &mut rng);
            step();
        }
        all.test(tape.as_ref(), point);
        step();
    }
    let (outcome, counts) = all.finish();
    Report {
        seed: options.seed,
        points: options.points,
        nodes: nodes.into_iter().map(Tally::finish).collect(),
        graph: outcome,
        graph_counts: counts,
    }
}
