//! The emitter that evaluates at once.

use crate::graph::{DType, Node, Shape, ValueId, ValueType};
use crate::ops::{
    Branch, Elements, Emitter, Loop, MapFn, Op, OpError, Operand, Prim, Reduction, Results, Site, Swept,
    Types, Value, make,
};
use crate::tape::scalar::{Numbers, Scalar};
use crate::tape::scalar_rules::{Registers, ScalarRules};
use crate::tape::tensor::{Data, Slot, Tensor};
use crate::tape::{array, callback, index, map, prims};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Evaluated values by handle. Handles of temporaries are given back at
/// [`Emitter::release`].
pub struct Evaluator<N: Numbers> {
    pub(super) slab: Vec<Slot<N>>,
    /// No slot from here on holds a tensor: what scalars leave behind is not
    /// worth taking away after each node.
    tensors_end: usize,
    /// The values of the graph end here; what is behind is the sweeps' own.
    values_end: usize,
    scalars: [ValueType; 2],
    pub(super) rules: ScalarRules,
    registers: Box<Registers<N::F64>>,
}

impl<N: Numbers> Evaluator<N> {
    pub(super) fn new(values: Vec<Tensor<N>>, capacity: usize) -> Evaluator<N> {
        let mut slab = Vec::with_capacity(capacity.max(values.len()));
        slab.extend(values.into_iter().map(Slot::from));
        let tensors_end = slab.len();
        let scalars = [ValueType::new(DType::F64, ()), ValueType::new(DType::F32, ())];
        let values_end = usize::MAX;
        let registers = Box::new(std::array::from_fn(|_| N::F64::zero()));
        Evaluator { slab, tensors_end, values_end, scalars, rules: ScalarRules::default(), registers }
    }

    pub(super) fn push(&mut self, tensor: Tensor<N>) -> ValueId {
        self.push_slot(tensor.into())
    }

    #[inline(always)]
    fn push_slot(&mut self, slot: Slot<N>) -> ValueId {
        let id = ValueId::new(self.slab.len() as u32);
        let is_tensor = matches!(slot, Slot::Tensor(..));
        self.slab.push(slot);
        if is_tensor {
            self.tensors_end = self.slab.len();
        }
        id
    }

    /// The values of the graph.
    pub(super) fn values(&self) -> impl Iterator<Item = ValueId> + use<N> {
        (0..self.values_end as u32).map(ValueId::new)
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

    /// Makes room for the gradients of scalars, a slot for each of the values,
    /// which are all that is there.
    pub(super) fn begin_sweep(&mut self) {
        self.values_end = self.slab.len();
        self.slab.resize(2 * self.values_end, Slot::F64(N::F64::neutral()));
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
        match operands {
            [x] => match &self.slab[x.index()] {
                Slot::F64(x) => N::F64::unary(f, x).ok().map(Slot::F64),
                Slot::F32(x) => N::F32::unary(f, x).ok().map(Slot::F32),
                Slot::Tensor(..) => None,
            },
            [x, y] if !f.is_predicate() => match (&self.slab[x.index()], &self.slab[y.index()]) {
                (Slot::F64(x), Slot::F64(y)) => N::F64::binary(f, x, y).ok().map(Slot::F64),
                (Slot::F32(x), Slot::F32(y)) => N::F32::binary(f, x, y).ok().map(Slot::F32),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same as the next value.
    #[inline(always)]
    pub(super) fn push_scalar(&mut self, f: MapFn, operands: &[ValueId]) -> Option<ValueId> {
        let slot = self.scalar_map(f, operands)?;
        let id = ValueId::new(self.slab.len() as u32);
        self.slab.push(slot);
        Some(id)
    }

    /// `existing + contribution` written over one of the two, where no other
    /// value has that one as its gradient.
    fn add_in_place(&mut self, existing: ValueId, contribution: ValueId) -> Option<ValueId> {
        fn sum<S: Scalar>(existing: &mut [S], contribution: &mut [S], over: bool) {
            // NaNs are a class, so the order of a sum of two leaves no trace.
            match over {
                true => S::add_to(existing, contribution),
                false => S::add_to(contribution, existing),
            }
        }
        let over = match (self.owns(contribution), self.owns(existing)) {
            (true, _) => false,
            (_, true) => true,
            _ => return None,
        };
        let pair = self.slab.get_disjoint_mut([existing.index(), contribution.index()]).ok()?;
        let [Slot::Tensor(a, _), Slot::Tensor(b, _)] = pair else { return None };
        match (&mut a.data, &mut b.data) {
            (Data::F64(a), Data::F64(b)) => sum(a, b, over),
            (Data::F32(a), Data::F32(b)) => sum(a, b, over),
            _ => return None,
        }
        Some(if over { existing } else { contribution })
    }

    /// Whether a handle is a tensor that is the gradient of one value alone.
    pub(super) fn owns(&self, v: ValueId) -> bool {
        v.index() >= self.values_end && matches!(self.slab[v.index()], Slot::Tensor(_, 1))
    }

    /// [`Emitter::replay`] for scalars that stand for f64; anything else takes
    /// the rule itself. A gradient is in the value's own slot, which a rule may
    /// hand on, but only after the last contribution to it.
    #[inline(always)]
    fn replay_scalar(&mut self, node: &Node, cotangent: ValueId, values: &mut [Swept]) -> Option<()> {
        let (a, b) = match *node.operands() {
            [a] => (a, a),
            [a, b] => (a, b),
            _ => return None,
        };
        let slab = self.slab.as_mut_slice();
        let (Slot::F64(xa), Slot::F64(xb)) = (&slab[a.index()], &slab[b.index()]) else { return None };
        let (Slot::F64(y), Slot::F64(d)) = (&slab[node.result().index()], &slab[cotangent.index()]) else {
            return None;
        };
        let rule = self.rules.of(node.op.row())?;
        let given = [xa.clone(), xb.clone(), y.clone(), d.clone()];
        let flows = rule.contributions(given, &mut self.registers)?;
        let gradients = self.values_end;
        let mut add = |v: ValueId, contribution: N::F64| {
            let swept = &mut values[v.index()];
            if !swept.wanted {
                return;
            }
            let own = gradients + v.index();
            // Before the first contribution the value's own slot is neutral: whether
            // it is the first one is nothing that a CPU could foresee.
            let before = swept.cotangent.map_or(own, ValueId::index);
            let sum = match &slab[before] {
                Slot::F64(before) => N::F64::add(before, &contribution),
                _ => contribution,
            };
            if let Slot::F64(gradient) = &mut slab[own] {
                *gradient = sum;
            }
            swept.cotangent = Some(ValueId::new(own as u32));
        };
        match flows {
            // Contributions to the same value are added first.
            [Some(x), Some(y)] if a == b => add(a, N::F64::add(&x, &y)),
            [x, y] => {
                if let Some(x) = x {
                    add(a, x);
                }
                if let Some(y) = y {
                    add(b, y);
                }
            }
        }
        values[a.index()].touched = true;
        values[b.index()].touched = true;
        Some(())
    }

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
            // Constants are evaluated before.
            Prim::Const => Err(refused("takes no operands")),
            Prim::Cast => prims::cast(&x(0), out).map_err(refused),
            Prim::Broadcast | Prim::Reshape | Prim::Permute | Prim::Slice | Prim::Flip | Prim::Unfold => {
                Ok(prims::movement(prim, op, &x(0), out))
            }
            Prim::Pad => prims::pad(op, &x(0), out).map_err(refused),
            Prim::Concat | Prim::Array(_) => {
                let parts: Vec<Cow<'_, Tensor<N>>> = operands.iter().map(|&v| self.at(v)).collect();
                let parts: Vec<&Tensor<N>> = parts.iter().map(|p| &**p).collect();
                match prim {
                    Prim::Array(f) => array::array(f, op, &parts, out).map_err(refused),
                    _ => prims::concat(op, &parts, out).map_err(refused),
                }
            }
            Prim::Fold => prims::fold(op, &x(0), out).map_err(refused),
            Prim::Reduce(Reduction::Dot) => prims::dot(&x(0), &x(1), out).map_err(refused),
            Prim::Reduce(kind) => prims::reduce(kind, op, &x(0), out).map_err(refused),
            Prim::Matmul => prims::matmul(&x(0), &x(1), out).map_err(refused),
            Prim::IndexSelect | Prim::Gather => index::read(prim, op, &x(0), &x(1), out),
            Prim::IndexAdd | Prim::ScatterAdd => index::add(prim, op, &x(0), &x(1), &x(2)),
            Prim::RandomBits => prims::random_bits(&x(0), out).map_err(refused),
        }
    }

    fn types(&self, op: &Op, operands: &[ValueId]) -> Result<Types, OpError> {
        let views: SmallVec<[Operand<'_>; 4]> =
            operands.iter().map(|&v| Operand { ty: self.ty(v), literal: None }).collect();
        op.infer(&views)
    }

    /// Asks for the memory of a large result and its temporaries before it is
    /// taken, because failing to get it then would abort.
    fn room(&self, op: &Op, operands: &[ValueId], out: &ValueType) -> Result<(), OpError> {
        const SMALL: usize = 1 << 20;
        let widest = operands.iter().map(|&v| self.ty(v).numel()).fold(out.numel(), usize::max);
        if widest <= SMALL {
            return Ok(());
        }
        let mut probe: Vec<(N::F64, N::F64)> = Vec::new();
        let refused = probe.try_reserve_exact(widest).is_err();
        // An allocation that nobody looks at may be optimised away.
        std::hint::black_box(&probe);
        match refused {
            true => Err(OpError::Refused { op: op.name(), why: format!("not enough memory for {out}") }),
            false => Ok(()),
        }
    }

    /// Evaluates an op; the results may be operands themselves.
    pub(super) fn evaluate(&mut self, op: &Op, operands: &[ValueId]) -> Result<Results, OpError> {
        let tensor = match op.row().value {
            Value::Map(f) => {
                if let Some(id) = self.push_scalar(f, operands) {
                    return Ok(SmallVec::from_buf([id]));
                }
                let out = self.types(op, operands)?;
                self.room(op, operands, &out[0])?;
                let views: SmallVec<[Cow<'_, Tensor<N>>; 3]> = operands.iter().map(|&v| self.at(v)).collect();
                let views: SmallVec<[&Tensor<N>; 3]> = views.iter().map(|v| &**v).collect();
                map::map(f, &views, &out[0])
                    .map_err(|why| OpError::Refused { op: op.name(), why: why.into() })?
            }
            Value::Prim(Prim::Const) if operands.is_empty() => match op.attrs.data(0).map(|l| &**l) {
                Some(literal) => {
                    if let (true, Elements::F64(v)) = (literal.ty().shape.is_scalar(), literal.elements())
                        && let Ok(x) = N::F64::from_f64(v[0])
                    {
                        return Ok(SmallVec::from_buf([self.push_slot(Slot::F64(x))]));
                    }
                    let refused = |why: &'static str| OpError::Refused { op: op.name(), why: why.into() };
                    self.room(op, operands, literal.ty())?;
                    Tensor::from_literal(literal).map_err(refused)?
                }
                None => return Err(OpError::AttrCount { op: op.name(), expected: 1, got: 0 }),
            },
            Value::Prim(prim) => {
                let out = self.types(op, operands)?;
                self.room(op, operands, &out[0])?;
                let made = self.primitive(prim, op, operands, &out[0])?;
                made.check().map_err(|why| OpError::Refused { op: op.name(), why: why.into() })?;
                made
            }
            Value::Expand(expand) => {
                return expand(self, &Site::of(op, operands));
            }
            Value::Callback => return self.callback(op, operands),
            Value::Loop => return self.run_loop(op, operands),
            Value::Branch => return self.run_branch(op, operands),
        };
        Ok(SmallVec::from_buf([self.push(tensor)]))
    }

    /// One of two graphs.
    fn run_branch(&mut self, op: &Op, operands: &[ValueId]) -> Result<Results, OpError> {
        self.types(op, operands)?;
        let [then, otherwise] = Branch::of(op)?.bodies;
        let body = if self.holds(operands[0]) { then } else { otherwise };
        let e: &mut dyn Emitter = self;
        let handles = e.inline(op.name(), body, &operands[1..])?;
        Ok(body.outputs().iter().map(|v| handles[v.index()]).collect())
    }

    /// Whether one boolean is true.
    fn holds(&self, v: ValueId) -> bool {
        matches!(&self.at(v).data, Data::Bool(v) if v[0])
    }

    /// A loop, step by step.
    fn run_loop(&mut self, op: &Op, operands: &[ValueId]) -> Result<Results, OpError> {
        let l = Loop::of(op)?;
        let refused = |why: &'static str| OpError::Refused { op: op.name(), why: why.into() };
        let types = self.types(op, operands)?;
        let mut stacks = Vec::with_capacity(types.len() - l.carries);
        for ty in &types[l.carries..] {
            self.room(op, operands, ty)?;
            stacks.push(Tensor::<N>::filled(ty.clone(), 0.0).map_err(refused)?);
        }
        let base = self.mark();
        let mut carries: Vec<ValueId> = operands[..l.carries].to_vec();
        for step in 0..l.steps {
            let (place, mark) = (l.place(step), self.mark());
            let mut inputs = carries.clone();
            for i in l.sliced() {
                let ty = l.body.ty(ValueId::new(i as u32)).clone();
                let slice = self.at(operands[i]).part(ty, place);
                inputs.push(self.push(slice));
            }
            if let Some(guard) = l.guard.filter(|&guard| !self.holds(inputs[guard])) {
                // What it would stack is there as zeros. A carry that is false stays so.
                self.truncate(mark);
                if guard < l.carries {
                    break;
                }
                continue;
            }
            inputs.extend_from_slice(&operands[l.sliced().end..]);
            let e: &mut dyn Emitter = self;
            let handles = e.inline(op.name(), l.body, &inputs)?;
            let mut outputs = l.body.outputs().iter().map(|v| handles[v.index()]);
            let next: Vec<ValueId> = outputs.by_ref().take(l.carries).collect();
            for (stack, v) in stacks.iter_mut().zip(outputs) {
                stack.put(place, &self.at(v));
            }
            // The carries go where those of the step before were.
            self.settle(base, &next);
            carries = (base..base + l.carries).map(|i| ValueId::new(i as u32)).collect();
        }
        Ok(carries.into_iter().chain(stacks.into_iter().map(|t| self.push(t))).collect())
    }

    fn callback(&mut self, op: &Op, operands: &[ValueId]) -> Result<Results, OpError> {
        let types = self.types(op, operands)?;
        for ty in &types {
            self.room(op, operands, ty)?;
        }
        let custom = op.custom().ok_or(OpError::AttrCount { op: op.name(), expected: 1, got: 0 })?;
        let results = {
            let views: SmallVec<[Cow<'_, Tensor<N>>; 4]> = operands.iter().map(|&v| self.at(v)).collect();
            let views: SmallVec<[&Tensor<N>; 4]> = views.iter().map(|v| &**v).collect();
            callback::call(custom, &views, &types)?
        };
        Ok(results.into_iter().map(|tensor| self.push(tensor)).collect())
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
            Slot::Tensor(t, _) => &t.ty,
        }
    }

    fn fill(&mut self, dtype: DType, shape: &Shape, value: f64) -> Result<ValueId, OpError> {
        let filled = Tensor::filled(ValueType { dtype, shape: shape.clone() }, value);
        Ok(self.push(filled.map_err(|why| OpError::Refused { op: "const", why: why.into() })?))
    }

    fn replay(&mut self, node: &Node, cotangent: ValueId, values: &mut [Swept]) -> bool {
        self.replay_scalar(node, cotangent, values).is_some()
            || self.replay_tensors(node, cotangent, values).is_some()
    }

    fn accumulate(&mut self, existing: ValueId, contribution: ValueId) -> Result<ValueId, OpError> {
        if let (Slot::F64(a), Slot::F64(b)) = (&self.slab[existing.index()], &self.slab[contribution.index()])
        {
            let sum = N::F64::add(a, b);
            return Ok(self.push_slot(Slot::F64(sum)));
        }
        match self.add_in_place(existing, contribution) {
            Some(sum) => {
                self.forget(if sum == existing { contribution } else { existing });
                Ok(sum)
            }
            None => {
                let sum = self.evaluate(&make::add(), &[existing, contribution])?[0];
                self.hold(sum);
                self.forget(existing);
                self.forget(contribution);
                Ok(sum)
            }
        }
    }

    fn hold(&mut self, handle: ValueId) {
        if let Slot::Tensor(_, held) = &mut self.slab[handle.index()] {
            *held += 1;
        }
    }

    fn forget(&mut self, handle: ValueId) {
        let own = handle.index() >= self.values_end;
        if let slot @ Slot::Tensor(..) = &mut self.slab[handle.index()]
            && let Slot::Tensor(_, held) = slot
        {
            *held = held.saturating_sub(1);
            if *held == 0 && own {
                *slot = Slot::F64(N::F64::zero());
            }
        }
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
