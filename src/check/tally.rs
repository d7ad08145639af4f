//! What the points say of one node, gathered.

use crate::check::CheckOptions;
use crate::check::node::{Found, exactly, in_floats};
use crate::check::point::{RANGES, draw_inputs, has_nan, is_finite, smaller_bound};
use crate::check::report::{Counts, Fault, NodeReport, Outcome};
use crate::check::single::Single;
use crate::check::source::Rng;
use crate::graph::{Graph, NodeId};
use crate::ops::Rule;
use crate::tape::{Tape, Tensor};

/// Times that operands are drawn for a node at one point.
const TRIES: usize = 24;
/// Indices are drawn below this at first.
const INDICES: u64 = 8;

/// One node while it is tested.
pub struct Tally {
    node: NodeReport,
    single: Result<Single, String>,
    zero: bool,
    exact: bool,
    exact_points: usize,
    moves: bool,
    why: Option<String>,
    fault: Option<Fault>,
    bound: u64,
}

impl Tally {
    pub fn new(graph: &Graph, id: NodeId) -> Tally {
        let node = graph.node(id);
        let row = node.op.row();
        let single = Single::new(graph, id).map_err(|error| error.to_string());
        let zero = matches!((&row.vjp, &row.jvp), (Rule::Zero, Rule::Zero));
        let still = single.as_ref().is_ok_and(|single| !single.can_move());
        let node = NodeReport {
            node: id,
            op: node.op.name(),
            source: node.source(),
            outcome: Outcome::ZeroByRule { moves: false },
            counts: Counts::default(),
        };
        Tally {
            node,
            zero: zero || still,
            exact: row.exact,
            single,
            exact_points: 0,
            moves: false,
            why: None,
            fault: None,
            bound: INDICES,
        }
    }

    /// Tests the node at the values of a point of the graph, or at operands of
    /// its own.
    pub fn at(&mut self, tape: Option<&Tape<'_>>, options: &CheckOptions, rng: &mut Rng) {
        let single = match &self.single {
            Ok(single) if single.can_move() && self.fault.is_none() => single,
            _ => return,
        };
        let given: Option<Vec<Tensor>> =
            tape.and_then(|tape| single.operands.iter().map(|&v| tape.value(v)).collect());
        let exact = self.exact && !self.zero && single.work() <= options.exact_work;
        let mut last = None;
        if let Some(x) = &given {
            let found = one(single, x, exact, rng);
            if !matches!(found, Found::Nothing(_)) {
                return self.count(found);
            }
            last = Some(found);
        }
        for attempt in 0..TRIES {
            // Every second time all operands in one range.
            let range = (attempt % 2 == 0).then(|| RANGES[attempt / 2 % RANGES.len()]);
            let Some(x) = draw_inputs(rng, &single.graph, range, self.bound) else { break };
            match Tape::compile(&single.graph, x.clone()) {
                Ok(tape) if tape.outputs().iter().all(is_finite) => {}
                Ok(_) => {
                    self.node.counts.redrawn += 1;
                    continue;
                }
                Err(error) => {
                    self.node.counts.redrawn += 1;
                    match smaller_bound(&error) {
                        Some(bound) => self.bound = bound.min(self.bound),
                        None => last = Some(Found::Nothing(error.to_string())),
                    }
                    continue;
                }
            }
            let found = one(single, &x, exact, rng);
            if !matches!(found, Found::Nothing(_)) {
                return self.count(found);
            }
            self.node.counts.redrawn += 1;
            last = Some(found);
        }
        self.count(last.unwrap_or_else(|| Found::Nothing(format!("no finite value in {TRIES} points"))));
    }

    fn count(&mut self, found: Found) {
        let counts = &mut self.node.counts;
        match found {
            Found::Exact { kinks } => {
                counts.points += 1;
                counts.kinks += kinks;
                self.exact_points += 1;
            }
            Found::Tested { adjoint, compared } => {
                counts.points += 1;
                counts.kinks += compared.kinks;
                counts.unsettled += compared.unsettled;
                counts.adjoint_error = counts.adjoint_error.max(adjoint);
                counts.difference_error = counts.difference_error.max(compared.worst);
            }
            Found::Nothing(why) => self.why = Some(why),
            Found::Wrong(Fault::NotDerivative { .. }) if self.zero => {
                counts.points += 1;
                self.moves = true;
            }
            Found::Wrong(fault) => {
                counts.points += 1;
                self.fault = Some(fault);
            }
        }
    }

    pub fn finish(mut self) -> NodeReport {
        self.node.outcome = match (self.fault, self.single) {
            (Some(fault), _) => Outcome::Broken(fault),
            (None, Err(why)) => Outcome::NotTestable(why),
            (None, Ok(_)) if self.zero => Outcome::ZeroByRule { moves: self.moves },
            (None, Ok(_)) => match self.node.counts.points {
                0 => Outcome::NotTestable(self.why.unwrap_or_else(|| "no points".into())),
                n if n == self.exact_points => Outcome::Exact,
                _ => Outcome::Tested,
            },
        };
        self.node
    }
}

/// A node at one point: exactly where that is possible.
fn one(single: &Single, x: &[Tensor], exact: bool, rng: &mut Rng) -> Found {
    if exact {
        match exactly(single, x, rng) {
            Found::Nothing(_) => {}
            found => return found,
        }
    }
    if x.iter().any(has_nan) {
        return Found::Nothing("an operand is NaN".into());
    }
    in_floats(single, x, rng)
}
