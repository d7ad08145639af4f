//! Typed random graphs over all rows of the op table.
//!
//! A row is drawn, then operands that fit it are picked among the values so far
//! or made, then attributes; the row's own shape rule has the last word. Rows
//! without an arm of their own in `operands` or `attributes` are drafted from
//! their attribute names and kinds, so that a new row is covered at once.

use crate::fuzzing::draft::{Draft, Drafted, Slot};
use crate::fuzzing::numbers::Kind;
use crate::fuzzing::source::{Source, pick};
use crate::graph::{DType, Shape, ValueType};
use crate::ops::{self, MapFn, Op, OpError, Row, Types, Value};

/// What graphs are drawn.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Fewest nodes.
    pub min_nodes: usize,
    /// Most nodes.
    pub max_nodes: usize,
    /// Most inputs.
    pub max_inputs: usize,
    /// Extents that a graph draws its few from.
    pub extents: &'static [usize],
    /// Highest rank.
    pub max_rank: usize,
    /// Limits on elements per tensor that a graph draws its own from.
    pub limits: &'static [usize],
    /// Only rows that are exact over the rationals, and numbers to match.
    pub exact: bool,
    /// Custom ops beside the rows of the table.
    pub custom: CustomOps,
    /// Whether there are loops and branches.
    pub loops: bool,
    /// Whether there are the steps of loops that were traced.
    pub traced: bool,
}

/// What custom ops graphs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomOps {
    /// None.
    None,
    /// Those that can be differentiated to any order.
    AnyOrder,
    /// Those that can be differentiated once.
    FirstOrder,
}

impl Profile {
    /// Graphs to run: 10 to 60 nodes of the table, tensors small enough to compare whole.
    pub const RUN: Profile = Profile {
        min_nodes: 10,
        max_nodes: 60,
        max_inputs: 9,
        extents: &[
            1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 16, 17, 20, 23, 31, 32, 33, 40, 1, 2, 3, 4, 2, 3, 4, 5,
        ],
        max_rank: 7,
        limits: &[6, 24, 48, 96, 96, 200, 200, 400, 1200],
        exact: false,
        custom: CustomOps::None,
        loops: false,
        traced: false,
    };

    /// Graphs to evaluate over the rationals.
    pub const EXACT: Profile = Profile {
        min_nodes: 10,
        max_nodes: 60,
        max_inputs: 6,
        extents: &[1, 2, 3, 4, 5, 2, 3],
        max_rank: 3,
        limits: &[6, 12, 20, 40],
        exact: true,
        custom: CustomOps::None,
        loops: true,
        traced: false,
    };

    /// Graphs only to compile: odd and very large shapes.
    pub const COMPILE: Profile = Profile {
        min_nodes: 1,
        max_nodes: 60,
        max_inputs: 9,
        extents: &[0, 1, 2, 3, 7, 17, 64, 129, 1 << 10, 1 << 20, 1_000_000_000, 1 << 40],
        max_rank: 7,
        limits: &[64, 1 << 12, 1 << 20, 1 << 33, usize::MAX],
        exact: false,
        custom: CustomOps::FirstOrder,
        loops: true,
        traced: false,
    };
}

/// What rewrites know most of.
const ARITHMETIC: &[MapFn] = &[
    MapFn::Neg,
    MapFn::Abs,
    MapFn::Sqrt,
    MapFn::Square,
    MapFn::Recip,
    MapFn::Relu,
    MapFn::Add,
    MapFn::Sub,
    MapFn::Mul,
    MapFn::Div,
    MapFn::Maximum,
    MapFn::Minimum,
];

/// Says whether a node may join: over the rationals, once it is evaluated.
pub type Admit<'a> = dyn FnMut(&Draft, &Op, &[Slot]) -> bool + 'a;

/// A generator at work.
pub struct Generator<'a> {
    pub(super) source: &'a mut dyn Source,
    pub(super) draft: Draft,
    pub(super) profile: &'a Profile,
    /// Few extents, so that shapes meet.
    pub(super) extents: Vec<usize>,
    pub(super) limit: usize,
    pub(super) main: DType,
    pub(super) mixed: bool,
    /// Whether indices may be out of range.
    pub(super) stray: bool,
    /// How many levels of custom ops it may have.
    pub(super) levels: usize,
    /// How many levels of loops and branches it may have.
    pub(super) loops: usize,
    pub(super) admit: &'a mut Admit<'a>,
}

impl<'a> Generator<'a> {
    /// Draws a graph. Every node passed `admit`.
    pub fn graph(source: &'a mut dyn Source, profile: &'a Profile, admit: &'a mut Admit<'a>) -> Draft {
        let mut extents: Vec<usize> =
            (0..2 + source.below(3)).filter_map(|_| pick(source, profile.extents)).collect();
        if source.chance(1, 16) {
            extents.push(0);
        }
        let limit = pick(source, profile.limits).unwrap_or(64);
        let main = if source.chance(2, 5) { DType::F32 } else { DType::F64 };
        let mixed = source.chance(2, 5);
        let stray = source.chance(1, 40);
        // A callback parts the graph around it, so most graphs have none.
        let custom = profile.custom != CustomOps::None && source.chance(1, 3);
        let levels = if custom { 1 + source.below(2) } else { 0 };
        let loops = if profile.loops && source.chance(1, 3) { 1 + source.below(2) } else { 0 };
        let draft = Draft::default();
        let mut g =
            Generator { source, draft, profile, extents, limit, main, mixed, stray, levels, loops, admit };
        g.run();
        g.draft
    }

    fn run(&mut self) {
        for _ in 0..1 + self.source.below(3) {
            let shape = self.shape();
            let dtype = self.float_type();
            self.draft.input(ValueType::new(dtype, shape), None);
        }
        let room = self.profile.max_nodes - self.profile.min_nodes;
        // The smaller of two draws: a median near 0.3 of the room. Small tensors
        // cost little, so that their graphs may be long.
        let (a, b) = (self.source.below(room + 1), self.source.below(room + 1));
        self.fill(self.profile.min_nodes + if self.limit <= 24 { a.max(b) } else { a.min(b) });
        self.draw_outputs();
    }

    /// Appends nodes until there are this many, or it was tried often enough.
    pub(super) fn fill(&mut self, wanted: usize) {
        let rows: Vec<&'static Row> = ops::table().filter(|row| row.exact || !self.profile.exact).collect();
        let maps: Vec<&'static Row> = rows
            .iter()
            .copied()
            .filter(|row| matches!(row.value, Value::Map(f) if !f.is_logical()))
            .collect();
        let arithmetic: Vec<&'static Row> = maps
            .iter()
            .copied()
            .filter(|row| matches!(row.value, Value::Map(f) if ARITHMETIC.contains(&f)))
            .collect();
        for _ in 0..wanted * 4 {
            if self.draft.nodes.len() >= wanted {
                break;
            }
            if self.source.chance(1, 10) {
                self.arithmetic(&arithmetic);
                continue;
            }
            if self.source.chance(1, 20) {
                self.sibling();
                continue;
            }
            if self.profile.traced && self.source.chance(1, 60) {
                self.traced(&arithmetic);
                continue;
            }
            if self.levels > 0 && self.source.chance(1, 8) {
                self.custom();
                continue;
            }
            if self.loops > 0 && self.source.chance(1, 8) {
                if self.source.chance(2, 3) {
                    self.looped();
                } else {
                    self.branched();
                }
                continue;
            }
            let rows = if self.source.chance(1, 4) { &maps } else { &rows };
            if let Some(row) = pick(self.source, rows) {
                self.node(row);
            }
        }
    }

    /// Tries to append a node of this row.
    pub fn node(&mut self, row: &'static Row) -> bool {
        for _ in 0..4 {
            let Some((op, operands)) = self.propose(row) else { continue };
            if self.append(op, operands) {
                return true;
            }
        }
        false
    }

    pub(super) fn append(&mut self, op: Op, operands: Vec<Slot>) -> bool {
        let Ok(types) = self.draft.infer(&op, &operands) else { return false };
        let empty = types.iter().any(|ty| ty.numel() == 0);
        let was_empty = operands.iter().any(|&v| self.draft.values[v].ty.numel() == 0);
        if types.iter().any(|ty| ty.numel() > self.limit || ty.shape.rank() > self.profile.max_rank)
            || empty && !self.source.chance(if was_empty { 1 } else { 2 }, 8)
            || self.draft.nodes.len() >= self.profile.max_nodes
            || !(self.admit)(&self.draft, &op, &operands)
        {
            return false;
        }
        self.draft.push(op, operands, types);
        true
    }

    /// The last result of a node, if it may join.
    pub(super) fn appended(&mut self, op: Op, operands: Vec<Slot>) -> Option<Slot> {
        self.append(op, operands).then(|| self.draft.values.len() - 1)
    }

    /// A constant that every graph may have.
    pub(super) fn constant(&mut self, op: Op) -> Option<Slot> {
        let types: Types = self.draft.infer(&op, &[]).ok()?;
        if self.draft.nodes.len() + 1 >= self.profile.max_nodes || !(self.admit)(&self.draft, &op, &[]) {
            return None;
        }
        self.draft.push(op, Vec::new(), types);
        Some(self.draft.values.len() - 1)
    }

    pub(super) fn float_type(&mut self) -> DType {
        match (self.mixed && self.source.chance(1, 3), self.main) {
            (false, main) => main,
            (true, DType::F64) => DType::F32,
            (true, _) => DType::F64,
        }
    }

    pub(super) fn extent(&mut self) -> usize {
        pick(self.source, &self.extents).unwrap_or(1)
    }

    /// A shape within the limit.
    pub(super) fn shape(&mut self) -> Shape {
        let rank = [0, 1, 1, 2, 2, 2, 3, 3, 4, self.profile.max_rank][self.source.below(10)];
        let mut dims = Vec::new();
        for _ in 0..rank.min(self.profile.max_rank) {
            let extent = self.extent();
            dims.push(extent);
            if ValueType::new(DType::F64, dims.as_slice()).checked_bytes().is_none()
                || Shape::new(&dims).numel() > self.limit
            {
                dims.pop();
                dims.push(1);
            }
        }
        Shape::new(&dims)
    }

    /// The kind of numbers a constant or an attribute holds.
    pub(super) fn kind(&mut self) -> Kind {
        match self.source.below(12) {
            _ if self.profile.exact => Kind::Dyadic,
            0 => Kind::Special,
            1 => Kind::Bits,
            2 => Kind::Zeros,
            _ => Kind::Normal,
        }
    }

    /// One to three outputs, late values for the most part; any value may be
    /// one, also twice.
    pub(super) fn draw_outputs(&mut self) {
        let n = self.draft.values.len();
        for _ in 0..1 + self.source.below(3) {
            let v = match self.source.below(8) {
                0 => self.source.below(n),
                1 => self.draft.outputs.last().copied().unwrap_or(n - 1),
                _ => n - 1 - self.source.below(n.min(5)),
            };
            self.draft.outputs.push(v);
        }
        let float = |g: &Generator<'_>, v: Slot| g.draft.values[v].ty.dtype.is_float();
        if !self.draft.outputs.iter().any(|&v| float(self, v))
            && let Some(v) = (0..n).rev().find(|&v| float(self, v))
        {
            self.draft.outputs.push(v);
        }
    }
}

/// A graph of a profile without conditions on its nodes.
pub fn generate(source: &mut dyn Source, profile: &Profile) -> Result<Drafted, crate::GraphError> {
    Generator::graph(source, profile, &mut |_, _, _| true).finish()
}

/// Whether operands of a scalar function are masks.
pub(super) fn takes_masks(row: &Row) -> bool {
    matches!(row.value, Value::Map(f) if f.is_logical())
}

/// Whether a scalar function compares numbers.
pub(super) fn compares(row: &Row) -> bool {
    matches!(row.value, Value::Map(MapFn::Eq | MapFn::Ne | MapFn::Lt | MapFn::Le))
}

/// An op, if attributes and row agree.
pub(super) fn op(row: &'static Row, attrs: Vec<ops::Attr>) -> Option<Op> {
    let made: Result<Op, OpError> = Op::new(row, attrs);
    made.ok()
}
