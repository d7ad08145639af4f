//! The graph anew, with a node for each row and chain in place of their elements. Everything is made when
//! it is first needed, so that the order stays as it was as far as it can.

use crate::graph::{Shape, TypeId, ValueId, ValueType};
use crate::lower::LowerError;
use crate::lower::core::{Core, Kind};
use crate::lower::roll::{Chain, Found, Place, Row, Run, Space};
use crate::ops::{Literal, MapFn, Op, Prim, make};
use cotangent_runtime::array::ArrayFn;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Elements of a row that are computed by themselves, at most.
const FEW_ALONE: u32 = 4;
/// Operations for one of them, at most.
const MOST_REPEATED: u32 = 32;

/// What is made as a whole.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Node(ValueId),
    Row(u32),
    Chain(u32),
}

struct Rebuilt<'c> {
    old: &'c Core,
    found: &'c Found,
    new: Core,
    /// By old node.
    nodes: Vec<Option<ValueId>>,
    rows: Vec<Option<ValueId>>,
    chains: Vec<Option<ValueId>>,
    views: FxHashMap<Run, ValueId>,
    /// By row, of how many of its elements somebody asked for one by itself.
    alone: Vec<u32>,
    /// The node of the graph that what is made now comes from.
    origin: u32,
}

/// The core graph with rows and chains in place of their elements.
pub fn rebuild(old: &Core, live: &[bool], found: &Found) -> Result<Core, LowerError> {
    let mut r = Rebuilt {
        old,
        found,
        new: Core::of_types(old.types.clone()),
        nodes: vec![None; old.len()],
        rows: vec![None; found.rows.len()],
        chains: vec![None; found.chains.len()],
        views: FxHashMap::default(),
        alone: vec![0; found.rows.len()],
        origin: 0,
    };
    // Names of elements of something are made only where somebody asks for them.
    let computed = |&v: &ValueId| {
        let itself = found.same[v.index()] == v && found.place(v).space == Space::Alone;
        live[v.index()] && (itself || old.node(v).ty.numel() != 1)
    };
    for v in old.ids().filter(computed) {
        r.make(Unit::Node(v))?;
    }
    for &v in &old.outputs {
        r.make(r.unit(v))?;
        let output = r.value(v)?;
        r.new.outputs.push(output);
    }
    Ok(r.new)
}

impl Rebuilt<'_> {
    fn unit(&self, v: ValueId) -> Unit {
        match self.found.place(v).space {
            Space::Row(row) => Unit::Row(row),
            Space::Chain(chain) => Unit::Chain(chain),
            Space::Alone | Space::Tensor(_) => Unit::Node(v),
        }
    }

    fn unit_of(&self, run: &Run) -> Unit {
        match run.space {
            Space::Row(row) => Unit::Row(row),
            Space::Chain(chain) => Unit::Chain(chain),
            Space::Tensor(v) => Unit::Node(v),
            Space::Alone => Unit::Node(ValueId::new(run.first)),
        }
    }

    fn made(&self, unit: Unit) -> Option<ValueId> {
        match unit {
            Unit::Node(v) => self.nodes[v.index()],
            Unit::Row(row) => self.rows[row as usize],
            Unit::Chain(chain) => self.chains[chain as usize],
        }
    }

    /// What must be there before a unit.
    fn needs(&self, unit: Unit) -> SmallVec<[Unit; 4]> {
        match unit {
            Unit::Row(row) => {
                self.found.rows[row as usize].operands.iter().map(|run| self.unit_of(run)).collect()
            }
            Unit::Chain(chain) => {
                self.found.chains[chain as usize].terms.iter().map(|run| self.unit_of(run)).collect()
            }
            Unit::Node(v) if self.joins_elements(v) => {
                self.pieces(v).iter().map(|run| self.unit_of(run)).collect()
            }
            Unit::Node(v) => self.old.operands(v).iter().map(|&v| self.unit(v)).collect(),
        }
    }

    /// Makes a unit, and before it what it needs.
    fn make(&mut self, unit: Unit) -> Result<(), LowerError> {
        let mut waiting: Vec<(Unit, bool)> = vec![(unit, false)];
        while let Some((unit, needs_are_made)) = waiting.pop() {
            if self.made(unit).is_some() {
                continue;
            }
            if !needs_are_made {
                let needs = self.needs(unit);
                waiting.push((unit, true));
                waiting.extend(needs.into_iter().rev().map(|unit| (unit, false)));
                continue;
            }
            let found = self.found;
            match unit {
                Unit::Node(v) => self.make_node(v)?,
                Unit::Row(row) => self.rows[row as usize] = Some(self.make_row(&found.rows[row as usize])?),
                Unit::Chain(chain) => {
                    self.chains[chain as usize] = Some(self.make_chain(&found.chains[chain as usize])?);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, op: Op, operands: &[ValueId], ty: TypeId) -> ValueId {
        self.new.push(kind, op.attrs, operands, ty, self.origin)
    }

    /// A primitive whose result has this shape, and the type of its first operand.
    fn shaped(&mut self, prim: Prim, op: Op, operands: &[ValueId], shape: Shape) -> ValueId {
        let dtype = self.new.node(operands[0]).ty.dtype;
        let ty = self.new.types.id(&ValueType { dtype, shape });
        self.push(Kind::Prim(prim), op, operands, ty)
    }

    fn reshape(&mut self, v: ValueId, shape: &Shape) -> ValueId {
        if self.new.node(v).shape() == shape {
            return v;
        }
        match self.new.literal(v).map(|literal| literal.with_shape(shape.clone())) {
            Some(literal) => self.constant(literal),
            None => self.shaped(Prim::Reshape, make::reshape(shape), &[v], shape.clone()),
        }
    }

    fn make_node(&mut self, v: ValueId) -> Result<(), LowerError> {
        // The results of a node stand beside each other.
        let first = match self.old.kind(v) {
            Kind::Callback(i) | Kind::Bodies(i) => ValueId::new(v.index() as u32 - i),
            _ => v,
        };
        let node = self.old.node(first);
        self.origin = node.origin;
        if self.joins_elements(first) {
            self.nodes[first.index()] = Some(self.join(first)?);
            return Ok(());
        }
        let operands: SmallVec<[ValueId; 4]> =
            node.operands.iter().map(|&v| self.value(v)).collect::<Result<_, _>>()?;
        let mut at = first;
        loop {
            let node = self.old.node(at);
            let ty = self.old.type_id(at);
            let id = self.new.push(node.kind, node.attrs.clone(), &operands, ty, node.origin);
            self.nodes[at.index()] = Some(id);
            let next = ValueId::new(at.index() as u32 + 1);
            let beside = next.index() < self.old.len()
                && match (node.kind, self.old.kind(next)) {
                    (Kind::Callback(i), Kind::Callback(j)) | (Kind::Bodies(i), Kind::Bodies(j)) => j == i + 1,
                    _ => false,
                };
            if !beside {
                return Ok(());
            }
            at = next;
        }
    }

    /// A value of the old graph in the new one; what it is made of is there.
    fn value(&mut self, v: ValueId) -> Result<ValueId, LowerError> {
        if let Some(id) = self.nodes[v.index()] {
            return Ok(id);
        }
        let itself = self.found.same[v.index()];
        let id = match (self.nodes[itself.index()], self.found.place(v)) {
            (Some(id), _) => id,
            (None, Place { space: Space::Row(row), .. }) if self.is_worth_repeating(row) => {
                self.again(itself)?
            }
            (None, Place { space, at }) => self.view(Run { space, first: at, step: 0, len: 1 })?,
        };
        let id = self.reshape(id, self.old.node(v).shape());
        self.nodes[v.index()] = Some(id);
        Ok(id)
    }

    /// Whether one element of a row is better computed once more than read: if nothing else reads the
    /// row as an array, it need not be in memory.
    fn is_worth_repeating(&mut self, row: u32) -> bool {
        let alone = &mut self.alone[row as usize];
        *alone += 1;
        self.found.rows[row as usize].work <= MOST_REPEATED && *alone <= FEW_ALONE
    }

    /// An element of a row, computed by itself.
    fn again(&mut self, v: ValueId) -> Result<ValueId, LowerError> {
        let node = self.old.node(v);
        let operands: SmallVec<[ValueId; 4]> =
            node.operands.iter().map(|&v| self.value(v)).collect::<Result<_, _>>()?;
        Ok(self.new.push(node.kind, node.attrs.clone(), &operands, self.old.type_id(v), node.origin))
    }

    /// Whether a node joins elements along the only axis it has.
    fn joins_elements(&self, v: ValueId) -> bool {
        let node = self.old.node(v);
        node.kind == Kind::Prim(Prim::Concat)
            && node.shape().dims()[node.attrs.int(0) as usize] == node.ty.numel()
            && node.operands.len() == node.ty.numel()
    }

    fn pieces(&self, v: ValueId) -> Vec<Run> {
        super::runs::group(self.old.operands(v).iter().map(|&v| self.found.place(v)))
    }

    /// Joined elements: those that lie evenly are one piece.
    fn join(&mut self, v: ValueId) -> Result<ValueId, LowerError> {
        let joined = self.joined(&self.pieces(v))?;
        Ok(self.reshape(joined, self.old.node(v).shape()))
    }

    /// Runs one after the other.
    fn joined(&mut self, runs: &[Run]) -> Result<ValueId, LowerError> {
        let parts: Vec<ValueId> = runs.iter().map(|&run| self.view(run)).collect::<Result<_, _>>()?;
        Ok(self.concat(&parts, runs.iter().map(|run| run.len as usize).sum()))
    }

    fn concat(&mut self, parts: &[ValueId], len: usize) -> ValueId {
        match *parts {
            [one] => one,
            _ => self.shaped(Prim::Concat, make::concat(0), parts, Shape::new(&[len])),
        }
    }

    /// The elements of a run as an array.
    fn view(&mut self, run: Run) -> Result<ValueId, LowerError> {
        if let Some(&id) = self.views.get(&run) {
            return Ok(id);
        }
        let whole =
            self.made(self.unit_of(&run)).ok_or(LowerError::Internal("rolled before what it needs"))?;
        let numel = self.new.node(whole).ty.numel();
        let flat = self.reshape(whole, &Shape::new(&[numel]));
        let id = self.part(flat, run);
        self.views.insert(run, id);
        Ok(id)
    }

    fn part(&mut self, all: ValueId, run: Run) -> ValueId {
        let Run { space, first, step, len } = run;
        let (first, len) = (first as usize, len as usize);
        if step == 0 {
            let one = match space {
                Space::Alone => all,
                _ => self.slice(all, first, 1, 1),
            };
            return match len {
                1 => one,
                _ => self.repeated(one, len),
            };
        }
        let stride = step.unsigned_abs() as usize;
        if step > 0 {
            return self.slice(all, first, stride, len);
        }
        let part = self.slice(all, first - stride * (len - 1), stride, len);
        self.shaped(Prim::Flip, make::flip(&[0]), &[part], Shape::new(&[len]))
    }

    /// One element, again and again.
    fn repeated(&mut self, one: ValueId, len: usize) -> ValueId {
        let shape = Shape::new(&[len]);
        if let Some(literal) = self.new.literal(one) {
            let literal = literal.with_shape(shape);
            return self.constant(literal);
        }
        self.shaped(Prim::Broadcast, make::broadcast_to(&shape), &[one], shape)
    }

    fn slice(&mut self, all: ValueId, first: usize, stride: usize, len: usize) -> ValueId {
        if first == 0 && stride == 1 && self.new.node(all).ty.numel() == len {
            return all;
        }
        let stop = first + stride * (len - 1) + 1;
        self.shaped(Prim::Slice, make::slice(&[first], &[stop], &[stride]), &[all], Shape::new(&[len]))
    }

    fn make_row(&mut self, row: &Row) -> Result<ValueId, LowerError> {
        let like = self.old.node(row.like);
        self.origin = like.origin;
        let operands: SmallVec<[ValueId; 4]> =
            row.operands.iter().map(|&run| self.view(run)).collect::<Result<_, _>>()?;
        let ty = ValueType { dtype: like.ty.dtype, shape: Shape::new(&[row.len as usize]) };
        let ty = self.new.types.id(&ty);
        Ok(self.new.push(like.kind, like.attrs.clone(), &operands, ty, like.origin))
    }

    /// All partial results of a chain.
    fn make_chain(&mut self, chain: &Chain) -> Result<ValueId, LowerError> {
        let like = self.old.node(chain.like);
        let (dtype, n) = (like.ty.dtype, chain.len as usize);
        self.origin = like.origin;
        let ty = self.new.types.id(&ValueType { dtype, shape: Shape::new(&[n]) });
        let mut terms = self.joined(&chain.terms)?;
        let first = self.slice(terms, 0, 1, 1);
        if chain.f == MapFn::Mul {
            // fma(a, y, -0) is the rounded product.
            let nothing = self.constant(Literal::filled(dtype, [n - 1], -0.0));
            let added = self.concat(&[first, nothing], n);
            let product = Kind::Prim(Prim::Array(ArrayFn::Recurrence));
            return Ok(self.push(product, make::recurrence(0), &[terms, added], ty));
        }
        if chain.f == MapFn::Sub {
            // a - b is a + (-b), to the bit.
            let others = self.slice(terms, 1, 1, n - 1);
            let negated = self.push(Kind::Map(MapFn::Neg), make::neg(), &[others], self.new.type_id(others));
            terms = self.concat(&[first, negated], n);
        }
        Ok(self.push(Kind::Prim(Prim::Array(ArrayFn::CumulativeSum)), make::cumsum(0), &[terms], ty))
    }

    fn constant(&mut self, literal: Literal) -> ValueId {
        let ty = self.new.types.id(literal.ty());
        self.push(Kind::Prim(Prim::Const), make::constant(literal), &[], ty)
    }
}
