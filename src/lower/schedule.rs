//! From primitives to a plan: which nodes become scalars in registers, which
//! become memory, and which vanish into the kernels of their users.

use crate::graph::{DType, Shape, ValueId};
use crate::lower::core::{Core, CoreNode, Kind};
use crate::lower::merge::Made;
use crate::lower::plan::{BufId, Buffer, Def, Item, Place, Plan, Scalar, ScalarId};
use crate::lower::{LowerError, Lowering, explode};
use crate::ops::{MapFn, Prim};
use cotangent_runtime::array::ArrayFn;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use std::hash::BuildHasher;
use std::num::NonZeroU32;

/// How far tensors are unrolled to scalars.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Scalar operations of a graph that is unrolled as a whole.
    pub unroll: usize,
    /// Whether element-wise nodes may join the kernels of their users.
    pub fuse: bool,
    /// Whether the scalars stand for many points: then a graph is unrolled however few its
    /// roots are, and a function of a few elements is not a call.
    pub points: bool,
    /// Elements of a block; 0 for a size of our own.
    pub block: usize,
}

/// Recomputing more than this for a second user costs more than memory does.
const SHARED_COST: u32 = 3;
/// A body never grows past this; also bounds the recursion of the builder.
const BODY_COST: u32 = 80;

/// The elements of a node.
pub type Scalars = SmallVec<[ScalarId; 2]>;

/// The elements of nodes, as far as they are scalars: all in one list, by node its part.
pub struct Elements {
    parts: Vec<Option<Part>>,
    scalars: Vec<ScalarId>,
}

#[derive(Clone, Copy)]
struct Part {
    /// One more than the first.
    after: NonZeroU32,
    len: u32,
}

impl Elements {
    fn new(nodes: usize) -> Elements {
        Elements { parts: vec![None; nodes], scalars: Vec::with_capacity(nodes) }
    }

    #[inline]
    pub fn get(&self, id: ValueId) -> Option<&[ScalarId]> {
        let Part { after, len } = self.parts[id.index()]?;
        self.scalars[after.get() as usize - 1..].get(..len as usize)
    }

    pub fn set(&mut self, id: ValueId, scalars: &[ScalarId]) -> Result<(), LowerError> {
        let after = u32::try_from(self.scalars.len() + 1).ok().and_then(NonZeroU32::new);
        let len = u32::try_from(scalars.len()).ok();
        let (after, len) = after.zip(len).ok_or(LowerError::TooLarge)?;
        self.scalars.extend_from_slice(scalars);
        self.parts[id.index()] = Some(Part { after, len });
        Ok(())
    }
}

/// What is known of a scalar, close together: it is asked of every operand.
#[derive(Clone, Copy)]
struct Known {
    constant: bool,
    never_minus_zero: bool,
}

pub struct Scheduler<'c> {
    pub core: &'c Core,
    /// Nodes that the outputs depend on.
    pub live: &'c [bool],
    pub how: Lowering,
    pub plan: Plan,
    /// Nodes whose elements are scalars.
    pub elements: Elements,
    /// Nodes that are in memory.
    pub memory: Vec<Option<BufId>>,
    /// The place of the first output that a node is.
    pub(super) output: FxHashMap<ValueId, Place>,
    /// Nodes to put in memory when they are reached.
    root: Vec<bool>,
    /// Nodes to unroll.
    unrolled: Vec<bool>,
    made: Made,
    /// Whether every node is a scalar computed from scalars. Then equal ones
    /// were merged as nodes, and no view gives a scalar a second name.
    only_scalars: bool,
    /// By scalar.
    known: Vec<Known>,
}

/// Whether a constant is -0.
pub fn is_minus_zero(dtype: DType, bits: u64) -> bool {
    match dtype {
        DType::F32 => bits == u64::from((-0f32).to_bits()),
        _ => bits == (-0f64).to_bits(),
    }
}

/// Whether a function never gives -0, by which of its operands are never that.
pub fn never_minus_zero(f: MapFn, mut never: impl Iterator<Item = bool>) -> bool {
    match f {
        MapFn::Add => never.any(|never| never),
        MapFn::Sub => never.next() == Some(true),
        MapFn::Abs | MapFn::Square | MapFn::Exp | MapFn::Relu => true,
        _ => false,
    }
}

/// Scalar operations that an unrolled node takes.
fn work(core: &Core, node: CoreNode<'_>) -> usize {
    let operand = |i: usize| core.node(node.operands[i]).ty.numel();
    match node.kind {
        Kind::Map(_) | Kind::Prim(Prim::Cast) => node.ty.numel(),
        Kind::Prim(Prim::Reduce(_) | Prim::Fold) => operand(0),
        // The kernels of the runtime do in vectors what unrolled code does one by one.
        Kind::Prim(Prim::Matmul) => {
            let dims = core.node(node.operands[0]).shape().dims();
            node.ty.numel().saturating_mul(dims[dims.len() - 1]).saturating_mul(4)
        }
        Kind::Prim(Prim::IndexAdd | Prim::ScatterAdd) => operand(2),
        Kind::Prim(Prim::Array(_)) => node.ty.numel(),
        _ => 0,
    }
}

/// Elements that an unrolled node names, whether or not it computes them.
fn names(node: CoreNode<'_>) -> usize {
    node.ty.numel()
}

/// Whether a node can be unrolled at all: an index given at run time cannot, nor
/// one that turned out to be constant and out of range, which the call reports.
fn can_unroll(core: &Core, node: CoreNode<'_>) -> bool {
    match node.kind {
        Kind::Prim(Prim::IndexSelect | Prim::Gather | Prim::IndexAdd | Prim::ScatterAdd) => {
            let Some(index) = core.literal(node.operands[1]) else { return false };
            let axis = node.attrs.int(0) as usize;
            let len = core.node(node.operands[0]).shape().dims()[axis] as u64;
            let reads_zero = node.attrs.flag(1);
            reads_zero || index.ty().numel() == 0 || (0..index.elements().len()).all(|i| index.bits(i) < len)
        }
        Kind::Prim(Prim::Array(f)) => matches!(f, ArrayFn::Recurrence | ArrayFn::CumulativeSum),
        Kind::Prim(Prim::RandomBits) => false,
        Kind::Callback(_) | Kind::Bodies(_) => false,
        _ => true,
    }
}

/// Elements from which on a function of many is called, rather than one of each.
const MANY: usize = 4;

/// Whether a node is a call of a function of many numbers.
pub fn by_many(node: CoreNode<'_>) -> bool {
    matches!(node.kind, Kind::Map(f) if node.ty.numel() >= MANY && f.many().is_some())
}

fn map_cost(f: MapFn) -> u32 {
    match f {
        _ if f.runtime_name().is_some() => 12,
        MapFn::Div | MapFn::Sqrt | MapFn::Recip => 4,
        _ => 1,
    }
}

impl<'c> Scheduler<'c> {
    pub fn new(core: &'c Core, live: &'c [bool], how: Lowering) -> Scheduler<'c> {
        let n = core.len();
        let mut s = Scheduler {
            core,
            live,
            how,
            plan: Plan::default(),
            elements: Elements::new(n),
            memory: vec![None; n],
            output: FxHashMap::default(),
            root: vec![false; n],
            unrolled: vec![false; n],
            made: Made::default(),
            only_scalars: false,
            known: Vec::new(),
        };
        s.choose_unrolled();
        if !s.only_scalars {
            let alone = live.iter().zip(&s.unrolled).filter(|(live, unrolled)| **live && **unrolled).count();
            s.made = Made::with_capacity(alone);
        }
        s.choose_roots();
        s
    }

    fn choose_unrolled(&mut self) {
        let limits = self.how.limits;
        let alive = || (0..self.core.len()).filter(|&i| self.live[i]);
        let (mut total, mut named, mut roots) = (0usize, 0usize, self.core.outputs.len());
        self.only_scalars = true;
        for i in alive() {
            let node = self.core.node(ValueId::new(i as u32));
            let plain = matches!(node.kind, Kind::Map(_) | Kind::Input(_) | Kind::Prim(Prim::Const));
            self.only_scalars &= plain && node.shape().is_scalar();
            total = total.saturating_add(work(self.core, node));
            named = named.saturating_add(names(node));
            roots += usize::from(matches!(
                node.kind,
                Kind::Prim(
                    Prim::Reduce(_)
                        | Prim::Fold
                        | Prim::Matmul
                        | Prim::IndexAdd
                        | Prim::ScatterAdd
                        | Prim::Concat
                )
            ));
        }
        // A kernel costs some 15 ns to enter, a vector lane half of a scalar.
        let worth = if limits.points { usize::MAX } else { 200 * roots };
        let whole = total <= limits.unroll.min(worth) && named <= 16 * limits.unroll;
        let small = if limits.unroll == 0 { 1 } else { 4 };
        let chosen: Vec<usize> = alive()
            .filter(|&i| {
                let node = self.core.node(ValueId::new(i as u32));
                let fits = node.ty.numel() <= small && work(self.core, node) <= 8 * small;
                can_unroll(self.core, node) && (whole || fits)
            })
            .collect();
        for i in chosen {
            self.unrolled[i] = true;
        }
    }

    /// Which nodes are put in memory rather than recomputed by their users.
    fn choose_roots(&mut self) {
        let (n, live) = (self.core.len(), self.live);
        let mut users = vec![0u32; n];
        for i in (0..n).filter(|&i| live[i]) {
            for v in self.core.operands(ValueId::new(i as u32)) {
                users[v.index()] += 1;
            }
        }
        let mut cost = vec![0u32; n];
        for i in (0..n).filter(|&i| live[i] && !self.unrolled[i]) {
            let node = self.core.node(ValueId::new(i as u32));
            let inherited: u32 = node
                .operands
                .iter()
                .filter(|v| !self.root[v.index()])
                .fold(0u32, |sum, v| sum.saturating_add(cost[v.index()]));
            let (own, always) = match node.kind {
                Kind::Input(_) | Kind::Prim(Prim::Const) => (0, false),
                Kind::Map(f) => (map_cost(f), by_many(node)),
                Kind::Prim(
                    Prim::Cast | Prim::Broadcast | Prim::Permute | Prim::Slice | Prim::Flip | Prim::Unfold,
                ) => (1, false),
                Kind::Prim(Prim::Pad) => (1, node.attrs.ints(2).iter().any(|&v| v != 0)),
                Kind::Prim(Prim::Concat) => (1, node.operands.len() > 4),
                Kind::Prim(Prim::Reshape) => (1, squeezed_axes(self.core, node).is_none()),
                _ => (0, true),
            };
            cost[i] = own.saturating_add(inherited);
            if matches!(node.kind, Kind::Prim(Prim::Broadcast | Prim::Unfold)) {
                // Whatever is stretched or overlaps would be computed once per copy.
                let source = node.operands[0].index();
                self.root[source] |= cost[source] > 1 && !self.unrolled[source];
            }
            if by_many(node)
                || matches!(
                    node.kind,
                    Kind::Callback(_)
                        | Kind::Bodies(_)
                        | Kind::Prim(
                            Prim::IndexSelect
                                | Prim::Gather
                                | Prim::IndexAdd
                                | Prim::ScatterAdd
                                | Prim::Array(_)
                        )
                )
            {
                for v in node.operands {
                    self.root[v.index()] |= cost[v.index()] > 0;
                }
            }
            let shared = users[i] > 1 && cost[i] > SHARED_COST;
            let source = matches!(node.kind, Kind::Input(_) | Kind::Prim(Prim::Const));
            self.root[i] = always || shared || cost[i] > BODY_COST || (!self.how.limits.fuse && !source);
        }
        for v in &self.core.outputs {
            self.root[v.index()] = true;
        }
    }

    /// Schedules all live nodes and binds the outputs.
    pub fn run(mut self, inputs: &[Place], outputs: &[Place]) -> Result<Plan, LowerError> {
        let live = self.live;
        for (&v, place) in self.core.outputs.iter().zip(outputs) {
            let computed =
                !matches!(self.core.node(v).kind, Kind::Input(_) | Kind::Prim(Prim::Const | Prim::Reshape));
            if computed && !self.unrolled[v.index()] {
                self.output.entry(v).or_insert_with(|| place.clone());
            }
        }
        // Where an unrolled node is an output, its elements are stored as they
        // come: for each node the list of its outputs.
        const END: u32 = u32::MAX;
        let mut first = vec![END; self.core.len()];
        let mut next = vec![END; self.core.outputs.len()];
        for (k, &v) in self.core.outputs.iter().enumerate().rev() {
            next[k] = std::mem::replace(&mut first[v.index()], k as u32);
        }
        let mut bound = vec![false; outputs.len()];
        for i in (0..self.core.len()).filter(|&i| live[i]) {
            let id = ValueId::new(i as u32);
            if let Kind::Input(k) = self.core.kind(id) {
                let place = inputs.get(k as usize).ok_or(LowerError::Internal("an input without a place"))?;
                self.memory[i] = Some(self.buffer(id, place.clone()));
            }
            if self.unrolled[i] {
                explode::explode(&mut self, id)?;
                let mut k = first[i];
                while k != END
                    && let Some(elements) = self.elements.get(id).map(Scalars::from)
                {
                    let buf = self.buffer(id, outputs[k as usize].clone());
                    self.store_all(buf, &elements);
                    bound[k as usize] = true;
                    k = next[k as usize];
                }
            } else if self.root[i] && !matches!(self.core.kind(id), Kind::Input(_) | Kind::Prim(Prim::Const))
            {
                self.materialise(id)?;
            }
        }
        for (k, (&v, place)) in self.core.outputs.iter().zip(outputs).enumerate() {
            let computed = self.output.contains_key(&v) && first[v.index()] == k as u32;
            if !bound[k] && !computed {
                let buf = self.buffer(v, place.clone());
                match self.unrolled[v.index()] {
                    true => {
                        let elements = self.scalars(v)?;
                        self.store_all(buf, &elements);
                    }
                    false => self.copy_to(v, buf)?,
                }
            }
        }
        Ok(self.plan)
    }

    /// A buffer of the type of a node.
    pub fn buffer(&mut self, id: ValueId, place: Place) -> BufId {
        let ty = self.core.node(id).ty;
        let buffer = Buffer { dtype: ty.dtype, len: ty.numel(), place };
        self.plan.buffers.push(buffer);
        BufId(self.plan.buffers.len() as u32 - 1)
    }

    /// Where a node that is about to be computed goes.
    pub fn target(&mut self, id: ValueId) -> BufId {
        let place = self.output.get(&id).cloned().unwrap_or(Place::Temp(None));
        self.buffer(id, place)
    }

    pub fn store_all(&mut self, buf: BufId, elements: &[ScalarId]) {
        for (i, &s) in elements.iter().enumerate() {
            self.plan.items.push(Item::Store(buf, i, s));
        }
    }

    /// A scalar, merged with an equal one; loads and constants cost no item.
    pub fn scalar(&mut self, dtype: DType, def: Def) -> ScalarId {
        // Copied once, at the end: what was just put together from small parts is not there yet.
        let folded = self.folded(dtype, &def);
        let def = folded.as_ref().unwrap_or(&def);
        if let Some(same) = self.without_zero(dtype, def) {
            return same;
        }
        let next = ScalarId(self.plan.scalars.len() as u32);
        if !self.only_scalars {
            let same = |id: u32| {
                let scalar = self.plan.scalar(ScalarId(id));
                scalar.def == *def && scalar.dtype == dtype
            };
            let latest = match def {
                Def::Map(_, args) => args.iter().max().map(|id| id.index()),
                Def::Cast(of) => Some(of.index()),
                Def::Const(_) | Def::Load(..) => None,
            };
            let hash = || FxBuildHasher.hash_one((dtype, def));
            if let Some(id) = self.made.find(latest, next.0, hash, same) {
                return ScalarId(id);
            }
        }
        if matches!(def, Def::Map(..) | Def::Cast(_)) {
            self.plan.items.push(Item::Scalar(next));
        }
        let constant = matches!(def, Def::Const(_));
        self.known.push(Known { constant, never_minus_zero: self.is_never_minus_zero(dtype, def) });
        self.plan.scalars.push(Scalar { dtype, def: *def });
        next
    }

    /// x + 0 is x unless x is -0. Unrolled padding leaves many such sums.
    fn without_zero(&self, dtype: DType, def: &Def) -> Option<ScalarId> {
        let Def::Map(MapFn::Add, args) = def else { return None };
        let is_zero =
            |id: ScalarId| self.known[id.index()].constant && self.plan.scalar(id).def == Def::Const(0);
        let (a, b) = (args[0], args[1]);
        let other = if is_zero(b) { a } else { is_zero(a).then_some(b)? };
        (dtype.is_float() && self.known[other.index()].never_minus_zero).then_some(other)
    }

    /// What can be said of a number without knowing it: rounding to nearest, a
    /// sum is -0 only if both terms are.
    fn is_never_minus_zero(&self, dtype: DType, def: &Def) -> bool {
        match def {
            Def::Const(bits) => !is_minus_zero(dtype, *bits),
            Def::Map(f, args) => {
                never_minus_zero(*f, args.iter().map(|id| self.known[id.index()].never_minus_zero))
            }
            _ => false,
        }
    }

    /// A function of constants as a constant, by the tape's own definition.
    fn folded(&self, dtype: DType, def: &Def) -> Option<Def> {
        let Def::Map(f, args) = def else { return None };
        if dtype != DType::F64 || !args.iter().all(|arg| self.known[arg.index()].constant) {
            return None;
        }
        let number = |&arg: &ScalarId| match *self.plan.scalar(arg) {
            Scalar { dtype: DType::F64, def: Def::Const(bits) } => Some(f64::from_bits(bits)),
            _ => None,
        };
        let values = args.iter().map(number).collect::<Option<SmallVec<[f64; 3]>>>()?;
        Some(Def::Const(crate::tape::fold_f64(*f, &values)?.to_bits()))
    }

    /// The elements of a node as scalars, loaded where it is in memory.
    pub fn scalars(&mut self, id: ValueId) -> Result<Scalars, LowerError> {
        if let Some(elements) = self.elements.get(id) {
            return Ok(elements.into());
        }
        let ty = self.core.node(id).ty;
        if let Some(literal) = self.core.literal(id).cloned() {
            return Ok((0..ty.numel()).map(|i| self.scalar(ty.dtype, Def::Const(literal.bits(i)))).collect());
        }
        let buf = self.materialise(id)?;
        let loads: Scalars = (0..ty.numel()).map(|i| self.scalar(ty.dtype, Def::Load(buf, i))).collect();
        self.elements.set(id, &loads)?;
        Ok(loads)
    }

    /// One element of a node as a scalar.
    pub fn element(&mut self, id: ValueId, index: usize) -> Result<ScalarId, LowerError> {
        if let Some(elements) = self.elements.get(id) {
            return Ok(elements[index]);
        }
        let dtype = self.core.node(id).ty.dtype;
        let def = match self.core.literal(id) {
            Some(literal) => Def::Const(literal.bits(index)),
            None => Def::Load(self.materialise(id)?, index),
        };
        let scalar = self.scalar(dtype, def);
        if self.only_scalars {
            self.elements.set(id, &[scalar])?;
        }
        Ok(scalar)
    }
}

/// For a reshape that only adds or removes axes of extent 1: the source axis of
/// each axis of the result (`None` for an added one).
pub fn squeezed_axes(core: &Core, node: CoreNode<'_>) -> Option<SmallVec<[Option<usize>; 4]>> {
    let from: &Shape = core.node(node.operands[0]).shape();
    let to = node.shape();
    let wide = |s: &Shape| -> SmallVec<[usize; 4]> { (0..s.rank()).filter(|&a| s.dims()[a] != 1).collect() };
    let (a, b) = (wide(from), wide(to));
    let same = a.len() == b.len() && a.iter().zip(&b).all(|(&i, &j)| from.dims()[i] == to.dims()[j]);
    if !same {
        return None;
    }
    let mut next = a.iter().copied();
    Some((0..to.rank()).map(|axis| if to.dims()[axis] == 1 { None } else { next.next() }).collect())
}
