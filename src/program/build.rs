//! Compiling the functions of a program and laying out what outlives a call.

use crate::check::finite::{self, excused};
use crate::derive::{self, Connection, Derived, ReverseGraph, Seeds};
use crate::graph::{DType, Graph, NodeId, Source, Step, Trace, ValueId, ValueType};
use crate::jit::{self, Code, JitError};
use crate::lower::memory::align_up;
use crate::lower::plan::{Call, Item, Place, Plan};
use crate::lower::{self, Limits, LowerError, Lowering};
use crate::program::error::CompileError;
use crate::program::jobs::{self, Job};
use crate::program::options::{Checked, Checks, Forms, OptLevel, Options};
use crate::program::report::{Stage, Stages};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What a call checks of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub dtype: DType,
    pub len: usize,
}

/// One compiled function and the types of its arguments.
pub(super) struct Function {
    pub code: Code,
    pub inputs: Vec<Spec>,
    pub outputs: Vec<Spec>,
    /// Full types of the arguments, for errors and layouts.
    pub input_types: Vec<ValueType>,
    pub output_types: Vec<ValueType>,
    /// Whether a call may fail, or values are to be looked at.
    pub can_fail: bool,
    /// Whether its first arguments are the inputs of the graph.
    pub primal: bool,
    pub sites: Vec<Site>,
    /// The gradients that a checked call looks at.
    pub sweep: Option<WatchedSweep>,
    /// What compiling it made and took.
    pub stages: Stages,
}

/// The gradients of a reverse sweep, each kept in the workspace.
pub(super) struct WatchedSweep {
    /// The sweep's steps, with whether infinities are excused and the offset.
    pub steps: Vec<(Step, bool, usize)>,
    /// Where the values of the graph stand, as far as they do.
    pub values: Offsets,
}

impl Function {
    /// With the time that its graph took.
    fn of(derive: Stage, mut function: Function) -> Function {
        function.stages.derive.time = derive.time;
        function
    }

    /// The call that fails at this node of the graph that was lowered.
    pub(super) fn site(&self, lowered: u32) -> Option<&Site> {
        self.sites.iter().find(|site| site.lowered == lowered)
    }
}

/// Where a call that may fail comes from, for its error.
pub(super) struct Site {
    /// The node of the graph that was lowered.
    pub lowered: u32,
    /// The op that fails.
    pub op: &'static str,
    /// The node of the program's graph.
    pub node: NodeId,
    pub source: Source,
    pub is_callback: bool,
}

/// The calls of a plan of `lowered` that may fail.
fn sites(plan: &Plan, lowered: &Graph, trace: &Trace) -> Vec<Site> {
    let mut plans = vec![plan];
    let mut calls = Vec::new();
    while let Some(plan) = plans.pop() {
        for item in &plan.items {
            plans.extend(item.bodies().iter().map(AsRef::as_ref));
            if let Item::Call(call) = item {
                calls.push(call.as_ref());
            }
        }
    }
    let of = |call: &Call| {
        let (origin, is_callback) = match call {
            Call::Read { dims, .. } | Call::Add { dims, .. } => (dims.node, false),
            Call::Callback { node, .. } => (*node, true),
            _ => return None,
        };
        let id = NodeId::new(origin);
        let node = lowered.node(id);
        let (op, source) = (node.op.name(), node.source());
        Some(Site { lowered: origin, op, node: trace.origin(id).unwrap_or(id), source, is_callback })
    };
    calls.into_iter().filter_map(of).collect()
}

/// Where a value lives in the persistent region: byte offset.
pub(super) type Offsets = Vec<Option<usize>>;

/// The dense form: layout of values, seeds and gradients.
pub(super) struct Dense {
    pub forward: Function,
    pub reverse: Function,
    pub values: Offsets,
    pub seeds: Offsets,
    pub gradients: Offsets,
}

/// What checked calls compute first: every value.
pub(super) struct Watch {
    pub forward: Function,
    pub values: Offsets,
    /// Values that may be infinite.
    pub excused: Vec<bool>,
}

/// All compiled functions.
#[derive(Default)]
pub(super) struct Functions {
    pub forward: Option<Function>,
    pub value_and_grad: Option<Function>,
    pub vjp: Option<Function>,
    pub reverse: Option<Function>,
    pub dense: Option<Dense>,
    pub jvp: Option<Function>,
    pub watch: Option<Watch>,
    pub connections: Vec<Connection>,
    /// Bytes of the workspace.
    pub workspace: usize,
}

fn lowering(options: &Options) -> Lowering {
    let check = options.checks == Checks::On;
    match options.opt {
        OptLevel::None => {
            let limits = Limits { unroll: 0, fuse: false, points: false, block: 0 };
            Lowering { simplify: false, roll: 0, limits, check }
        }
        OptLevel::Full => {
            let limits = Limits { unroll: options.unroll, fuse: true, points: false, block: options.block };
            Lowering { simplify: true, roll: options.roll, limits, check }
        }
    }
}

/// The function that gives some values of a graph; `trace` says where its nodes come from.
fn function(
    graph: &Graph,
    trace: &Trace,
    values: &[ValueId],
    inputs: &[Place],
    outputs: &[Place],
    persist: usize,
    options: &Options,
) -> Result<Function, CompileError> {
    let mut stages = Stages::default();
    stages.derive.made = graph.nodes().len();
    let plan = lower::lower(graph, values, inputs, outputs, lowering(options), &mut stages)?;
    // Refused before any code is made for it.
    let bytes = persist.saturating_add(plan.scratch());
    if bytes > options.max_workspace {
        return Err(CompileError::WorkspaceTooLarge { bytes, limit: options.max_workspace });
    }
    let sites = sites(&plan, graph, trace);
    let code = jit::compile(&plan, options, persist, &mut stages)?;
    // Types of the arguments that the caller gives, by position.
    let typed = |places: &[Place], value: &dyn Fn(usize) -> ValueId| -> Vec<ValueType> {
        let mut args: Vec<(u32, ValueType)> = places
            .iter()
            .enumerate()
            .filter_map(|(i, place)| match place {
                Place::Input(k) | Place::Output(k) => Some((*k, graph.ty(value(i)).clone())),
                _ => None,
            })
            .collect();
        args.sort_by_key(|a| a.0);
        args.into_iter().map(|a| a.1).collect()
    };
    let input_types = typed(inputs, &|i| ValueId::new(i as u32));
    let output_types = typed(outputs, &|i| values[i]);
    let specs = |types: &[ValueType]| types.iter().map(|t| Spec { dtype: t.dtype, len: t.numel() }).collect();
    let (inputs, outputs) = (specs(&input_types), specs(&output_types));
    let can_fail = !sites.is_empty();
    Ok(Function {
        code,
        inputs,
        outputs,
        input_types,
        output_types,
        can_fail,
        primal: false,
        sites,
        sweep: None,
        stages,
    })
}

/// The caller's arguments in order.
pub(super) fn externals(n: usize, place: fn(u32) -> Place) -> Vec<Place> {
    (0..n as u32).map(place).collect()
}

/// Gives values offsets in the persistent region.
struct Layout {
    bytes: usize,
}

impl Layout {
    fn take(&mut self, ty: &ValueType) -> Result<usize, CompileError> {
        let at = self.bytes;
        let bytes = usize::try_from(ty.checked_bytes().ok_or(LowerError::TooLarge)?);
        let bytes = bytes.map_err(|_| LowerError::TooLarge)?;
        self.bytes =
            at.checked_add(bytes).and_then(|b| b.checked_next_multiple_of(8)).ok_or(LowerError::TooLarge)?;
        if bytes >= 64 {
            // Large ones start at a cache line; small ones stand close together.
            let aligned = align_up(at).ok_or(LowerError::TooLarge)?;
            self.bytes = aligned.checked_add(bytes.next_multiple_of(8)).ok_or(LowerError::TooLarge)?;
            return Ok(aligned);
        }
        Ok(at)
    }
}

/// Values of the primal graph that the live part of a reverse graph reads.
fn read_by(reverse: &ReverseGraph, primal: &Graph) -> Vec<bool> {
    let graph = &reverse.graph;
    let mut live = vec![false; graph.len()];
    for v in graph.outputs() {
        live[v.index()] = true;
    }
    for node in graph.nodes().iter().rev() {
        if node.results().any(|r| live[r.index()]) {
            for v in node.operands() {
                live[v.index()] = true;
            }
        }
    }
    live.truncate(primal.len());
    live
}

impl Functions {
    pub(super) fn compile(
        graph: &Graph,
        wrt: &[ValueId],
        options: &Options,
    ) -> Result<Functions, CompileError> {
        let forms = options.forms.unwrap_or_else(|| Forms::of(graph));
        let mut made = Functions::default();
        let itself = Trace::identity(graph);
        let mut layout = Layout { bytes: 0 };
        let inputs = externals(graph.inputs().len(), Place::Input);
        let outputs = externals(graph.outputs().len(), Place::Output);

        // Layouts first: every function keeps off all that outlives a call.
        let mut deriving = Stage::default();
        let reverse = match forms.contains(Forms::REVERSE) {
            true => Some(deriving.run(|| derive::reverse(graph, wrt))?),
            false => None,
        };
        let mut saved: Offsets = vec![None; graph.len()];
        if let Some(reverse) = &reverse {
            for (v, read) in graph.values().zip(read_by(reverse, graph)) {
                // A checked sweep names the values that a rule worked on.
                if read || options.checked == Checked::Finite {
                    saved[v.index()] = Some(layout.take(graph.ty(v))?);
                }
            }
        }
        let has_dense = forms.contains(Forms::DENSE);
        let (mut values, mut seeds, mut gradients) = (saved.clone(), saved.clone(), saved.clone());
        if has_dense {
            let mut place = |of: &mut Offsets, floats: bool| -> Result<(), CompileError> {
                for v in graph.values() {
                    let ty = graph.ty(v);
                    of[v.index()] = match !floats || ty.dtype.is_float() {
                        true => Some(layout.take(ty)?),
                        false => None,
                    };
                }
                Ok(())
            };
            place(&mut values, false)?;
            place(&mut seeds, true)?;
            place(&mut gradients, true)?;
        }
        let mut watched: Offsets = vec![None; graph.len()];
        if options.checked == Checked::Finite {
            for v in graph.values() {
                watched[v.index()] = Some(layout.take(graph.ty(v))?);
            }
        }
        let persist = layout.bytes;

        let mut jobs: Vec<Job<'_, Result<Made, CompileError>>> = Vec::new();
        if forms.contains(Forms::FORWARD) || reverse.is_some() {
            jobs.push(Box::new(|| {
                let mut all = graph.outputs().to_vec();
                let mut places = outputs.clone();
                for v in graph.values() {
                    if let Some(at) = saved[v.index()] {
                        all.push(v);
                        places.push(Place::Persist(at));
                    }
                }
                let forward = function(graph, &itself, &all, &inputs, &places, persist, options)?;
                Ok(Made::new(Slot::Forward, forward))
            }));
        }
        if let Some(reverse) = &reverse {
            jobs.push(Box::new(|| {
                let places = primal_places(&saved);
                let seeds = (0..(reverse.graph.inputs().len() - graph.len()) as u32).map(Place::Input);
                let places: Vec<Place> = places.chain(seeds).collect();
                let grads = externals(wrt.len(), Place::Output);
                let of = (&reverse.graph, &reverse.trace);
                let function = swept(graph, of, &places, grads, &saved, persist, options)?;
                let function = Function::of(deriving, function);
                let connections = Some(reverse.connections.clone());
                Ok(Made { slot: Slot::Reverse, function, connections })
            }));
        }
        let derived = [
            (Forms::VALUE_AND_GRAD, Slot::ValueAndGrad, Seeds::One),
            (Forms::VJP, Slot::Vjp, Seeds::Outputs),
        ];
        for (form, slot, seeds) in derived {
            if forms.contains(form) {
                let values = &watched;
                jobs.push(Box::new(move || {
                    let mut deriving = Stage::default();
                    let derived = deriving.run(|| derive::traced_value_and_grad(graph, wrt, seeds))?;
                    let function = whole(graph, &derived, values, persist, options)?;
                    let function = Function::of(deriving, function);
                    Ok(Made { slot, function, connections: Some(derived.connections) })
                }));
            }
        }
        if forms.contains(Forms::JVP) {
            jobs.push(Box::new(|| {
                let mut deriving = Stage::default();
                let derived = deriving.run(|| derive::traced_jvp(graph, wrt))?;
                let function = whole(graph, &derived, &watched, persist, options)?;
                Ok(Made::new(Slot::Jvp, Function::of(deriving, function)))
            }));
        }
        if has_dense {
            jobs.push(Box::new(|| {
                let all: Vec<ValueId> = graph.values().collect();
                let places: Vec<Place> = primal_places(&values).collect();
                let forward = function(graph, &itself, &all, &inputs, &places, persist, options)?;
                Ok(Made::new(Slot::DenseForward, forward))
            }));
            jobs.push(Box::new(|| {
                let mut deriving = Stage::default();
                let dense = deriving.run(|| derive::dense_reverse(graph))?;
                let seeds = seeds.iter().flatten().map(|&at| Place::Persist(at));
                let places: Vec<Place> = primal_places(&values).chain(seeds).collect();
                let out: Vec<Place> = gradients.iter().flatten().map(|&at| Place::Persist(at)).collect();
                let of = (&dense.graph, &dense.trace);
                let reverse = swept(graph, of, &places, out, &values, persist, options)?;
                Ok(Made::new(Slot::DenseReverse, Function::of(deriving, reverse)))
            }));
        }
        if options.checked == Checked::Finite {
            jobs.push(Box::new(|| {
                let all: Vec<ValueId> = graph.values().collect();
                let places: Vec<Place> = primal_places(&watched).collect();
                let forward = function(graph, &itself, &all, &inputs, &places, persist, options)?;
                Ok(Made::new(Slot::Watch, forward))
            }));
        }
        let threads = if graph.len() < PARALLEL { 1 } else { options.threads };
        let (mut dense_forward, mut dense_reverse, mut watch) = (None, None, None);
        let all = jobs::run(jobs, threads).ok_or(JitError::Internal("a thread of the compiler panicked"))?;
        for one in all {
            let one = one?;
            let slot = match one.slot {
                Slot::Forward => &mut made.forward,
                Slot::ValueAndGrad => &mut made.value_and_grad,
                Slot::Vjp => &mut made.vjp,
                Slot::Reverse => &mut made.reverse,
                Slot::Jvp => &mut made.jvp,
                Slot::DenseForward => &mut dense_forward,
                Slot::DenseReverse => &mut dense_reverse,
                Slot::Watch => &mut watch,
            };
            let mut function = one.function;
            function.primal = !matches!(one.slot, Slot::Reverse | Slot::DenseReverse | Slot::Watch);
            // The way of calls that may fail is the one that looks.
            function.can_fail |= options.checked == Checked::Finite;
            *slot = Some(function);
            if let Some(connections) = one.connections {
                made.connections = connections;
            }
        }
        if let (Some(forward), Some(reverse)) = (dense_forward, dense_reverse) {
            made.dense = Some(Dense { forward, reverse, values, seeds, gradients });
        }
        made.watch = watch.map(|forward| Watch { forward, values: watched, excused: excused(graph) });
        made.workspace = made.functions().map(|f| f.code.workspace).max().unwrap_or(0).max(persist);
        if made.workspace > options.max_workspace {
            return Err(CompileError::WorkspaceTooLarge {
                bytes: made.workspace,
                limit: options.max_workspace,
            });
        }
        Ok(made)
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &Function> {
        let dense = self.dense.iter().flat_map(|d| [&d.forward, &d.reverse]);
        let watch = self.watch.iter().map(|w| &w.forward);
        [&self.forward, &self.value_and_grad, &self.vjp, &self.reverse, &self.jvp]
            .into_iter()
            .flatten()
            .chain(dense)
            .chain(watch)
    }
}

/// Which function a job makes.
#[derive(Clone, Copy)]
enum Slot {
    Forward,
    ValueAndGrad,
    Vjp,
    Reverse,
    Jvp,
    DenseForward,
    DenseReverse,
    Watch,
}

/// What a job made.
struct Made {
    slot: Slot,
    function: Function,
    connections: Option<Vec<Connection>>,
}

impl Made {
    fn new(slot: Slot, function: Function) -> Made {
        Made { slot, function, connections: None }
    }
}

/// Values of a graph from which on its functions are compiled side by side.
const PARALLEL: usize = 500;

/// A function of a graph derived from `primal`, whose values stand at `values` when
/// it runs. A checked one keeps the gradients of its sweep.
fn swept(
    primal: &Graph,
    (graph, trace): (&Graph, &Trace),
    inputs: &[Place],
    mut places: Vec<Place>,
    values: &Offsets,
    persist: usize,
    options: &Options,
) -> Result<Function, CompileError> {
    let mut outputs = graph.outputs().to_vec();
    if options.checked == Checked::No {
        return function(graph, trace, &outputs, inputs, &places, persist, options);
    }
    let (mut layout, mut kept) = (Layout { bytes: persist }, HashMap::new());
    let mut steps = Vec::with_capacity(trace.steps().len());
    for (step, excused) in finite::steps(primal, trace) {
        let at = match kept.entry(step.gradient) {
            Entry::Occupied(at) => *at.get(),
            Entry::Vacant(place) => {
                let at = *place.insert(layout.take(graph.ty(step.gradient))?);
                outputs.push(step.gradient);
                places.push(Place::Persist(at));
                at
            }
        };
        steps.push((step, excused, at));
    }
    let made = function(graph, trace, &outputs, inputs, &places, layout.bytes, options)?;
    Ok(Function { sweep: Some(WatchedSweep { steps, values: values.clone() }), ..made })
}

/// A function whose arguments are all the caller's.
fn whole(
    primal: &Graph,
    derived: &Derived,
    values: &Offsets,
    persist: usize,
    options: &Options,
) -> Result<Function, CompileError> {
    let graph = &derived.graph;
    let inputs = externals(graph.inputs().len(), Place::Input);
    let outputs = externals(graph.outputs().len(), Place::Output);
    swept(primal, (graph, &derived.trace), &inputs, outputs, values, persist, options)
}

/// Places of the primal values as inputs; those without one are not read.
fn primal_places(offsets: &Offsets) -> impl Iterator<Item = Place> + '_ {
    offsets.iter().map(|at| Place::Persist(at.unwrap_or(0)))
}
