//! Nodes that become calls into `runtime/`.

use crate::graph::{DType, ValueId};
use crate::lower::LowerError;
use crate::lower::core::{CoreNode, Kind};
use crate::lower::plan::{Access, BufId, Buffer, Call, Ending, Item, Lane, LaneOp, Place};
use crate::lower::schedule::Scheduler;
use crate::ops::{Prim, array_dims, contract_dims};
use cotangent_runtime::array::ArrayFn;
use cotangent_runtime::index::{IndexDims, MODE_ERROR, MODE_SKIP};
use cotangent_runtime::matmul::MatmulDims;
use cotangent_runtime::overlap::OverlapDims;
use smallvec::SmallVec;

/// Batch axes that one call of the runtime can walk.
const BATCH_AXES: usize = 4;

impl Scheduler<'_> {
    /// Schedules the call of a node; its result's buffer.
    pub(super) fn call(&mut self, id: ValueId) -> Result<BufId, LowerError> {
        let node = self.core.node(id);
        match node.kind {
            Kind::Prim(Prim::Matmul) => self.matmul(id),
            Kind::Prim(Prim::Fold) => self.fold(id),
            Kind::Prim(prim @ (Prim::IndexSelect | Prim::Gather)) => {
                let source = self.materialise(node.operands[0])?;
                let index = self.materialise(node.operands[1])?;
                let out = self.target(id);
                let dims = self.index_dims(node, prim);
                let symbol = read_symbol(prim, node.ty.dtype);
                self.plan.items.push(Item::Call(Box::new(Call::Read { symbol, dims, source, index, out })));
                Ok(out)
            }
            Kind::Prim(prim @ (Prim::IndexAdd | Prim::ScatterAdd)) => {
                let base = self.materialise(node.operands[0])?;
                let index = self.materialise(node.operands[1])?;
                let update = self.materialise(node.operands[2])?;
                let out = self.target(id);
                let dims = self.index_dims(node, prim);
                let symbol = add_symbol(prim, node.ty.dtype);
                let call = Call::Add { symbol, dims, base, index, update, out };
                self.plan.items.push(Item::Call(Box::new(call)));
                Ok(out)
            }
            Kind::Prim(Prim::Array(f)) => self.array(id, f),
            Kind::Prim(Prim::RandomBits) => {
                let key = self.materialise(node.operands[0])?;
                let out = self.target(id);
                self.plan.items.push(Item::Call(Box::new(Call::Random { key, out })));
                Ok(out)
            }
            Kind::Map(f) => {
                let f = f.many().ok_or(LowerError::Internal("a function that has no form for many"))?;
                let src = self.materialise(node.operands[0])?;
                let out = self.target(id);
                let whole = |buf| Access { buf, offset: 0, strides: smallvec::smallvec![0, 1] };
                let dims = smallvec::smallvec![1, node.ty.numel()];
                let call = Call::Many { f, dims, src: whole(src), out: whole(out) };
                self.plan.items.push(Item::Call(Box::new(call)));
                Ok(out)
            }
            Kind::Callback(number) => {
                let Some(op) = node.attrs.custom() else {
                    return Err(LowerError::Internal("a callback of another op"));
                };
                let mut inputs = Vec::with_capacity(node.operands.len());
                for &v in node.operands {
                    inputs.push(self.materialise(v)?);
                }
                let first = id.index() as u32 - number;
                let results = (0..op.results().len() as u32).map(|i| ValueId::new(first + i));
                let mut outputs = Vec::with_capacity(results.len());
                for v in results {
                    let out = self.target(v);
                    self.memory[v.index()] = Some(out);
                    outputs.push(out);
                }
                let call = Call::Callback { op: op.clone(), node: node.origin, inputs, outputs };
                self.plan.items.push(Item::Call(Box::new(call)));
                self.memory[id.index()].ok_or(LowerError::Internal("a result that a callback has not"))
            }
            Kind::Bodies(number) => self.bodies(id, number),
            _ => Err(LowerError::Internal("a call of a node that is none")),
        }
    }

    fn array(&mut self, id: ValueId, f: ArrayFn) -> Result<BufId, LowerError> {
        let node = self.core.node(id);
        // The extents beside an empty one may be vast.
        if node.ty.numel() == 0 {
            return Ok(self.target(id));
        }
        let shape = |i: usize| node.operands.get(i).map(|&v| self.core.node(v).shape());
        let dims = array_dims(f, node.attrs, shape(0).unwrap_or(node.shape()), shape(1));
        let lens = f.lens(&dims).ok_or(LowerError::TooLarge)?;
        let mut operands: SmallVec<[BufId; 2]> = SmallVec::new();
        for &v in node.operands {
            operands.push(self.materialise(v)?);
        }
        let scratch = (lens.scratch > 0).then(|| {
            let buffer = Buffer { dtype: node.ty.dtype, len: lens.scratch, place: Place::Temp(None) };
            self.plan.buffers.push(buffer);
            BufId(self.plan.buffers.len() as u32 - 1)
        });
        let out = self.target(id);
        self.plan.items.push(Item::Call(Box::new(Call::Array { f, dims, operands, scratch, out })));
        Ok(out)
    }

    fn index_dims(&self, node: CoreNode<'_>, prim: Prim) -> IndexDims {
        let axis = node.attrs.int(0) as usize;
        let source = self.core.node(node.operands[0]).shape().dims();
        let index = self.core.node(node.operands[1]).shape();
        let count = match prim {
            Prim::IndexSelect | Prim::IndexAdd => index.numel(),
            _ => index.dims()[axis],
        };
        IndexDims {
            outer: source[..axis].iter().product(),
            axis: source[axis],
            inner: source[axis + 1..].iter().product(),
            count,
            mode: if node.attrs.flag(1) { MODE_SKIP } else { MODE_ERROR },
            node: node.origin,
        }
    }

    /// Overlapping windows added up. Leading axes are walked outermost, then the
    /// kernel: for one place its positions ascend, and a plane stays in the cache.
    fn fold(&mut self, id: ValueId) -> Result<BufId, LowerError> {
        let node = self.core.node(id);
        let x = node.operands[0];
        let windows = self.core.node(x).shape().clone();
        if node.ty.numel() == 0 {
            return Ok(self.target(id));
        }
        let (stride, dilation) = (node.attrs.sizes(1), node.attrs.sizes(2));
        let (rank, moved) = (node.shape().rank(), stride.len());
        let lead = rank - moved;
        let own = node.shape().strides();
        let mut src = self.strided(x)?;
        let mut dims = OverlapDims::new(node.ty.numel());
        if !fold_loops(&mut dims, windows.dims(), &src.strides, &own, [lead, rank], [&stride, &dilation]) {
            // More axes than one call walks: as it lies in memory they go together.
            let strides = windows.strides().iter().map(|&v| v as isize).collect();
            src = Access { buf: self.materialise(x)?, offset: 0, strides };
            dims = OverlapDims::new(node.ty.numel());
            if !fold_loops(&mut dims, windows.dims(), &src.strides, &own, [lead, rank], [&stride, &dilation])
            {
                return Err(LowerError::Internal("a fold of too many axes"));
            }
        }
        let out = self.target(id);
        let symbol = if node.ty.dtype == DType::F32 { "ct_overlap_add_f32" } else { "ct_overlap_add_f64" };
        let src = (src.buf, src.offset);
        self.plan.items.push(Item::Call(Box::new(Call::Overlap { symbol, dims, src, out })));
        Ok(out)
    }

    fn matmul(&mut self, id: ValueId) -> Result<BufId, LowerError> {
        let node = self.core.node(id);
        let (dtype, dims) = (node.ty.dtype, node.shape().dims());
        let (lead, [m, n]) = contract_dims(node.shape());
        let k = contract_dims(self.core.node(node.operands[0]).shape()).1[1];
        if node.ty.numel() == 0 {
            return Ok(self.target(id));
        }
        if k == 0 {
            let out = self.target(id);
            let lanes = vec![Lane { dtype, op: LaneOp::Const(0) }];
            let strides = node.shape().strides().iter().map(|&v| v as isize).collect();
            let store = Access { buf: out, offset: 0, strides };
            self.push_kernel(SmallVec::from_slice(dims), lanes, Ending::Store(0), store);
            return Ok(out);
        }
        let a = self.strided(node.operands[0])?;
        let b = self.strided(node.operands[1])?;
        let out = self.target(id);
        let rank = lead.rank();
        let mut axes: Vec<(usize, isize, isize, isize)> = Vec::new();
        let own = node.shape().strides();
        for axis in 0..rank {
            let n = lead.dims()[axis];
            let batch = |access: &Access, operand: ValueId| {
                let shape = self.core.node(operand).shape();
                match (axis + shape.rank()).checked_sub(dims.len()) {
                    Some(i) if shape.dims()[i] != 1 => access.strides[i],
                    _ => 0,
                }
            };
            let next = (n, batch(&a, node.operands[0]), batch(&b, node.operands[1]), own[axis] as isize);
            let inner = n as isize;
            match axes.last_mut() {
                // Two axes that all three walk as one.
                Some(last)
                    if last.1 == next.1 * inner && last.2 == next.2 * inner && last.3 == next.3 * inner =>
                {
                    *last = (last.0 * n, next.1, next.2, next.3);
                }
                _ if n == 1 => {}
                _ => axes.push(next),
            }
        }
        let strides = |access: &Access| {
            let r = access.strides.len();
            (access.strides[r - 2], access.strides[r - 1])
        };
        let ((a_row, a_col), (b_row, b_col)) = (strides(&a), strides(&b));
        if axes.len() > BATCH_AXES {
            // The longest go into the call: what is left over is a call per element.
            axes.sort_by_key(|axis| axis.0);
        }
        let (outer, inner) = axes.split_at(axes.len().saturating_sub(BATCH_AXES));
        let mut call = MatmulDims {
            m,
            n,
            k,
            a_row,
            a_col,
            b_row,
            b_col,
            c_row: n as isize,
            c_col: 1,
            batch: inner.len(),
            batch_dims: [1; 4],
            a_batch: [0; 4],
            b_batch: [0; 4],
            c_batch: [0; 4],
        };
        for (i, axis) in inner.iter().enumerate() {
            (call.batch_dims[i], call.a_batch[i], call.b_batch[i], call.c_batch[i]) = *axis;
        }
        // Batch axes past what one call walks: one call each.
        let mut starts = vec![(a.offset, b.offset, 0isize)];
        for &(n, sa, sb, sc) in outer {
            starts = starts
                .iter()
                .flat_map(|&(x, y, z)| (0..n as isize).map(move |i| (x + i * sa, y + i * sb, z + i * sc)))
                .collect();
        }
        for (ao, bo, co) in starts {
            let call = Call::Matmul { dtype, dims: call, a: (a.buf, ao), b: (b.buf, bo), c: (out, co) };
            self.plan.items.push(Item::Call(Box::new(call)));
        }
        Ok(out)
    }
}

/// The loops of a fold: leading axes merged where both sides walk them as one, the
/// kernel, then the windows. Whether they are few enough.
fn fold_loops(
    dims: &mut OverlapDims,
    extents: &[usize],
    src: &[isize],
    own: &[usize],
    [lead, rank]: [usize; 2],
    [stride, dilation]: [&[usize]; 2],
) -> bool {
    let mut loops: Vec<(usize, isize, isize)> = Vec::new();
    for a in (0..lead).filter(|&a| extents[a] != 1) {
        let next = (extents[a], src[a], own[a] as isize);
        let n = next.0 as isize;
        match loops.last_mut() {
            Some(last) if last.1 == next.1 * n && last.2 == next.2 * n => {
                *last = (last.0 * next.0, next.1, next.2);
            }
            _ => loops.push(next),
        }
    }
    for (i, a) in (lead..rank).enumerate() {
        let k = rank + i;
        loops.push((extents[k], src[k], (own[a] * dilation[i]) as isize));
    }
    for (i, a) in (lead..rank).enumerate() {
        loops.push((extents[a], src[a], (own[a] * stride[i]) as isize));
    }
    loops.into_iter().all(|(n, src, dst)| dims.push(n, src, dst).is_some())
}

fn read_symbol(prim: Prim, dtype: DType) -> &'static str {
    match (prim, dtype) {
        (Prim::IndexSelect, DType::F64) => "ct_gather_f64",
        (Prim::IndexSelect, DType::F32) => "ct_gather_f32",
        (Prim::IndexSelect, DType::I64) => "ct_gather_i64",
        (Prim::IndexSelect, DType::Bool) => "ct_gather_u8",
        (_, DType::F64) => "ct_take_along_f64",
        (_, DType::F32) => "ct_take_along_f32",
        (_, DType::I64) => "ct_take_along_i64",
        (_, DType::Bool) => "ct_take_along_u8",
    }
}

fn add_symbol(prim: Prim, dtype: DType) -> &'static str {
    match (prim, dtype) {
        (Prim::IndexAdd, DType::F32) => "ct_scatter_add_f32",
        (Prim::IndexAdd, _) => "ct_scatter_add_f64",
        (_, DType::F32) => "ct_put_along_add_f32",
        _ => "ct_put_along_add_f64",
    }
}
