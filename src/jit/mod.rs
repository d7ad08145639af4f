//! Native code: a plan cut into chunks, each a Cranelift function, behind one
//! entry.

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
    }
}

/// Items by chunk.
fn cut(plan: &Plan, tier: Tier) -> Vec<Piece> {
    let straight = straight_chunk(plan, tier);
    let looping = if tier == Tier::Fast { straight } else { CHUNK };
    let mut pieces = Vec::new();
    let (mut start, mut sum, mut loops) = (0, 0, false);
    for (i, item) in plan.items.iter().enumerate() {
        let is_loop = matches!(item, Item::Loop(_));
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
    match item {
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
        Item::Call(_) => {}
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
    let pinned = pieces.len() > 1 || plan.items.iter().any(kept);
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
        Def::Load(buf, _) => matches!(plan.buffer(buf).place, Place::Input(0) | Place::Literal(_)),
        _ => true,
    });
    (loads && values == 1).then_some(outputs)
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
    let emit = &mut stages.emit;
    let frame = emit.run(|| frame(plan, pieces, persist))?;
    let mut pool = Pool::default();
    let (mut symbols, mut literals) = (FxHashMap::default(), FxHashMap::default());
    let mut values = Values::new(plan.scalars.len());
    let listing = options.listing == Listing::Code;
    let mut strips = Strips { vector: wide::Vector::widest(options.width), listing, made: Vec::new() };
    let mut frontend = FunctionBuilderContext::new();
    let count = |of: fn(&Item) -> bool| plan.items.iter().filter(|item| of(item)).count();
    let mut report = CodeReport {
        kernels: count(|item| matches!(item, Item::Loop(_))),
        calls: count(|item| matches!(item, Item::Call(_))),
        ..CodeReport::default()
    };
    let mut ids = Vec::with_capacity(pieces.len());
    // Threads generate code while this one makes the IR of what follows.
    let threads = options.threads.min(pieces.len());
    let made = link::Line::run(isa, threads, |line, context| {
        for (c, piece) in pieces.iter().enumerate() {
            let start = Instant::now();
            let mut func = line.blank();
            func.signature = match direct {
                Some(_) => Chunk::direct_signature(module),
                None => Chunk::signature(module),
            };
            let id = module.declare_function(&format!("chunk{c}"), Linkage::Local, &func.signature)?;
            let builder = FunctionBuilder::new(&mut func, &mut frontend);
            let mut chunk = Chunk::new(
                builder,
                plan,
                module,
                &mut pool,
                &frame,
                &mut symbols,
                &mut literals,
                &mut values,
                &mut strips,
                direct.is_some(),
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
    for made in made {
        link::place(module, made, &mut report, stages)?;
    }
    for (id, strip) in strips.made {
        link::place(module, link::Made::assembled(id, strip.code, strip.text), &mut report, stages)?;
    }
    let (entry, direct) = match (ids.as_slice(), direct) {
        (&[only], &Some(outputs)) => {
            (unpack(module, &mut frontend, only, outputs, &mut report, stages)?, Some(only))
        }
        (&[only], None) => (only, None),
        (many, _) => (driver(module, &mut frontend, many, &mut report, stages)?, None),
    };
    stages.link.run(|| module.finalize_definitions())?;
    let mut names: Vec<String> = symbols.keys().map(|s| (*s).to_string()).collect();
    names.sort_unstable();
    report.symbols.extend(names);
    report.symbols.dedup();
    let slots = frame.slots.iter().filter(|&&s| s != u32::MAX).count();
    let workspace = align_up(frame.slot_base + 8 * slots)
        .ok_or(JitError::Internal("the workspace does not fit the address space"))?;
    Ok((entry, direct, pool, report, workspace))
}
