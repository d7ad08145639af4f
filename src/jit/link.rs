//! From IR to placed code: functions are generated, on several threads where
//! there are many, and given their addresses.

use crate::jit::JitError;
use crate::jit::code::CodeReport;
use crate::jit::emit::Chunk;
use cranelift_codegen::Context;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{InstBuilder, LibCall};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Linkage, Module, ModuleReloc, ModuleRelocTarget};
use std::thread::{Scope, ScopedJoinHandle};

/// Functions whose IR is held before their code is generated.
pub const BATCH: usize = 64;

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

/// Functions as IR, or with their code.
type Batch = Vec<(FuncId, Context)>;

/// Functions whose code is being generated.
#[derive(Default)]
pub struct Running<'s> {
    ready: Batch,
    threads: Vec<ScopedJoinHandle<'s, Result<Batch, JitError>>>,
}

fn compile(isa: &dyn TargetIsa, mut batch: Batch) -> Result<Batch, JitError> {
    for (_, context) in &mut batch {
        let compiled = context.compile(isa, &mut ControlPlane::default());
        compiled.map_err(|error| JitError::Codegen(format!("{:?}", error.inner)))?;
    }
    Ok(batch)
}

/// Generates the code of functions, on other threads where there are many.
pub fn generate<'s, 'e: 's>(
    scope: &'s Scope<'s, 'e>,
    isa: &OwnedTargetIsa,
    mut batch: Batch,
    threads: usize,
) -> Result<Running<'s>, JitError> {
    if threads <= 1 || batch.len() < 8 {
        return Ok(Running { ready: compile(isa.as_ref(), batch)?, threads: Vec::new() });
    }
    let size = batch.len().div_ceil(threads);
    let mut running = Running::default();
    while !batch.is_empty() {
        let rest = batch.split_off(size.min(batch.len()));
        let (part, isa) = (std::mem::replace(&mut batch, rest), isa.clone());
        running.threads.push(scope.spawn(move || compile(isa.as_ref(), part)));
    }
    Ok(running)
}

/// Waits for the code of functions and places it, in their order.
pub fn place(module: &mut JITModule, running: Running<'_>, report: &mut CodeReport) -> Result<(), JitError> {
    let mut batch = running.ready;
    for thread in running.threads {
        batch.extend(thread.join().unwrap_or(Err(JitError::Internal("a code generator panicked")))?);
    }
    for (id, context) in &batch {
        let Some(code) = context.compiled_code() else {
            return Err(JitError::Internal("a function without code"));
        };
        let relocs: Vec<ModuleReloc> = code
            .buffer
            .relocs()
            .iter()
            .map(|reloc| ModuleReloc::from_mach_reloc(reloc, &context.func, *id))
            .collect();
        for reloc in &relocs {
            // Others reach 2 GiB, and linking panics where that is too little.
            if reloc.kind != Reloc::Abs8 {
                return Err(JitError::Internal("code that must stand near other code"));
            }
            if let ModuleRelocTarget::LibCall(call) = reloc.name {
                report.symbols.push(libcall_name(call));
            }
        }
        let align = u64::from(code.buffer.alignment).max(16);
        module.define_function_bytes(*id, align, code.code_buffer(), &relocs)?;
        report.functions += 1;
        report.bytes += code.code_buffer().len();
        report.listing.push_str(code.vcode.as_deref().unwrap_or_default());
    }
    Ok(())
}

/// One function that calls all chunks in order.
pub fn driver(
    module: &mut JITModule,
    frontend: &mut FunctionBuilderContext,
    chunks: &[FuncId],
    report: &mut CodeReport,
) -> Result<FuncId, JitError> {
    // A driver of very many calls is cut like everything else.
    let mut level = chunks.to_vec();
    let mut made = 0;
    while level.len() > 1 {
        let mut next = Vec::new();
        for group in level.chunks(DRIVEN) {
            let mut context = module.make_context();
            context.func.signature = Chunk::signature(module);
            let id =
                module.declare_function(&format!("run{made}"), Linkage::Local, &context.func.signature)?;
            made += 1;
            let mut b = FunctionBuilder::new(&mut context.func, frontend);
            let block = b.create_block();
            b.append_block_params_for_function_params(block);
            b.switch_to_block(block);
            b.seal_block(block);
            let args = b.block_params(block).to_vec();
            for &chunk in group {
                let target = module.declare_func_in_func(chunk, b.func);
                // Memory for code may be had far from where the first of it was.
                b.func.dfg.ext_funcs[target].colocated = false;
                b.ins().call(target, &args);
            }
            b.ins().return_(&[]);
            b.finalize(module.isa().frontend_config());
            let ready = compile(module.isa(), vec![(id, context)])?;
            place(module, Running { ready, threads: Vec::new() }, report)?;
            next.push(id);
        }
        level = next;
    }
    level.first().copied().ok_or(JitError::Internal("a program without code"))
}
