//! What code is generated from: buffers, scalars, loop kernels and calls, in
//! execution order. Kernels are data before they are code.

use crate::graph::DType;
use crate::ops::{CustomOp, Literal, MapFn, Reduction};
use cotangent_runtime::array::{ArrayDims, ArrayFn};
use cotangent_runtime::index::IndexDims;
use cotangent_runtime::math::Many;
use cotangent_runtime::matmul::MatmulDims;
use cotangent_runtime::overlap::OverlapDims;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

macro_rules! plan_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

plan_id!(
    /// A memory region.
    BufId
);
plan_id!(
    /// A number held in a register (or a slot of the arena between chunks).
    ScalarId
);

/// Where a buffer lives.
#[derive(Clone, Debug)]
pub enum Place {
    /// The caller's input at this position, read in place.
    Input(u32),
    /// A part of it, from this element on.
    Part(u32, usize),
    /// The caller's output at this position, written in place.
    Output(u32),
    /// A fixed byte offset in the workspace: values that outlive the call.
    Persist(usize),
    /// Scratch; the planner gives it a byte offset in the workspace.
    Temp(Option<usize>),
    /// Elements of a constant, owned by the program.
    Literal(Arc<Literal>),
}

/// A contiguous, row-major region.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub dtype: DType,
    pub len: usize,
    pub place: Place,
}

impl Buffer {
    pub fn bytes(&self) -> usize {
        self.len * self.dtype.size()
    }
}

/// Operands of a scalar function: one to three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Args {
    ids: [ScalarId; 3],
    len: u8,
}

impl Args {
    /// The operands; more than three are never given.
    pub fn new(args: &[ScalarId]) -> Args {
        let none = ScalarId(u32::MAX);
        // Each in a register: copied through memory they would cost more than what they are for.
        let ids = match *args {
            [] => [none; 3],
            [a] => [a, none, none],
            [a, b] => [a, b, none],
            [a, b, c, ..] => [a, b, c],
        };
        Args { ids, len: args.len().min(3) as u8 }
    }
}

impl std::ops::Deref for Args {
    type Target = [ScalarId];

    fn deref(&self) -> &[ScalarId] {
        &self.ids[..usize::from(self.len)]
    }
}

/// How a scalar comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Def {
    /// These bits.
    Const(u64),
    /// An element of a buffer.
    Load(BufId, usize),
    /// A function of other scalars.
    Map(MapFn, Args),
    /// Another scalar, converted.
    Cast(ScalarId),
}

/// A scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scalar {
    pub dtype: DType,
    pub def: Def,
}

/// Elements of a buffer as a function of the loop indices:
/// `offset + sum(index * stride)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    pub buf: BufId,
    pub offset: isize,
    pub strides: SmallVec<[isize; 4]>,
}

/// One step of a kernel's body, over lanes.
#[derive(Clone, Debug, PartialEq)]
pub enum LaneOp {
    Load(Access),
    Const(u64),
    Scalar(ScalarId),
    Map(MapFn, SmallVec<[u32; 3]>),
    Cast(u32),
}

/// A step and its element type.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    pub dtype: DType,
    pub op: LaneOp,
}

impl Lane {
    /// The lanes that it is a function of.
    pub fn operands(&self) -> &[u32] {
        match &self.op {
            LaneOp::Map(_, args) => args,
            LaneOp::Cast(x) => std::slice::from_ref(x),
            LaneOp::Load(_) | LaneOp::Const(_) | LaneOp::Scalar(_) => &[],
        }
    }
}

/// What becomes of the body's values.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Each is stored.
    Store(u32),
    /// They are reduced over the last `reduced` dims in the order of contract C1.
    Reduce { kind: Reduction, value: u32, factor: Option<u32>, reduced: usize },
}

impl Ending {
    /// The lanes that it takes.
    pub fn lanes(&self) -> impl Iterator<Item = u32> + use<> {
        let (value, factor) = match *self {
            Ending::Store(value) => (value, None),
            Ending::Reduce { value, factor, .. } => (value, factor),
        };
        std::iter::once(value).chain(factor)
    }

    /// The same of lanes that are elsewhere now.
    pub fn at(&self, now: &[u32]) -> Ending {
        let at = |lane: u32| now[lane as usize];
        match *self {
            Ending::Store(value) => Ending::Store(at(value)),
            Ending::Reduce { kind, value, factor, reduced } => {
                Ending::Reduce { kind, value: at(value), factor: factor.map(at), reduced }
            }
        }
    }
}

/// A loop nest: an index space, a straight-line body, an ending.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Extents, outermost first; none is 0.
    pub dims: SmallVec<[usize; 4]>,
    pub body: Vec<Lane>,
    pub ending: Ending,
    /// Where results go; its strides cover the kept dims.
    pub store: Access,
    /// What is stored besides, of passes that were joined: of kernels along one dim, all of whose
    /// accesses are contiguous.
    pub beside: Vec<Beside>,
}

/// A store beside the ending of a kernel.
#[derive(Clone, Debug)]
pub struct Beside {
    pub value: u32,
    /// Its strides cover all dims.
    pub store: Access,
    /// Elements along the last dim, no more than the kernel has.
    pub n: usize,
}

impl Kernel {
    /// By lane, for how many elements along the last dim it is wanted. What nobody wants is there
    /// all along.
    pub fn reach(&self) -> SmallVec<[usize; 16]> {
        let n = self.dims.last().copied().unwrap_or(1);
        let mut reach: SmallVec<[usize; 16]> = smallvec![0; self.body.len()];
        self.ending.lanes().for_each(|lane| reach[lane as usize] = n);
        for beside in &self.beside {
            let reach = &mut reach[beside.value as usize];
            *reach = beside.n.max(*reach);
        }
        for (i, lane) in self.body.iter().enumerate().rev() {
            if reach[i] == 0 {
                reach[i] = n;
            }
            lane.operands().iter().for_each(|&a| reach[a as usize] = reach[i].max(reach[a as usize]));
        }
        reach
    }

    /// How many elements along the last dim everything is wanted for.
    pub fn common(&self) -> usize {
        let n = self.dims.last().copied().unwrap_or(1);
        self.beside.iter().map(|beside| beside.n).fold(n, usize::min)
    }

    /// The index space up to an element of the last dim.
    fn dims_to(&self, n: usize) -> SmallVec<[usize; 4]> {
        let mut dims = self.dims.clone();
        dims.last_mut().into_iter().for_each(|last| *last = n);
        dims
    }

    /// What the body loads, each with its index space.
    pub fn reads(&self) -> impl Iterator<Item = (&Access, SmallVec<[usize; 4]>)> {
        self.body.iter().zip(self.reach()).filter_map(|(lane, reach)| match &lane.op {
            LaneOp::Load(access) => Some((access, self.dims_to(reach))),
            _ => None,
        })
    }

    /// What is stored, each with its index space.
    pub fn writes(&self) -> impl Iterator<Item = (&Access, SmallVec<[usize; 4]>)> {
        let kept = self.dims[..self.dims.len() - self.reduced()].into();
        let beside = self.beside.iter().map(|beside| (&beside.store, self.dims_to(beside.n)));
        std::iter::once((&self.store, kept)).chain(beside)
    }

    /// Which lanes depend on the index of a dim.
    pub fn moving_lanes(&self, dim: usize) -> SmallVec<[bool; 16]> {
        let mut moving: SmallVec<[bool; 16]> = SmallVec::new();
        for lane in &self.body {
            let moves = match &lane.op {
                LaneOp::Load(access) => access.strides[dim] != 0,
                _ => lane.operands().iter().any(|&a| moving[a as usize]),
            };
            moving.push(moves);
        }
        moving
    }

    /// The element type of a kernel whose innermost lanes along `dim` can be 128-bit
    /// vectors: one float type, unit strides, functions with a vector form.
    pub fn vector_dtype(&self, dim: usize) -> Option<DType> {
        let moving = self.moving_lanes(dim);
        let mut dtype = None;
        for (lane, moves) in self.body.iter().zip(moving) {
            if lane.dtype.is_float() {
                if dtype.is_some_and(|d| d != lane.dtype) {
                    return None;
                }
                dtype = Some(lane.dtype);
            } else if lane.dtype == DType::I64 {
                return None;
            }
            if !moves {
                continue;
            }
            let fits = match &lane.op {
                LaneOp::Load(access) => access.strides[dim] == 1 && lane.dtype.is_float(),
                LaneOp::Map(f, _) => f.runtime_name().is_none(),
                LaneOp::Cast(_) => false,
                LaneOp::Const(_) | LaneOp::Scalar(_) => true,
            };
            if !fits {
                return None;
            }
        }
        dtype
    }

    /// Scalars that the body uses.
    pub fn numbers(&self) -> impl Iterator<Item = ScalarId> {
        self.body.iter().filter_map(|lane| match lane.op {
            LaneOp::Scalar(id) => Some(id),
            _ => None,
        })
    }

    /// What the body loads.
    pub fn loads(&self) -> impl Iterator<Item = &Access> {
        self.body.iter().filter_map(|lane| match &lane.op {
            LaneOp::Load(access) => Some(access),
            _ => None,
        })
    }

    /// Number of trailing dims that are reduced.
    pub fn reduced(&self) -> usize {
        match self.ending {
            Ending::Store(_) => 0,
            Ending::Reduce { reduced, .. } => reduced,
        }
    }
}

/// A buffer and a first element.
pub type At = (BufId, isize);

/// A call into `runtime/`.
#[derive(Clone, Debug)]
pub enum Call {
    /// c = a b
    Matmul { dtype: DType, dims: MatmulDims, a: At, b: At, c: At },
    /// Overlapping windows added up: `symbol(dims, src, out)`.
    Overlap { symbol: &'static str, dims: OverlapDims, src: At, out: BufId },
    /// An indexed read: `symbol(dims, source, index, out, status)`.
    Read { symbol: &'static str, dims: IndexDims, source: BufId, index: BufId, out: BufId },
    /// An indexed addition: `symbol(dims, base, index, update, out, status)`.
    Add { symbol: &'static str, dims: IndexDims, base: BufId, index: BufId, update: BufId, out: BufId },
    /// A function of arrays: `symbol(dims, operands.., scratch, out)`.
    Array { f: ArrayFn, dims: ArrayDims, operands: SmallVec<[BufId; 2]>, scratch: Option<BufId>, out: BufId },
    /// Random bits of a key.
    Random { key: BufId, out: BufId },
    /// A scalar function of each element: blocks of numbers side by side.
    Many { f: &'static Many, dims: SmallVec<[usize; 4]>, src: Access, out: Access },
    /// A callback of the user's, with the node to name in an error.
    Callback { op: CustomOp, node: u32, inputs: Vec<BufId>, outputs: Vec<BufId> },
}

/// A value carried from one run of a body to the next.
#[derive(Clone, Debug)]
pub struct Carry {
    /// What the first run is given.
    pub init: BufId,
    /// What the last run gives. Runs write here and to `other` by turns.
    pub last: BufId,
    /// `None` where there is one run only.
    pub other: Option<BufId>,
}

/// A body that runs again and again. Its inputs are the carries, a slice of each of
/// `slices` and the `fixed`, its outputs the carries and a slice of each of `stacks`.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// Its inputs and outputs are those of a program; its scratch lies behind that of this plan.
    pub body: Arc<Plan>,
    /// At least one.
    pub steps: usize,
    pub backwards: bool,
    /// The input of the body, a carry or a slice, that says whether a step is run.
    pub guard: Option<usize>,
    pub carries: Vec<Carry>,
    pub slices: Vec<BufId>,
    pub fixed: Vec<BufId>,
    pub stacks: Vec<BufId>,
}

/// One of two bodies, which have the same inputs and outputs.
#[derive(Clone, Debug)]
pub struct Branch {
    /// One boolean.
    pub condition: BufId,
    /// Where it holds, and where it does not.
    pub bodies: [Arc<Plan>; 2],
    pub inputs: Vec<BufId>,
    pub outputs: Vec<BufId>,
}

/// One step of a program.
#[derive(Clone, Debug)]
pub enum Item {
    /// Computes a scalar.
    Scalar(ScalarId),
    /// Stores a scalar.
    Store(BufId, usize, ScalarId),
    /// Runs a loop nest.
    Loop(Box<Kernel>),
    /// Calls the runtime.
    Call(Box<Call>),
    /// Runs a body again and again.
    Repeat(Box<Repeat>),
    /// Goes over the same elements more than once, block by block.
    Blocks(Box<Blocks>),
    /// Runs one of two bodies.
    Branch(Box<Branch>),
}

/// Kernels and functions of many numbers over the same elements, a block at a time, so that what
/// one writes is still near when the next reads it.
#[derive(Clone, Debug)]
pub struct Blocks {
    /// Number of blocks.
    pub count: usize,
    /// In order, for each block.
    pub passes: Vec<Pass>,
    /// Buffers that hold one block only.
    pub near: Vec<BufId>,
}

/// What is done with every block.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The same for elements before the first block, where a later pass reads some that lie ahead.
    pub lead: Option<Item>,
    /// A kernel whose first dim counts the blocks, or a function of many numbers.
    pub whole: Item,
    /// The same for the elements behind the last block.
    pub rest: Option<Item>,
}

impl Blocks {
    /// All that is done, as if it were done once.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.passes.iter().flat_map(Pass::items)
    }
}

impl Pass {
    /// What is done, as if it were done once.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.lead.iter().chain([&self.whole]).chain(&self.rest)
    }
}

impl Item {
    /// What a kernel or a function of many numbers reads through loop indices, and what it writes.
    pub fn accesses(&self) -> (SmallVec<[&Access; 8]>, SmallVec<[&Access; 4]>) {
        match self {
            Item::Loop(kernel) => {
                (kernel.loads().collect(), kernel.writes().map(|(store, _)| store).collect())
            }
            Item::Call(call) => match call.as_ref() {
                Call::Many { src, out, .. } => (smallvec![src], smallvec![out]),
                _ => Default::default(),
            },
            _ => Default::default(),
        }
    }

    /// The plans that it runs.
    pub fn bodies(&self) -> &[Arc<Plan>] {
        match self {
            Item::Repeat(repeat) => std::slice::from_ref(&repeat.body),
            Item::Branch(branch) => &branch.bodies,
            _ => &[],
        }
    }
}

/// A lowered graph.
#[derive(Debug, Default)]
pub struct Plan {
    pub buffers: Vec<Buffer>,
    pub scalars: Vec<Scalar>,
    pub items: Vec<Item>,
    /// Scratch bytes, 64-byte aligned, behind the persistent region.
    pub temp_bytes: usize,
}

impl Plan {
    /// Scratch bytes, those of bodies included.
    pub fn scratch(&self) -> usize {
        let bodies = self.items.iter().flat_map(Item::bodies);
        self.temp_bytes.saturating_add(bodies.map(|body| body.scratch()).max().unwrap_or(0))
    }

    pub fn buffer(&self, id: BufId) -> &Buffer {
        &self.buffers[id.index()]
    }

    pub fn scalar(&self, id: ScalarId) -> &Scalar {
        &self.scalars[id.index()]
    }

    /// Whether a kernel reads an element of one of these buffers as a scalar.
    pub fn reads_number(&self, kernel: &Kernel, of: impl Fn(BufId) -> bool) -> bool {
        kernel.numbers().any(|id| matches!(self.scalar(id).def, Def::Load(buf, _) if of(buf)))
    }

    /// All items, those of blocks among them.
    pub fn steps(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().flat_map(|item| {
            let passes = match item {
                Item::Blocks(blocks) => blocks.passes.as_slice(),
                _ => &[],
            };
            std::iter::once(item).chain(passes.iter().flat_map(Pass::items))
        })
    }

    /// The buffers that an item reads and, with `true`, those that it writes.
    pub fn touches(&self, item: &Item, touch: &mut dyn FnMut(BufId, bool)) {
        const READ: bool = false;
        const WRITE: bool = true;
        let scalar = |id: ScalarId, touch: &mut dyn FnMut(BufId, bool)| {
            if let Def::Load(buf, _) = self.scalar(id).def {
                touch(buf, READ);
            }
        };
        match item {
            Item::Scalar(id) => match &self.scalar(*id).def {
                Def::Load(buf, _) => touch(*buf, READ),
                Def::Map(_, args) => args.iter().for_each(|&arg| scalar(arg, touch)),
                Def::Cast(arg) => scalar(*arg, touch),
                Def::Const(_) => {}
            },
            Item::Blocks(blocks) => blocks.items().for_each(|item| self.touches(item, touch)),
            Item::Store(buf, _, id) => {
                scalar(*id, touch);
                touch(*buf, WRITE);
            }
            Item::Loop(kernel) => {
                for lane in &kernel.body {
                    match &lane.op {
                        LaneOp::Load(access) => touch(access.buf, READ),
                        LaneOp::Scalar(id) => scalar(*id, touch),
                        _ => {}
                    }
                }
                kernel.writes().for_each(|(store, _)| touch(store.buf, WRITE));
            }
            Item::Repeat(repeat) => {
                for carry in &repeat.carries {
                    touch(carry.init, READ);
                    touch(carry.last, WRITE);
                    carry.other.iter().for_each(|&buf| touch(buf, WRITE));
                }
                repeat.slices.iter().chain(&repeat.fixed).for_each(|&buf| touch(buf, READ));
                repeat.stacks.iter().for_each(|&buf| touch(buf, WRITE));
            }
            Item::Branch(branch) => {
                touch(branch.condition, READ);
                branch.inputs.iter().for_each(|&buf| touch(buf, READ));
                branch.outputs.iter().for_each(|&buf| touch(buf, WRITE));
            }
            Item::Call(call) => match call.as_ref() {
                Call::Matmul { a, b, c, .. } => {
                    touch(a.0, READ);
                    touch(b.0, READ);
                    touch(c.0, WRITE);
                }
                Call::Overlap { src, out, .. } => {
                    touch(src.0, READ);
                    touch(*out, WRITE);
                }
                Call::Read { source, index, out, .. } => {
                    touch(*source, READ);
                    touch(*index, READ);
                    touch(*out, WRITE);
                }
                Call::Random { key, out } => {
                    touch(*key, READ);
                    touch(*out, WRITE);
                }
                Call::Many { src, out, .. } => {
                    touch(src.buf, READ);
                    touch(out.buf, WRITE);
                }
                Call::Add { base, index, update, out, .. } => {
                    touch(*base, READ);
                    touch(*index, READ);
                    touch(*update, READ);
                    touch(*out, WRITE);
                }
                Call::Array { operands, scratch, out, .. } => {
                    operands.iter().for_each(|&buf| touch(buf, READ));
                    scratch.iter().for_each(|&buf| touch(buf, WRITE));
                    touch(*out, WRITE);
                }
                Call::Callback { inputs, outputs, .. } => {
                    inputs.iter().for_each(|&buf| touch(buf, READ));
                    outputs.iter().for_each(|&buf| touch(buf, WRITE));
                }
            },
        }
    }
}
