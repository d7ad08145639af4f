//! Sums of padded pieces. What reads a tensor piece by piece, as a traced loop does, has for its
//! gradient a sum of one padded tensor per piece: work by the square of its length. Where the pieces
//! lie along one axis, the sum is put together of what meets in each interval.
//!
//! Every bit is kept: to a sum of some terms the zeros of the others add nothing, but that it is
//! not -0.

use crate::graph::{TypeId, ValueId, ValueType};
use crate::lower::core::{Core, Kind};
use crate::ops::{Literal, MapFn, Op, Prim, make};
use smallvec::SmallVec;
use std::ops::Range;

/// Sums of fewer padded pieces stay.
const FEWEST: usize = 8;
/// Pieces may be cut at the ends of others, but not into many more.
const CUTS: usize = 4;

/// A term of a sum: a value, and the part of the axis it covers if it is padded.
struct Term {
    value: ValueId,
    covers: Option<Range<usize>>,
}

/// A sum to put together.
struct Sum {
    axis: usize,
    terms: Vec<Term>,
}

/// What a pad by zeros along one axis leaves of it: the axis and the part that its operand covers.
fn padded(core: &Core, v: ValueId) -> Option<(usize, Range<usize>)> {
    let node = core.node(v);
    if node.kind != Kind::Prim(Prim::Pad) || node.attrs.ints(2).iter().any(|&v| v != 0) {
        return None;
    }
    if node.attrs.float(3).to_bits() != 0 {
        return None;
    }
    let inner = core.node(node.operands[0]).shape().dims();
    let mut moved = (0..inner.len()).filter(|&a| inner[a] != node.shape().dims()[a]);
    let (axis, None) = (moved.next()?, moved.next()) else { return None };
    let from = node.attrs.sizes(0)[axis];
    Some((axis, from..from + inner[axis]))
}

/// The core graph with its sums of many padded pieces put together.
pub fn assemble(mut core: Core) -> Core {
    let sums = find(&core);
    let Some(&(first, _)) = sums.first() else { return core };
    // What comes before the first sum stays as it is, and that is most as a rule.
    let rest = core.split_off(first);
    let mut sums = sums.into_iter().peekable();
    let mut out = Rebuilt { core, first, map: Vec::with_capacity(rest.len()), origin: 0 };
    for at in 0..rest.len() {
        let id = match sums.next_if(|(top, _)| *top == first + at) {
            Some((_, sum)) => {
                out.origin = rest.origin(at);
                out.put_together(rest.ty(at), &sum)
            }
            None => out.core.push_again(&rest, at, now(first, &out.map)),
        };
        out.map.push(id);
    }
    let Rebuilt { mut core, map, .. } = out;
    core.outputs = core.outputs.iter().copied().map(now(first, &map)).collect();
    core
}

/// The sums worth it, by the node that ends them.
fn find(core: &Core) -> Vec<(usize, Sum)> {
    let n = core.len();
    let pads = core.ids().filter(|&v| core.kind(v) == Kind::Prim(Prim::Pad)).count();
    if pads < FEWEST {
        return Vec::new();
    }
    let live = core.live();
    let mut users = vec![0u32; n];
    for v in core.ids().filter(|v| live[v.index()]) {
        core.operands(v).iter().for_each(|v| users[v.index()] += 1);
    }
    core.outputs.iter().for_each(|v| users[v.index()] += 1);
    // Padded pieces in the chain of sums that ends at a node; the chain goes on where more are.
    let mut pieces = vec![0u32; n];
    let mut inside = vec![false; n];
    // Of a sum in a chain, where the chain goes on and the term it adds.
    let mut steps: Vec<Option<(ValueId, ValueId)>> = vec![None; n];
    for (i, v) in core.ids().enumerate().filter(|&(i, _)| live[i]) {
        if padded(core, v).is_some() {
            pieces[i] = 1;
        } else if let (Kind::Map(MapFn::Add), &[a, b]) = (core.kind(v), core.operands(v))
            && a != b
        {
            // A sum that others use too is a term like any other.
            let [at_a, at_b] = [a, b].map(|v| match steps[v.index()] {
                Some(_) if users[v.index()] > 1 => 0,
                _ => pieces[v.index()],
            });
            if at_a.max(at_b) > 0 {
                let (chain, other) = if at_b > at_a { (b, a) } else { (a, b) };
                pieces[i] = at_a.max(at_b) + u32::from(padded(core, other).is_some());
                inside[chain.index()] = true;
                steps[i] = Some((chain, other));
            }
        }
    }
    let tops = (0..n).filter(|&i| live[i] && !inside[i] && pieces[i] as usize >= FEWEST);
    let sums = tops.filter_map(|top| Some((top, terms(core, &steps, top)?)));
    sums.filter(|(_, sum)| few_cuts(sum)).collect()
}

/// The terms of the chain of sums that ends at a node, first to last; `None` where they are padded
/// along different axes.
fn terms(core: &Core, steps: &[Option<(ValueId, ValueId)>], top: usize) -> Option<Sum> {
    let mut values = Vec::new();
    let mut at = ValueId::new(top as u32);
    while let Some((chain, other)) = steps[at.index()] {
        values.push(other);
        at = chain;
    }
    values.push(at);
    let mut axis = None;
    let mut terms = Vec::with_capacity(values.len());
    for value in values.into_iter().rev() {
        let covers = match padded(core, value) {
            Some((along, range)) if *axis.get_or_insert(along) == along => Some(range),
            Some(_) => return None,
            None => None,
        };
        terms.push(Term { value, covers });
    }
    Some(Sum { axis: axis?, terms })
}

impl Sum {
    /// Where padded pieces begin or end, and the ends of the axis.
    fn cuts(&self, extent: usize) -> Vec<usize> {
        let ranges = self.terms.iter().filter_map(|term| term.covers.as_ref());
        let mut cuts: Vec<usize> = ranges.flat_map(|r| [r.start, r.end]).chain([0, extent]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

/// Whether the pieces are cut into few parts.
fn few_cuts(sum: &Sum) -> bool {
    let cuts = sum.cuts(0);
    let mut parts = 0usize;
    for term in &sum.terms {
        parts += match &term.covers {
            Some(r) => cuts.partition_point(|&c| c < r.end) - cuts.partition_point(|&c| c < r.start),
            None => cuts.len(),
        };
    }
    parts <= CUTS * sum.terms.len()
}

/// The new id of a value, where nodes from `first` on have the ids `map`.
fn now(first: usize, map: &[ValueId]) -> impl Fn(ValueId) -> ValueId {
    move |before| before.index().checked_sub(first).map_or(before, |i| map[i])
}

struct Rebuilt {
    core: Core,
    /// The first node that may have another id than before.
    first: usize,
    /// The new ids from there on.
    map: Vec<ValueId>,
    /// Where the sum at hand was expanded from.
    origin: u32,
}

impl Rebuilt {
    fn push(&mut self, kind: Kind, op: Op, operands: &[ValueId], ty: TypeId) -> ValueId {
        self.core.push(kind, op.attrs, operands, ty, self.origin)
    }

    fn put_together(&mut self, top: TypeId, sum: &Sum) -> ValueId {
        let ValueType { dtype, shape } = self.core.types.get(top).clone();
        let (axis, extent) = (sum.axis, shape.dims()[sum.axis]);
        let cuts = sum.cuts(extent);
        // By interval, the terms that cover it, first to last.
        let mut covering: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); cuts.len() - 1];
        for (i, term) in sum.terms.iter().enumerate() {
            let range = term.covers.clone().unwrap_or(0..extent);
            let first = cuts.partition_point(|&c| c < range.start);
            let end = cuts.partition_point(|&c| c < range.end);
            covering[first..end].iter_mut().for_each(|list| list.push(i as u32));
        }
        let add = Kind::Map(MapFn::Add);
        let mut parts: Vec<ValueId> = Vec::with_capacity(covering.len());
        for (list, ends) in covering.iter().zip(cuts.windows(2)) {
            let mut dims = shape.dims().to_vec();
            dims[axis] = ends[1] - ends[0];
            let zero = Literal::filled(dtype, dims, 0.0);
            let ty = self.core.types.id(zero.ty());
            let mut total = None;
            for &i in list {
                let piece = self.piece(&sum.terms[i as usize], axis, ends, ty);
                total = Some(match total {
                    None => piece,
                    Some(total) => self.push(add, make::add(), &[total, piece], ty),
                });
            }
            if list.len() < sum.terms.len() {
                let zero = self.push(Kind::Prim(Prim::Const), make::constant(zero), &[], ty);
                total = Some(match total {
                    None => zero,
                    Some(total) => self.push(add, make::add(), &[total, zero], ty),
                });
            }
            parts.extend(total);
        }
        self.push(Kind::Prim(Prim::Concat), make::concat(axis), &parts, top)
    }

    /// What a term has in an interval.
    fn piece(&mut self, term: &Term, axis: usize, ends: &[usize], ty: TypeId) -> ValueId {
        let value = now(self.first, &self.map)(term.value);
        let (source, start) = match &term.covers {
            Some(range) => (self.core.operands(value)[0], range.start),
            None => (value, 0),
        };
        let dims = self.core.node(source).shape().dims();
        if dims[axis] == ends[1] - ends[0] {
            return source;
        }
        let (mut from, mut to) = (vec![0; dims.len()], dims.to_vec());
        (from[axis], to[axis]) = (ends[0] - start, ends[1] - start);
        let slice = make::slice(&from, &to, &vec![1; from.len()]);
        self.push(Kind::Prim(Prim::Slice), slice, &[source], ty)
    }
}
