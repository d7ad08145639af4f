//! Points of the graph, and the law for the graph as a whole.

use crate::check::CheckOptions;
use crate::check::difference;
use crate::check::law::{self, Adjointness, sweep};
use crate::check::node::directions;
use crate::check::point::{RANGES, as_wide, draw_inputs, is_finite, smaller_bound};
use crate::check::report::{Counts, Fault, Outcome};
use crate::check::rounding::{self, GRAPH_BOUND, Law};
use crate::check::single::{Single, widened};
use crate::check::source::{Rng, Source};
use crate::graph::Graph;
use crate::tape::{Data, Native, Tape, TapeError, Tensor};

/// Times that a point of the graph is drawn.
const TRIES: usize = 24;
/// Numbers of more bits make the exact law of a graph too slow.
const BITS: u64 = 2_000;

/// The graph while it is tested.
pub struct Whole<'a> {
    graph: &'a Graph,
    options: &'a CheckOptions,
    bound: u64,
    /// Why the law cannot be exact.
    inexact: Option<&'static str>,
    exact_points: usize,
    counts: Counts,
    why: Option<String>,
    fault: Option<Fault>,
}

impl<'a> Whole<'a> {
    pub fn new(graph: &'a Graph, options: &'a CheckOptions) -> Whole<'a> {
        let work = || {
            graph
                .nodes_with_ids()
                .filter_map(|(id, _)| Some(Single::new(graph, id).ok()?.work()))
                .sum::<f64>()
        };
        let inexact = if graph.nodes().iter().any(|n| !n.op.row().exact) {
            Some("not all ops are exact")
        } else if work() > options.exact_work {
            Some("too large for exact arithmetic")
        } else {
            None
        };
        Whole {
            graph,
            options,
            bound: 8,
            inexact,
            exact_points: 0,
            counts: Counts::default(),
            why: None,
            fault: None,
        }
    }

    /// The graph at a random point: one where all values are finite, if there is
    /// one among those drawn, else the one with the fewest nodes that turn finite
    /// operands into something else.
    pub fn next_point(&mut self, point: usize) -> Option<Tape<'a>> {
        let mut rng = Rng::keyed(self.options.seed, &[0, point as u64]);
        let mut best: Option<(usize, Tape<'a>)> = None;
        for attempt in 0..TRIES {
            let inputs = match &self.options.at {
                Some(at) => Some(around(at, point + attempt, &mut rng)),
                None => {
                    let range = (attempt % 2 == 0).then(|| RANGES[attempt / 2 % RANGES.len()]);
                    draw_inputs(&mut rng, self.graph, range, self.bound)
                }
            };
            match Tape::compile(self.graph, inputs?) {
                Ok(tape) => {
                    let bad = not_finite(self.graph, &tape);
                    if best.as_ref().is_none_or(|(least, _)| bad < *least) {
                        best = Some((bad, tape));
                    }
                    if bad == 0 {
                        break;
                    }
                }
                Err(error) => match smaller_bound(&error) {
                    Some(bound) if bound < self.bound => self.bound = bound,
                    _ => self.why = Some(error.to_string()),
                },
            }
            self.counts.redrawn += 1;
        }
        best.map(|(_, tape)| tape)
    }

    /// The law for the whole graph.
    pub fn test(&mut self, tape: Option<&Tape<'_>>, point: usize) {
        if self.fault.is_some() {
            return;
        }
        let mut rng = Rng::keyed(self.options.seed, &[2, point as u64]);
        if self.inexact.is_none() && self.exactly(&mut rng) {
            self.counts.points += 1;
            self.exact_points += 1;
            return;
        }
        if self.fault.is_some() {
            return;
        }
        let found = match tape {
            Some(tape) => self.in_floats(tape, &mut rng),
            None => return,
        };
        match found {
            Ok(Law::Holds(part)) => {
                self.counts.points += 1;
                self.counts.adjoint_error = self.counts.adjoint_error.max(part);
            }
            Ok(Law::Broken { jvp, vjp }) => self.fault = Some(Fault::NotAdjoint { jvp, vjp }),
            Ok(Law::NotFinite) => self.why = Some("values, tangents or gradients are not finite".into()),
            Err(error) => self.why = Some(error.to_string()),
        }
    }

    /// Whether the exact law holds at some point.
    fn exactly(&mut self, rng: &mut Rng) -> bool {
        for _ in 0..TRIES {
            let bound = self.bound.max(1);
            let mut index = |source: &mut dyn Source| (source.bits() % bound) as i64;
            let mut fractions = |v| law::fractions(rng, self.graph.ty(v), &mut index);
            let Some(inputs) = self.graph.input_values().map(&mut fractions).collect::<Option<Vec<_>>>()
            else {
                return false;
            };
            match Tape::<crate::tape::Exact>::compile(self.graph, inputs.clone()) {
                Ok(tape) => {
                    let large = |v| tape.with_value(v, |t| !law::fits(t, BITS)).unwrap_or(false);
                    if self.graph.values().any(large) {
                        return false;
                    }
                }
                Err(error) if law::grew(&error) => return false,
                Err(error) => {
                    if let Some(bound) = smaller_bound(&error) {
                        self.bound = self.bound.min(bound);
                    }
                    self.counts.redrawn += 1;
                    continue;
                }
            }
            match law::adjoint(self.graph, inputs, rng) {
                Adjointness::Holds => return true,
                Adjointness::Broken(jvp, vjp) => {
                    self.fault = Some(Fault::NotAdjoint { jvp, vjp });
                    return false;
                }
                Adjointness::Skipped => return false,
                Adjointness::Refused(why) => {
                    self.why = Some(why);
                    self.counts.redrawn += 1;
                }
            }
        }
        false
    }

    fn in_floats(&self, tape: &Tape<'_>, rng: &mut Rng) -> Result<Law, TapeError> {
        let given: Option<Vec<Tensor>> = self.graph.input_values().map(|v| tape.value(v)).collect();
        let Some(given) = given else { return Ok(Law::NotFinite) };
        let inputs = given.iter().map(as_wide).collect();
        let graph = widened(self.graph)?;
        let dx = directions(&given, rng);
        let seed = |v| {
            let ones = Tensor::<Native>::filled(graph.ty(v).clone(), 1.0).ok()?;
            difference::direction(&ones, rng)
        };
        let seeds: Vec<_> = graph.values().map(seed).collect();
        let tape = Tape::<Native>::compile(&graph, inputs)?;
        let swept = sweep(&tape, dx.clone(), seeds.clone())?;
        Ok(rounding::law(&tape, &dx, &seeds, &swept, GRAPH_BOUND))
    }

    pub fn finish(self) -> (Outcome, Counts) {
        let outcome = match (self.fault, self.counts.points) {
            (Some(fault), _) => Outcome::Broken(fault),
            (None, 0) => Outcome::NotTestable(self.why.unwrap_or_else(|| "no points".into())),
            (None, n) if n == self.exact_points => Outcome::Exact,
            _ => Outcome::Tested,
        };
        (outcome, self.counts)
    }
}

/// Nodes with operands that are finite and results that are not.
fn not_finite(graph: &Graph, tape: &Tape<'_>) -> usize {
    let mut finite: Vec<bool> = Vec::with_capacity(graph.len());
    for v in graph.values() {
        finite.push(tape.with_value(v, is_finite).unwrap_or(true));
    }
    let bad = |node: &&crate::graph::Node| {
        !node.operands().is_empty()
            && node.operands().iter().all(|v| finite[v.index()])
            && node.results().any(|v| !finite[v.index()])
    };
    graph.nodes().iter().filter(bad).count()
}

/// A point near another: itself first, then with every float off by up to an eighth.
fn around(at: &[Tensor], nth: usize, rng: &mut Rng) -> Vec<Tensor> {
    if nth == 0 {
        return at.to_vec();
    }
    let mut off = || 1.0 + (rng.below(2049) as f64 - 1024.0) / 8192.0;
    let mut moved = |t: &Tensor| {
        let data = match t.data() {
            Data::F64(v) => Data::F64(v.iter().map(|x| x * off()).collect()),
            Data::F32(v) => Data::F32(v.iter().map(|x| (f64::from(*x) * off()) as f32).collect()),
            other => other.clone(),
        };
        Tensor::new(t.ty().shape.clone(), data).unwrap_or_else(|| t.clone())
    };
    at.iter().map(&mut moved).collect()
}
