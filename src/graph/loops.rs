//! Loops: a body that is recorded once and run for each step.

use crate::graph::builder::{Builder, Var};
use crate::graph::data::Graph;
use crate::graph::types::{Shape, ValueType};
use crate::ops::{Body, Op, OpError, make};
use std::panic::Location;

type At = &'static Location<'static>;

/// A recorded step, with what a loop over it is given.
pub(super) struct Recorded<'b> {
    /// The builder of the loop.
    pub home: &'b Builder,
    /// Its outputs are the carries, then what a step gives, then carries as it found them.
    pub body: Graph,
    /// First carries, sliced operands, then what the step captured.
    pub operands: Vec<Var<'b>>,
    /// How many values a step gives beside the carries.
    pub given: usize,
}

/// In what order a loop takes its steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Forwards,
    Backwards,
    /// Forwards, as long as the first carry is true.
    WhileFirst,
}

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
        self.run_loop(steps, init, xs, Order::Forwards, Location::caller(), step)
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
        self.run_loop(steps, init, xs, Order::Backwards, Location::caller(), step)
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
        self.run_loop(steps, &[], xs, Order::Forwards, at, |body, _, x| (Vec::new(), f(body, x))).1
    }

    /// Steps as long as `condition`, one boolean of the carries, holds, but no more than `bound`. The
    /// results are the carries then. Both are called once, to record them.
    ///
    /// It is a [`Builder::scan`] of at most `bound` steps, which ends when the condition has failed.
    /// Reverse goes back through the steps that were taken, as they were recorded. So derivatives are those of
    /// these steps, of any order; the memory of reverse goes by the bound, its time by the steps (and some
    /// nanoseconds for each that was not taken).
    ///
    /// # Errors
    /// As [`Builder::scan`] and [`Builder::cond`].
    ///
    /// # Example
    /// ```
    /// use cotangent::tape::Tensor;
    /// use cotangent::{Builder, Tape, dtype};
    ///
    /// // Halved until it is below 1.
    /// let g = Builder::new();
    /// let x = g.input("x", dtype::f64, ());
    /// let one = g.scalar(1.0);
    /// let y = g.while_loop(100, &[x], |_, x| one.le(x[0]), |_, x| vec![x[0] * 0.5]);
    /// let graph = g.finish(&y)?;
    /// let tape = Tape::compile(&graph, vec![Tensor::f64([], &[5.0]).ok_or("length")?])?;
    /// assert_eq!(tape.outputs()[0].to_f64(), [0.625]);
    /// let gradients = tape.backward_scalar(graph.outputs()[0])?;
    /// assert_eq!(gradients[&graph.input_values().next().ok_or("no input")?].to_f64(), [0.125]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn while_loop<'b>(
        &'b self,
        bound: usize,
        init: &[Var<'b>],
        condition: impl FnOnce(&'b Builder, &[Var<'b>]) -> Var<'b>,
        step: impl FnOnce(&'b Builder, &[Var<'b>]) -> Vec<Var<'b>>,
    ) -> Vec<Var<'b>> {
        let at = Location::caller();
        let mut carries = vec![self.constant_of((), [true])];
        carries.extend_from_slice(init);
        let (last, _) = self.run_loop(bound, &carries, &[], Order::WhileFirst, at, |body, carries, _| {
            // The guard has held, so that the condition is to be asked.
            let values = &carries[1..];
            let on = condition(body, values);
            let next = body.branch(on, values, at, step, |_, values| values.to_vec());
            (std::iter::once(on).chain(next).collect(), Vec::new())
        });
        last.into_iter().skip(1).collect()
    }

    fn run_loop<'b>(
        &'b self,
        steps: usize,
        init: &[Var<'b>],
        xs: &[Var<'b>],
        order: Order,
        at: At,
        step: impl FnOnce(&'b Builder, &[Var<'b>], &[Var<'b>]) -> Scanned<'b>,
    ) -> Scanned<'b> {
        let recorded = match self.record_step(steps, init, xs, at, step) {
            Ok(recorded) => recorded,
            Err(nothing) => return nothing,
        };
        let home = recorded.home;
        let outputs = recorded.body.outputs().len();
        let parts = [init.len(), xs.len()];
        let backwards = order == Order::Backwards;
        let guard = (order == Order::WhileFirst).then_some(0);
        let op =
            Body::new(recorded.body).map(|body| make::guarded_scan(body, steps, parts, backwards, guard));
        let mut results = home.apply_or_fail(op, &recorded.operands, outputs, at);
        results.truncate(init.len() + recorded.given);
        let stacks = results.split_off(init.len());
        (results, stacks)
    }

    /// An op with several results, unless it could not be made.
    pub(super) fn apply_or_fail<'b>(
        &'b self,
        op: Result<Op, OpError>,
        operands: &[Var<'b>],
        count: usize,
        at: At,
    ) -> Vec<Var<'b>> {
        match op {
            Ok(op) => self.apply_many(op, operands, count, at),
            Err(error) => {
                self.var(Err(error.into()), at);
                vec![self.nothing(); count]
            }
        }
    }

    /// The body of a loop; what stands for its results after a mistake.
    pub(super) fn record_step<'b>(
        &'b self,
        steps: usize,
        init: &[Var<'b>],
        xs: &[Var<'b>],
        at: At,
        step: impl FnOnce(&'b Builder, &[Var<'b>], &[Var<'b>]) -> Scanned<'b>,
    ) -> Result<Recorded<'b>, Scanned<'b>> {
        let operands: Vec<Var<'b>> = init.iter().chain(xs).copied().collect();
        let home = self.home(&operands);
        let refused = |why: String| OpError::Refused { op: "scan", why };
        let Some(body) = home.body() else {
            home.var(Err(refused("a graph with more than 2^32 loops".into()).into()), at);
            return Err((vec![home.nothing(); init.len()], Vec::new()));
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
            return Err(nothing);
        }
        let mut outputs: Vec<Var<'b>> = next.iter().chain(&given).copied().collect();
        // What reverse works from. Where nobody asks for it, compiled code leaves it out.
        let kept = carries.iter().filter(|c| !given.iter().any(|v| v.id == c.id && v.id.is_some()));
        let fits = |c: &&Var<'b>| c.ty().is_some_and(|ty| ty.stacked(steps).checked_bytes().is_some());
        outputs.extend(kept.filter(fits));
        let finished = match home.close(body, &outputs, at) {
            Ok(Some(finished)) => finished,
            Ok(None) => return Err(nothing),
            Err(error) => {
                home.var(Err(error), at);
                return Err(nothing);
            }
        };
        let operands = operands.into_iter().chain(finished.captured).collect();
        Ok(Recorded { home, body: finished.graph, operands, given: given.len() })
    }
}
