//! Rolling: a graph of scalars that a loop was traced to has the same structure again and again. Equal
//! expressions over different elements become one expression over arrays, long sums and products
//! one after the other become one call, and the rest of the lowering makes kernels of them.
//!
//! `classes` says what has the same structure, `runs` which of those go evenly through arrays,
//! `rebuild` makes the new graph. Every element is computed by the same operations on the same
//! numbers as before, so that every bit is kept.

mod classes;
mod rebuild;
mod runs;

use crate::graph::ValueId;
use crate::lower::LowerError;
use crate::lower::core::Core;
use crate::ops::MapFn;
use smallvec::SmallVec;

/// What is worth it.
#[derive(Clone, Copy, Debug)]
struct Fewest {
    /// Equal expressions of a row: a kernel costs as much as some scalars.
    row: usize,
    /// Steps of a chain: a call does nothing at the side of them.
    chain: usize,
    /// Terms of a chain, on average, that stand side by side in an array.
    together: usize,
}

impl Fewest {
    fn of(row: usize) -> Fewest {
        Fewest { row: row.max(2), chain: row.saturating_mul(row) / 2, together: row / 2 }
    }
}

/// Where elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Space {
    /// An element by itself; it is named by its place.
    Alone,
    /// A tensor of the graph.
    Tensor(ValueId),
    /// A row of equal expressions.
    Row(u32),
    /// The partial results of a chain.
    Chain(u32),
}

/// Where an element lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    space: Space,
    at: u32,
}

impl Place {
    /// From this element to another of the same space. An element by itself has no neighbours.
    fn step_to(self, next: Place) -> Option<i64> {
        let step = i64::from(next.at) - i64::from(self.at);
        (self.space == next.space && (step == 0 || self.space != Space::Alone)).then_some(step)
    }
}

/// Elements that lie evenly in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    space: Space,
    first: u32,
    step: i64,
    len: u32,
}

/// Equal expressions over elements that lie evenly: element `i` is the function of the elements `i` of
/// its operands.
#[derive(Debug)]
struct Row {
    /// The first of them in the old graph.
    like: ValueId,
    operands: SmallVec<[Run; 3]>,
    len: u32,
    /// Operations for one element, those of the rows it reads included.
    work: u32,
}

/// `s_0 = t_0`, then `s_k = f(s_{k-1}, t_k)`; `f` adds, subtracts or multiplies.
#[derive(Debug)]
struct Chain {
    f: MapFn,
    /// `s_1` in the old graph.
    like: ValueId,
    terms: Vec<Run>,
    len: u32,
}

/// What was found in a graph.
#[derive(Debug, Default)]
struct Found {
    /// By node, for elements: of what element it is another name, itself as a rule.
    same: Vec<ValueId>,
    /// By node, for elements.
    places: Vec<Place>,
    rows: Vec<Row>,
    chains: Vec<Chain>,
}

impl Found {
    fn place(&self, v: ValueId) -> Place {
        self.places[self.same[v.index()].index()]
    }
}

/// The core graph with what repeats itself at least so often put together.
pub fn roll(core: Core, fewest: usize) -> Result<Core, LowerError> {
    let (live, fewest) = (core.live(), Fewest::of(fewest));
    let found = runs::find(&core, classes::classify(&core, &live, fewest), fewest);
    if found.rows.is_empty() && found.chains.is_empty() {
        return Ok(core);
    }
    rebuild::rebuild(&core, &live, &found)
}
