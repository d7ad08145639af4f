//! Loops: a body that is recorded once and run for each step.

use crate::graph::builder::{Builder, Var};
use crate::graph::types::{Shape, ValueId, ValueType};
use crate::ops::{Body, OpError, make};
use std::panic::Location;

/// The results of a loop: the carries of its last step, then what its steps gave, stacked.
pub type Scanned<'b> = (Vec<Var<'b>>, Vec<Var<'b>>);

impl Builder {
    /// A loop of `steps` steps. Each is given the carries of the one before, `init` at first, and
    /// a slice of each of `xs`, which have the steps along their first axis. It gives the next
    /// carries and any values more. The results are the last carries and, for each of the
    /// latter, all of them stacked along a new first axis.
    ///
    /// `step` is called once, to record a step; the code of the loop does not grow with the steps.
    /// Constants and loops inside the step are made with the builder that it is given; variables
    /// from around the loop are used as they are. The loop is an op like any other, with its
    /// derivatives of any order. Reverse works from the carries that each step began with, which
    /// are kept, and computes the rest of the step again.
    ///
    /// # Errors
    /// Of [`Builder::finish`]: a slice without an axis of `steps`; as many carries given as taken;
    /// a carry of another shape or element type than it had; a variable of another graph, or of a
    /// loop that has been closed; more than 64 loops within each other.
    ///
    /// # Example
    /// ```
    /// use cotangent::tape::Tensor;
    /// use cotangent::{Builder, Tape, dtype};
    ///
    /// // h becomes tanh(w h + x), for each x.
    /// let g = Builder::new();
    /// let (w, xs) = (g.input("w", dtype::f64, ()), g.input("xs", dtype::f64, [3]));
    /// let (last, all) = g.scan(3, &[g.scalar(0.0)], &[xs], |_, h, x| {
    ///     let h = (w * h[0] + x[0]).tanh();
    ///     (vec![h], vec![h])
    /// });
    /// let graph = g.finish(&[all[0].sum() + last[0]])?;
    ///
    /// let inputs = [Tensor::f64([], &[0.5]), Tensor::f64([3], &[0.1, 0.2, 0.3])];
    /// let tape = Tape::compile(&graph, inputs.into_iter().flatten().collect())?;
    /// let written_out = [0.1, 0.2, 0.3].iter().scan(0.0, |h: &mut f64, x| {
    ///     *h = (0.5 * *h + x).tanh();
    ///     Some(*h)
    /// });
    /// let h: Vec<f64> = written_out.collect();
    /// let sum = h[0] + h[1] + 2.0 * h[2];
    /// assert!((tape.outputs()[0].to_f64()[0] - sum).abs() < 1e-15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn scan<'b>(
        &'b self,
        steps: usize,
        init: &[Var<'b>],
        xs: &[Var<'b>],
        step: impl FnOnce(&'b Builder, &[Var<'b>], &[Var<'b>]) -> Scanned<'b>,
    ) -> Scanned<'b> {
        self.run_loop(steps, init, xs, false, Location::caller(), step)
    }

    /// [`Builder::scan`] from the last slices to the first; what the steps give stands where their
    /// slices do.
    ///
    /// # Errors
    /// As [`Builder::scan`].
    #[track_caller]
    pub fn scan_backwards<'b>(
        &'b self,
        steps: usize,
        init: &[Var<'b>],
        xs: &[Var<'b>],
        step: impl FnOnce(&'b Builder, &[Var<'b>], &[Var<'b>]) -> Scanned<'b>,
    ) -> Scanned<'b> {
        self.run_loop(steps, init, xs, true, Location::caller(), step)
    }

    /// The same function of each slice of `xs` along their first axis, results stacked: a
    /// [`Builder::scan`] that carries nothing.
    ///
    /// # Errors
    /// As [`Builder::scan`]; no `xs` at all.
    ///
    /// # Example
    /// ```
    /// use cotangent::tape::Tensor;
    /// use cotangent::{Builder, Tape, dtype};
    ///
    /// let g = Builder::new();
    /// let rows = g.input("rows", dtype::f64, [2, 3]);
    /// let norms = g.map(&[rows], |_, row| vec![row[0].square().sum().sqrt()]);
    /// let graph = g.finish(&norms)?;
    /// let rows = Tensor::f64([2, 3], &[3.0, 0.0, 4.0, 0.0, -5.0, 12.0]).ok_or("length")?;
    /// assert_eq!(Tape::compile(&graph, vec![rows])?.outputs()[0].to_f64(), [5.0, 13.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map<'b>(
        &'b self,
        xs: &[Var<'b>],
        f: impl FnOnce(&'b Builder, &[Var<'b>]) -> Vec<Var<'b>>,
    ) -> Vec<Var<'b>> {
        let at = Location::caller();
        let first = xs.iter().find_map(|x| x.ty());
        if xs.is_empty() {
            self.var(
                Err(OpError::Refused { op: "map", why: "there is nothing to map over".into() }.into()),
                at,
            );
        }
        let steps = first.and_then(|ty| ty.shape.dims().first().copied()).unwrap_or(0);
        self.run_loop(steps, &[], xs, false, at, |body, _, x| (Vec::new(), f(body, x))).1
    }

    fn run_loop<'b>(
        &'b self,
        steps: usize,
        init: &[Var<'b>],
        xs: &[Var<'b>],
        backwards: bool,
        at: &'static Location<'static>,
        step: impl FnOnce(&'b Builder, &[Var<'b>], &[Var<'b>]) -> Scanned<'b>,
    ) -> Scanned<'b> {
        let operands: Vec<Var<'b>> = init.iter().chain(xs).copied().collect();
        let home = self.home(&operands);
        let refused = |why: String| OpError::Refused { op: "scan", why };
        let Some(body) = home.body() else {
            home.var(Err(refused("a graph with more than 2^32 loops".into()).into()), at);
            return (vec![home.nothing(); init.len()], Vec::new());
        };
        let carries: Vec<Var<'b>> = init.iter().map(|v| body.given(v.ty(), at)).collect();
        let slices: Vec<Var<'b>> =
            xs.iter()
                .map(|x| match x.ty() {
                    Some(ty) if ty.shape.dims().first() != Some(&steps) => {
                        let why = format!("must have the {steps} steps of the loop along its first axis");
                        x.fail(OpError::Shape { op: "scan", shape: ty.shape, why }, at);
                        body.nothing()
                    }
                    ty => body
                        .given(ty.map(|ty| ValueType::new(ty.dtype, Shape::new(&ty.shape.dims()[1..]))), at),
                })
                .collect();
        let (next, given) = step(body, &carries, &slices);
        let nothing = (vec![home.nothing(); init.len()], vec![home.nothing(); given.len()]);
        if next.len() != init.len() {
            let why = format!("takes {} carries, a step gives {}", init.len(), next.len());
            home.var(Err(refused(why).into()), at);
            return nothing;
        }
        let mut outputs: Vec<Var<'b>> = next.iter().chain(&given).copied().collect();
        // What reverse works from. Where nobody asks for it, compiled code leaves it out.
        let kept = carries.iter().filter(|c| !given.iter().any(|v| v.id == c.id && v.id.is_some()));
        let fits = |c: &&Var<'b>| {
            c.ty().is_some_and(|ty| {
                let dims: Vec<usize> =
                    std::iter::once(steps).chain(ty.shape.dims().iter().copied()).collect();
                ValueType::new(ty.dtype, Shape::new(&dims)).checked_bytes().is_some()
            })
        };
        outputs.extend(kept.filter(fits));
        let finished = match home.close(body, &outputs, at) {
            Ok(Some(finished)) => finished,
            Ok(None) => return nothing,
            Err(error) => {
                home.var(Err(error), at);
                return nothing;
            }
        };
        let op = match Body::new(finished.graph) {
            Ok(body) => make::scan(body, steps, [init.len(), xs.len()], backwards),
            Err(error) => {
                home.var(Err(error.into()), at);
                return nothing;
            }
        };
        let operands: Vec<Var<'b>> = operands.into_iter().chain(finished.captured).collect();
        let mut results = home.apply_many(op, &operands, outputs.len(), at);
        results.truncate(init.len() + given.len());
        let stacks = results.split_off(init.len());
        (results, stacks)
    }

    /// An input of a body; nothing where its operand is nothing.
    fn given(&self, ty: Option<ValueType>, at: &'static Location<'static>) -> Var<'_> {
        let Some(ty) = ty else { return self.nothing() };
        let id: Result<ValueId, OpError> = self.graph.borrow_mut().push_input("", ty);
        self.var(id.map_err(Into::into), at)
    }
}
