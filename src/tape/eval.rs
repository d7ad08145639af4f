//! The emitter that evaluates at once.

use crate::graph::{ValueId, ValueType};
use crate::ops::{Emitter, Op, OpError, Operand, Prim, Results, Site, Value};
use crate::tape::scalar::Numbers;
use crate::tape::tensor::Tensor;
use crate::tape::{index, map, prims};
use smallvec::SmallVec;

/// Evaluated tensors by handle. Handles of temporaries are given back at
/// [`Emitter::release`].
pub struct Evaluator<N: Numbers> {
    pub(super) slab: Vec<Tensor<N>>,
}

impl<N: Numbers> Evaluator<N> {
    pub(super) fn push(&mut self, tensor: Tensor<N>) -> ValueId {
        let id = ValueId::new(self.slab.len() as u32);
        self.slab.push(tensor);
        id
    }

    pub(super) fn at(&self, id: ValueId) -> &Tensor<N> {
        &self.slab[id.index()]
    }

    /// Evaluates a node whose result types are known to hold.
    fn primitive(
        &self,
        prim: Prim,
        op: &Op,
        operands: &[ValueId],
        out: &ValueType,
    ) -> Result<Tensor<N>, OpError> {
        let refused = |why: &'static str| OpError::Refused { op: op.name(), why: why.into() };
        let x = |i: usize| self.at(operands[i]);
        match prim {
            Prim::Const => match op.attrs.data(0) {
                Some(literal) => Tensor::from_literal(literal).map_err(refused),
                None => Err(refused("has no elements")),
            },
            Prim::Cast => prims::cast(x(0), out).map_err(refused),
            Prim::Broadcast | Prim::Reshape | Prim::Permute | Prim::Slice | Prim::Flip => {
                Ok(prims::movement(prim, op, x(0), out))
            }
            Prim::Pad => prims::pad(op, x(0), out).map_err(refused),
            Prim::Concat => {
                let parts: Vec<&Tensor<N>> = operands.iter().map(|&v| self.at(v)).collect();
                prims::concat(op, &parts, out).map_err(refused)
            }
            Prim::Reduce(crate::ops::Reduction::Dot) => prims::dot(x(0), x(1), out).map_err(refused),
            Prim::Reduce(kind) => prims::reduce(kind, op, x(0), out).map_err(refused),
            Prim::Matmul => prims::matmul(x(0), x(1), out).map_err(refused),
            Prim::IndexSelect | Prim::Gather => index::read(prim, op, x(0), x(1), out),
            Prim::IndexAdd | Prim::ScatterAdd => index::add(prim, op, x(0), x(1), x(2)),
        }
    }

    fn types(&self, op: &Op, operands: &[ValueId]) -> Result<crate::ops::Types, OpError> {
        let views: SmallVec<[Operand<'_>; 4]> =
            operands.iter().map(|&v| Operand { ty: &self.at(v).ty, literal: None }).collect();
        op.infer(&views)
    }

    /// Evaluates an op; the results may be operands themselves.
    pub(super) fn evaluate(&mut self, op: &Op, operands: &[ValueId]) -> Result<Results, OpError> {
        match op.row().value {
            Value::Map(f) => {
                let out = self.types(op, operands)?;
                let views: SmallVec<[&Tensor<N>; 3]> = operands.iter().map(|&v| self.at(v)).collect();
                let tensor = map::map(f, &views, &out[0])
                    .map_err(|why| OpError::Refused { op: op.name(), why: why.into() })?;
                drop(views);
                Ok(SmallVec::from_elem(self.push(tensor), 1))
            }
            Value::Prim(prim) => {
                let out = self.types(op, operands)?;
                let tensor = self.primitive(prim, op, operands, &out[0])?;
                Ok(SmallVec::from_elem(self.push(tensor), 1))
            }
            Value::Expand(expand) => {
                let site = Site { op, operands, results: &[], wanted: &[] };
                expand(self, &site)
            }
        }
    }
}

impl<N: Numbers> Emitter for Evaluator<N> {
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError> {
        self.evaluate(&op, operands)
    }

    fn ty(&self, value: ValueId) -> &ValueType {
        &self.at(value).ty
    }

    fn mark(&self) -> usize {
        self.slab.len()
    }

    fn release(&mut self, mark: usize, keep: &mut [ValueId]) {
        // Kept tensors slide down to the mark in the order of their handles.
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
        self.slab.truncate(next);
    }
}
