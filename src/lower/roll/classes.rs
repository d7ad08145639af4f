//! What has the same structure: a class is known by its function and the classes of the operands, an
//! element of a tensor by the tensor. The class of an operand has a smaller number than that of its
//! user, so that the graph stays free of cycles when the elements of a class are put together.

use crate::graph::{DType, ValueId};
use crate::lower::core::{Core, CoreNode, Kind};
use crate::lower::roll::{Fewest, Place, Space};
use crate::ops::{MapFn, Prim};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Elements of a graph by class.
#[derive(Default)]
pub struct Classes {
    /// As in [`super::Found`].
    pub same: Vec<ValueId>,
    pub places: Vec<Place>,
    /// By node.
    pub class: Vec<u32>,
    /// By class, what is put together of it.
    pub kinds: Vec<Class>,
    /// The members of all rows, by class.
    pub members: Vec<ValueId>,
}

/// What the elements of a class are.
pub enum Class {
    /// Something else, by itself.
    Other,
    /// Equal expressions; how many, and the end of their part of the members.
    Row { len: u32, end: u32 },
    /// Steps of a chain.
    Chain(Steps),
}

/// A chain as its steps were met.
pub struct Steps {
    pub f: MapFn,
    pub first: ValueId,
    /// What is added by each step, and the step.
    pub steps: Vec<(ValueId, ValueId)>,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Element(ValueId),
    Number(DType, u64),
    Map(MapFn, DType, [u32; 3]),
    Cast(DType, u32),
}

/// No class.
const NONE: u32 = u32::MAX;

/// The operand along which a chain of sums, differences or products may go on.
#[derive(Clone, Copy, Default)]
struct Link {
    operand: u8,
    /// Steps up to here, and of the whole chain; 0 where there is none.
    depth: u32,
    whole: u32,
}

struct Classifier<'c> {
    core: &'c Core,
    fewest: Fewest,
    links: Vec<Link>,
    class: Vec<u32>,
    found: Classes,
    known: FxHashMap<Key, u32>,
    numbers: FxHashMap<(DType, u64), ValueId>,
}

/// The classes of what is alive.
pub fn classify(core: &Core, live: &[bool], fewest: Fewest) -> Classes {
    let alone = |v: ValueId| Place { space: Space::Alone, at: v.index() as u32 };
    let found =
        Classes { same: core.ids().collect(), places: core.ids().map(alone).collect(), ..Classes::default() };
    let (links, class) = (vec![Link::default(); core.len()], vec![NONE; core.len()]);
    let (known, numbers) = (FxHashMap::default(), FxHashMap::default());
    let mut c = Classifier { core, fewest, links, class, found, known, numbers };
    for v in core.ids().filter(|v| live[v.index()]) {
        c.name(v);
        c.link(v);
    }
    for v in core.ids().rev() {
        c.whole(v);
    }
    for v in core.ids().filter(|v| live[v.index()]) {
        c.class[v.index()] = c.classify(v);
    }
    c.gather()
}

fn is_element(node: CoreNode<'_>) -> bool {
    node.ty.numel() == 1
}

impl Classifier<'_> {
    fn same(&self, v: ValueId) -> ValueId {
        self.found.same[v.index()]
    }

    /// What an element is another name of, and where it lies.
    fn name(&mut self, v: ValueId) {
        let core = self.core;
        let node = core.node(v);
        if !is_element(node) {
            return;
        }
        match node.kind {
            Kind::Prim(Prim::Const) => {
                if let Some(literal) = core.literal(v) {
                    let number = (node.ty.dtype, literal.bits(0));
                    self.found.same[v.index()] = *self.numbers.entry(number).or_insert(v);
                }
            }
            Kind::Prim(
                Prim::Reshape | Prim::Broadcast | Prim::Permute | Prim::Slice | Prim::Flip | Prim::Unfold,
            ) => {
                let source = node.operands[0];
                let from = core.node(source);
                if is_element(from) {
                    self.found.same[v.index()] = self.same(source);
                } else if node.kind == Kind::Prim(Prim::Slice) {
                    let starts = node.attrs.sizes(0);
                    let at: usize = starts.iter().zip(from.shape().strides()).map(|(a, b)| a * b).sum();
                    if let Ok(at) = u32::try_from(at) {
                        self.found.places[v.index()] = Place { space: Space::Tensor(source), at };
                    }
                }
            }
            _ => {}
        }
    }

    /// How many steps of a chain end here.
    fn link(&mut self, v: ValueId) {
        let node = self.core.node(v);
        let (Kind::Map(f @ (MapFn::Add | MapFn::Sub | MapFn::Mul)), &[a, b]) = (node.kind, node.operands)
        else {
            return;
        };
        if !is_element(node) || !node.ty.dtype.is_float() {
            return;
        }
        let depth = |v: ValueId| {
            let before = self.same(v);
            match self.core.kind(before) == Kind::Map(f) {
                true => self.links[before.index()].depth,
                false => 0,
            }
        };
        let depths = [depth(a), if f == MapFn::Sub { 0 } else { depth(b) }];
        let operand = u8::from(depths[1] > depths[0]);
        let depth = depths[usize::from(operand)].saturating_add(1);
        self.links[v.index()] = Link { operand, depth, whole: 0 };
    }

    /// The length of the chain that goes through here, known from its end.
    fn whole(&mut self, v: ValueId) {
        let Link { operand, depth, whole } = self.links[v.index()];
        if depth == 0 {
            return;
        }
        let whole = whole.max(depth);
        self.links[v.index()].whole = whole;
        if depth > 1 {
            let before = self.same(self.core.operands(v)[usize::from(operand)]);
            let link = &mut self.links[before.index()];
            link.whole = link.whole.max(whole);
        }
    }

    fn new_class(&mut self, class: Class) -> u32 {
        self.found.kinds.push(class);
        self.found.kinds.len() as u32 - 1
    }

    fn classify(&mut self, v: ValueId) -> u32 {
        let core = self.core;
        let node = core.node(v);
        if !is_element(node) {
            return self.new_class(Class::Other);
        }
        let same = self.same(v);
        if same != v {
            return self.class[same.index()];
        }
        // The first sum of a chain may be a term like the others.
        let link = self.links[v.index()];
        if link.depth > 1 && link.whole as usize >= self.fewest.chain {
            return self.chained(v);
        }
        let place = self.found.places[v.index()];
        let key = match (node.kind, place.space) {
            (_, Space::Tensor(tensor)) => Key::Element(tensor),
            (Kind::Prim(Prim::Const), _) => match core.literal(v) {
                Some(literal) => Key::Number(node.ty.dtype, literal.bits(0)),
                None => return self.new_class(Class::Other),
            },
            (Kind::Map(f), _) if node.attrs.all().is_empty() => {
                let mut classes = [NONE; 3];
                for (class, v) in classes.iter_mut().zip(node.operands) {
                    *class = self.class[v.index()];
                }
                if is_swapped(f, &classes) {
                    classes.swap(0, 1);
                }
                Key::Map(f, node.ty.dtype, classes)
            }
            (Kind::Prim(Prim::Cast), _) => Key::Cast(node.ty.dtype, self.class[node.operands[0].index()]),
            _ => return self.new_class(Class::Other),
        };
        let row = matches!(key, Key::Map(..) | Key::Cast(..));
        let next = self.found.kinds.len() as u32;
        let class = *self.known.entry(key).or_insert(next);
        if class == next {
            self.found.kinds.push(if row { Class::Row { len: 0, end: 0 } } else { Class::Other });
        }
        if let Class::Row { len, .. } = &mut self.found.kinds[class as usize] {
            *len += 1;
        }
        class
    }

    /// The class of a step of a long chain: it goes on where the step before was its last and what is
    /// added was there before the chain was.
    fn chained(&mut self, v: ValueId) -> u32 {
        let node = self.core.node(v);
        let operand = usize::from(self.links[v.index()].operand);
        let (before, term) = (self.same(node.operands[operand]), self.same(node.operands[1 - operand]));
        let class = self.class[before.index()];
        let newer = self.class[term.index()] >= class;
        let Kind::Map(f) = node.kind else { return NONE };
        match &mut self.found.kinds[class as usize] {
            Class::Chain(chain)
                if chain.f == f && !newer && chain.steps.last().is_some_and(|&(_, last)| last == before) =>
            {
                chain.steps.push((term, v));
                class
            }
            _ => self.new_class(Class::Chain(Steps { f, first: before, steps: vec![(term, v)] })),
        }
    }

    /// Lists the members of rows by class.
    fn gather(mut self) -> Classes {
        let mut next = 0;
        for kind in &mut self.found.kinds {
            if let Class::Row { len, end } = kind {
                *end = next;
                next += *len;
            }
        }
        self.found.members = vec![ValueId::new(0); next as usize];
        for v in self.core.ids().filter(|&v| self.class[v.index()] != NONE && self.found.same[v.index()] == v)
        {
            if let Class::Row { end, .. } = &mut self.found.kinds[self.class[v.index()] as usize] {
                self.found.members[*end as usize] = v;
                *end += 1;
            }
        }
        Classes { class: self.class, ..self.found }
    }
}

/// Whether the operands of sums and products stand in the other order: that of their classes.
fn is_swapped(f: MapFn, classes: &[u32]) -> bool {
    matches!(f, MapFn::Add | MapFn::Mul) && classes[0] > classes[1]
}

/// What a member of a row is applied to, by their own names and in the order of the class.
pub fn operands(core: &Core, same: &[ValueId], class: &[u32], v: ValueId) -> SmallVec<[ValueId; 3]> {
    let node = core.node(v);
    let mut operands: SmallVec<[ValueId; 3]> = node.operands.iter().map(|v| same[v.index()]).collect();
    if let (Kind::Map(f), &[a, b]) = (node.kind, operands.as_slice())
        && is_swapped(f, &[class[a.index()], class[b.index()]])
    {
        operands.swap(0, 1);
    }
    operands
}
