//! Building loop kernels: starting from a node that goes to memory, its users'
//! view of each producer is an affine index map, and producers that are not in
//! memory are inlined under that map. Where padding or joining makes an element
//! depend on its position, the index space is cut into boxes.

use crate::graph::{DType, ValueId};
use crate::lower::LowerError;
use crate::lower::core::Kind;
use crate::lower::plan::{Access, BufId, Ending, Item, Kernel, Lane, LaneOp};
use crate::lower::schedule::{Scalars, Scheduler, is_minus_zero, never_minus_zero, squeezed_axes};
use crate::ops::{MapFn, Prim, Reduction};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

/// More boxes than this and the padded value goes to memory instead.
const MAX_BOXES: usize = 32;

/// One coordinate as a function of the loop indices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Affine {
    base: isize,
    coef: SmallVec<[isize; 4]>,
}

impl Affine {
    fn constant(base: isize, rank: usize) -> Affine {
        Affine { base, coef: smallvec![0; rank] }
    }

    fn scaled(&self, factor: isize, shift: isize) -> Affine {
        Affine { base: self.base * factor + shift, coef: self.coef.iter().map(|c| c * factor).collect() }
    }

    fn plus(mut self, other: &Affine) -> Affine {
        self.base += other.base;
        self.coef.iter_mut().zip(&other.coef).for_each(|(a, b)| *a += b);
        self
    }

    /// Smallest and largest value over a box that starts at 0.
    fn range(&self, dims: &[usize]) -> (isize, isize) {
        let mut range = (self.base, self.base);
        for (&c, &n) in self.coef.iter().zip(dims) {
            let span = c * (n as isize - 1);
            if span < 0 {
                range.0 += span;
            } else {
                range.1 += span;
            }
        }
        range
    }
}

type Coords = SmallVec<[Affine; 4]>;

/// Why a box could not be built.
enum Stop {
    /// Cut loop dim `dim` at `at` and try again.
    Cut {
        dim: usize,
        at: usize,
    },
    /// This node must go to memory first.
    Memory(ValueId),
    Error(LowerError),
}

impl From<LowerError> for Stop {
    fn from(error: LowerError) -> Stop {
        Stop::Error(error)
    }
}

struct Body {
    dims: SmallVec<[usize; 4]>,
    lanes: Vec<Lane>,
    /// By lane, whether it is never -0.
    never_minus_zero: Vec<bool>,
    memo: FxHashMap<(ValueId, Coords), u32>,
}

impl Body {
    fn push(&mut self, dtype: DType, op: LaneOp) -> u32 {
        let never = match &op {
            LaneOp::Const(bits) => !is_minus_zero(dtype, *bits),
            LaneOp::Map(f, args) => {
                never_minus_zero(*f, args.iter().map(|&lane| self.never_minus_zero[lane as usize]))
            }
            _ => false,
        };
        self.never_minus_zero.push(never);
        self.lanes.push(Lane { dtype, op });
        self.lanes.len() as u32 - 1
    }

    /// x + 0 is x unless x is -0. Sums of padded pieces leave such sums in each box.
    fn without_zero(&self, dtype: DType, f: MapFn, args: &[u32]) -> Option<u32> {
        let (MapFn::Add, &[a, b]) = (f, args) else { return None };
        let is_zero = |lane: u32| matches!(self.lanes[lane as usize].op, LaneOp::Const(0));
        let other = if is_zero(b) { a } else { is_zero(a).then_some(b)? };
        (dtype.is_float() && self.never_minus_zero[other as usize]).then_some(other)
    }
}

impl Scheduler<'_> {
    /// Computes the expression of a node into a whole buffer.
    pub fn copy_to(&mut self, id: ValueId, buf: BufId) -> Result<(), LowerError> {
        if self.memory[id.index()].is_none()
            && let Some(elements) = self.elements.get(id).map(Scalars::from)
        {
            self.store_all(buf, &elements);
            return Ok(());
        }
        let node = self.core.node(id);
        let dims = node.shape().dims();
        let strides: SmallVec<[isize; 4]> = node.shape().strides().iter().map(|&v| v as isize).collect();
        let whole = Access { buf, offset: 0, strides };
        let fresh = self.memory[id.index()].is_none();
        match node.kind {
            Kind::Prim(Prim::Concat) if fresh => {
                let axis = node.attrs.int(0) as usize;
                let mut at = 0;
                for &part in node.operands {
                    let store = Access { offset: at * whole.strides[axis], ..whole.clone() };
                    self.store_expression(part, store)?;
                    at += self.core.node(part).shape().dims()[axis] as isize;
                }
                Ok(())
            }
            Kind::Prim(Prim::Pad) if fresh && node.attrs.ints(2).iter().any(|&v| v != 0) => {
                // Interior padding: fill, then a strided store.
                let fill = crate::ops::Literal::filled(node.ty.dtype, (), node.attrs.float(3));
                let lanes = vec![Lane { dtype: node.ty.dtype, op: LaneOp::Const(fill.bits(0)) }];
                self.push_kernel(SmallVec::from_slice(dims), lanes, Ending::Store(0), whole.clone());
                let (lo, inner) = (node.attrs.sizes(0), node.attrs.sizes(2));
                let offset = (0..dims.len()).map(|a| lo[a] as isize * whole.strides[a]).sum();
                let strides = (0..dims.len()).map(|a| whole.strides[a] * (inner[a] as isize + 1)).collect();
                self.store_expression(node.operands[0], Access { buf, offset, strides })
            }
            _ => self.store_expression(id, whole),
        }
    }

    /// Stores the expression of a node through a view, box by box.
    fn store_expression(&mut self, id: ValueId, store: Access) -> Result<(), LowerError> {
        let dims: SmallVec<[usize; 4]> = SmallVec::from_slice(self.core.node(id).shape().dims());
        if dims.contains(&0) {
            return Ok(());
        }
        if self.memory[id.index()].is_none()
            && let Some(elements) = self.elements.get(id).map(Scalars::from)
        {
            let mut i = 0;
            let mut at = Vec::new();
            crate::lower::walk(&dims, &store.strides, store.offset, |offset| {
                at.push((offset as usize, elements[i]));
                i += 1;
            });
            for (offset, s) in at {
                self.plan.items.push(Item::Store(store.buf, offset, s));
            }
            return Ok(());
        }
        let zero: SmallVec<[usize; 4]> = smallvec![0; dims.len()];
        let mut boxes = vec![(zero, dims.clone())];
        let mut done = Vec::new();
        while let Some((lo, dims)) = boxes.pop() {
            match self.body_at(id, &lo, &dims, boxes.len() + done.len()) {
                Ok((lanes, value)) => done.push((lo, dims, lanes, value)),
                Err(Stop::Cut { dim, at }) => {
                    let (mut left, mut right, mut from) = (dims.clone(), dims, lo.clone());
                    left[dim] = at;
                    right[dim] -= at;
                    from[dim] += at;
                    boxes.push((from, right));
                    boxes.push((lo, left));
                }
                Err(Stop::Memory(node)) => {
                    if node == id {
                        return Err(LowerError::Internal("a node that needs itself"));
                    }
                    self.materialise(node)?;
                    boxes.push((lo, dims));
                }
                Err(Stop::Error(error)) => return Err(error),
            }
        }
        for (lo, dims, lanes, value) in done {
            let offset: isize = lo.iter().zip(&store.strides).map(|(&l, &s)| l as isize * s).sum();
            let store = Access { offset: store.offset + offset, ..store.clone() };
            self.push_kernel(dims, lanes, Ending::Store(value), store);
        }
        Ok(())
    }

    fn body_at(
        &mut self,
        id: ValueId,
        lo: &[usize],
        dims: &[usize],
        boxes: usize,
    ) -> Result<(Vec<Lane>, u32), Stop> {
        let rank = dims.len();
        let coords: Coords = (0..rank)
            .map(|a| {
                let mut c = Affine::constant(lo[a] as isize, rank);
                c.coef[a] = 1;
                c
            })
            .collect();
        let mut body = Body {
            dims: SmallVec::from_slice(dims),
            lanes: Vec::new(),
            never_minus_zero: Vec::new(),
            memo: FxHashMap::default(),
        };
        let may_cut = boxes < MAX_BOXES;
        let value = self.expression(&mut body, id, coords, may_cut, Some(id))?;
        Ok((body.lanes, value))
    }

    /// A reduction into a whole buffer.
    pub(super) fn reduce_into(&mut self, id: ValueId, kind: Reduction, buf: BufId) -> Result<(), LowerError> {
        let node = self.core.node(id);
        if node.ty.numel() == 0 {
            return Ok(());
        }
        let source = self.core.node(node.operands[0]).shape().clone();
        let rank = source.rank();
        let axes: SmallVec<[usize; 4]> = match kind {
            Reduction::Dot => smallvec![rank - 1],
            _ => node.attrs.sizes(0),
        };
        let order: SmallVec<[usize; 4]> =
            (0..rank).filter(|a| !axes.contains(a)).chain(axes.iter().copied()).collect();
        let dims: SmallVec<[usize; 4]> = order.iter().map(|&a| source.dims()[a]).collect();
        let kept = rank - axes.len();
        let kept_shape = crate::graph::Shape::new(&dims[..kept]);
        let strides: SmallVec<[isize; 4]> = kept_shape.strides().iter().map(|&v| v as isize).collect();
        let store = Access { buf, offset: 0, strides };
        if dims.contains(&0) {
            // An empty sum is +0; an empty maximum is refused when authored.
            let lanes = vec![Lane { dtype: node.ty.dtype, op: LaneOp::Const(0) }];
            self.push_kernel(SmallVec::from_slice(&dims[..kept]), lanes, Ending::Store(0), store);
            return Ok(());
        }
        loop {
            match self.reduction_body(id, kind, &order, &dims, kept) {
                Ok((lanes, value, factor)) => {
                    let ending = Ending::Reduce { kind, value, factor, reduced: axes.len() };
                    self.push_kernel(dims, lanes, ending, store);
                    return Ok(());
                }
                Err(Stop::Memory(node)) if node != id => _ = self.materialise(node)?,
                Err(Stop::Error(error)) => return Err(error),
                Err(_) => return Err(LowerError::Internal("a reduction was cut")),
            }
        }
    }

    fn reduction_body(
        &mut self,
        id: ValueId,
        kind: Reduction,
        order: &[usize],
        dims: &[usize],
        kept: usize,
    ) -> Result<(Vec<Lane>, u32, Option<u32>), Stop> {
        let node = self.core.node(id);
        let rank = dims.len();
        let unit = |dim: usize| {
            let mut c = Affine::constant(0, rank);
            c.coef[dim] = 1;
            c
        };
        let mut coords: Coords = smallvec![Affine::constant(0, rank); rank];
        for (dim, &axis) in order.iter().enumerate() {
            coords[axis] = unit(dim);
        }
        let mut body = Body {
            dims: SmallVec::from_slice(dims),
            lanes: Vec::new(),
            never_minus_zero: Vec::new(),
            memo: FxHashMap::default(),
        };
        let value = self.expression(&mut body, node.operands[0], coords, false, None)?;
        let factor = match kind {
            Reduction::Dot => {
                Some(self.expression(&mut body, node.operands[1], smallvec![unit(kept)], false, None)?)
            }
            _ => None,
        };
        Ok((body.lanes, value, factor))
    }

    /// The lane that holds element `coords` of a node. Depth is bounded by the
    /// cost at which nodes go to memory.
    fn expression(
        &mut self,
        body: &mut Body,
        id: ValueId,
        coords: Coords,
        may_cut: bool,
        root: Option<ValueId>,
    ) -> Result<u32, Stop> {
        let key = (id, coords);
        if let Some(&lane) = body.memo.get(&key) {
            return Ok(lane);
        }
        let lane = self.fresh_expression(body, id, &key.1, may_cut, root)?;
        body.memo.insert(key, lane);
        Ok(lane)
    }

    fn fresh_expression(
        &mut self,
        body: &mut Body,
        id: ValueId,
        coords: &Coords,
        may_cut: bool,
        root: Option<ValueId>,
    ) -> Result<u32, Stop> {
        let core = self.core;
        let node = core.node(id);
        let dtype = node.ty.dtype;
        if let Some(bits) = core.uniform(id) {
            return Ok(body.push(dtype, LaneOp::Const(bits)));
        }
        if self.memory[id.index()].is_none()
            && let Some(&[scalar]) = self.elements.get(id)
        {
            return Ok(body.push(dtype, LaneOp::Scalar(scalar)));
        }
        let stored = self.memory[id.index()].is_some()
            || self.elements.get(id).is_some()
            || core.literal(id).is_some();
        if stored {
            let buf = self.materialise(id)?;
            return Ok(body.push(dtype, LaneOp::Load(self.access(id, buf, coords, body.dims.len()))));
        }
        let rank = body.dims.len();
        let mut down = |s: &mut Self, v: ValueId, c: Coords| s.expression(body, v, c, may_cut, root);
        let sizes = |i: usize| node.attrs.sizes(i);
        match node.kind {
            Kind::Map(f) => {
                let args = node.operands.iter().map(|&v| down(self, v, coords.clone())).collect::<Result<
                    SmallVec<[u32; 3]>,
                    Stop,
                >>(
                )?;
                match body.without_zero(dtype, f, &args) {
                    Some(same) => Ok(same),
                    None => Ok(body.push(dtype, LaneOp::Map(f, args))),
                }
            }
            Kind::Prim(Prim::Cast) => {
                let x = down(self, node.operands[0], coords.clone())?;
                Ok(body.push(dtype, LaneOp::Cast(x)))
            }
            Kind::Prim(Prim::Broadcast) => {
                let from = core.node(node.operands[0]).shape();
                let lead = coords.len() - from.rank();
                let inner = (0..from.rank())
                    .map(|a| {
                        if from.dims()[a] == 1 { Affine::constant(0, rank) } else { coords[lead + a].clone() }
                    })
                    .collect();
                down(self, node.operands[0], inner)
            }
            Kind::Prim(Prim::Permute) => {
                let mut inner: Coords = smallvec![Affine::constant(0, rank); coords.len()];
                for (i, &p) in sizes(0).iter().enumerate() {
                    inner[p] = coords[i].clone();
                }
                down(self, node.operands[0], inner)
            }
            Kind::Prim(Prim::Slice) => {
                let (first, step) = (sizes(0), sizes(2));
                let inner = (0..coords.len())
                    .map(|a| coords[a].scaled(step[a] as isize, first[a] as isize))
                    .collect();
                down(self, node.operands[0], inner)
            }
            Kind::Prim(Prim::Unfold) => {
                let (stride, dilation) = (sizes(1), sizes(2));
                let lead = coords.len() - 2 * stride.len();
                let inner = (0..lead + stride.len())
                    .map(|a| match a.checked_sub(lead) {
                        None => coords[a].clone(),
                        Some(i) => {
                            let along = coords[a].scaled(stride[i] as isize, 0);
                            along.plus(&coords[a + stride.len()].scaled(dilation[i] as isize, 0))
                        }
                    })
                    .collect();
                down(self, node.operands[0], inner)
            }
            Kind::Prim(Prim::Flip) => {
                let axes = sizes(0);
                let last = |a: usize| node.shape().dims()[a] as isize - 1;
                let inner = (0..coords.len())
                    .map(
                        |a| if axes.contains(&a) { coords[a].scaled(-1, last(a)) } else { coords[a].clone() },
                    )
                    .collect();
                down(self, node.operands[0], inner)
            }
            Kind::Prim(Prim::Reshape) => {
                let Some(axes) = squeezed_axes(core, node) else {
                    return Err(Stop::Memory(node.operands[0]));
                };
                let from = core.node(node.operands[0]).shape().rank();
                let mut inner: Coords = smallvec![Affine::constant(0, rank); from];
                for (axis, source) in axes.iter().enumerate() {
                    if let Some(source) = *source {
                        inner[source] = coords[axis].clone();
                    }
                }
                down(self, node.operands[0], inner)
            }
            Kind::Prim(Prim::Pad) => {
                let from = core.node(node.operands[0]).shape();
                let lo = sizes(0);
                if sizes(2).iter().any(|&v| v != 0) {
                    return Err(Stop::Memory(id));
                }
                let mut inner = Coords::new();
                for a in 0..coords.len() {
                    let c = coords[a].scaled(1, -(lo[a] as isize));
                    match within(&c, &body.dims, 0, from.dims()[a] as isize) {
                        Position::Inside => inner.push(c),
                        Position::Outside => {
                            let fill = crate::ops::Literal::filled(dtype, (), node.attrs.float(3));
                            return Ok(body.push(dtype, LaneOp::Const(fill.bits(0))));
                        }
                        Position::Cut { dim, at } if may_cut => return Err(Stop::Cut { dim, at }),
                        _ if root == Some(id) => {
                            return Err(Stop::Error(LowerError::Internal("padding too deep")));
                        }
                        _ => return Err(Stop::Memory(id)),
                    }
                }
                self.expression(body, node.operands[0], inner, may_cut, root)
            }
            Kind::Prim(Prim::Concat) => {
                let axis = node.attrs.int(0) as usize;
                let mut start = 0isize;
                for &part in node.operands {
                    let size = core.node(part).shape().dims()[axis] as isize;
                    match within(&coords[axis], &body.dims, start, start + size) {
                        Position::Outside => {}
                        Position::Inside => {
                            let mut inner = coords.clone();
                            inner[axis] = coords[axis].scaled(1, -start);
                            return self.expression(body, part, inner, may_cut, root);
                        }
                        Position::Cut { dim, at } if may_cut => return Err(Stop::Cut { dim, at }),
                        _ => return Err(Stop::Memory(id)),
                    }
                    start += size;
                }
                Err(Stop::Error(LowerError::Internal("a coordinate outside a concatenation")))
            }
            _ => Err(Stop::Memory(id)),
        }
    }

    /// Element `coords` of a row-major buffer of a node's shape.
    fn access(&self, id: ValueId, buf: BufId, coords: &Coords, rank: usize) -> Access {
        let strides = self.core.node(id).shape().strides();
        let mut access = Access { buf, offset: 0, strides: smallvec![0; rank] };
        for (c, &stride) in coords.iter().zip(&strides) {
            access.offset += c.base * stride as isize;
            for (total, &coef) in access.strides.iter_mut().zip(&c.coef) {
                *total += coef * stride as isize;
            }
        }
        access
    }

    /// A strided view of memory for an operand of a call: views of a node in
    /// memory are free, anything else is computed first.
    pub(super) fn strided(&mut self, id: ValueId) -> Result<Access, LowerError> {
        let dims: SmallVec<[usize; 4]> = SmallVec::from_slice(self.core.node(id).shape().dims());
        let mut at = id;
        let is_view = |s: &Self, at: ValueId| {
            let moves = matches!(
                s.core.node(at).kind,
                Kind::Prim(Prim::Broadcast | Prim::Permute | Prim::Slice | Prim::Flip | Prim::Unfold)
            );
            moves && s.memory[at.index()].is_none() && s.elements.get(at).is_none()
        };
        while is_view(self, at) {
            at = self.core.node(at).operands[0];
        }
        self.materialise(at)?;
        if dims.contains(&0) {
            let buf = self.materialise(id)?;
            return Ok(Access { buf, offset: 0, strides: smallvec![0; dims.len()] });
        }
        let zero: SmallVec<[usize; 4]> = smallvec![0; dims.len()];
        match self.body_at(id, &zero, &dims, MAX_BOXES) {
            Ok((lanes, _)) => match lanes.as_slice() {
                [Lane { op: LaneOp::Load(access), .. }] => Ok(access.clone()),
                // A uniform constant or one scalar: it needs an address.
                _ => {
                    let buf = self.materialise(id)?;
                    let strides = self.core.node(id).shape().strides();
                    let uniform = self.plan.buffer(buf).len != self.core.node(id).ty.numel();
                    let stride = |v: &usize| if uniform { 0 } else { *v as isize };
                    Ok(Access { buf, offset: 0, strides: strides.iter().map(stride).collect() })
                }
            },
            Err(Stop::Error(error)) => Err(error),
            Err(_) => {
                let buf = self.materialise(id)?;
                let strides = self.core.node(id).shape().strides().iter().map(|&v| v as isize).collect();
                Ok(Access { buf, offset: 0, strides })
            }
        }
    }

    pub(super) fn push_kernel(
        &mut self,
        dims: SmallVec<[usize; 4]>,
        body: Vec<Lane>,
        ending: Ending,
        store: Access,
    ) {
        if !dims.contains(&0) {
            let mut kernel = Kernel { dims, body, ending, store, beside: Vec::new() };
            crate::lower::collapse::collapse(&mut kernel);
            self.plan.items.push(Item::Loop(Box::new(kernel)));
        }
    }
}

enum Position {
    Inside,
    Outside,
    Cut { dim: usize, at: usize },
    Tangled,
}

/// Where a coordinate lies over a box, relative to `[from, to)`.
fn within(c: &Affine, dims: &[usize], from: isize, to: isize) -> Position {
    let (min, max) = c.range(dims);
    if min >= from && max < to {
        return Position::Inside;
    }
    if max < from || min >= to {
        return Position::Outside;
    }
    let mut moving = (0..dims.len()).filter(|&d| c.coef[d] != 0 && dims[d] > 1);
    let (Some(dim), None) = (moving.next(), moving.next()) else { return Position::Tangled };
    let (k, n) = (c.coef[dim], dims[dim] as isize);
    // The first index at which the answer changes.
    let inside = |i: isize| {
        let v = c.base + k * i;
        (v >= from, v < to)
    };
    let first = inside(0);
    let (mut lo, mut hi) = (0, n - 1);
    // Monotone in i, so the first change is found by bisection on either bound.
    let change = |i: isize| inside(i) != first;
    if !change(hi) {
        return Position::Tangled;
    }
    while hi - lo > 1 {
        let mid = lo + (hi - lo) / 2;
        if change(mid) { hi = mid } else { lo = mid }
    }
    Position::Cut { dim, at: hi as usize }
}
