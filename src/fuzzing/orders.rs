//! Higher derivatives: a small random graph is differentiated by rules applied to
//! graphs, in either mode, and what comes out goes through the differential like
//! any graph. The last order is that of the form.

use crate::derive::{self, Seeds};
use crate::fuzzing::case::{Case, Use};
use crate::fuzzing::compare::Compared;
use crate::fuzzing::differential::{Verdict, caught, verdict};
use crate::fuzzing::draft::Drafted;
use crate::fuzzing::expected::Difference;
use crate::fuzzing::forms::Form;
use crate::fuzzing::generate::{CustomOps, Profile, generate};
use crate::fuzzing::source::{Source, pick};
use crate::graph::{Graph, GraphError, ValueId};

/// Graphs that are still small after two derivatives.
const SMALL: Profile = Profile {
    min_nodes: 1,
    max_nodes: 6,
    max_inputs: 4,
    extents: &[1, 2, 3, 4, 5, 2, 3],
    max_rank: 3,
    limits: &[6, 24, 60],
    exact: false,
    custom: CustomOps::AnyOrder,
    loops: true,
    traced: false,
};

/// A derived graph of more nodes is not derived again.
const MAX_NODES: usize = 1500;

/// Draws a small case.
pub fn draw_small(source: &mut dyn Source) -> Option<Case> {
    let drafted = generate(source, &SMALL).ok()?;
    Some(Case { drafted, seed: source.bits() })
}

/// Differentiates the graph of a case once or twice, then checks the forms that
/// differentiate once more.
pub fn check_orders(case: &Case, compared: &mut Compared) -> Verdict {
    caught(|| match derived(case) {
        Ok(case) => verdict(&case, &[Form::Vjp, Form::Jvp], compared),
        Err(error) => {
            let what = format!("cannot be differentiated: {error}");
            Verdict::Differs(Difference { form: None, config: None, set: 0, what })
        }
    })
}

fn floats(graph: &Graph) -> Vec<ValueId> {
    graph.input_values().filter(|&v| graph.ty(v).dtype.is_float()).collect()
}

/// The derivative of the graph, with the numbers of the case.
fn derived(case: &Case) -> Result<Case, GraphError> {
    let mut rng = case.stream(Use::Order, &[]);
    let mut graph = case.graph().clone();
    for _ in 0..1 + rng.below(2) {
        if graph.nodes().len() > MAX_NODES {
            break;
        }
        // By one input or by all, as the Hessian's blocks are.
        let mut wrt = floats(&graph);
        if rng.chance(1, 2) {
            wrt = pick(&mut rng, &wrt).into_iter().collect();
        }
        let first = graph.outputs().len();
        graph = match rng.chance(1, 2) {
            true => derive::value_and_grad(&graph, &wrt, Seeds::Outputs)?.0,
            false => derive::jvp(&graph, &wrt)?,
        };
        let derivatives = graph.outputs()[first..].to_vec();
        graph = graph.with_outputs(&derivatives)?;
    }
    // Seeds and tangents are numbers of any size.
    let mut bounds = case.drafted.bounds.clone();
    bounds.resize(graph.inputs().len(), None);
    Ok(Case { drafted: Drafted { graph, bounds }, seed: case.seed })
}
