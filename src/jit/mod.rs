//! Native code: a plan cut into chunks, each a Cranelift function, behind one
//! entry.

mod blocks;
mod bodies;
mod callback;
mod code;
mod emit;
mod isa;
mod kernel;
mod lanes;
mod link;
mod points;
mod reduce;
mod strip;
mod wide;

use crate::graph::DType;
use crate::lower::memory::align_up;
use crate::lower::plan::{BufId, Buffer, Def, Item, LaneOp, Place, Plan, ScalarId};
use crate::program::{Listing, Options, Stage, Stages, Tier};
pub use callback::Status;
use code::Pool;
pub use code::{Code, CodeReport, Direct, Entry};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleError};
use emit::{Chunk, Frame, Values};
use isa::Targets;
use link::{Draft, driver, libcall_name, unpack};
pub use points::{PointsCode, compile as compile_points};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Instant;
use strip::Strips;
use thiserror::Error;
pub use wide::Vector;

/// Why code could not be generated.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum JitError {
    /// Cranelift does not support this machine.
    #[error("this machine cannot run compiled programs: {0} (use the tape)")]
    Host(String),
    /// Cranelift refused.
    #[error("code generation failed: {0}")]
    Codegen(String),
    /// The constants of the graph do not fit memory.
    #[error("not enough memory for the constants of the graph")]
    OutOfMemory,
    /// The emitter broke its own rule: a defect of this crate.
    #[error("internal error of the code generator: {0}")]
    Internal(&'static str),
}

impl From<ModuleError> for JitError {
    fn from(error: ModuleError) -> JitError {
        JitError::Codegen(error.to_string())
    }
}

/// Cost of a chunk, in instructions or so: the allocator is superlinear beyond.
const CHUNK: usize = 700;

/// The same for chunks without loops, where it takes longer to be so: fewer scalars
/// cross, but what is small should be cut into enough pieces for several threads.
fn straight_chunk(plan: &Plan, tier: Tier) -> usize {
    let most = match tier {
        Tier::Fast => 3 * CHUNK,
        Tier::Full => 2 * CHUNK,
    };
    (plan.items.iter().map(cost).sum::<usize>() / 8).clamp(CHUNK, most)
}

/// A run of items that becomes a function.
struct Piece {
    items: std::ops::Range<usize>,
    /// Whether there are loops among them.
    loops: bool,
}

fn module(isa: &OwnedTargetIsa) -> JITModule {
    let mut builder = JITBuilder::with_isa(isa.clone(), Box::new(libcall_name));
    for (name, address) in cotangent_runtime::symbols::all() {
        builder.symbol(name, address);
    }
    builder.symbol(callback::SYMBOL, callback::run as *const u8);
    JITModule::new(builder)
}

fn cost(item: &Item) -> usize {
    match item {
        Item::Scalar(_) | Item::Store(..) => 1,
        Item::Loop(kernel) => 30 + 12 * kernel.body.len(),
        Item::Call(_) => 8,
        Item::Repeat(repeat) => 30 + 12 * (repeat.carries.len() + repeat.slices.len() + repeat.stacks.len()),
        Item::Blocks(blocks) => blocks.items().map(cost).sum(),
        Item::Branch(branch) => 30 + 3 * (branch.inputs.len() + branch.outputs.len()),
    }
}

/// Items by chunk.
fn cut(plan: &Plan, tier: Tier) -> Vec<Piece> {
    let straight = straight_chunk(plan, tier);
    let looping = if tier == Tier::Fast { straight } else { CHUNK };
    let mut pieces = Vec::new();
    let (mut start, mut sum, mut loops) = (0, 0, false);
    for (i, item) in plan.items.iter().enumerate() {
        let is_loop = matches!(item, Item::Loop(_) | Item::Repeat(_) | Item::Branch(_) | Item::Blocks(_));
        if sum >= if loops || is_loop { looping } else { straight } {
            pieces.push(Piece { items: start..i, loops });
            (start, sum, loops) = (i, 0, false);
        }
        sum += cost(item);
        loops |= is_loop;
    }
    pieces.push(Piece { items: start..plan.items.len(), loops });
    pieces
}

/// Scalars that an item uses.
fn used(plan: &Plan, item: &Item, mut f: impl FnMut(ScalarId)) {
    let mut alone = |item: &Item| match item {
        Item::Scalar(id) => match &plan.scalar(*id).def {
            Def::Map(_, args) => args.iter().for_each(|&a| f(a)),
            Def::Cast(a) => f(*a),
            _ => {}
        },
        Item::Store(_, _, id) => f(*id),
        Item::Loop(kernel) => {
            for lane in &kernel.body {
                if let LaneOp::Scalar(id) = lane.op {
                    f(id);
                }
            }
        }
        Item::Call(_) | Item::Repeat(_) | Item::Branch(_) | Item::Blocks(_) => {}
    };
    match item {
        Item::Blocks(blocks) => blocks.items().for_each(alone),
        _ => alone(item),
    }
}

/// Slots for the scalars that a later chunk needs.
fn frame(plan: &Plan, pieces: &[Piece], persist: usize) -> Result<Frame, JitError> {
    let too_large = || JitError::Internal("the workspace does not fit the address space");
    let mut home: Vec<u32> = vec![u32::MAX; plan.scalars.len()];
    let mut crosses = vec![false; plan.scalars.len()];
    for (c, piece) in pieces.iter().enumerate() {
        for item in &plan.items[piece.items.clone()] {
            used(plan, item, |id| {
                crosses[id.index()] |= home[id.index()] != u32::MAX && home[id.index()] != c as u32;
            });
            if let Item::Scalar(id) = item {
                home[id.index()] = c as u32;
            }
        }
    }
    // What is stored for the caller anyway is read back from there, if it was
    // stored in the defining chunk. Scratch is reused, so it does not count.
    let mut stored: FxHashMap<ScalarId, (BufId, usize)> = FxHashMap::default();
    for (c, piece) in pieces.iter().enumerate() {
        for item in &plan.items[piece.items.clone()] {
            if let Item::Store(buf, at, id) = item
                && crosses[id.index()]
                && home[id.index()] == c as u32
                && !matches!(plan.buffer(*buf).place, Place::Temp(_))
            {
                stored.entry(*id).or_insert((*buf, *at));
            }
        }
    }
    let mut slots = vec![u32::MAX; plan.scalars.len()];
    let mut bytes = 0usize;
    for (i, slot) in slots.iter_mut().enumerate() {
        if crosses[i] && !stored.contains_key(&ScalarId(i as u32)) {
            *slot = u32::try_from(bytes).map_err(|_| too_large())?;
            bytes += 8;
        }
    }
    let temp = align_up(persist).ok_or_else(too_large)?;
    let slot_base = temp.checked_add(plan.temp_bytes).and_then(align_up).ok_or_else(too_large)?;
    Ok(Frame { temp, slots, slot_base, homes: stored })
}

/// What the code of a plan will look like.
struct Shape {
    isa: Targets,
    pieces: Vec<Piece>,
    /// Outputs of a direct function, see [`direct_outputs`].
    direct: Option<u32>,
}

/// Compiles a plan. `persist` bytes at the start of the workspace outlive calls.
pub fn compile(
    plan: &Plan,
    options: &Options,
    persist: usize,
    stages: &mut Stages,
) -> Result<Code, JitError> {
    let pieces = cut(plan, options.tier);
    let direct = direct_outputs(plan).filter(|_| options.direct && pieces.len() == 1);
    let kept = |item: &Item| match item {
        Item::Store(buf, ..) => matches!(plan.buffer(*buf).place, Place::Persist(_)),
        _ => false,
    };
    let bodies = plan.items.iter().any(|item| !item.bodies().is_empty());
    let pinned = pieces.len() > 1 || bodies || plan.items.iter().any(kept);
    let isa = Targets::new(options.tier, options.checks, pinned)?;
    let shape = Shape { isa, pieces, direct };
    let mut module = module(&shape.isa.looping);
    match compile_into(&mut module, &shape, plan, persist, options, stages) {
        Ok((entry, direct, pool, report, workspace)) => {
            let entry = module.get_finalized_function(entry);
            let direct = direct.map(|id| module.get_finalized_function(id));
            Ok(Code::new(module, entry, direct, pool, report, workspace))
        }
        Err(error) => {
            // SAFETY: nothing of this module has been handed out.
            unsafe { module.free_memory() };
            Err(error)
        }
    }
}

type Compiled = (FuncId, Option<FuncId>, Pool, CodeReport, usize);

/// Whether a plan is straight-line code from one array to a number and at most
/// one array more, so that it needs neither workspace nor status: how many
/// outputs it has then.
fn direct_outputs(plan: &Plan) -> Option<u32> {
    let (mut values, mut outputs) = (0, 1);
    for item in &plan.items {
        let Item::Store(buf, ..) = item else {
            if matches!(item, Item::Scalar(_)) {
                continue;
            }
            return None;
        };
        match plan.buffer(*buf) {
            Buffer { dtype: DType::F64, place: Place::Output(0), .. } => values += 1,
            Buffer { place: Place::Output(1), .. } => outputs = 2,
            _ => return None,
        }
    }
    let loads = plan.scalars.iter().all(|scalar| match scalar.def {
        Def::Load(buf, _) => {
            matches!(plan.buffer(buf).place, Place::Input(0) | Place::Part(0, _) | Place::Literal(_))
        }
        _ => true,
    });
    (loads && values == 1).then_some(outputs)
}

/// What the functions of one program have in common while they are made.
struct Maker<'m> {
    module: &'m mut JITModule,
    isa: &'m Targets,
    options: &'m Options,
    pool: Pool,
    symbols: FxHashMap<&'static str, FuncId>,
    strips: Strips,
    frontend: FunctionBuilderContext,
    report: CodeReport,
    /// Functions so far, for their names.
    made: usize,
}

/// The functions of a plan, in order, and the end of the workspace that they use.
struct Functions {
    ids: Vec<FuncId>,
    end: usize,
}

impl Maker<'_> {
    /// The functions of a plan whose scratch begins behind `persist` bytes of the
    /// workspace, and those of the bodies of its loops.
    fn functions(
        &mut self,
        plan: &Plan,
        pieces: &[Piece],
        direct: bool,
        persist: usize,
        stages: &mut Stages,
    ) -> Result<Functions, JitError> {
        let frame = stages.emit.run(|| frame(plan, pieces, persist))?;
        let slots = frame.slots.iter().filter(|&&s| s != u32::MAX).count();
        let own = align_up(frame.slot_base + 8 * slots)
            .ok_or(JitError::Internal("the workspace does not fit the address space"))?;
        // Bodies run one after the other, so that they may use the same scratch.
        let (mut bodies, mut end) = (FxHashMap::default(), own);
        for body in plan.items.iter().flat_map(Item::bodies) {
            let pieces = cut(body, self.options.tier);
            let made = self.functions(body, &pieces, false, own, stages)?;
            bodies.insert(Arc::as_ptr(body), self.entry(&made.ids, stages)?);
            end = end.max(made.end);
        }
        let count = |of: fn(&Item) -> bool| plan.steps().filter(|item| of(item)).count();
        self.report.kernels += count(|item| matches!(item, Item::Loop(_)));
        self.report.calls += count(|item| matches!(item, Item::Call(_)));
        let ids = self.chunks(plan, pieces, direct, &frame, &bodies, stages)?;
        Ok(Functions { ids, end })
    }

    /// A function for each piece of a plan.
    fn chunks(
        &mut self,
        plan: &Plan,
        pieces: &[Piece],
        direct: bool,
        frame: &Frame,
        bodies: &FxHashMap<*const Plan, FuncId>,
        stages: &mut Stages,
    ) -> Result<Vec<FuncId>, JitError> {
        let Maker { module, isa, options, pool, symbols, strips, frontend, .. } = self;
        let emit = &mut stages.emit;
        let mut literals = FxHashMap::default();
        let mut values = Values::new(plan.scalars.len());
        let listing = options.listing == Listing::Code;
        let mut ids = Vec::with_capacity(pieces.len());
        // Threads generate code while this one makes the IR of what follows.
        let threads = options.threads.min(pieces.len());
        let first = self.made;
        let made = link::Line::run(isa, threads, |line, context| {
            for (c, piece) in pieces.iter().enumerate() {
                let start = Instant::now();
                let mut func = line.blank();
                func.signature = match direct {
                    true => Chunk::direct_signature(module),
                    false => Chunk::signature(module),
                };
                let name = format!("chunk{}", first + c);
                let id = module.declare_function(&name, Linkage::Local, &func.signature)?;
                let builder = FunctionBuilder::new(&mut func, frontend);
                let mut chunk = Chunk::new(
                    builder,
                    plan,
                    module,
                    pool,
                    frame,
                    symbols,
                    &mut literals,
                    &mut values,
                    strips,
                    bodies,
                    direct,
                );
                for item in &plan.items[piece.items.clone()] {
                    chunk.item(item)?;
                }
                chunk.finish();
                emit.add(Stage { made: func.dfg.num_insts(), time: start.elapsed() });
                let listing = listing.then(|| func.display().to_string());
                line.give(Draft { id, func, loops: piece.loops, listing }, context);
                ids.push(id);
            }
            Ok(())
        })?;
        self.made += pieces.len();
        for made in made {
            link::place(self.module, made, &mut self.report, stages)?;
        }
        for (id, strip) in std::mem::take(&mut self.strips.made) {
            link::place(
                self.module,
                link::Made::assembled(id, strip.code, strip.text),
                &mut self.report,
                stages,
            )?;
        }
        Ok(ids)
    }

    /// One function that runs the functions of a plan in order.
    fn entry(&mut self, ids: &[FuncId], stages: &mut Stages) -> Result<FuncId, JitError> {
        match ids {
            &[only] => Ok(only),
            many => driver(self.module, &mut self.frontend, many, &mut self.report, stages),
        }
    }
}

fn compile_into(
    module: &mut JITModule,
    shape: &Shape,
    plan: &Plan,
    persist: usize,
    options: &Options,
    stages: &mut Stages,
) -> Result<Compiled, JitError> {
    let Shape { isa, pieces, direct } = shape;
    let listing = options.listing == Listing::Code;
    let mut maker = Maker {
        module,
        isa,
        options,
        pool: Pool::default(),
        symbols: FxHashMap::default(),
        strips: Strips { vector: wide::Vector::widest(options.width), listing, made: Vec::new() },
        frontend: FunctionBuilderContext::new(),
        report: CodeReport::default(),
        made: 0,
    };
    let Functions { ids, end } = maker.functions(plan, pieces, direct.is_some(), persist, stages)?;
    let (entry, direct) = match (ids.as_slice(), direct) {
        (&[only], &Some(outputs)) => {
            let Maker { module, frontend, report, .. } = &mut maker;
            (unpack(module, frontend, only, outputs, report, stages)?, Some(only))
        }
        (all, _) => (maker.entry(all, stages)?, None),
    };
    let Maker { module, pool, symbols, mut report, .. } = maker;
    stages.link.run(|| module.finalize_definitions())?;
    let mut names: Vec<String> = symbols.keys().map(|s| (*s).to_string()).collect();
    names.sort_unstable();
    report.symbols.extend(names);
    report.symbols.dedup();
    Ok((entry, direct, pool, report, end))
}
