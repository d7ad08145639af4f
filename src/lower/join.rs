//! Passes over the same elements as one. What one loads or computes the other finds in a register,
//! and what only they use needs no memory: where a pass reads an earlier one's result some elements
//! on, it computes it again, if that is little.

use crate::lower::blocks::NEAR;
use crate::lower::collapse::extent;
use crate::lower::plan::{
    Access, Beside, BufId, Def, Ending, Item, Kernel, Lane, LaneOp, Place, Plan, ScalarId,
};
use crate::ops::MapFn;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Passes over fewer elements stay: a vector of any width must fit.
const FEWEST: usize = 8;
/// Passes may differ in length by this many elements: the end of the longer is code of its own.
const SPREAD: usize = 4;
/// Lanes of a joined body.
const LANES: usize = 96;
/// Operations that are done again rather than kept in memory.
const AGAIN: usize = 4;
/// How many items back the pass is that one may be joined to: what it computes should soon be used.
const BACK: usize = 16;
/// A loop over no more elements computes again what it reads.
const FEW: usize = 2;

/// By lane, where it is now.
type Lanes = SmallVec<[u32; 16]>;

/// Joins passes, and takes out of memory what is in registers then. `block` is how many elements a
/// block should have, if not 0.
pub fn join(plan: &mut Plan, block: usize) {
    // Most large plans are scalars, and all that is noted of these would be for nothing.
    let passes = plan.items.iter().filter(|item| matches!(item, Item::Loop(kernel) if is_pass(kernel)));
    if passes.count() < 2 {
        return;
    }
    let mut joined = Joined { block, ..Joined::default() };
    for item in std::mem::take(&mut plan.items) {
        joined.take(plan, item);
    }
    plan.items = joined.items.into_iter().flatten().collect();
    forget(plan);
}

/// Items so far.
#[derive(Default)]
struct Joined {
    block: usize,
    /// The item that wrote a buffer last.
    writers: FxHashMap<BufId, usize>,
    /// The item that computes a scalar.
    scalars: FxHashMap<ScalarId, usize>,
    /// `None` where a pass has moved down to another.
    items: Vec<Option<Item>>,
    /// Passes, first to last.
    open: Vec<usize>,
}

impl Joined {
    fn take(&mut self, plan: &Plan, item: Item) {
        let place = self.items.len();
        let Item::Loop(pass) = &item else { return self.push(plan, item) };
        if !is_pass(pass) {
            return self.push(plan, item);
        }
        let near = |at: &&usize| **at + BACK >= place;
        let found = self.open.iter().rev().take_while(near).find_map(|&at| {
            let Some(Item::Loop(first)) = &self.items[at] else { return None };
            let up = self.moves_up(plan, at, pass);
            let moves = fit(first, pass) && (up || self.moves_down(plan, at, first, pass));
            Some((at, up, moves.then(|| put_together(first, pass, self.block))??))
        });
        match found {
            Some((at, true, kernel)) => {
                // Where others write parts of the same buffer, the last of all counts.
                let writer = self.writers.entry(pass.store.buf).or_insert(at);
                *writer = at.max(*writer);
                self.items[at] = Some(Item::Loop(Box::new(kernel)));
            }
            Some((at, false, kernel)) => {
                self.items[at] = None;
                self.open.retain(|&open| open != at);
                self.open.push(place);
                self.push(plan, Item::Loop(Box::new(kernel)));
            }
            None => {
                self.open.push(place);
                self.push(plan, item);
            }
        }
    }

    fn push(&mut self, plan: &Plan, item: Item) {
        let place = self.items.len();
        plan.touches(&item, &mut |buf, written| {
            if written {
                self.writers.insert(buf, place);
            }
        });
        if let Item::Scalar(id) = item {
            self.scalars.insert(id, place);
        }
        self.items.push(Some(item));
    }

    /// Whether a pass finds at an earlier one what it needs, and nobody from there on minds.
    fn moves_up(&self, plan: &Plan, at: usize, pass: &Kernel) -> bool {
        let written = |buf: BufId| self.writers.get(&buf).is_none_or(|&writer| writer < at);
        let known = |lane: &Lane| match &lane.op {
            LaneOp::Load(access) => written(access.buf) || self.writers.get(&access.buf) == Some(&at),
            LaneOp::Scalar(id) => match plan.scalar(*id).def {
                Def::Load(buf, _) => written(buf),
                _ => self.scalars.get(id).is_none_or(|&computed| computed < at),
            },
            _ => true,
        };
        let later = || self.items[at..].iter().flatten();
        pass.body.iter().all(known)
            && pass.writes().all(|(store, dims)| later().all(|item| leaves(plan, item, store, &dims)))
    }

    /// Whether nobody between an earlier pass and this one needs it or writes what it does, nor this
    /// one what it reads before it begins.
    fn moves_down(&self, plan: &Plan, at: usize, first: &Kernel, pass: &Kernel) -> bool {
        let stored = |buf: BufId| first.writes().any(|(store, _)| store.buf == buf);
        let apart = |item: &Item| {
            let mut meets = false;
            plan.touches(item, &mut |buf, _| meets |= stored(buf));
            !meets
        };
        !plan.reads_number(pass, stored) && self.items[at + 1..].iter().flatten().all(apart)
    }
}

/// Whether an item writes nothing that a store does.
fn leaves(plan: &Plan, item: &Item, store: &Access, dims: &SmallVec<[usize; 4]>) -> bool {
    let (first, last) = extent(store, dims);
    match item {
        Item::Loop(kernel) => kernel.writes().all(|(other, dims)| {
            let (from, to) = extent(other, &dims);
            other.buf != store.buf || to < first || last < from
        }),
        _ => {
            let mut leaves = true;
            plan.touches(item, &mut |buf, written| leaves &= !written || buf != store.buf);
            leaves
        }
    }
}

/// Whether a kernel goes along one dim in vectors.
fn is_pass(kernel: &Kernel) -> bool {
    let (value, contiguous) = match kernel.ending {
        Ending::Store(value) => (value, kernel.store.strides.as_slice() == [1]),
        Ending::Reduce { value, reduced, .. } => (value, reduced == 1),
    };
    let dtype = kernel.body[value as usize].dtype;
    contiguous
        && matches!(kernel.dims.as_slice(), &[n] if n >= FEWEST)
        && kernel.vector_dtype(0) == Some(dtype)
}

/// The lanes of a body in another, those that load what a pass wrote as it computes it; `None`
/// where it does not, or where that is too much.
fn lanes_with(body: &mut Vec<Lane>, kernel: &Kernel, pass: &Kernel, most: usize) -> Option<Lanes> {
    let mut now = Lanes::new();
    let mut reads = kernel.reads();
    for lane in &kernel.body {
        now.push(match &lane.op {
            LaneOp::Load(load) => match writer(pass, load, &reads.next()?.1) {
                Writer::Lane(value, ahead) => again(body, pass, value, load, ahead, most)?,
                Writer::Other => add(body, lane.clone()),
                Writer::Part => return None,
            },
            _ => add(body, moved(lane, &now)),
        });
    }
    Some(now)
}

/// Whether two passes go over the same elements, read some of the same and may be one kernel.
fn fit(first: &Kernel, pass: &Kernel) -> bool {
    let sums = |kernel: &Kernel| kernel.reduced() > 0;
    let (n, m) = (first.dims[0], pass.dims[0]);
    // A sum is as long as what is stored beside it, or longer.
    let order = match (sums(first), sums(pass)) {
        (true, true) => false,
        (true, false) => m <= n,
        (false, true) => n <= m,
        (false, false) => true,
    };
    let stores = |buf: BufId| first.writes().any(|(store, _)| store.buf == buf);
    let known = |load: &Access| stores(load.buf) || first.loads().any(|other| other.buf == load.buf);
    order
        && first.vector_dtype(0) == pass.vector_dtype(0)
        && n.max(m) - first.common().min(m) <= SPREAD
        && first.body.len() + pass.body.len() <= LANES
        && pass.loads().any(|load| load.strides.as_slice() != [0] && known(load))
        && !stores(pass.store.buf)
}

/// Both passes in one kernel; `None` where the second reads of the first what it does not compute.
/// Arrays that are asked to go in blocks count as long.
fn put_together(first: &Kernel, pass: &Kernel, block: usize) -> Option<Kernel> {
    let (n, m) = (first.dims[0], pass.dims[0]);
    let mut body = first.body.clone();
    let most = if block > 0 || is_far(first, pass) { AGAIN } else { 0 };
    let now = lanes_with(&mut body, pass, first, most)?;
    let mut kernel = Kernel { ending: pass.ending.at(&now), body, ..first.clone() };
    match (&first.ending, &kernel.ending) {
        (_, &Ending::Store(value)) if m <= n => {
            kernel.beside.push(Beside { value, store: pass.store.clone(), n: m });
            kernel.ending = first.ending.clone();
        }
        (&Ending::Store(value), _) => {
            kernel.beside.push(Beside { value, store: first.store.clone(), n });
            kernel.store = pass.store.clone();
            kernel.dims = pass.dims.clone();
        }
        _ => return None,
    }
    Some(kernel)
}

/// Whether what two passes touch is more than the first cache has: then memory costs more than
/// doing some operations again.
fn is_far(first: &Kernel, pass: &Kernel) -> bool {
    let mut bytes: FxHashMap<BufId, usize> = FxHashMap::default();
    for kernel in [first, pass] {
        let size = kernel.body.iter().map(|lane| lane.dtype.size()).max().unwrap_or(0);
        let spans = kernel.reads().chain(kernel.writes());
        bytes.extend(spans.map(|(access, dims)| {
            let (first, last) = extent(access, &dims);
            (access.buf, size * (last - first + 1) as usize)
        }));
    }
    bytes.values().sum::<usize>() > NEAR
}

/// What wrote elements that a load goes over.
enum Writer {
    /// Something else.
    Other,
    /// A store of the pass: of this lane, so many elements before the first one read.
    Lane(u32, isize),
    /// The pass wrote some of them.
    Part,
}

fn writer(pass: &Kernel, load: &Access, dims: &SmallVec<[usize; 4]>) -> Writer {
    let main = match pass.ending {
        Ending::Store(value) => Some((value, &pass.store, pass.dims[0])),
        Ending::Reduce { .. } => None,
    };
    let beside = pass.beside.iter().map(|beside| (beside.value, &beside.store, beside.n));
    match main.into_iter().chain(beside).find(|(_, store, _)| store.buf == load.buf) {
        Some((value, store, n)) => {
            let (first, last) = extent(load, dims);
            let within = first >= store.offset && last < store.offset + n as isize;
            if within { Writer::Lane(value, load.offset - store.offset) } else { Writer::Part }
        }
        None if pass.store.buf == load.buf => Writer::Part,
        None => Writer::Other,
    }
}

/// Adds to a body a lane of a pass, at the elements that a load goes over from `ahead` on. `None`
/// where that is too much to do again.
fn again(
    body: &mut Vec<Lane>,
    pass: &Kernel,
    value: u32,
    load: &Access,
    ahead: isize,
    most: usize,
) -> Option<u32> {
    let count = value as usize + 1;
    let mut wanted = vec![false; count];
    wanted[value as usize] = true;
    let mut work = 0;
    for (i, lane) in pass.body[..count].iter().enumerate().rev() {
        if wanted[i] {
            lane.operands().iter().for_each(|&a| wanted[a as usize] = true);
            work += match lane.op {
                LaneOp::Map(MapFn::Div | MapFn::Sqrt | MapFn::Recip, _) => AGAIN + 1,
                LaneOp::Map(..) | LaneOp::Cast(_) => 1,
                _ => 0,
            };
        }
    }
    // The elements at hand are there.
    let here = ahead == 0 && load.strides.as_slice() == [1];
    if work > most && !here {
        return None;
    }
    let mut now = Lanes::from_elem(u32::MAX, count);
    for i in (0..count).filter(|&i| wanted[i]) {
        let lane = match &pass.body[i] {
            Lane { dtype, op: LaneOp::Load(access) } => {
                let stride = access.strides[0];
                let strides = load.strides.iter().map(|along| along * stride).collect();
                let access = Access { buf: access.buf, offset: access.offset + ahead * stride, strides };
                Lane { dtype: *dtype, op: LaneOp::Load(access) }
            }
            lane => moved(lane, &now),
        };
        now[i] = add(body, lane);
    }
    Some(now[value as usize])
}

/// A lane whose operands are others now.
fn moved(lane: &Lane, now: &[u32]) -> Lane {
    let op = match &lane.op {
        LaneOp::Map(f, args) => LaneOp::Map(*f, args.iter().map(|&a| now[a as usize]).collect()),
        LaneOp::Cast(x) => LaneOp::Cast(now[*x as usize]),
        op => op.clone(),
    };
    Lane { dtype: lane.dtype, op }
}

/// The lane, which may be there already.
fn add(body: &mut Vec<Lane>, lane: Lane) -> u32 {
    let at = body.iter().position(|other| *other == lane).unwrap_or_else(|| {
        body.push(lane);
        body.len() - 1
    });
    at as u32
}

/// Takes out stores to scratch memory that nobody reads.
fn forget(plan: &mut Plan) {
    let mut readers: FxHashMap<BufId, Vec<usize>> = FxHashMap::default();
    for item in &plan.items {
        if let Item::Loop(kernel) = item
            && !kernel.beside.is_empty()
        {
            let scratch = |buf: &BufId| matches!(plan.buffer(*buf).place, Place::Temp(_));
            let stores = kernel.writes().map(|(store, _)| store.buf).filter(scratch);
            readers.extend(stores.map(|buf| (buf, Vec::new())));
        }
    }
    if readers.is_empty() {
        return;
    }
    for (i, item) in plan.items.iter().enumerate() {
        plan.touches(item, &mut |buf, written| {
            if !written && let Some(all) = readers.get_mut(&buf) {
                all.push(i);
            }
        });
    }
    for at in 0..plan.items.len() {
        let mut kernel = match &plan.items[at] {
            Item::Loop(kernel) if !kernel.beside.is_empty() => kernel.as_ref().clone(),
            _ => continue,
        };
        let stores: Vec<BufId> = kernel.writes().map(|(store, _)| store.buf).collect();
        let mut dead = Vec::new();
        for buf in stores {
            let Some(readers) = readers.get(&buf) else { continue };
            let changed = readers.iter().map(|&i| Some((i, without(plan, &plan.items[i], &kernel, buf)?)));
            if let Some(changed) = changed.collect::<Option<Vec<(usize, Kernel)>>>() {
                changed.into_iter().for_each(|(i, kernel)| plan.items[i] = Item::Loop(Box::new(kernel)));
                dead.push(buf);
            }
        }
        kernel.beside.retain(|beside| !dead.contains(&beside.store.buf));
        let longest = (0..kernel.beside.len()).max_by_key(|&i| kernel.beside[i].n);
        if let (0, true, Some(longest)) = (kernel.reduced(), dead.contains(&kernel.store.buf), longest) {
            let Beside { value, store, n } = kernel.beside.remove(longest);
            (kernel.ending, kernel.store, kernel.dims[0]) = (Ending::Store(value), store, n);
        }
        prune(&mut kernel);
        plan.items[at] = Item::Loop(Box::new(kernel));
    }
}

/// A loop over few elements that computes what it read of a pass before, and reads nothing of a buffer
/// of its any more.
fn without(plan: &Plan, item: &Item, pass: &Kernel, buf: BufId) -> Option<Kernel> {
    let Item::Loop(kernel) = item else { return None };
    if kernel.dims.iter().product::<usize>() > FEW || !kernel.beside.is_empty() {
        return None;
    }
    let mut body = Vec::new();
    let now = lanes_with(&mut body, kernel, pass, AGAIN)?;
    let changed = Kernel { ending: kernel.ending.at(&now), body, ..kernel.as_ref().clone() };
    (!plan.reads_number(&changed, |from| from == buf)).then_some(changed)
}

/// Takes out what nobody wants: stores of no elements, and lanes.
pub fn prune(kernel: &mut Kernel) {
    kernel.beside.retain(|beside| beside.n > 0);
    let mut wanted = vec![false; kernel.body.len()];
    let beside = kernel.beside.iter().map(|beside| beside.value);
    kernel.ending.lanes().chain(beside).for_each(|lane| wanted[lane as usize] = true);
    for (i, lane) in kernel.body.iter().enumerate().rev() {
        if wanted[i] {
            lane.operands().iter().for_each(|&a| wanted[a as usize] = true);
        }
    }
    let mut now = Lanes::new();
    let mut body = Vec::new();
    for (lane, wanted) in kernel.body.iter().zip(wanted) {
        now.push(body.len() as u32);
        if wanted {
            body.push(moved(lane, &now));
        }
    }
    kernel.body = body;
    kernel.ending = kernel.ending.at(&now);
    kernel.beside.iter_mut().for_each(|beside| beside.value = now[beside.value as usize]);
}
