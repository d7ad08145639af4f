//! From IR to placed code: functions are generated, on several threads where
//! there are many, and given their addresses.

use crate::jit::JitError;
use crate::jit::code::CodeReport;
use crate::jit::emit::{Chunk, flags};
use crate::jit::isa::Targets;
use crate::program::{Stage, Stages};
use cranelift_codegen::Context;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{FuncRef, Function, InstBuilder, LibCall, Value, types};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Linkage, Module, ModuleReloc, ModuleRelocTarget};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Functions as IR that wait before the thread that makes them helps out.
const WAITING: usize = 8;

/// Calls of one driver function.
const DRIVEN: usize = 500;

/// Libcalls of Cranelift go to our own definitions, never to the platform.
pub fn libcall_name(call: LibCall) -> String {
    match call {
        LibCall::FmaF64 => "ct_fma_f64".into(),
        LibCall::FmaF32 => "ct_fma_f32".into(),
        other => format!("unavailable:{other}"),
    }
}

/// A function as IR.
pub struct Draft {
    pub id: FuncId,
    pub func: Function,
    /// Whether it has loops.
    pub loops: bool,
    /// The IR as text, where that is wanted, and the assembly with it.
    pub listing: Option<String>,
}

/// Machine code that has no address yet.
pub struct Made {
    id: FuncId,
    align: u64,
    bytes: Vec<u8>,
    relocs: Vec<ModuleReloc>,
    clif: String,
    assembly: String,
    time: Duration,
}

impl Made {
    /// Code that needs no linking.
    pub fn assembled(id: FuncId, bytes: Vec<u8>, text: Option<String>) -> Made {
        let (relocs, time) = (Vec::new(), Duration::ZERO);
        Made { id, align: 64, bytes, relocs, clif: String::new(), assembly: text.unwrap_or_default(), time }
    }
}

/// Generates the code of a function. The context is used again and again, and so
/// is the memory of the IR: what a function takes is several hundred kilobytes.
fn generate(
    isa: &dyn TargetIsa,
    context: &mut Context,
    id: FuncId,
    func: &mut Function,
    listing: Option<String>,
) -> Result<Made, JitError> {
    let start = Instant::now();
    std::mem::swap(&mut context.func, func);
    context.set_disasm(listing.is_some());
    let compiled = context.compile(isa, &mut ControlPlane::default());
    let made = compiled.map(|_| ()).map_err(|error| JitError::Codegen(format!("{:?}", error.inner)));
    let made = made.and_then(|()| {
        let code = context.compiled_code().ok_or(JitError::Internal("a function without code"))?;
        let relocs = code.buffer.relocs();
        Ok(Made {
            id,
            align: u64::from(code.buffer.alignment).max(16),
            bytes: code.code_buffer().to_vec(),
            relocs: relocs.iter().map(|r| ModuleReloc::from_mach_reloc(r, &context.func, id)).collect(),
            clif: listing.unwrap_or_default(),
            assembly: code.vcode.clone().unwrap_or_default(),
            time: start.elapsed(),
        })
    });
    context.clear();
    std::mem::swap(&mut context.func, func);
    made
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(usize, Draft)>,
    given: usize,
    made: Vec<(usize, Result<Made, JitError>)>,
    spare: Vec<Function>,
    closed: bool,
}

/// Where functions as IR wait for a thread that generates their code.
pub struct Line<'i> {
    isa: &'i Targets,
    limit: usize,
    queue: Mutex<Queue>,
    more: Condvar,
}

/// Lets the threads of a line go home, whatever happens.
struct Closing<'l, 'i>(&'l Line<'i>);

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.more.notify_all();
    }
}

impl<'i> Line<'i> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `draft`, which gives functions, while `threads` threads, that of the
    /// caller among them, generate their code. It comes in the order of giving.
    pub fn run(
        isa: &'i Targets,
        threads: usize,
        draft: impl FnOnce(&Line<'i>, &mut Context) -> Result<(), JitError>,
    ) -> Result<Vec<Made>, JitError> {
        let limit = if threads > 1 { WAITING } else { 0 };
        let line = Line { isa, limit, queue: Mutex::default(), more: Condvar::new() };
        let mut context = Context::new();
        std::thread::scope(|scope| {
            let closing = Closing(&line);
            let start = |_| std::thread::Builder::new().spawn_scoped(scope, || line.work()).ok();
            // Where the system has no thread to give, this one does it all.
            let others: Vec<_> = (1..threads).map_while(start).collect();
            draft(&line, &mut context)?;
            while line.step(&mut context) {}
            drop(closing);
            others
                .into_iter()
                .try_for_each(|t| t.join().map_err(|_| JitError::Internal("a code generator panicked")))
        })?;
        let mut made = line.queue.into_inner().unwrap_or_else(PoisonError::into_inner).made;
        made.sort_unstable_by_key(|(at, _)| *at);
        made.into_iter().map(|(_, made)| made).collect()
    }

    /// A function to fill.
    pub fn blank(&self) -> Function {
        self.queue().spare.pop().unwrap_or_else(Function::new)
    }

    /// Hands over a function; generates one here where enough are waiting.
    pub fn give(&self, draft: Draft, context: &mut Context) {
        let mut queue = self.queue();
        let at = queue.given;
        queue.given += 1;
        queue.waiting.push_back((at, draft));
        let full = queue.waiting.len() > self.limit;
        drop(queue);
        self.more.notify_one();
        if full {
            self.step(context);
        }
    }

    /// Generates the function that waits longest, if there is one.
    fn step(&self, context: &mut Context) -> bool {
        let Some((at, mut draft)) = self.queue().waiting.pop_front() else { return false };
        let isa = if draft.loops { &self.isa.looping } else { &self.isa.straight };
        let made = generate(isa.as_ref(), context, draft.id, &mut draft.func, draft.listing);
        let mut queue = self.queue();
        queue.made.push((at, made));
        queue.spare.push(draft.func);
        true
    }

    fn work(&self) {
        let mut context = Context::new();
        loop {
            while self.step(&mut context) {}
            let mut queue = self.queue();
            while queue.waiting.is_empty() {
                if queue.closed {
                    return;
                }
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// Gives code its address.
pub fn place(
    module: &mut JITModule,
    made: Made,
    report: &mut CodeReport,
    stages: &mut Stages,
) -> Result<(), JitError> {
    let start = Instant::now();
    for reloc in &made.relocs {
        // Others reach 2 GiB, and linking panics where that is too little.
        if reloc.kind != Reloc::Abs8 {
            return Err(JitError::Internal("code that must stand near other code"));
        }
        if let ModuleRelocTarget::LibCall(call) = reloc.name {
            report.symbols.push(libcall_name(call));
        }
    }
    module.define_function_bytes(made.id, made.align, &made.bytes, &made.relocs)?;
    report.clif.push_str(&made.clif);
    report.assembly.push_str(&made.assembly);
    stages.generate.add(Stage { made: made.bytes.len(), time: made.time });
    stages.link.add(Stage { made: 1, time: start.elapsed() });
    Ok(())
}

/// A function in the shape of a chunk that is not cut from a plan.
pub fn small(
    module: &mut JITModule,
    frontend: &mut FunctionBuilderContext,
    name: &str,
    report: &mut CodeReport,
    stages: &mut Stages,
    body: impl FnOnce(&mut JITModule, &mut FunctionBuilder<'_>, &[Value]),
) -> Result<FuncId, JitError> {
    let start = Instant::now();
    let mut func = Function::new();
    func.signature = Chunk::signature(module);
    let id = module.declare_function(name, Linkage::Local, &func.signature)?;
    let mut b = FunctionBuilder::new(&mut func, frontend);
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.seal_block(block);
    let args = b.block_params(block).to_vec();
    body(module, &mut b, &args);
    b.ins().return_(&[]);
    b.finalize(module.isa().frontend_config());
    stages.emit.add(Stage { made: func.dfg.num_insts(), time: start.elapsed() });
    let made = generate(module.isa(), &mut Context::new(), id, &mut func, None)?;
    place(module, made, report, stages)?;
    Ok(id)
}

/// A function of the module as the target of a call.
pub fn target(module: &mut JITModule, b: &mut FunctionBuilder<'_>, id: FuncId) -> FuncRef {
    let target = module.declare_func_in_func(id, b.func);
    // Memory for code may be had far from where the first of it was.
    b.func.dfg.ext_funcs[target].colocated = false;
    target
}

/// One function that calls all chunks in order.
pub fn driver(
    module: &mut JITModule,
    frontend: &mut FunctionBuilderContext,
    chunks: &[FuncId],
    report: &mut CodeReport,
    stages: &mut Stages,
) -> Result<FuncId, JitError> {
    // A driver of very many calls is cut like everything else.
    let mut level = chunks.to_vec();
    let mut made = 0;
    while level.len() > 1 {
        let mut next = Vec::new();
        for group in level.chunks(DRIVEN) {
            next.push(small(
                module,
                frontend,
                &format!("run{}_{made}", chunks[0].as_u32()),
                report,
                stages,
                |module, b, args| {
                    for &chunk in group {
                        let target = target(module, b, chunk);
                        b.ins().call(target, args);
                    }
                },
            )?);
            made += 1;
        }
        level = next;
    }
    level.first().copied().ok_or(JitError::Internal("a program without code"))
}

/// The ordinary entry of a direct function of `outputs` outputs.
pub fn unpack(
    module: &mut JITModule,
    frontend: &mut FunctionBuilderContext,
    direct: FuncId,
    outputs: u32,
    report: &mut CodeReport,
    stages: &mut Stages,
) -> Result<FuncId, JitError> {
    small(module, frontend, "entry", report, stages, |module, b, args| {
        let target = target(module, b, direct);
        let mut pointer = |from: Value, at: i32| b.ins().load(types::I64, flags(), from, 8 * at);
        let (input, value) = (pointer(args[0], 0), pointer(args[1], 0));
        // A function of one output never touches the second.
        let second = if outputs > 1 { pointer(args[1], 1) } else { value };
        let call = b.ins().call(target, &[input, second]);
        if let Some(&result) = b.inst_results(call).first() {
            b.ins().store(flags(), result, value, 0);
        }
    })
}
