//! The small trait that rules are written against.
//!
//! The graph recorder implements it (that gives reverse graphs, and second
//! order by applying rules to them), the lowering implements it (that expands
//! ops to primitives), and the tape implements it (that evaluates at once).

use crate::graph::{DType, Graph, Node, NodeId, Shape, Source, ValueId, ValueType};
use crate::ops::row::{Op, Results};
use crate::ops::{Literal, OpError, make};
use smallvec::SmallVec;

/// What the reverse sweep knows of a value.
#[derive(Clone, Copy, Debug)]
pub struct Swept {
    /// Its gradient so far, `None` where no seed has reached it.
    pub cotangent: Option<ValueId>,
    /// Whether it lies on a path from what is differentiated by: then contributions
    /// to it are of use, if it is a float.
    pub wanted: bool,
    /// Whether a node that was looked at uses it.
    pub touched: bool,
    /// Whether its gradient is of use once its node has passed it on.
    pub kept: bool,
}

/// Receives operations, gives back handles of their results.
pub trait Emitter {
    /// Applies `op` to values of this emitter.
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError>;

    /// Type of a value of this emitter.
    fn ty(&self, value: ValueId) -> &ValueType;

    /// A tensor filled with one number.
    fn fill(&mut self, dtype: DType, shape: &Shape, value: f64) -> Result<ValueId, OpError> {
        let results = self.emit(make::constant(Literal::filled(dtype, shape, value)), &[])?;
        Ok(results[0])
    }

    /// The whole step of the reverse sweep for a node with one result, which
    /// this emitter evaluated itself, where it has a quicker way than the rule,
    /// with the same result. Whether it was done.
    fn replay(&mut self, _node: &Node, _cotangent: ValueId, _values: &mut [Swept]) -> bool {
        false
    }

    /// A gradient so far plus a contribution. Both have been held; the sum is
    /// held in their place.
    fn accumulate(&mut self, existing: ValueId, contribution: ValueId) -> Result<ValueId, OpError> {
        Ok(self.emit(make::add(), &[existing, contribution])?[0])
    }

    /// Says that a handle is the gradient of one more value.
    fn hold(&mut self, _handle: ValueId) {}

    /// Says that a handle is the gradient of one value less. An evaluator frees
    /// what is held no more.
    fn forget(&mut self, _handle: ValueId) {}

    /// Says that what is emitted from now on comes of this node, authored there.
    fn attribute(&mut self, _node: NodeId, _source: Source) {}

    /// Says what the gradient of a value of the swept graph is, now that it is
    /// seeded or the node that was attributed last has given its part.
    fn observe(&mut self, _value: ValueId, _gradient: ValueId) {}

    /// A point to which [`Emitter::release`] can go back.
    fn mark(&self) -> usize {
        0
    }

    /// Says that of everything emitted since `mark` only `keep` is still of
    /// use. An evaluator frees the rest and renames the kept handles.
    fn release(&mut self, _mark: usize, _keep: &mut [ValueId]) {}
}

type R = Result<ValueId, OpError>;

/// Names for the operations that rules use.
impl<'e> dyn Emitter + 'e {
    /// The single result of an op with one result.
    pub fn one(&mut self, op: Op, operands: &[ValueId]) -> R {
        let name = op.name();
        let results = self.emit(op, operands)?;
        match results.as_slice() {
            [value] => Ok(*value),
            _ => Err(OpError::BadRule { op: name, rule: "value", why: "gave more than one result".into() }),
        }
    }

    /// A graph at these inputs: the handles of all its values. `op` is whose it is.
    pub fn inline(
        &mut self,
        op: &'static str,
        graph: &Graph,
        inputs: &[ValueId],
    ) -> Result<Vec<ValueId>, OpError> {
        let n = graph.inputs().len();
        if inputs.len() != n {
            return Err(OpError::Arity { op, min: n, max: n, got: inputs.len() });
        }
        let mut handles = inputs.to_vec();
        for node in graph.nodes() {
            let operands: SmallVec<[ValueId; 4]> =
                node.operands().iter().map(|v| handles[v.index()]).collect();
            handles.extend(self.emit(node.op.clone(), &operands)?);
        }
        Ok(handles)
    }

    /// Shape of a value.
    pub fn shape(&self, v: ValueId) -> Shape {
        self.ty(v).shape.clone()
    }

    /// Element type of a value.
    pub fn dtype(&self, v: ValueId) -> DType {
        self.ty(v).dtype
    }

    /// A tensor filled with one number.
    pub fn full(&mut self, dtype: DType, shape: Shape, value: f64) -> R {
        self.fill(dtype, &shape, value)
    }

    /// A scalar constant of the element type of `v`.
    pub fn scalar_like(&mut self, v: ValueId, value: f64) -> R {
        let dtype = self.dtype(v);
        self.full(dtype, Shape::scalar(), value)
    }

    /// Zeros of the type of `v`.
    pub fn zeros_like(&mut self, v: ValueId) -> R {
        let ty = self.ty(v).clone();
        self.full(ty.dtype, ty.shape, 0.0)
    }

    /// a + b
    pub fn add(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::add(), &[a, b])
    }

    /// a - b
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::sub(), &[a, b])
    }

    /// a * b
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::mul(), &[a, b])
    }

    /// a / b
    pub fn div(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::div(), &[a, b])
    }

    /// -a
    pub fn neg(&mut self, a: ValueId) -> R {
        self.one(make::neg(), &[a])
    }

    /// Any element-wise op of one operand without attributes.
    pub fn unary(&mut self, op: Op, a: ValueId) -> R {
        self.one(op, &[a])
    }

    /// `condition ? a : b`
    pub fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> R {
        self.one(make::select(), &[condition, a, b])
    }

    /// `condition ? a : 0`
    pub fn select_or_zero(&mut self, condition: ValueId, a: ValueId) -> R {
        let zero = self.scalar_like(a, 0.0)?;
        self.select(condition, a, zero)
    }

    /// a < b
    pub fn lt(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::lt(), &[a, b])
    }

    /// a == b
    pub fn eq(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::eq(), &[a, b])
    }

    /// a and b
    pub fn and(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::and(), &[a, b])
    }

    /// a or b
    pub fn or(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::or(), &[a, b])
    }

    /// Sum over ascending axes.
    pub fn sum(&mut self, a: ValueId, axes: &[usize], keepdims: bool) -> R {
        if axes.is_empty() {
            return Ok(a);
        }
        self.one(make::sum(axes, keepdims), &[a])
    }

    /// Reshape; the value itself where the shape is the same.
    pub fn reshape(&mut self, a: ValueId, shape: &Shape) -> R {
        if self.ty(a).shape == *shape {
            return Ok(a);
        }
        self.one(make::reshape(shape), &[a])
    }

    /// NumPy broadcast; the value itself where the shape is the same.
    pub fn broadcast_to(&mut self, a: ValueId, shape: &Shape) -> R {
        if self.ty(a).shape == *shape {
            return Ok(a);
        }
        self.one(make::broadcast_to(shape), &[a])
    }

    /// Axes permuted: result axis `i` is axis `perm[i]` of `a`.
    pub fn permute(&mut self, a: ValueId, perm: &[usize]) -> R {
        self.one(make::permute(perm), &[a])
    }

    /// The last two axes exchanged.
    pub fn transpose_last(&mut self, a: ValueId) -> R {
        let rank = self.ty(a).shape.rank();
        let mut perm: Vec<usize> = (0..rank).collect();
        if rank >= 2 {
            perm.swap(rank - 1, rank - 2);
        }
        self.permute(a, &perm)
    }

    /// Matrix product over the last two axes, leading axes broadcast.
    pub fn matmul(&mut self, a: ValueId, b: ValueId) -> R {
        self.one(make::matmul(), &[a, b])
    }

    /// Element type changed.
    pub fn cast(&mut self, a: ValueId, dtype: DType) -> R {
        if self.ty(a).dtype == dtype {
            return Ok(a);
        }
        self.one(make::cast(dtype), &[a])
    }

    /// The transpose of a broadcast: sums `a` down to `shape`.
    pub fn sum_to(&mut self, a: ValueId, shape: &Shape) -> R {
        if self.ty(a).shape == *shape {
            return Ok(a);
        }
        let from = self.shape(a);
        let lead = from.rank() - shape.rank().min(from.rank());
        let axes: Vec<usize> = (0..from.rank())
            .filter(|&axis| axis < lead || (shape.dims()[axis - lead] == 1 && from.dims()[axis] != 1))
            .collect();
        let summed = self.sum(a, &axes, false)?;
        self.reshape(summed, shape)
    }
}
