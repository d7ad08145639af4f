//! Native code: a plan cut into chunks, each a Cranelift function, behind one
//! entry.

mod callback;
mod code;
mod emit;
mod isa;
mod kernel;
mod lanes;
mod link;
mod reduce;

use crate::lower::memory::align_up;
use crate::lower::plan::{BufId, Def, Item, LaneOp, Place, Plan, ScalarId};
use crate::program::{Listing, Options};
pub use callback::Status;
use code::Pool;
pub use code::{Code, CodeReport, Entry};
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleError};
use emit::{Chunk, Frame, Values};
use link::{BATCH, driver, libcall_name};
use rustc_hash::FxHashMap;
use thiserror::Error;

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

/// Items by chunk, as ranges.
fn cut(plan: &Plan, chunk: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (i, item) in plan.items.iter().enumerate() {
        if sum >= chunk {
            ranges.push(start..i);
            (start, sum) = (i, 0);
        }
        sum += cost(item);
    }
    ranges.push(start..plan.items.len());
    ranges
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
fn frame(plan: &Plan, chunks: &[std::ops::Range<usize>], persist: usize) -> Result<Frame, JitError> {
    let too_large = || JitError::Internal("the workspace does not fit the address space");
    let mut home: Vec<u32> = vec![u32::MAX; plan.scalars.len()];
    let mut crosses = vec![false; plan.scalars.len()];
    for (c, range) in chunks.iter().enumerate() {
        for item in &plan.items[range.clone()] {
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
    for (c, range) in chunks.iter().enumerate() {
        for item in &plan.items[range.clone()] {
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

/// Compiles a plan. `persist` bytes at the start of the workspace outlive calls.
pub fn compile(plan: &Plan, options: &Options, persist: usize) -> Result<Code, JitError> {
    let isa = isa::target(options.tier, options.checks)?;
    let mut module = module(&isa);
    match compile_into(&mut module, &isa, plan, persist, options) {
        Ok((entry, pool, report, workspace)) => {
            let entry = module.get_finalized_function(entry);
            Ok(Code::new(module, entry, pool, report, workspace))
        }
        Err(error) => {
            // SAFETY: nothing of this module has been handed out.
            unsafe { module.free_memory() };
            Err(error)
        }
    }
}

type Compiled = (FuncId, Pool, CodeReport, usize);

fn compile_into(
    module: &mut JITModule,
    isa: &OwnedTargetIsa,
    plan: &Plan,
    persist: usize,
    options: &Options,
) -> Result<Compiled, JitError> {
    let chunks = cut(plan, CHUNK);
    let frame = frame(plan, &chunks, persist)?;
    let mut pool = Pool::default();
    let (mut symbols, mut literals) = (FxHashMap::default(), FxHashMap::default());
    let mut values = Values::new(plan.scalars.len());
    let mut frontend = FunctionBuilderContext::new();
    let mut report = CodeReport { items: plan.items.len(), ..CodeReport::default() };
    let mut ids = Vec::with_capacity(chunks.len());
    // While threads generate the code of one batch, the IR of the next is made.
    std::thread::scope(|scope| -> Result<(), JitError> {
        let (mut batch, mut running) = (Vec::new(), link::Running::default());
        for (c, range) in chunks.iter().enumerate() {
            let mut context = module.make_context();
            context.set_disasm(options.listing == Listing::Code);
            context.func.signature = Chunk::signature(module);
            let id =
                module.declare_function(&format!("chunk{c}"), Linkage::Local, &context.func.signature)?;
            let builder = FunctionBuilder::new(&mut context.func, &mut frontend);
            let mut chunk = Chunk::new(
                builder,
                plan,
                module,
                &mut pool,
                &frame,
                &mut symbols,
                &mut literals,
                &mut values,
            );
            for item in &plan.items[range.clone()] {
                chunk.item(item)?;
            }
            chunk.b.ins().return_(&[]);
            chunk.b.finalize(isa.frontend_config());
            if options.listing == Listing::Code {
                report.listing.push_str(&context.func.display().to_string());
            }
            batch.push((id, context));
            ids.push(id);
            if batch.len() == BATCH || c + 1 == chunks.len() {
                let next = link::generate(scope, isa, std::mem::take(&mut batch), options.threads)?;
                let ready = std::mem::replace(&mut running, next);
                link::place(module, ready, &mut report)?;
            }
        }
        link::place(module, running, &mut report)
    })?;
    let entry = match ids.as_slice() {
        [only] => *only,
        _ => driver(module, &mut frontend, &ids, &mut report)?,
    };
    module.finalize_definitions()?;
    let mut names: Vec<String> = symbols.keys().map(|s| (*s).to_string()).collect();
    names.sort_unstable();
    report.symbols.extend(names);
    report.symbols.dedup();
    let slots = frame.slots.iter().filter(|&&s| s != u32::MAX).count();
    let workspace = align_up(frame.slot_base + 8 * slots)
        .ok_or(JitError::Internal("the workspace does not fit the address space"))?;
    Ok((entry, pool, report, workspace))
}
