//! Loops that keep few of their carries for reverse and compute the others again.

use crate::graph::builder::{Builder, Var};
use crate::graph::data::Graph;
use crate::graph::loops::{Recorded, Scanned};
use crate::graph::types::{Shape, ValueId};
use crate::ops::{Body, OpError, make};
use std::panic::Location;

type At = &'static Location<'static>;

/// Loops within each other that a memory limit may lead to.
const MAX_LEVELS: usize = 8;

/// Which of its carries a loop keeps for reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// Those of every so many steps; the steps between are computed again.
    Every(usize),
    /// As few as fit so many bytes: all, if they do, else those of every `k` steps for the `k` that takes
    /// the least memory, and if that is too much, likewise within these, at the price of
    /// the steps being computed once more for each level.
    Within(usize),
}

/// Loops of `every` steps within each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Levels {
    every: usize,
    levels: usize,
}

impl Levels {
    const FLAT: Levels = Levels { every: 1, levels: 1 };

    /// How many runs of the loop of each level there are one after the other, innermost first.
    fn counts(self, steps: usize) -> Vec<usize> {
        let (mut rest, mut counts) = (steps, Vec::with_capacity(self.levels));
        for _ in 1..self.levels {
            counts.push(rest % self.every);
            rest /= self.every;
        }
        counts.push(rest);
        counts
    }

    /// Carries kept at once.
    fn kept(self, steps: usize) -> usize {
        self.counts(steps).iter().sum::<usize>() + (self.levels - 1) * self.every
    }

    /// The first that keeps no more than so many carries.
    fn within(steps: usize, carries: usize) -> Option<Levels> {
        let root = |levels: usize| {
            let (mut low, mut high) = (1, steps.max(1));
            while low < high {
                let k = low + (high - low) / 2;
                match k.checked_pow(levels as u32) {
                    Some(n) if n < steps => low = k + 1,
                    _ => high = k,
                }
            }
            low
        };
        let tries = (2..=MAX_LEVELS).map(|levels| Levels { every: root(levels), levels });
        std::iter::once(Levels::FLAT).chain(tries).find(|l| l.kept(steps) <= carries)
    }
}

impl Checkpoints {
    fn levels(self, steps: usize, bytes: u128) -> Result<Levels, OpError> {
        let refused = |why: String| OpError::Refused { op: "scan", why };
        match self {
            Checkpoints::Every(0) => Err(refused("a checkpoint every 0 steps".into())),
            Checkpoints::Every(every) if every == 1 || every >= steps => Ok(Levels::FLAT),
            Checkpoints::Every(every) => Ok(Levels { every, levels: 2 }),
            Checkpoints::Within(limit) => {
                let carries = usize::try_from(limit as u128 / bytes.max(1)).unwrap_or(usize::MAX);
                let why =
                    || format!("carries of {bytes} bytes: {steps} steps cannot be reversed in {limit} bytes");
                Levels::within(steps, carries).ok_or_else(|| refused(why()))
            }
        }
    }
}

impl Builder {
    /// [`Builder::scan`] with less memory for reverse: the carries of some steps are kept, and
    /// those between computed again from them. The bits of values and gradients are those of
    /// `scan`.
    ///
    /// The limit is one for carries; what the steps take and give has its own memory.
    ///
    /// # Errors
    /// As [`Builder::scan`]; a checkpoint every 0 steps; a limit that is too small.
    ///
    /// # Example
    /// ```
    /// use cotangent::tape::Tensor;
    /// use cotangent::{Builder, Checkpoints, Tape, dtype};
    ///
    /// // A thousand steps, of whose carries some sixty are in memory at a time.
    /// let g = Builder::new();
    /// let (a, x) = (g.input("a", dtype::f64, ()), g.input("x", dtype::f64, ()));
    /// let (last, _) = g.scan_checkpointed(1000, Checkpoints::Within(70 * 8), &[x], &[], |_, x, _| {
    ///     (vec![x[0] + a * x[0].sin()], vec![])
    /// });
    /// let graph = g.finish(&last)?;
    /// let inputs = [Tensor::f64([], &[0.01]), Tensor::f64([], &[1.0])];
    /// let tape = Tape::compile(&graph, inputs.into_iter().flatten().collect())?;
    /// assert!(tape.outputs()[0].to_f64()[0] > 3.14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn scan_checkpointed<'b>(
        &'b self,
        steps: usize,
        checkpoints: Checkpoints,
        init: &[Var<'b>],
        xs: &[Var<'b>],
        step: impl FnOnce(&'b Builder, &[Var<'b>], &[Var<'b>]) -> Scanned<'b>,
    ) -> Scanned<'b> {
        let at = Location::caller();
        let recorded = match self.record_step(steps, init, xs, at, step) {
            Ok(recorded) => recorded,
            Err(nothing) => return nothing,
        };
        let carries = recorded.body.input_values().take(init.len());
        let bytes = carries.map(|v| recorded.body.ty(v).checked_bytes().unwrap_or(u64::MAX) as u128).sum();
        match checkpoints.levels(steps, bytes) {
            Ok(levels) => recorded.nested(steps, levels, init.len(), xs.len(), at),
            Err(error) => {
                recorded.home.var(Err(error.into()), at);
                let nothing = recorded.home.nothing();
                (vec![nothing; init.len()], vec![nothing; recorded.given])
            }
        }
    }
}

impl<'b> Recorded<'b> {
    /// Loops of every level one after the other, the outermost first.
    fn nested(self, steps: usize, levels: Levels, carries: usize, slices: usize, at: At) -> Scanned<'b> {
        let Recorded { home, body, operands, given } = self;
        let counts = levels.counts(steps);
        let mut bodies = vec![Body::new(body)];
        while bodies.len() < levels.levels {
            let inner = bodies[bodies.len() - 1].clone();
            bodies.push(inner.and_then(|inner| around(&inner, levels.every, [carries, slices], given)));
        }
        let mut now = operands[..carries].to_vec();
        let (xs, captured) = operands[carries..].split_at(slices);
        // Steps that the loop of each level takes, outermost first.
        let span = |level: usize| levels.every.pow(level as u32);
        let sizes: Vec<usize> = (0..counts.len()).rev().map(|level| counts[level] * span(level)).collect();
        let parts: Vec<Vec<Var<'b>>> = xs.iter().map(|x| pieces(*x, &sizes, at)).collect();
        let mut stacks: Vec<Vec<Var<'b>>> = vec![Vec::new(); given];
        for (i, (level, body)) in bodies.into_iter().enumerate().rev().enumerate() {
            let count = counts[level];
            if count == 0 && steps > 0 {
                continue;
            }
            let mut all = now.clone();
            let lead = Shape::from(vec![levels.every; level]).stacked(count);
            all.extend(parts.iter().map(|pieces| with_lead(pieces[i], &lead, at)));
            all.extend_from_slice(captured);
            let outputs = body.as_ref().map_or(carries + given, |body| body.graph().outputs().len());
            let op = body.map(|body| make::scan(body, count, [carries, slices], false));
            let mut results = home.apply_or_fail(op, &all, outputs, at);
            results.truncate(carries + given);
            for (stack, piece) in stacks.iter_mut().zip(results.split_off(carries)) {
                stack.push(without_lead(piece, level, sizes[i], at));
            }
            now = results;
        }
        let joined = stacks.into_iter().map(|pieces| match pieces.as_slice() {
            [one] => *one,
            all => home.apply_at(make::concat(0), all, at),
        });
        (now, joined.collect())
    }
}

/// A body of so many steps of another.
fn around(inner: &Body, steps: usize, parts: [usize; 2], given: usize) -> Result<Body, OpError> {
    let [carries, slices] = parts;
    let body = inner.graph();
    let mut graph = Graph::new();
    let mut operands = Vec::with_capacity(body.inputs().len());
    for (i, v) in body.input_values().enumerate() {
        let ty = body.ty(v).clone();
        let sliced = (carries..carries + slices).contains(&i);
        operands.push(graph.push_input("", if sliced { ty.stacked(steps) } else { ty })?);
    }
    let op = make::scan(inner.clone(), steps, parts, false);
    let mut outputs: Vec<ValueId> =
        graph.push(op, &operands, None)?.into_iter().take(carries + given).collect();
    outputs.extend_from_slice(&operands[..carries]);
    graph.set_outputs(outputs);
    Body::new(graph)
}

/// A tensor cut along its first axis; pieces of no steps may be left out.
fn pieces<'b>(x: Var<'b>, sizes: &[usize], at: At) -> Vec<Var<'b>> {
    match sizes.iter().filter(|&&n| n > 0).count() {
        0 | 1 => vec![x; sizes.len()],
        _ => x.builder.apply_many(make::split(0, sizes), &[x], sizes.len(), at),
    }
}

/// The first axis as several.
fn with_lead<'b>(x: Var<'b>, lead: &Shape, at: At) -> Var<'b> {
    if x.id.is_none() || lead.rank() == 1 {
        return x;
    }
    let shape: Shape = lead.dims().iter().chain(&x.shape().dims()[1..]).copied().collect();
    x.op1(make::reshape(&shape), at)
}

/// The first axes, one more than the levels, as one of so many steps.
fn without_lead<'b>(x: Var<'b>, levels: usize, steps: usize, at: At) -> Var<'b> {
    if x.id.is_none() || levels == 0 {
        return x;
    }
    x.op1(make::reshape(&Shape::new(&x.shape().dims()[levels + 1..]).stacked(steps)), at)
}

#[cfg(test)]
mod tests {
    use super::{Checkpoints, Levels};

    #[test]
    fn the_fewest_levels_that_fit_are_taken() {
        let within = |steps, bytes| Checkpoints::Within(bytes).levels(steps, 8).ok();
        assert_eq!(within(1000, 8000), Some(Levels::FLAT));
        assert_eq!(within(1000, 7999), Some(Levels { every: 32, levels: 2 }));
        assert_eq!(within(1_000_000, 2000 * 8), Some(Levels { every: 1000, levels: 2 }));
        assert_eq!(within(1_000_000, 2000 * 8 - 1), Some(Levels { every: 100, levels: 3 }));
        assert_eq!(within(1_000_000, 8), None);
        for (steps, levels) in [(1000, 2), (999, 3), (7, 2), (1, 2)] {
            let l = Levels { every: 5, levels };
            let spans = l.counts(steps).into_iter().enumerate().map(|(i, n)| n * 5usize.pow(i as u32));
            assert_eq!(spans.sum::<usize>(), steps);
        }
    }
}
