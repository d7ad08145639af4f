//! The rules of loops: the body is differentiated as a graph, and the loop over
//! that is the rule. Backwards, the body is computed again from the carries that
//! its step began with, so these are what is kept of a loop.

use crate::derive::sweep::{self, Level};
use crate::graph::{Graph, GraphError, Origin, Recorder, ValueId, ValueType};
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::loops::{Body, Cut, Loop, cut_loop};
use crate::ops::make;
use crate::ops::row::{Flow, Flows, Site, Tangents};
use smallvec::smallvec;

/// What an input of the body of a derived loop is given.
#[derive(Clone, Copy)]
enum Given {
    /// An operand of the loop.
    Operand(usize),
    /// A carry of the loop as each step found it.
    Before(usize),
    /// A cotangent or tangent.
    Direction(ValueId),
    /// Zeros of the type of an operand, of this sign.
    Zeros(usize, f64),
}

/// The body of a derived loop in the making: inputs, then what is recorded.
struct Draft {
    graph: Graph,
    given: Vec<Given>,
    /// Carries and slices so far.
    parts: [usize; 2],
}

impl Draft {
    fn new() -> Draft {
        Draft { graph: Graph::new(), given: Vec::new(), parts: [0; 2] }
    }

    fn input(&mut self, ty: &ValueType, given: Given) -> Result<ValueId, OpError> {
        self.given.push(given);
        self.graph.push_input("", ty.clone())
    }

    fn carry(&mut self, ty: &ValueType, given: Given) -> Result<ValueId, OpError> {
        self.parts[0] += 1;
        self.input(ty, given)
    }

    fn slice(&mut self, ty: &ValueType, given: Given) -> Result<ValueId, OpError> {
        self.parts[1] += 1;
        self.input(ty, given)
    }
}

/// A derived loop: its body cut to what is asked for, and what the inputs are given.
struct Derived {
    cut: Cut<Graph>,
    given: Vec<Given>,
    parts: [usize; 2],
    guard: Option<usize>,
}

impl Derived {
    /// Its guard is the input that is given the guard of the loop, a carry that each step
    /// found or what the operand is.
    fn new(
        l: &Loop<'_>,
        given: &[Given],
        parts: [usize; 2],
        body: &Graph,
        keep: &[bool],
    ) -> Result<Derived, OpError> {
        let [carries, slices] = parts;
        let guards = |given: &Given| match *given {
            Given::Before(i) | Given::Operand(i) => Some(i) == l.guard,
            Given::Direction(_) | Given::Zeros(..) => false,
        };
        let guard = given.iter().position(guards);
        let cut = cut_loop(body, carries, keep, guard)?;
        let guard = cut.input(guard);
        let below = |end: usize| cut.inputs.partition_point(|&i| i < end);
        let parts = [below(carries), below(carries + slices) - below(carries)];
        let given = cut.inputs.iter().map(|&i| given[i]).collect();
        Ok(Derived { cut, given, parts, guard })
    }

    /// The loop; its results at the positions that the outputs had before the cut.
    fn emit(
        self,
        e: &mut dyn Emitter,
        site: &Site<'_>,
        l: &Loop<'_>,
        backwards: bool,
        outputs: usize,
    ) -> Result<Vec<Option<ValueId>>, OpError> {
        let mut found = vec![None; outputs];
        if self.cut.outputs.is_empty() {
            return Ok(found);
        }
        let before = carries_before(e, site, l, &self.given)?;
        let mut operands = Vec::with_capacity(self.given.len());
        for given in &self.given {
            operands.push(match *given {
                Given::Operand(i) => site.operands[i],
                Given::Before(i) => before[i].ok_or_else(|| lost(site))?,
                Given::Direction(v) => v,
                Given::Zeros(i, zero) => {
                    let ty = e.ty(site.operands[i]).clone();
                    e.full(ty.dtype, ty.shape, zero)?
                }
            });
        }
        let op = make::guarded_scan(Body::new(self.cut.bodies)?, l.steps, self.parts, backwards, self.guard);
        for (i, v) in self.cut.outputs.into_iter().zip(e.emit(op, &operands)?) {
            found[i] = Some(v);
        }
        Ok(found)
    }
}

fn lost(site: &Site<'_>) -> OpError {
    OpError::BadRule { op: site.op.name(), rule: "VJP", why: "lost a carry".into() }
}

/// The carries that are given as each step found them: stacks that the loop has
/// among its results, or those of the same loop once more.
fn carries_before(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    l: &Loop<'_>,
    given: &[Given],
) -> Result<Vec<Option<ValueId>>, OpError> {
    let mut before = vec![None; l.carries];
    let mut missing = Vec::new();
    for given in given {
        let Given::Before(i) = *given else { continue };
        let carry = ValueId::new(i as u32);
        let stacked = (l.carries..l.body.outputs().len()).find(|&k| l.body.outputs()[k] == carry);
        match stacked.and_then(|k| site.results.get(k)) {
            Some(&stack) => before[i] = Some(stack),
            None => missing.push(i),
        }
    }
    if missing.is_empty() {
        return Ok(before);
    }
    let mut outputs = l.body.outputs()[..l.carries].to_vec();
    outputs.extend(missing.iter().map(|&i| ValueId::new(i as u32)));
    let mut body = l.body.clone();
    let keep: Vec<bool> = (0..outputs.len()).map(|i| i >= l.carries).collect();
    body.set_outputs(outputs);
    let operands: Vec<Given> = (0..site.operands.len()).map(Given::Operand).collect();
    let again = Derived::new(l, &operands, [l.carries, l.slices], &body, &keep)?;
    let again = again.emit(e, site, l, l.backwards, keep.len())?;
    for (i, stack) in missing.into_iter().zip(&again[l.carries..]) {
        before[i] = *stack;
    }
    Ok(before)
}

pub(super) fn inside(site: &Site<'_>, rule: &'static str) -> impl Fn(GraphError) -> OpError {
    let op = site.op.name();
    move |error| OpError::BadRule { op, rule, why: format!("cannot be had from its body: {error}") }
}

fn is_float(graph: &Graph, v: ValueId) -> bool {
    graph.ty(v).dtype.is_float()
}

/// Which inputs of the body move with those that are chosen, in any step.
fn moving(l: &Loop<'_>, chosen: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut moves: Vec<bool> =
        l.body.input_values().map(|v| chosen(v.index()) && is_float(l.body, v)).collect();
    loop {
        let wrt: Vec<ValueId> = l.body.input_values().filter(|v| moves[v.index()]).collect();
        let active = sweep::active(l.body, &wrt);
        let mut more = false;
        for i in 0..l.carries {
            let moved = is_float(l.body, ValueId::new(i as u32)) && active[l.body.outputs()[i].index()];
            more |= moved && !moves[i];
            moves[i] |= moved;
        }
        if !more {
            return moves;
        }
    }
}

/// Whether rules of the body's ops may sweep graphs in turn. To find out by trial which carries have
/// a derivative would then take twice as long for each level.
fn is_nested(body: &Graph) -> bool {
    body.nodes().iter().any(|node| node.op.bodies().next().is_some() || node.op.custom().is_some())
}

/// Carries that what is seeded may reach backwards, in any step: rules may still say zero.
fn may_reach(l: &Loop<'_>, seeded: impl Iterator<Item = bool>, moves: &[bool]) -> Vec<bool> {
    let mut carried = vec![false; l.carries];
    let mut seen = vec![false; l.body.len()];
    let seeded = l.body.outputs().iter().zip(seeded).filter(|(_, seeded)| *seeded);
    let mut next: Vec<ValueId> = seeded.map(|(&v, _)| v).collect();
    while let Some(v) = next.pop() {
        if !is_float(l.body, v) || std::mem::replace(&mut seen[v.index()], true) {
            continue;
        }
        match l.body.origin(v) {
            Origin::Node(id) => next.extend(l.body.node(id).operands()),
            Origin::Input(i) if (i as usize) < l.carries && moves[i as usize] => {
                carried[i as usize] = true;
                next.push(l.body.outputs()[i as usize]);
            }
            Origin::Input(_) => {}
        }
    }
    carried
}

/// A reverse sweep over the body, for carries whose cotangent is not known to be absent.
struct Swept {
    given: Vec<Given>,
    parts: [usize; 2],
    body: Graph,
    /// Outputs to keep.
    keep: Vec<bool>,
    /// The input of the body that each output is the gradient of.
    of: Vec<usize>,
    /// Carries that turned out to have a cotangent.
    reached: Vec<bool>,
}

fn sweep_back(
    site: &Site<'_>,
    l: &Loop<'_>,
    cotangents: &[Option<ValueId>],
    moves: &[bool],
    carried: &[bool],
) -> Result<Swept, OpError> {
    let body = l.body;
    let ty = |i: usize| body.ty(ValueId::new(i as u32));
    let inputs = body.inputs().len();
    let mut draft = Draft::new();
    // What the sweep starts with: by output of the body, then by input.
    let mut seeds: Vec<Option<ValueId>> = vec![None; body.outputs().len()];
    let mut sums: Vec<Option<ValueId>> = vec![None; inputs];
    for i in (0..l.carries).filter(|&i| carried[i]) {
        let given = cotangents[i].map_or(Given::Zeros(i, 0.0), Given::Direction);
        seeds[i] = Some(draft.carry(ty(i), given)?);
    }
    for i in (l.sliced().end..inputs).filter(|&i| moves[i]) {
        let zero = if l.guard.is_some() { 0.0 } else { -0.0 };
        let start = site.so_far(i).map_or(Given::Zeros(i, zero), Given::Direction);
        sums[i] = Some(draft.carry(ty(i), start)?);
    }
    let mut handles = Vec::with_capacity(inputs);
    for i in 0..l.carries {
        handles.push(draft.slice(ty(i), Given::Before(i))?);
    }
    for i in l.sliced() {
        handles.push(draft.slice(ty(i), Given::Operand(i))?);
    }
    for k in l.carries..body.outputs().len() {
        if let Some(d) = cotangents[k] {
            seeds[k] = Some(draft.slice(body.ty(body.outputs()[k]), Given::Direction(d))?);
        }
    }
    for i in l.sliced().end..inputs {
        handles.push(draft.input(ty(i), Given::Operand(i))?);
    }
    let Draft { graph, given, parts } = draft;
    let mut recorder = Recorder::new(graph);
    let e: &mut dyn Emitter = &mut recorder;
    let handles = e.inline(site.op.name(), body, &handles)?;
    let mut initial: Vec<Option<ValueId>> = vec![None; body.len()];
    for (i, sum) in sums.iter().enumerate() {
        initial[i] = *sum;
    }
    for (&output, &seed) in body.outputs().iter().zip(&seeds) {
        let slot = &mut initial[output.index()];
        *slot = match (*slot, seed) {
            (Some(a), Some(b)) => Some(e.add(a, b)?),
            (a, b) => a.or(b),
        };
    }
    let wrt: Vec<ValueId> = body.input_values().filter(|v| moves[v.index()]).collect();
    let active = sweep::active(body, &wrt);
    let swept = sweep::reverse(body, e, &handles, initial, Some(&active), None, Level::Definition)
        .map_err(inside(site, "VJP"))?;
    let of_input = |i: usize| swept.cotangent(ValueId::new(i as u32));
    let (mut outputs, mut keep, mut of) = (Vec::new(), Vec::new(), Vec::new());
    let mut give = |v: ValueId, kept: bool, i: usize| {
        outputs.push(v);
        keep.push(kept);
        of.push(i);
    };
    for i in (0..l.carries).filter(|&i| carried[i]) {
        let next = match of_input(i) {
            Some(d) => d,
            None => e.full(ty(i).dtype, ty(i).shape.clone(), 0.0)?,
        };
        give(next, site.wants(i), i);
    }
    for (i, sum) in sums.iter().enumerate() {
        if let (Some(before), Some(after)) = (sum, of_input(i)) {
            give(after, after != *before, i);
        }
    }
    for i in l.sliced().filter(|&i| moves[i]) {
        if let Some(d) = of_input(i) {
            give(d, true, i);
        }
    }
    let reached = (0..l.carries).map(|i| moves[i] && (carried[i] || of_input(i).is_some())).collect();
    let body = recorder.finish(outputs);
    Ok(Swept { given, parts, body, keep, of, reached })
}

/// A loop the other way over the reverse sweep of the body.
pub fn vjp(e: &mut dyn Emitter, site: &Site<'_>, cotangents: &[Option<ValueId>]) -> Result<Flows, OpError> {
    let l = Loop::of(site.op)?;
    let mut flows: Flows = smallvec![Flow::Zero; site.operands.len()];
    if l.steps == 0 {
        for i in (0..l.carries).filter(|&i| site.wants(i)) {
            flows[i] = cotangents[i].map_or(Flow::Zero, Flow::To);
        }
        return Ok(flows);
    }
    let moves = moving(&l, |i| site.wants(i));
    let mut carried: Vec<bool> = (0..l.carries).map(|i| moves[i] && cotangents[i].is_some()).collect();
    if is_nested(l.body) {
        let reached = may_reach(&l, cotangents.iter().map(Option::is_some), &moves);
        carried.iter_mut().zip(reached).for_each(|(carried, reached)| *carried |= reached);
    }
    let swept = loop {
        let swept = sweep_back(site, &l, cotangents, &moves, &carried)?;
        if swept.reached == carried {
            break swept;
        }
        carried = swept.reached;
    };
    let derived = Derived::new(&l, &swept.given, swept.parts, &swept.body, &swept.keep)?;
    let found = derived.emit(e, site, &l, !l.backwards, swept.of.len())?;
    for ((&i, d), &keep) in swept.of.iter().zip(found).zip(&swept.keep) {
        if let (Some(d), true) = (d, keep) {
            let sum = i >= l.sliced().end && site.so_far(i).is_some();
            flows[i] = if sum { Flow::Onto(d) } else { Flow::To(d) };
        }
    }
    Ok(flows)
}

/// A forward sweep over the body, for carries that may move.
struct Moved {
    given: Vec<Given>,
    parts: [usize; 2],
    body: Graph,
    keep: Vec<bool>,
    /// The output of the body that each output is the tangent of, behind its own carries.
    of: Vec<usize>,
    moved: Vec<bool>,
}

fn sweep_on(
    site: &Site<'_>,
    l: &Loop<'_>,
    tangents: &[Option<ValueId>],
    carried: &[bool],
) -> Result<Moved, OpError> {
    let body = l.body;
    let ty = |i: usize| body.ty(ValueId::new(i as u32));
    let inputs = body.inputs().len();
    let mut draft = Draft::new();
    let mut handles = Vec::with_capacity(inputs);
    let mut seeds: Vec<Option<ValueId>> = vec![None; body.len()];
    for i in 0..l.carries {
        handles.push(draft.carry(ty(i), Given::Operand(i))?);
    }
    for i in (0..l.carries).filter(|&i| carried[i]) {
        let given = tangents[i].map_or(Given::Zeros(i, 0.0), Given::Direction);
        seeds[i] = Some(draft.carry(ty(i), given)?);
    }
    for i in l.sliced() {
        handles.push(draft.slice(ty(i), Given::Operand(i))?);
    }
    for i in l.sliced() {
        if let Some(t) = tangents[i] {
            seeds[i] = Some(draft.slice(ty(i), Given::Direction(t))?);
        }
    }
    for i in l.sliced().end..inputs {
        handles.push(draft.input(ty(i), Given::Operand(i))?);
        if let Some(t) = tangents[i] {
            seeds[i] = Some(draft.input(ty(i), Given::Direction(t))?);
        }
    }
    let Draft { graph, given, parts } = draft;
    let mut recorder = Recorder::new(graph);
    let e: &mut dyn Emitter = &mut recorder;
    let handles = e.inline(site.op.name(), body, &handles)?;
    let swept = sweep::forward(body, e, &handles, seeds, Level::Definition).map_err(inside(site, "JVP"))?;
    let of_output = |k: usize| swept[body.outputs()[k].index()];
    let mut outputs: Vec<ValueId> = body.outputs()[..l.carries].iter().map(|v| handles[v.index()]).collect();
    let mut of = Vec::new();
    for i in (0..l.carries).filter(|&i| carried[i]) {
        outputs.push(match of_output(i) {
            Some(t) => t,
            None => e.full(ty(i).dtype, ty(i).shape.clone(), 0.0)?,
        });
        of.push(i);
    }
    for k in l.carries..body.outputs().len() {
        if let Some(t) = of_output(k) {
            outputs.push(t);
            of.push(k);
        }
    }
    let keep = (0..outputs.len()).map(|i| i >= l.carries).collect();
    let moved = (0..l.carries).map(|i| carried[i] || of_output(i).is_some()).collect();
    let body = recorder.finish(outputs);
    Ok(Moved { given, parts, body, keep, of, moved })
}

/// The loop over the forward sweep of the body, carries and their tangents together.
pub fn jvp(e: &mut dyn Emitter, site: &Site<'_>, tangents: &[Option<ValueId>]) -> Result<Tangents, OpError> {
    let l = Loop::of(site.op)?;
    let mut carried: Vec<bool> = match is_nested(l.body) {
        true => moving(&l, |i| tangents[i].is_some()),
        false => tangents.iter().map(Option::is_some).collect(),
    };
    carried.truncate(l.carries);
    let moved = loop {
        let moved = sweep_on(site, &l, tangents, &carried)?;
        if moved.moved == carried {
            break moved;
        }
        carried = moved.moved;
    };
    let derived = Derived::new(&l, &moved.given, moved.parts, &moved.body, &moved.keep)?;
    let found = derived.emit(e, site, &l, l.backwards, moved.keep.len())?;
    let mut out: Tangents = smallvec![None; l.body.outputs().len()];
    for (&k, t) in moved.of.iter().zip(&found[l.carries..]) {
        out[k] = *t;
    }
    Ok(out)
}
