//! What code is generated from: buffers, scalars, loop kernels and calls, in
//! execution order. Kernels are data before they are code.

use crate::graph::DType;
use crate::ops::{CustomOp, Literal, MapFn, Reduction};
use cotangent_runtime::array::{ArrayDims, ArrayFn};
use cotangent_runtime::index::IndexDims;
use cotangent_runtime::math::Many;
use cotangent_runtime::matmul::MatmulDims;
use cotangent_runtime::overlap::OverlapDims;
use smallvec::SmallVec;
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
        let mut ids = [ScalarId(u32::MAX); 3];
        let len = args.len().min(3);
        ids[..len].copy_from_slice(&args[..len]);
        Args { ids, len: len as u8 }
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

/// What becomes of the body's values.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Each is stored.
    Store(u32),
    /// They are reduced over the last `reduced` dims in the order of contract C1.
    Reduce { kind: Reduction, value: u32, factor: Option<u32>, reduced: usize },
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
}

impl Kernel {
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
    /// A scalar function of each element.
    Many { f: &'static Many, src: BufId, out: BufId },
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
    pub carries: Vec<Carry>,
    pub slices: Vec<BufId>,
    pub fixed: Vec<BufId>,
    pub stacks: Vec<BufId>,
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
        let body = |item: &Item| match item {
            Item::Repeat(repeat) => Some(repeat.body.scratch()),
            _ => None,
        };
        self.temp_bytes.saturating_add(self.items.iter().filter_map(body).max().unwrap_or(0))
    }

    pub fn buffer(&self, id: BufId) -> &Buffer {
        &self.buffers[id.index()]
    }

    pub fn scalar(&self, id: ScalarId) -> &Scalar {
        &self.scalars[id.index()]
    }

    /// Buffers that an item reads and the one it writes.
    pub fn touches(&self, item: &Item, mut read: impl FnMut(BufId), mut write: impl FnMut(BufId)) {
        let scalar = |id: ScalarId, read: &mut dyn FnMut(BufId)| match &self.scalar(id).def {
            Def::Load(buf, _) => read(*buf),
            Def::Map(_, args) => {
                for &arg in args.iter() {
                    if let Def::Load(buf, _) = self.scalar(arg).def {
                        read(buf);
                    }
                }
            }
            Def::Cast(arg) => {
                if let Def::Load(buf, _) = self.scalar(*arg).def {
                    read(buf);
                }
            }
            Def::Const(_) => {}
        };
        match item {
            Item::Scalar(id) => scalar(*id, &mut read),
            Item::Store(buf, _, id) => {
                if let Def::Load(from, _) = self.scalar(*id).def {
                    read(from);
                }
                write(*buf);
            }
            Item::Loop(kernel) => {
                for lane in &kernel.body {
                    match &lane.op {
                        LaneOp::Load(access) => read(access.buf),
                        LaneOp::Scalar(id) => {
                            if let Def::Load(buf, _) = self.scalar(*id).def {
                                read(buf);
                            }
                        }
                        _ => {}
                    }
                }
                write(kernel.store.buf);
            }
            Item::Repeat(repeat) => {
                for carry in &repeat.carries {
                    read(carry.init);
                    write(carry.last);
                    carry.other.into_iter().for_each(&mut write);
                }
                repeat.slices.iter().chain(&repeat.fixed).for_each(|&buf| read(buf));
                repeat.stacks.iter().for_each(|&buf| write(buf));
            }
            Item::Call(call) => match call.as_ref() {
                Call::Matmul { a, b, c, .. } => {
                    read(a.0);
                    read(b.0);
                    write(c.0);
                }
                Call::Overlap { src, out, .. } => {
                    read(src.0);
                    write(*out);
                }
                Call::Read { source, index, out, .. } => {
                    read(*source);
                    read(*index);
                    write(*out);
                }
                Call::Random { key: src, out } | Call::Many { src, out, .. } => {
                    read(*src);
                    write(*out);
                }
                Call::Add { base, index, update, out, .. } => {
                    read(*base);
                    read(*index);
                    read(*update);
                    write(*out);
                }
                Call::Array { operands, scratch, out, .. } => {
                    operands.iter().for_each(|&buf| read(buf));
                    scratch.iter().for_each(|&buf| write(buf));
                    write(*out);
                }
                Call::Callback { inputs, outputs, .. } => {
                    inputs.iter().for_each(|&buf| read(buf));
                    outputs.iter().for_each(|&buf| write(buf));
                }
            },
        }
    }
}
