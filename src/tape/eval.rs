//! The emitter that evaluates at once.

use crate::graph::{DType, Shape, ValueId, ValueType};
use crate::ops::{Emitter, MapFn, Op, OpError, Operand, Prim, Reduction, Results, Site, Types, Value};
use crate::tape::scalar::{Numbers, Scalar};
use crate::tape::tensor::{Slot, Tensor};
use crate::tape::{index, map, prims};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Evaluated values by handle. Handles of temporaries are given back at
/// [`Emitter::release`].
pub struct Evaluator<N: Numbers> {
    slab: Vec<Slot<N>>,
    /// No slot from here on holds a tensor: what scalars leave behind is not
    /// worth taking away after each node.
    tensors_end: usize,
    scalars: [ValueType; 2],
}

impl<N: Numbers> Evaluator<N> {
    pub(super) fn new(values: Vec<Tensor<N>>, capacity: usize) -> Evaluator<N> {
        let mut slab = Vec::with_capacity(capacity.max(values.len()));
        slab.extend(values.into_iter().map(Slot::from));
        let tensors_end = slab.len();
        let scalars = [ValueType::new(DType::F64, ()), ValueType::new(DType::F32, ())];
        Evaluator { slab, tensors_end, scalars }
    }

    pub(super) fn push(&mut self, tensor: Tensor<N>) -> ValueId {
        self.push_slot(tensor.into())
    }

    #[inline(always)]
    fn push_slot(&mut self, slot: Slot<N>) -> ValueId {
        let id = ValueId::new(self.slab.len() as u32);
        let is_tensor = matches!(slot, Slot::Tensor(_));
        self.slab.push(slot);
        if is_tensor {
            self.tensors_end = self.slab.len();
        }
        id
    }

    /// A value as a tensor.
    pub(super) fn at(&self, id: ValueId) -> Cow<'_, Tensor<N>> {
        self.slab[id.index()].tensor()
    }

    /// Takes away everything behind the first `len` values.
    pub(super) fn truncate(&mut self, len: usize) {
        self.slab.truncate(len);
        self.tensors_end = self.tensors_end.min(len);
    }

    /// Puts the results of a node at the next value ids; a result may be an operand.
    pub(super) fn settle(&mut self, mark: usize, results: &[ValueId]) {
        if let [only] = results
            && only.index() == mark
            && self.slab.len() == mark + 1
        {
            return;
        }
        let slots: SmallVec<[Slot<N>; 2]> = results.iter().map(|r| self.slab[r.index()].clone()).collect();
        self.truncate(mark);
        for slot in slots {
            self.push_slot(slot);
        }
    }

    /// A function of scalars, without the ceremony of tensors.
    #[inline(always)]
    fn scalar_map(&self, f: MapFn, operands: &[ValueId]) -> Option<Slot<N>> {
        fn apply<S: Scalar>(f: MapFn, args: &[&S]) -> Option<S> {
            match args {
                [x] => S::unary(f, x).ok(),
                [x, y] => S::binary(f, x, y).ok(),
                _ => None,
            }
        }
        match operands {
            [x] => match &self.slab[x.index()] {
                Slot::F64(x) => apply(f, &[x]).map(Slot::F64),
                Slot::F32(x) => apply(f, &[x]).map(Slot::F32),
                Slot::Tensor(_) => None,
            },
            [x, y] if !f.is_predicate() => match (&self.slab[x.index()], &self.slab[y.index()]) {
                (Slot::F64(x), Slot::F64(y)) => apply(f, &[x, y]).map(Slot::F64),
                (Slot::F32(x), Slot::F32(y)) => apply(f, &[x, y]).map(Slot::F32),
                _ => None,
            },
            _ => None,
        }
    }

    fn primitive(&self, prim: Prim, op: &Op, operands: &[ValueId], out: &ValueType) -> Result<Tensor<N>, OpError> {
        let refused = |why: &'static str| OpError::Refused { op: op.name(), why: why.into() };
        let x = |i: usize| self.at(operands[i]);
        match prim {
            Prim::Const => match op.attrs.data(0) {
                Some(literal) => Tensor::from_literal(literal).map_err(refused),
                None => Err(refused("has no elements")),
            },
            Prim::Cast => prims::cast(&x(0), out).map_err(refused),
            Prim::Broadcast | Prim::Reshape | Prim::Permute | Prim::Slice | Prim::Flip => {
                Ok(prims::movement(prim, op, &x(0), out))
            }
            Prim::Pad => prims::pad(op, &x(0), out).map_err(refused),
            Prim::Concat => {
                let parts: Vec<Cow<'_, Tensor<N>>> = operands.iter().map(|&v| self.at(v)).collect();
                let parts: Vec<&Tensor<N>> = parts.iter().map(|p| &**p).collect();
                prims::concat(op, &parts, out).map_err(refused)
            }
            Prim::Reduce(Reduction::Dot) => prims::dot(&x(0), &x(1), out).map_err(refused),
            Prim::Reduce(kind) => prims::reduce(kind, op, &x(0), out).map_err(refused),
            Prim::Matmul => prims::matmul(&x(0), &x(1), out).map_err(refused),
            Prim::IndexSelect | Prim::Gather => index::read(prim, op, &x(0), &x(1), out),
            Prim::IndexAdd | Prim::ScatterAdd => index::add(prim, op, &x(0), &x(1), &x(2)),
        }
    }

    fn types(&self, op: &Op, operands: &[ValueId]) -> Result<Types, OpError> {
        let views: SmallVec<[Operand<'_>; 4]> =
            operands.iter().map(|&v| Operand { ty: self.ty(v), literal: None }).collect();
        op.infer(&views)
    }

    /// Evaluates an op; the results may be operands themselves.
    pub(super) fn evaluate(&mut self, op: &Op, operands: &[ValueId]) -> Result<Results, OpError> {
        let tensor = match op.row().value {
            Value::Map(f) => {
                if let Some(slot) = self.scalar_map(f, operands) {
                    return Ok(SmallVec::from_buf([self.push_slot(slot)]));
                }
                let out = self.types(op, operands)?;
                let views: SmallVec<[Cow<'_, Tensor<N>>; 3]> = operands.iter().map(|&v| self.at(v)).collect();
                let views: SmallVec<[&Tensor<N>; 3]> = views.iter().map(|v| &**v).collect();
                map::map(f, &views, &out[0]).map_err(|why| OpError::Refused { op: op.name(), why: why.into() })?
            }
            Value::Prim(prim) => {
                let out = self.types(op, operands)?;
                self.primitive(prim, op, operands, &out[0])?
            }
            Value::Expand(expand) => {
                let site = Site { op, operands, results: &[], wanted: &[] };
                return expand(self, &site);
            }
        };
        Ok(SmallVec::from_buf([self.push(tensor)]))
    }
}

impl<N: Numbers> Emitter for Evaluator<N> {
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError> {
        self.evaluate(&op, operands)
    }

    fn ty(&self, value: ValueId) -> &ValueType {
        match &self.slab[value.index()] {
            Slot::F64(_) => &self.scalars[0],
            Slot::F32(_) => &self.scalars[1],
            Slot::Tensor(t) => &t.ty,
        }
    }

    fn fill(&mut self, dtype: DType, shape: &Shape, value: f64) -> Result<ValueId, OpError> {
        let filled = Tensor::filled(ValueType { dtype, shape: shape.clone() }, value);
        Ok(self.push(filled.map_err(|why| OpError::Refused { op: "const", why: why.into() })?))
    }

    fn mark(&self) -> usize {
        self.slab.len()
    }

    fn release(&mut self, mark: usize, keep: &mut [ValueId]) {
        if self.tensors_end <= mark {
            return;
        }
        // Kept values slide down to the mark in the order of their handles.
        let mut order: SmallVec<[usize; 8]> = (0..keep.len()).filter(|&i| keep[i].index() >= mark).collect();
        order.sort_unstable_by_key(|&i| keep[i]);
        let mut next = mark;
        let mut last = None;
        for i in order {
            let from = keep[i].index();
            if last != Some(from) {
                self.slab.swap(next, from);
                last = Some(from);
                next += 1;
            }
            keep[i] = ValueId::new((next - 1) as u32);
        }
        self.truncate(next);
    }
}
