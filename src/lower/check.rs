//! The checker of plans. It proves, independently of how a plan was made:
//!
//! 1. every address of every access lies within its buffer;
//! 2. every read of a buffer sees elements that were written before (or are an
//!    input, a constant or a persistent value), and no other buffer was placed
//!    over them in between;
//! 3. every scalar is computed before it is used.
//!
//! It claims nothing about *what* was written: that is the differential's part.

use crate::graph::{DType, ValueType};
use crate::lower::LowerError;
use crate::lower::collapse::extent;
use crate::lower::memory::lives;
use crate::lower::plan::{
    Access, Blocks, Branch, BufId, Buffer, Call, Carry, Def, Item, Place, Plan, Repeat, ScalarId,
};
use cotangent_runtime::matmul::MatmulDims;

/// Checks that every address is in range (contract C6). Always on.
pub fn addresses(plan: &Plan) -> Result<(), LowerError> {
    let inside = |access: &Access, dims: &smallvec::SmallVec<[usize; 4]>| {
        let (lo, hi) = extent(access, dims);
        let len = plan.buffer(access.buf).len as isize;
        if lo < 0 || hi >= len { Err(LowerError::Internal("an address out of range")) } else { Ok(()) }
    };
    let element = |buf: BufId, at: usize| {
        let fits = at < plan.buffer(buf).len;
        if fits { Ok(()) } else { Err(LowerError::Internal("an element out of range")) }
    };
    for part in &plan.buffers {
        let Place::Part(input, from) = part.place else { continue };
        let holds = |whole: &Buffer| {
            matches!(whole.place, Place::Input(k) if k == input)
                && whole.dtype == part.dtype
                && from.checked_add(part.len).is_some_and(|end| end <= whole.len)
        };
        if !plan.buffers.iter().any(holds) {
            return Err(LowerError::Internal("a part that is not in its input"));
        }
    }
    for scalar in &plan.scalars {
        if let Def::Load(buf, at) = scalar.def {
            element(buf, at)?;
        }
    }
    for item in plan.steps() {
        match item {
            // What is in them comes by itself.
            Item::Scalar(_) | Item::Blocks(_) => {}
            Item::Store(buf, at, _) => element(*buf, *at)?,
            Item::Loop(kernel) => {
                let beside = |n| n > 0 && kernel.dims.last().is_some_and(|&last| n <= last);
                if !kernel.beside.iter().all(|store| beside(store.n)) {
                    return Err(LowerError::Internal("a store of more elements than its kernel has"));
                }
                for (access, dims) in kernel.reads().chain(kernel.writes()) {
                    if access.strides.len() != dims.len() {
                        return Err(LowerError::Internal("an access of another rank"));
                    }
                    inside(access, &dims)?;
                }
            }
            Item::Repeat(repeat) => steps(plan, repeat)?,
            Item::Branch(branch) => either(plan, branch)?,
            Item::Call(call) => {
                if let Call::Overlap { dims: d, src, out, .. } = call.as_ref() {
                    let walked = d.dims[..d.loops].into();
                    let along = |strides: &[isize]| strides[..d.loops].into();
                    inside(&Access { buf: src.0, offset: src.1, strides: along(&d.src) }, &walked)?;
                    inside(&Access { buf: *out, offset: 0, strides: along(&d.dst) }, &walked)?;
                    if d.len > plan.buffer(*out).len {
                        return Err(LowerError::Internal("an address out of range"));
                    }
                }
                if let Call::Random { key, .. } = call.as_ref() {
                    element(*key, 1)?;
                }
                if let Call::Many { dims, src, out, .. } = call.as_ref() {
                    if plan.buffer(src.buf).dtype != plan.buffer(out.buf).dtype {
                        return Err(LowerError::Internal("a function of other elements"));
                    }
                    for access in [src, out] {
                        if access.strides.len() != dims.len() || access.strides.last() != Some(&1) {
                            return Err(LowerError::Internal("a function of elements that are apart"));
                        }
                        inside(access, dims)?;
                    }
                }
                if let Call::Callback { op, inputs, outputs, .. } = call.as_ref() {
                    let fits = |bufs: &[BufId], types: &[ValueType]| {
                        let types = types.iter().map(|ty| (ty.dtype, ty.numel()));
                        bufs.iter().map(|&b| (plan.buffer(b).dtype, plan.buffer(b).len)).eq(types)
                    };
                    if !fits(inputs, op.operands()) || !fits(outputs, op.results()) {
                        return Err(LowerError::Internal("a callback on other buffers"));
                    }
                }
                if let Call::Matmul { dims, a, b, c, .. } = call.as_ref() {
                    let d: &MatmulDims = dims;
                    let axes = |row: isize, col: isize, rows: usize, cols: usize, batch: &[isize; 4]| {
                        Access {
                            buf: a.0,
                            offset: 0,
                            strides: batch[..d.batch].iter().copied().chain([row, col]).collect(),
                        }
                        .then(|| d.batch_dims[..d.batch].iter().copied().chain([rows, cols]).collect())
                    };
                    for ((buf, offset), (access, dims)) in [
                        (*a, axes(d.a_row, d.a_col, d.m, d.k, &d.a_batch)),
                        (*b, axes(d.b_row, d.b_col, d.k, d.n, &d.b_batch)),
                        (*c, axes(d.c_row, d.c_col, d.m, d.n, &d.c_batch)),
                    ] {
                        inside(&Access { buf, offset, ..access }, &dims)?;
                    }
                }
                if let Call::Array { f, dims, operands, scratch, out } = call.as_ref() {
                    let lens = f.lens(dims).ok_or(LowerError::TooLarge)?;
                    let length = |buf: &BufId| plan.buffer(*buf).len;
                    let takes = operands.iter().map(length).eq(lens.operands[..f.arity()].iter().copied())
                        && scratch.as_ref().map_or(0, length) == lens.scratch
                        && length(out) == lens.out;
                    if !takes {
                        return Err(LowerError::Internal("a call with an array of another length"));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Element type and length of a buffer or a part of one.
type Part = Option<(DType, usize)>;

fn whole(plan: &Plan, buf: BufId) -> Part {
    Some((plan.buffer(buf).dtype, plan.buffer(buf).len))
}

/// Checks that a body is given and gives what its plan says. That the addresses it
/// touches lie within was checked when it was planned itself.
fn bound(body: &Plan, inputs: &[Part], outputs: &[Part]) -> Result<(), LowerError> {
    let fits = body.buffers.iter().all(|inner| {
        let outer = match inner.place {
            Place::Input(i) => inputs.get(i as usize),
            Place::Output(i) => outputs.get(i as usize),
            // It lies within a buffer that is looked at too.
            Place::Temp(_) | Place::Literal(_) | Place::Part(..) => return true,
            Place::Persist(_) => return false,
        };
        outer == Some(&Some((inner.dtype, inner.len)))
    });
    if fits { Ok(()) } else { Err(LowerError::Internal("a body on other buffers")) }
}

fn steps(plan: &Plan, repeat: &Repeat) -> Result<(), LowerError> {
    let carried = |of: fn(&Carry) -> BufId| repeat.carries.iter().map(move |carry| whole(plan, of(carry)));
    let slice = |&buf: &BufId| {
        let (dtype, len) = whole(plan, buf)?;
        (len % repeat.steps.max(1) == 0).then(|| (dtype, len / repeat.steps.max(1)))
    };
    let fixed = repeat.fixed.iter().map(|&buf| whole(plan, buf));
    let inputs: Vec<Part> = carried(|c| c.init).chain(repeat.slices.iter().map(slice)).chain(fixed).collect();
    let outputs: Vec<Part> = carried(|c| c.last).chain(repeat.stacks.iter().map(slice)).collect();
    bound(&repeat.body, &inputs, &outputs)?;
    let moving = repeat.carries.len() + repeat.slices.len();
    if repeat.guard.is_some_and(|guard| guard >= moving || inputs[guard] != Some((DType::Bool, 1))) {
        return Err(LowerError::Internal("a loop guarded by something else than one boolean"));
    }
    // What a step is given another has given, and never the place it writes.
    let turns = repeat.carries.iter().all(|c| {
        let other = c.other.unwrap_or(c.last);
        let alike = [c.init, other].into_iter().all(|buf| whole(plan, buf) == whole(plan, c.last));
        alike && c.init != c.last && c.init != other && (other != c.last || repeat.steps == 1)
    });
    if repeat.steps > 0 && turns { Ok(()) } else { Err(LowerError::Internal("a loop that cannot turn")) }
}

fn either(plan: &Plan, branch: &Branch) -> Result<(), LowerError> {
    let parts = |bufs: &[BufId]| bufs.iter().map(|&buf| whole(plan, buf)).collect::<Vec<Part>>();
    let (inputs, outputs) = (parts(&branch.inputs), parts(&branch.outputs));
    for body in &branch.bodies {
        bound(body, &inputs, &outputs)?;
    }
    let one = whole(plan, branch.condition) == Some((DType::Bool, 1));
    if one { Ok(()) } else { Err(LowerError::Internal("a branch on something else than one boolean")) }
}

impl Access {
    fn then(
        self,
        dims: impl FnOnce() -> smallvec::SmallVec<[usize; 4]>,
    ) -> (Access, smallvec::SmallVec<[usize; 4]>) {
        (self, dims())
    }
}

/// Checks order and overlap. On in debug and fuzz builds.
pub fn order(plan: &Plan) -> Result<(), LowerError> {
    let mut computed = vec![false; plan.scalars.len()];
    let mut written = vec![false; plan.buffers.len()];
    for (i, buffer) in plan.buffers.iter().enumerate() {
        written[i] =
            matches!(buffer.place, Place::Input(_) | Place::Part(..) | Place::Literal(_) | Place::Persist(_))
                || buffer.len == 0;
    }
    // A reduction fills its whole buffer; boxes and parts of one tensor are
    // counted, so that a hole is found.
    let mut filled = vec![0usize; plan.buffers.len()];
    let ready = |id: ScalarId, computed: &[bool]| {
        let scalar = plan.scalar(id);
        matches!(scalar.def, Def::Const(_) | Def::Load(..)) || computed[id.index()]
    };
    for item in plan.steps() {
        if let Item::Blocks(blocks) = item {
            aligned(plan, blocks)?;
            continue;
        }
        let mut missing = false;
        plan.touches(item, &mut |b, write| missing |= !write && !written[b.index()]);
        if missing {
            return Err(LowerError::Internal("a read of memory not yet written"));
        }
        match item {
            Item::Blocks(_) => {}
            Item::Scalar(id) => {
                let fine = match &plan.scalar(*id).def {
                    Def::Map(_, args) => args.iter().all(|&a| ready(a, &computed)),
                    Def::Cast(a) => ready(*a, &computed),
                    _ => true,
                };
                if !fine {
                    return Err(LowerError::Internal("a scalar used before it is computed"));
                }
                computed[id.index()] = true;
            }
            Item::Store(buf, _, id) => {
                if !ready(*id, &computed) {
                    return Err(LowerError::Internal("a scalar stored before it is computed"));
                }
                filled[buf.index()] += 1;
            }
            Item::Loop(kernel) => {
                for (i, (store, dims)) in kernel.writes().enumerate() {
                    let same = |access: &Access| access.buf == store.buf;
                    if kernel.loads().any(same) || kernel.writes().skip(i + 1).any(|(other, _)| same(other)) {
                        return Err(LowerError::Internal("a kernel that meets what it stores"));
                    }
                    filled[store.buf.index()] += dims.iter().product::<usize>();
                }
                if !kernel.numbers().all(|id| ready(id, &computed)) {
                    return Err(LowerError::Internal("a scalar read by a loop before it is computed"));
                }
            }
            Item::Repeat(repeat) => {
                let carried = repeat.carries.iter().flat_map(|c| [Some(c.last), c.other]).flatten();
                for buf in carried.chain(repeat.stacks.iter().copied()) {
                    filled[buf.index()] += plan.buffer(buf).len;
                }
            }
            Item::Branch(branch) => {
                for buf in &branch.outputs {
                    filled[buf.index()] += plan.buffer(*buf).len;
                }
            }
            Item::Call(call) => {
                let mut whole = |buf: &BufId| filled[buf.index()] += plan.buffer(*buf).len;
                match call.as_ref() {
                    Call::Matmul { c, dims, .. } => {
                        let batch: usize = dims.batch_dims[..dims.batch].iter().product();
                        filled[c.0.index()] += dims.m * dims.n * batch;
                    }
                    Call::Overlap { out, .. }
                    | Call::Read { out, .. }
                    | Call::Add { out, .. }
                    | Call::Array { out, .. }
                    | Call::Random { out, .. } => whole(out),
                    Call::Many { dims, out, .. } => filled[out.buf.index()] += dims.iter().product::<usize>(),
                    Call::Callback { outputs, .. } => outputs.iter().for_each(whole),
                }
            }
        }
        plan.touches(item, &mut |b, write| {
            written[b.index()] |= write && filled[b.index()] >= plan.buffer(b).len;
        });
    }
    overlap(plan)
}

/// What a pass reads of an earlier one of the same blocks was written in this block or before it,
/// in this block if it holds no more than one.
fn aligned(plan: &Plan, blocks: &Blocks) -> Result<(), LowerError> {
    let mut written: Vec<&Access> = Vec::new();
    for item in blocks.passes.iter().map(|pass| &pass.whole) {
        if let Item::Loop(kernel) = item
            && plan.reads_number(kernel, |buf| written.iter().any(|w| w.buf == buf))
        {
            return Err(LowerError::Internal(
                "a number of an array that is not there before the first block",
            ));
        }
        let (reads, writes) = item.accesses();
        for read in reads {
            let fits = |w: &Access| {
                let ahead = read.offset > w.offset || blocks.near.contains(&w.buf) && read.offset < w.offset;
                read.strides == w.strides && !ahead
            };
            if written.iter().any(|w| w.buf == read.buf && !fits(w)) {
                return Err(LowerError::Internal("a read of another block"));
            }
        }
        written.extend(writes);
    }
    Ok(())
}

/// No two scratch buffers that live at once share bytes.
fn overlap(plan: &Plan) -> Result<(), LowerError> {
    let lives = lives(plan);
    let mut temps: Vec<(usize, usize, (usize, usize))> = Vec::new();
    for (buffer, life) in plan.buffers.iter().zip(&lives) {
        if let (Place::Temp(Some(at)), Some(life), true) = (&buffer.place, life, buffer.len > 0) {
            temps.push((*at, *at + buffer.bytes(), *life));
        }
    }
    temps.sort_unstable();
    // Sorted by address: only neighbours whose bytes still reach can collide.
    for (i, a) in temps.iter().enumerate() {
        for b in temps[i + 1..].iter().take_while(|b| b.0 < a.1).take(4096) {
            if a.2.0 <= b.2.1 && b.2.0 <= a.2.1 {
                return Err(LowerError::Internal("two live buffers share bytes"));
            }
        }
    }
    Ok(())
}
