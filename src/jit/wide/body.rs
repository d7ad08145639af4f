//! Straight-line code as operations that are one vector instruction each, or nearly.

use crate::graph::DType;
use crate::jit::lanes::bits_of;
use crate::ops::MapFn;
use rustc_hash::FxHashMap;

/// A position in the list of operations.
pub type Id = usize;

/// Operations of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Two {
    Add,
    Sub,
    Mul,
    Div,
    /// The second operand where one is NaN or both are zero.
    RawMax,
    RawMin,
    And,
    /// The second operand, and not the first.
    AndNot,
    Or,
    Xor,
}

/// Comparisons, as the instruction set numbers them. NaNs raise nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Test {
    Eq = 0x00,
    Unordered = 0x03,
    Ne = 0x04,
    Lt = 0x11,
    Le = 0x12,
    Gt = 0x1e,
}

/// Directions of rounding to an integer, as the instruction set numbers them, exceptions off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Round {
    Even = 8,
    Down = 9,
    Up = 10,
}

/// One operation. Masks are lanes of ones or of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A vector of elements: of a stream, some bytes on.
    Load {
        stream: usize,
        bytes: i32,
    },
    /// What is the same along the row.
    Fixed(usize),
    /// A number of the constant pool.
    Const(usize),
    /// The accumulator.
    Sum,
    Two(Two, Id, Id),
    Sqrt(Id),
    Round(Round, Id),
    Compare(Test, Id, Id),
    /// a b + c
    Fma(Id, Id, Id),
    /// b where the mask a, else c
    Select(Id, Id, Id),
    /// Writes a vector of elements: of a stream, some bytes on.
    Store {
        stream: usize,
        bytes: i32,
        value: Id,
    },
}

impl Node {
    /// Operands, in order.
    pub fn operands(self) -> ([Id; 3], usize) {
        match self {
            Node::Load { .. } | Node::Fixed(_) | Node::Const(_) | Node::Sum => ([0; 3], 0),
            Node::Sqrt(a) | Node::Round(_, a) | Node::Store { value: a, .. } => ([a, 0, 0], 1),
            Node::Two(_, a, b) | Node::Compare(_, a, b) => ([a, b, 0], 2),
            Node::Fma(a, b, c) | Node::Select(a, b, c) => ([a, b, c], 3),
        }
    }

    /// Whether it comes from memory as it is.
    pub fn is_leaf(self) -> bool {
        self.operands().1 == 0
    }
}

/// Operations in order, and the constants that they use.
#[derive(Debug)]
pub struct Body {
    pub dtype: DType,
    pub nodes: Vec<Node>,
    /// By operation, at which of the ends of the row it stops.
    pub ends: Vec<usize>,
    pub pool: Vec<u64>,
    /// What becomes the accumulator, if there is one.
    pub sum: Option<Id>,
}

/// Makes a body.
pub struct Maker {
    pub body: Body,
    /// Where what is made now stops.
    pub end: usize,
    leaves: FxHashMap<Node, Id>,
    words: FxHashMap<u64, usize>,
}

impl Maker {
    pub fn new(dtype: DType) -> Maker {
        let body = Body { dtype, nodes: Vec::new(), ends: Vec::new(), pool: Vec::new(), sum: None };
        Maker { body, end: 0, leaves: FxHashMap::default(), words: FxHashMap::default() }
    }

    pub fn node(&mut self, node: Node) -> Id {
        self.body.nodes.push(node);
        self.body.ends.push(self.end);
        self.body.nodes.len() - 1
    }

    /// What comes from memory as it is, once.
    pub fn leaf(&mut self, node: Node) -> Id {
        match self.leaves.get(&node) {
            Some(&id) => {
                self.body.ends[id] = self.end.max(self.body.ends[id]);
                id
            }
            None => {
                let id = self.node(node);
                self.leaves.insert(node, id);
                id
            }
        }
    }

    pub fn bits(&mut self, bits: u64) -> Id {
        let pool = &mut self.body.pool;
        let at = *self.words.entry(bits).or_insert_with(|| {
            pool.push(bits);
            pool.len() - 1
        });
        self.leaf(Node::Const(at))
    }

    pub fn number(&mut self, x: f64) -> Id {
        self.bits(bits_of(self.body.dtype, x))
    }

    pub fn two(&mut self, op: Two, a: Id, b: Id) -> Id {
        self.node(Node::Two(op, a, b))
    }

    pub fn test(&mut self, test: Test, a: Id, b: Id) -> Id {
        self.node(Node::Compare(test, a, b))
    }

    /// NaN where either is, and zeros by their sign: the two orders differ there alone.
    pub fn extreme(&mut self, op: Two, a: Id, b: Id) -> Id {
        let (ab, ba) = (self.two(op, a, b), self.two(op, b, a));
        let zeros = self.two(if op == Two::RawMax { Two::And } else { Two::Or }, ab, ba);
        let nan = self.test(Test::Unordered, a, b);
        self.two(Two::Or, zeros, nan)
    }

    /// A function that is a few instructions; `None` for others.
    pub fn map(&mut self, f: MapFn, args: &[Id]) -> Option<Id> {
        let sign = if self.body.dtype == DType::F32 { 1 << 31 } else { 1 << 63 };
        Some(match (f, args) {
            (MapFn::Neg, &[x]) => {
                let sign = self.bits(sign);
                self.two(Two::Xor, x, sign)
            }
            (MapFn::Abs, &[x]) => {
                let sign = self.bits(sign);
                self.two(Two::AndNot, sign, x)
            }
            (MapFn::Sqrt, &[x]) => self.node(Node::Sqrt(x)),
            (MapFn::Floor, &[x]) => self.node(Node::Round(Round::Down, x)),
            (MapFn::Ceil, &[x]) => self.node(Node::Round(Round::Up, x)),
            (MapFn::RoundEven, &[x]) => self.node(Node::Round(Round::Even, x)),
            (MapFn::Square, &[x]) => self.two(Two::Mul, x, x),
            (MapFn::Recip, &[x]) => {
                let one = self.number(1.0);
                self.two(Two::Div, one, x)
            }
            (MapFn::Relu, &[x]) => {
                let zero = self.number(0.0);
                let negative = self.test(Test::Lt, x, zero);
                let kept = self.two(Two::AndNot, negative, x);
                // + 0 turns -0 into +0.
                self.two(Two::Add, kept, zero)
            }
            (MapFn::Sign, &[x]) => {
                let (zero, one, minus) = (self.number(0.0), self.number(1.0), self.number(-1.0));
                let (low, high) = (self.test(Test::Lt, x, zero), self.test(Test::Gt, x, zero));
                let (low, high) = (self.two(Two::And, low, minus), self.two(Two::And, high, one));
                self.two(Two::Or, low, high)
            }
            (MapFn::Add, &[x, y]) => self.two(Two::Add, x, y),
            (MapFn::Sub, &[x, y]) => self.two(Two::Sub, x, y),
            (MapFn::Mul, &[x, y]) => self.two(Two::Mul, x, y),
            (MapFn::Div, &[x, y]) => self.two(Two::Div, x, y),
            (MapFn::Maximum, &[x, y]) => self.extreme(Two::RawMax, x, y),
            (MapFn::Minimum, &[x, y]) => self.extreme(Two::RawMin, x, y),
            (MapFn::Fma, &[x, y, z]) => self.node(Node::Fma(x, y, z)),
            (MapFn::Eq, &[x, y]) => self.test(Test::Eq, x, y),
            (MapFn::Ne, &[x, y]) => self.test(Test::Ne, x, y),
            (MapFn::Lt, &[x, y]) => self.test(Test::Lt, x, y),
            (MapFn::Le, &[x, y]) => self.test(Test::Le, x, y),
            (MapFn::And, &[x, y]) => self.two(Two::And, x, y),
            (MapFn::Or, &[x, y]) => self.two(Two::Or, x, y),
            (MapFn::Xor, &[x, y]) => self.two(Two::Xor, x, y),
            (MapFn::Not, &[x]) => {
                let ones = self.bits(u64::MAX);
                self.two(Two::Xor, x, ones)
            }
            (MapFn::Select, &[mask, x, y]) => self.node(Node::Select(mask, x, y)),
            _ => return None,
        })
    }
}
