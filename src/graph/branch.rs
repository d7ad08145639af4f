//! Branches: one of two graphs, as a value says when the program runs.

use crate::graph::bodies::Finished;
use crate::graph::builder::{Builder, Var};
use crate::graph::data::Graph;
use crate::graph::error::GraphError;
use crate::graph::types::{ValueId, ValueType};
use crate::ops::{Body, OpError, make};
use std::panic::Location;

type At = &'static Location<'static>;

/// What a body gives for what it is given.
type Given<'b> = Vec<Var<'b>>;

impl Builder {
    /// What `then` gives where `condition`, one boolean, holds when the program runs, and what
    /// `otherwise` gives where it does not; the other is not computed. Each is called once, to record it,
    /// with `operands` as values of its own. Derivatives are those of the branch taken.
    ///
    /// Variables from around the branch may be used as they are. What is made of those alone is
    /// computed before it, whichever branch is taken: what is to be computed in a branch only is
    /// made of the values that it is given, or by its builder.
    ///
    /// # Errors
    /// Of [`Builder::finish`]: a condition that is not one boolean; branches that give other
    /// numbers of values, shapes or element types than each other, or none.
    ///
    /// # Example
    /// ```
    /// use cotangent::tape::Tensor;
    /// use cotangent::{Builder, Tape, dtype};
    ///
    /// let g = Builder::new();
    /// let x = g.input("x", dtype::f64, ());
    /// let y = g.cond(x.lt(g.scalar(1.0)), &[x], |_, x| vec![x[0].square()], |_, x| vec![x[0].log() + 1.0]);
    /// let graph = g.finish(&y)?;
    /// for (x, y, slope) in [(-3.0, 9.0, -6.0), (1.0, 1.0, 1.0)] {
    ///     let tape = Tape::compile(&graph, vec![Tensor::f64([], &[x]).ok_or("length")?])?;
    ///     assert_eq!(tape.outputs()[0].to_f64(), [y]);
    ///     let gradients = tape.backward_scalar(graph.outputs()[0])?;
    ///     assert_eq!(gradients[&graph.input_values().next().ok_or("no input")?].to_f64(), [slope]);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn cond<'b>(
        &'b self,
        condition: Var<'b>,
        operands: &[Var<'b>],
        then: impl FnOnce(&'b Builder, &[Var<'b>]) -> Given<'b>,
        otherwise: impl FnOnce(&'b Builder, &[Var<'b>]) -> Given<'b>,
    ) -> Vec<Var<'b>> {
        self.branch(condition, operands, Location::caller(), then, otherwise)
    }

    pub(super) fn branch<'b>(
        &'b self,
        condition: Var<'b>,
        operands: &[Var<'b>],
        at: At,
        then: impl FnOnce(&'b Builder, &[Var<'b>]) -> Given<'b>,
        otherwise: impl FnOnce(&'b Builder, &[Var<'b>]) -> Given<'b>,
    ) -> Vec<Var<'b>> {
        let mut all = vec![condition];
        all.extend_from_slice(operands);
        let home = self.home(&all);
        let (first, outputs) = home.one_branch(operands, at, then);
        let (second, _) = home.one_branch(operands, at, otherwise);
        let op = match (first, second) {
            (Ok(Some(first)), Ok(Some(second))) => {
                all.extend(first.captured.iter().chain(&second.captured));
                joined(first, second, operands.len())
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
            _ => return vec![home.nothing(); outputs],
        };
        match op {
            Ok([then, otherwise]) => home.apply_many(make::cond(then, otherwise), &all, outputs, at),
            Err(error) => {
                home.var(Err(error), at);
                vec![home.nothing(); outputs]
            }
        }
    }

    /// The body of a branch, and how many values it gives.
    fn one_branch<'b>(
        &'b self,
        operands: &[Var<'b>],
        at: At,
        record: impl FnOnce(&'b Builder, &[Var<'b>]) -> Given<'b>,
    ) -> (Result<Option<Finished<'b>>, GraphError>, usize) {
        let Some(body) = self.body() else {
            let why = "a graph with more than 2^32 bodies".into();
            return (Err(OpError::Refused { op: "cond", why }.into()), 0);
        };
        let inputs: Vec<Var<'b>> = operands.iter().map(|v| body.given(v.ty(), at)).collect();
        let outputs = record(body, &inputs);
        (self.close(body, &outputs, at), outputs.len())
    }

    /// An input of a body; nothing where its operand is nothing.
    pub(super) fn given(&self, ty: Option<ValueType>, at: At) -> Var<'_> {
        let Some(ty) = ty else { return self.nothing() };
        let id: Result<ValueId, OpError> = self.graph.borrow_mut().push_input("", ty);
        self.var(id.map_err(Into::into), at)
    }
}

/// Both bodies with the inputs of either: the operands, then what each captured.
fn joined(first: Finished<'_>, second: Finished<'_>, operands: usize) -> Result<[Body; 2], GraphError> {
    let types = |graph: &Graph| graph.input_values().map(|v| graph.ty(v).clone()).collect::<Vec<_>>();
    let mut inputs = types(&first.graph);
    let ends = inputs.len();
    inputs.extend_from_slice(&types(&second.graph)[operands..]);
    let place = |i: usize| if i < operands { i } else { ends + i - operands };
    let first = among(&first.graph, &inputs, |i| i)?;
    let second = among(&second.graph, &inputs, place)?;
    Ok([Body::new(first)?, Body::new(second)?])
}

/// A graph whose inputs stand among others.
fn among(graph: &Graph, inputs: &[ValueType], place: impl Fn(usize) -> usize) -> Result<Graph, OpError> {
    let mut made = Graph::new();
    let mut given = Vec::with_capacity(inputs.len());
    for ty in inputs {
        given.push(made.push_input("", ty.clone())?);
    }
    let mut map: Vec<ValueId> = (0..graph.inputs().len()).map(|i| given[place(i)]).collect();
    for node in graph.nodes() {
        let operands: Vec<ValueId> = node.operands().iter().map(|v| map[v.index()]).collect();
        map.extend(made.push(node.op.clone(), &operands, node.source())?);
    }
    made.set_outputs(graph.outputs().iter().map(|v| map[v.index()]).collect());
    Ok(made)
}
