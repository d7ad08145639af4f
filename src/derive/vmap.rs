//! A graph of one point as a graph of many: a new leading axis for whatever differs between them.
//!
//! An op that is defined by others is taken apart; the scalar functions and primitives that are left
//! have a rule each here, and the few without one are applied point by point.

use crate::derive::sweep::located;
use crate::graph::{Graph, GraphError, GraphErrorKind, Recorder, Shape, ValueId, ValueType};
use crate::ops::{Attr, Emitter, Op, OpError, Operand, Prim, Reduction, Results, Site, Types, Value, make};
use cotangent_runtime::array::ArrayFn;
use smallvec::SmallVec;

/// The graph at `n` points at once. The inputs at the positions `batched` get a leading axis of
/// extent `n`, the others are the same for all points; every output has the axis in front.
///
/// Each point has the bits of the graph at it alone. Ops defined by others are written out, so that of
/// their derivative rules only those by definition are left: take derivatives first, where
/// the last bit of a gradient matters. Other than [`crate::Program::batched`] this is a graph like any
/// other, to be used within another, or differentiated.
///
/// # Errors
/// An input that does not exist; shapes whose extents leave the address space.
///
/// # Example
/// ```
/// use cotangent::tape::Tensor;
/// use cotangent::{Builder, Tape, dtype, vmap};
///
/// let g = Builder::new();
/// let (x, w) = (g.input("x", dtype::f64, [2]), g.input("w", dtype::f64, [2]));
/// let many = vmap(&g.finish(&[x.dot(w)])?, &[0], 3)?;
/// let tensor = |dims: &[usize], x: &[f64]| Tensor::f64(dims, x).ok_or("length");
/// let points = tensor(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 2.0, 2.0])?;
/// let tape = Tape::compile(&many, vec![points, tensor(&[2], &[10.0, 1.0])?])?;
/// assert_eq!(tape.outputs()[0].to_f64(), [10.0, 1.0, 22.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn vmap(graph: impl AsRef<Graph>, batched: &[usize], n: usize) -> Result<Graph, GraphError> {
    let graph = graph.as_ref();
    let inputs = graph.inputs().len();
    if let Some(&index) = batched.iter().find(|&&index| index >= inputs) {
        return Err(GraphErrorKind::NoSuchInput { index, inputs }.into());
    }
    let mut many = Graph::with_capacity(inputs, 2 * graph.nodes().len());
    let mut values = Vec::with_capacity(graph.len());
    for (i, (v, input)) in graph.input_values().zip(graph.inputs()).enumerate() {
        let (ty, varies) = (graph.ty(v).clone(), batched.contains(&i));
        let id = many.push_input(input.name.clone(), if varies { ty.stacked(n) } else { ty.clone() })?;
        values.push(Mapped { id, ty, varies });
    }
    let mut mapper = Mapper { recorder: Recorder::new(many), n, values };
    let mut handles: Vec<ValueId> = graph.input_values().collect();
    for (id, node) in graph.nodes_with_ids() {
        mapper.recorder.attribute(id, node.source());
        let operands: SmallVec<[ValueId; 4]> = node.operands().iter().map(|v| handles[v.index()]).collect();
        let made = mapper.emit(node.op.clone(), &operands);
        handles.extend(made.map_err(|error| located(error.into(), graph, id))?);
    }
    let outputs = graph.outputs().iter().map(|v| mapper.whole(handles[v.index()]));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    Ok(mapper.recorder.finish(outputs))
}

/// A value of one point.
struct Mapped {
    /// In the graph of many.
    id: ValueId,
    /// Its type at one point.
    ty: ValueType,
    /// Whether it has an axis of points.
    varies: bool,
}

/// Takes operations on one point, records them on many.
struct Mapper {
    recorder: Recorder,
    n: usize,
    values: Vec<Mapped>,
}

type R = Result<ValueId, OpError>;

impl Emitter for Mapper {
    fn emit(&mut self, op: Op, operands: &[ValueId]) -> Result<Results, OpError> {
        if !operands.iter().any(|&v| self.at(v).varies) {
            let ids: SmallVec<[ValueId; 4]> = operands.iter().map(|&v| self.at(v).id).collect();
            let made = self.recorder.emit(op, &ids)?;
            return Ok(made
                .into_iter()
                .map(|id| self.push(id, self.recorder.ty(id).clone(), false))
                .collect());
        }
        // What blocks gradients is its operand by definition, and must not be taken for it.
        if op == make::detach() {
            let Mapped { id, ref ty, .. } = *self.at(operands[0]);
            let ty = ty.clone();
            let id = self.record(op, &[id])?;
            return Ok(SmallVec::from_elem(self.push(id, ty, true), 1));
        }
        if let Value::Expand(expand) = op.row().value {
            return expand(self, &Site::of(&op, operands));
        }
        let views: SmallVec<[Operand<'_>; 4]> =
            operands.iter().map(|&v| Operand { ty: &self.at(v).ty, literal: None }).collect();
        let types = op.infer(&views)?;
        drop(views);
        let rank = types.first().map_or(0, |ty| ty.shape.rank());
        let id = match (op.row().value, types.first()) {
            (Value::Map(_), _) => {
                let ids = self.aligned(operands, rank)?;
                Some(self.record(op.clone(), &ids)?)
            }
            (Value::Prim(prim), Some(ty)) => self.prim(prim, &op, operands, ty)?,
            _ => None,
        };
        match (id, types.into_iter().next()) {
            (Some(id), Some(ty)) => Ok(SmallVec::from_elem(self.push(id, ty, true), 1)),
            _ => self.by_points(&op, operands),
        }
    }

    fn ty(&self, value: ValueId) -> &ValueType {
        &self.at(value).ty
    }
}

impl Mapper {
    fn at(&self, v: ValueId) -> &Mapped {
        &self.values[v.index()]
    }

    fn push(&mut self, id: ValueId, ty: ValueType, varies: bool) -> ValueId {
        self.values.push(Mapped { id, ty, varies });
        ValueId::new(self.values.len() as u32 - 1)
    }

    fn record(&mut self, op: Op, ids: &[ValueId]) -> R {
        (&mut self.recorder as &mut dyn Emitter).one(op, ids)
    }

    /// The value with its axis of points, the same for all where it had none.
    fn whole(&mut self, v: ValueId) -> R {
        let Mapped { id, ref ty, varies } = *self.at(v);
        let shape = ty.shape.stacked(self.n);
        if varies { Ok(id) } else { self.record(make::broadcast_to(&shape), &[id]) }
    }

    fn wholes(&mut self, all: &[ValueId]) -> Result<SmallVec<[ValueId; 4]>, OpError> {
        all.iter().map(|&v| self.whole(v)).collect()
    }

    /// Operands that meet in trailing axes, `rank` of them: those that vary get axes of extent 1
    /// behind that of points.
    fn aligned(&mut self, all: &[ValueId], rank: usize) -> Result<SmallVec<[ValueId; 4]>, OpError> {
        all.iter()
            .map(|&v| {
                let Mapped { id, ref ty, varies } = *self.at(v);
                let missing = rank.saturating_sub(ty.shape.rank());
                if !varies || missing == 0 {
                    return Ok(id);
                }
                let ones = std::iter::repeat_n(1, missing);
                let dims = std::iter::once(self.n).chain(ones).chain(ty.shape.dims().iter().copied());
                let shape: Shape = dims.collect();
                self.record(make::reshape(&shape), &[id])
            })
            .collect()
    }

    /// A primitive on all points; `None` where it has no form for that. `ty` is its result at one.
    fn prim(
        &mut self,
        prim: Prim,
        op: &Op,
        operands: &[ValueId],
        ty: &ValueType,
    ) -> Result<Option<ValueId>, OpError> {
        let x = self.at(operands[0]).id;
        let varies = |i: usize| operands.get(i).is_some_and(|&v| self.at(v).varies);
        let many = ty.shape.stacked(self.n);
        let (n, attrs) = (self.n, &op.attrs);
        let ahead = |i: usize, value: usize| -> Vec<usize> { [&[value], &attrs.sizes(i)[..]].concat() };
        let shifted = |i: usize| -> Vec<usize> { attrs.sizes(i).iter().map(|axis| axis + 1).collect() };
        let made = match prim {
            Prim::Reshape => self.record(make::reshape(&many), &[x]),
            Prim::Cast | Prim::Unfold | Prim::Fold => self.record(op.clone(), &[x]),
            Prim::Broadcast => {
                let x = self.aligned(operands, ty.shape.rank())?;
                self.record(make::broadcast_to(&many), &x)
            }
            Prim::Permute => self.record(make::permute(&[&[0], &shifted(0)[..]].concat()), &[x]),
            Prim::Slice => self.record(make::slice(&ahead(0, 0), &ahead(1, n), &ahead(2, 1)), &[x]),
            Prim::Flip => self.record(make::flip(&shifted(0)), &[x]),
            Prim::Pad => {
                self.record(make::pad(&ahead(0, 0), &ahead(1, 0), &ahead(2, 0), attrs.float(3)), &[x])
            }
            Prim::Reduce(Reduction::Sum | Reduction::Max) => self.record(behind(op), &[x]),
            Prim::Reduce(Reduction::Dot) => {
                // A row each, times one vector.
                let rows = match (varies(0), varies(1)) {
                    (true, false) => [operands[0], operands[1]],
                    (false, true) if self.at(operands[0]).ty.shape.rank() == 1 => [operands[1], operands[0]],
                    _ => return Ok(None),
                };
                let rows = rows.map(|v| self.at(v).id);
                self.record(make::matvec(), &rows)
            }
            Prim::Matmul => {
                let both = self.aligned(operands, ty.shape.rank())?;
                self.record(op.clone(), &both)
            }
            Prim::IndexSelect | Prim::IndexAdd if varies(1) => return Ok(None),
            Prim::IndexSelect => {
                let index = self.at(operands[1]).id;
                self.record(behind(op), &[x, index])
            }
            Prim::IndexAdd => {
                let index = self.at(operands[1]).id;
                let (base, update) = (self.whole(operands[0])?, self.whole(operands[2])?);
                self.record(behind(op), &[base, index, update])
            }
            Prim::Concat | Prim::Gather | Prim::ScatterAdd => {
                let all = self.wholes(operands)?;
                self.record(behind(op), &all)
            }
            Prim::Array(ArrayFn::Recurrence | ArrayFn::CumulativeSum | ArrayFn::ArgSort) => {
                let all = self.wholes(operands)?;
                self.record(behind(op), &all)
            }
            // Matrices on any leading axes, the same for all operands.
            Prim::Array(_) => {
                let all = self.wholes(operands)?;
                self.record(op.clone(), &all)
            }
            Prim::RandomBits | Prim::Const => return Ok(None),
        };
        made.map(Some)
    }

    /// An op at each point by itself.
    fn by_points(&mut self, op: &Op, operands: &[ValueId]) -> Result<Results, OpError> {
        let mut types: Types = Types::new();
        let mut parts: Vec<Vec<ValueId>> = Vec::new();
        for p in 0..self.n {
            let mut own: SmallVec<[ValueId; 4]> = SmallVec::new();
            for &v in operands {
                let Mapped { id, ref ty, varies } = *self.at(v);
                let (rank, shape) = (ty.shape.rank() + 1, ty.shape.clone());
                if !varies {
                    own.push(id);
                    continue;
                }
                let (mut start, mut stop) = (vec![0; rank], shape.stacked(self.n).dims().to_vec());
                (start[0], stop[0]) = (p, p + 1);
                let one = self.record(make::slice(&start, &stop, &vec![1; rank]), &[id])?;
                own.push(self.record(make::reshape(&shape), &[one])?);
            }
            let made = self.recorder.emit(op.clone(), &own)?;
            parts.resize(made.len(), Vec::new());
            types = made.iter().map(|&id| self.recorder.ty(id).clone()).collect();
            for (part, id) in parts.iter_mut().zip(made) {
                let one = self.recorder.ty(id).shape.stacked(1);
                part.push(self.record(make::reshape(&one), &[id])?);
            }
        }
        if self.n == 0 {
            let views: SmallVec<[Operand<'_>; 4]> =
                operands.iter().map(|&v| Operand { ty: &self.at(v).ty, literal: None }).collect();
            types = op.infer(&views)?;
            drop(views);
            for ty in &types {
                parts.push(vec![self.recorder.fill(ty.dtype, &ty.shape.stacked(0), 0.0)?]);
            }
        }
        let mut results = Results::new();
        for (part, ty) in parts.into_iter().zip(types) {
            let all = self.record(make::concat(0), &part)?;
            results.push(self.push(all, ty, true));
        }
        Ok(results)
    }
}

/// An op whose first attribute names axes, behind that of points.
fn behind(op: &Op) -> Op {
    let mut attrs = op.attrs.all().to_vec();
    match attrs.first_mut() {
        Some(Attr::Int(axis)) => *axis += 1,
        Some(Attr::Ints(axes)) => *axes = axes.iter().map(|axis| axis + 1).collect(),
        _ => {}
    }
    Op::with(op.row(), attrs)
}
