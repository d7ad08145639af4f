//! Code over rows of points: straight-line pieces from the wide emitter and calls of functions of
//! many numbers, in order, behind one entry. The workspace is the rows.

use crate::graph::DType;
use crate::jit::code::{Code, CodeReport, Pool};
use crate::jit::emit::flags;
use crate::jit::isa::Targets;
use crate::jit::link::{self, Made, driver, small, target};
use crate::jit::wide::{self, RowsAt, Vector};
use crate::jit::{JitError, module};
use crate::lower::memory::align_up;
use crate::lower::points::{Block, Row, Step};
use crate::ops::MapFn;
use crate::program::{Listing, Options, Stages};
use cotangent_runtime::math;
use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, Value, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Linkage, Module};

/// Bytes before the first row: the length of the rows, in bytes and in elements.
const HEADER: usize = 64;
/// Bytes of rows that stay in the first level of the cache, and in the second.
const NEAR: usize = 24 << 10;
const FAR: usize = 256 << 10;
/// Steps of a function that calls them.
const CALLED: usize = 500;

/// Code for a block of points, and where its rows stand.
pub struct PointsCode {
    pub code: Code,
    pub rows: RowsAt,
    /// Points of a block at most: a multiple of `lanes`, in which points are counted.
    pub most: usize,
    pub lanes: usize,
    /// Bytes of a number.
    pub size: usize,
}

impl PointsCode {
    /// Bytes of the workspace.
    pub fn workspace(&self) -> usize {
        self.code.workspace
    }

    /// The two words at the start of the workspace for this many points, whole registers.
    pub fn header(&self, points: usize) -> [u64; 2] {
        [(points * self.size) as u64, points as u64]
    }
}

/// Points of a block: as many as the cache holds the rows of.
fn most(rows: Row, size: usize) -> usize {
    let fits = |points: &usize, bytes: usize| rows as usize * (points * size + 64) <= bytes;
    let near = [256, 128, 64].into_iter().find(|points| fits(points, NEAR));
    near.or_else(|| [64, 32].into_iter().find(|points| fits(points, FAR))).unwrap_or(16)
}

/// One call of the entry.
enum Run {
    Piece(FuncId),
    Call { id: FuncId, rows: Vec<Row> },
}

/// Compiles a block; `None` where its rows are too many to be named.
pub fn compile(
    block: &Block,
    vector: Vector,
    options: &Options,
    stages: &mut Stages,
) -> Result<Option<PointsCode>, JitError> {
    let size = block.dtype.size();
    let most = most(block.rows, size);
    // Lines of the cache between rows, so that not all of them fall into the same sets.
    let rows = RowsAt { first: HEADER, apart: most * size + 64 };
    let isa = Targets::new(options.tier, options.checks, true)?;
    let mut module = module(&isa.looping);
    match compile_into(&mut module, block, rows, vector, options, stages) {
        Ok(Some((entry, pool, report, workspace))) => {
            let entry = module.get_finalized_function(entry);
            let code = Code::new(module, entry, None, pool, report, workspace);
            Ok(Some(PointsCode { code, rows, most, lanes: vector.bytes() / size, size }))
        }
        other => {
            // SAFETY: nothing of this module has been handed out.
            unsafe { module.free_memory() };
            other.map(|_| None)
        }
    }
}

type Compiled = (FuncId, Pool, CodeReport, usize);

fn compile_into(
    module: &mut JITModule,
    block: &Block,
    rows: RowsAt,
    vector: Vector,
    options: &Options,
    stages: &mut Stages,
) -> Result<Option<Compiled>, JitError> {
    let (mut pool, mut report) = (Pool::default(), CodeReport::default());
    let mut frontend = FunctionBuilderContext::new();
    let listing = options.listing == Listing::Code;
    let mut straight = Signature::new(CallConv::SystemV);
    straight.params.extend([AbiParam::new(types::I64); 2]);
    let (mut runs, mut spills) = (Vec::with_capacity(block.steps.len()), 0);
    for step in &block.steps {
        match step {
            Step::Straight(parts) => {
                let Some(piece) = wide::points(block, parts, rows, vector, &mut pool, listing) else {
                    return Ok(None);
                };
                spills = spills.max(piece.spills);
                let id = module.declare_anonymous_function(&straight)?;
                link::place(module, Made::assembled(id, piece.code, piece.text), &mut report, stages)?;
                runs.push(Run::Piece(id));
            }
            Step::Call { id, args, out } => {
                let f = block.function(*id).ok_or(JitError::Internal("a call of no function"))?;
                let Some(name) = symbol(f, block.dtype) else { return Ok(None) };
                let mut signature = module.make_signature();
                signature.params.extend(vec![AbiParam::new(types::I64); args.len() + 2]);
                let id = module.declare_function(name, Linkage::Import, &signature)?;
                report.symbols.push(name.into());
                report.calls += 1;
                runs.push(Run::Call { id, rows: args.iter().chain([out]).copied().collect() });
            }
        }
    }
    let mut made = Vec::new();
    // Where nothing is to be done there still is a function that does it.
    let groups = runs.chunks(CALLED).chain(runs.is_empty().then_some(runs.as_slice()));
    for group in groups {
        let name = format!("points{}", made.len());
        made.push(small(module, &mut frontend, &name, &mut report, stages, |module, b, args| {
            run(module, b, args[2], group, rows);
        })?);
    }
    let entry = match made.as_slice() {
        [only] => *only,
        many => driver(module, &mut frontend, many, &mut report, stages)?,
    };
    stages.link.run(|| module.finalize_definitions())?;
    report.symbols.sort_unstable();
    report.symbols.dedup();
    let workspace = rows.at(block.rows).checked_add(spills).and_then(align_up);
    let workspace = workspace.ok_or(JitError::Internal("the workspace does not fit the address space"))?;
    Ok(Some((entry, pool, report, workspace)))
}

/// Calls the steps on the rows of a workspace.
fn run(module: &mut JITModule, b: &mut FunctionBuilder<'_>, workspace: Value, steps: &[Run], rows: RowsAt) {
    let [bytes, points] = [0, 8].map(|at| b.ins().load(types::I64, flags(), workspace, at));
    for step in steps {
        match step {
            Run::Piece(id) => {
                let target = target(module, b, *id);
                b.ins().call(target, &[workspace, bytes]);
            }
            Run::Call { id, rows: at } => {
                let target = target(module, b, *id);
                let mut args = vec![points];
                args.extend(at.iter().map(|&row| b.ins().iadd_imm_s(workspace, rows.at(row) as i64)));
                b.ins().call(target, &args);
            }
        }
    }
}

/// The function of many numbers.
fn symbol(f: MapFn, dtype: DType) -> Option<&'static str> {
    let one = f.many().map(|many| many.symbols);
    let two = || f.runtime_name().and_then(math::pairs).map(|pairs| pairs.symbols);
    one.or_else(two).map(|symbols| symbols[usize::from(dtype == DType::F32)])
}
