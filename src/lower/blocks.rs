//! Long arrays, block by block. Kernels and functions of many numbers that go over the same elements
//! one after the other would each fetch them from far and send them back; a block of them stays in
//! the cache from the first pass to the last, and what only they use need not be longer than a block.

use crate::lower::collapse::extent;
use crate::lower::join;
use crate::lower::plan::{
    Access, Blocks, BufId, Call, Def, Ending, Item, Kernel, LaneOp, Pass, Place, Plan, ScalarId,
};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

/// Arrays that together have fewer bytes are near anyway: the first cache has about as many.
pub const NEAR: usize = 48 << 10;
/// Bytes of a block in all arrays together, if the block stays within [`BLOCK`].
const WORKING: usize = 64 << 10;
/// Elements of a block: entering a kernel costs as much as some hundred elements.
const BLOCK: std::ops::RangeInclusive<usize> = 256..=1024;
/// Blocks begin at whole vectors, and at the first lane of a sum.
const GRAIN: usize = 32;
/// Passes may differ in length by this many elements, as those over neighbours do.
const SPREAD: usize = 64;
/// Lanes of the bodies in one group, so that its code stays short.
const LANES: usize = 240;
/// How many items may wait for a group to end.
const MOST_AFTER: usize = 16;
/// How far ahead in an array a pass may read what an earlier one of the same block writes.
const MOST_AHEAD: isize = 8;

/// Puts runs of passes over long arrays together, in blocks of `size` elements if that is not 0.
pub fn block(plan: &mut Plan, size: usize) {
    if !plan.items.iter().any(|item| length(item).is_some_and(|n| n > GRAIN)) {
        return;
    }
    let items = std::mem::take(&mut plan.items);
    let touched = touched(plan, &items);
    let mut out = Vec::with_capacity(items.len());
    let mut group = Group::default();
    for item in items {
        match length(&item) {
            Some(n) if group.takes(plan, &item, n) => group.push(plan, item, n),
            Some(n) if n > GRAIN => {
                out.extend(std::mem::take(&mut group).close(plan, &touched, size));
                group.push(plan, item, n);
            }
            // What has nothing to do with the passes may come before them.
            _ if group.is_apart(plan, &item) => out.push(item),
            _ if group.delays(&item) => group.later(plan, item),
            _ => {
                out.extend(std::mem::take(&mut group).close(plan, &touched, size));
                out.push(item);
            }
        }
    }
    out.extend(group.close(plan, &touched, size));
    plan.items = out;
}

/// By buffer, how many items touch it, and scalars: one may be left that no item uses any more.
fn touched(plan: &Plan, items: &[Item]) -> Vec<u32> {
    let mut count = vec![0; plan.buffers.len()];
    for item in items {
        each(plan, item, |buf| count[buf.index()] += 1);
    }
    for scalar in &plan.scalars {
        if let Def::Load(buf, _) = scalar.def {
            count[buf.index()] += 1;
        }
    }
    count
}

/// Calls `f` once with each buffer of an item.
fn each(plan: &Plan, item: &Item, f: impl FnMut(BufId)) {
    let mut seen = SmallVec::<[BufId; 8]>::new();
    plan.touches(item, &mut |buf, _| {
        if !seen.contains(&buf) {
            seen.push(buf);
        }
    });
    seen.into_iter().for_each(f);
}

/// Elements of a pass; `None` if an item is none.
fn length(item: &Item) -> Option<usize> {
    match item {
        Item::Loop(kernel) => match (&kernel.ending, kernel.dims.as_slice(), kernel.store.strides.as_slice())
        {
            (Ending::Store(_), &[n], &[1]) => Some(n),
            (Ending::Reduce { value, .. }, &[n], &[]) => {
                // Its lanes must be vectors, which last from block to block.
                let dtype = kernel.body[*value as usize].dtype;
                (kernel.vector_dtype(0) == Some(dtype)).then_some(n)
            }
            _ => None,
        },
        Item::Call(call) => match call.as_ref() {
            Call::Many { dims, .. } => Some(dims[1]),
            _ => None,
        },
        _ => None,
    }
}

/// Elements of a buffer that an item touches, both ends included.
struct Span {
    buf: BufId,
    ends: (isize, isize),
    write: bool,
}

impl Span {
    fn of(access: &Access, dims: &SmallVec<[usize; 4]>, write: bool) -> Span {
        Span { buf: access.buf, ends: extent(access, dims), write }
    }

    /// Whether what one does is seen by the other. A buffer is read when all of it is written.
    fn meets(&self, other: &Span) -> bool {
        let apart = self.ends.1 < other.ends.0 || other.ends.1 < self.ends.0;
        self.buf == other.buf && (self.write || other.write) && !(self.write && other.write && apart)
    }
}

/// All that an item touches.
fn spans(plan: &Plan, item: &Item) -> Vec<Span> {
    let mut spans = Vec::new();
    let element = |id: ScalarId| match plan.scalar(id).def {
        Def::Load(buf, at) => Some(Span { buf, ends: (at as isize, at as isize), write: false }),
        _ => None,
    };
    match item {
        Item::Loop(kernel) => {
            spans.extend(kernel.reads().map(|(load, dims)| Span::of(load, &dims, false)));
            spans.extend(kernel.writes().map(|(store, dims)| Span::of(store, &dims, true)));
            spans.extend(kernel.numbers().filter_map(element));
        }
        Item::Store(buf, at, id) => {
            spans.push(Span { buf: *buf, ends: (*at as isize, *at as isize), write: true });
            spans.extend(element(*id));
        }
        _ => {
            let ends = (0, isize::MAX);
            plan.touches(item, &mut |buf, write| spans.push(Span { buf, ends, write }));
        }
    }
    spans
}

/// What a pass of a group writes.
#[derive(Clone, Copy)]
struct Written {
    /// The pass.
    by: usize,
    /// Its first element.
    offset: isize,
    /// Elements.
    n: usize,
}

/// Passes that may run block by block.
#[derive(Default)]
struct Group {
    items: Vec<(Item, usize)>,
    writes: FxHashMap<BufId, Written>,
    /// What the passes touch.
    spans: Vec<Span>,
    lanes: usize,
    /// What comes after the passes, and what that touches.
    after: Vec<Item>,
    spans_after: Vec<Span>,
}

impl Group {
    /// Whether an item may come before all of this.
    fn is_apart(&self, plan: &Plan, item: &Item) -> bool {
        let all = || self.spans.iter().chain(&self.spans_after);
        self.items.is_empty() || !spans(plan, item).iter().any(|span| all().any(|other| span.meets(other)))
    }

    /// Whether an item that needs the passes may wait for them: the ends of a row, as a rule.
    fn delays(&self, item: &Item) -> bool {
        matches!(item, Item::Loop(_) | Item::Store(..)) && self.after.len() < MOST_AFTER
    }

    fn later(&mut self, plan: &Plan, item: Item) {
        self.spans_after.extend(spans(plan, &item));
        self.after.push(item);
    }

    /// Whether a pass over `n` elements may follow the others in each block.
    fn takes(&self, plan: &Plan, item: &Item, n: usize) -> bool {
        let Some(&(_, first)) = self.items.first() else { return false };
        if n.abs_diff(first) > SPREAD || self.lanes + lanes(item) > LANES {
            return false;
        }
        let (loads, stores) = item.accesses();
        // What is read of an earlier pass is what that has written by then, or lies not far ahead.
        let same = |load: &Access| match self.writes.get(&load.buf) {
            Some(w) => load.strides.last() == Some(&1) && load.offset - w.offset <= MOST_AHEAD,
            None => true,
        };
        let known = |load: &Access| self.spans.iter().any(|span| span.buf == load.buf);
        let new = spans(plan, item);
        let late = |span: &Span| self.spans_after.iter().any(|other| span.meets(other));
        // But for its loads, a pass touches nothing that another writes.
        let alone = |span: &Span| {
            let load = loads.iter().any(|load| load.buf == span.buf) && !span.write;
            load || !self.spans.iter().any(|other| span.meets(other))
        };
        // A number is there before the first block.
        let written = |buf: BufId| self.writes.contains_key(&buf);
        let early = kernel(item).is_some_and(|kernel| plan.reads_number(kernel, written));
        loads.iter().any(|load| moves(load) && known(load))
            && !early
            && loads.iter().all(|load| same(load))
            && !stores.iter().any(|store| loads.iter().any(|load| load.buf == store.buf))
            && !stores.iter().any(|store| written(store.buf))
            && new.iter().all(|span| alone(span) && !late(span))
    }

    fn push(&mut self, plan: &Plan, item: Item, n: usize) {
        for store in item.accesses().1 {
            let written =
                Written { by: self.items.len(), offset: store.offset, n: elements(&item, store, n) };
            self.writes.insert(store.buf, written);
        }
        self.spans.extend(spans(plan, &item));
        self.lanes += lanes(&item);
        self.items.push((item, n));
    }

    /// The passes block by block, or as they were where they are few or short.
    fn close(self, plan: &mut Plan, touched: &[u32], wanted: usize) -> Vec<Item> {
        let alone = |group: Group| group.items.into_iter().map(|(item, _)| item).chain(group.after).collect();
        let n = self.items.iter().map(|&(_, n)| n).min().unwrap_or(0);
        let mut moving: FxHashSet<BufId> = FxHashSet::default();
        for (item, _) in &self.items {
            let (loads, stores) = item.accesses();
            let all = loads.into_iter().chain(stores).filter(|access| moves(access));
            moving.extend(all.map(|access| access.buf));
        }
        let per: usize = moving.iter().map(|&buf| plan.buffer(buf).dtype.size()).sum();
        if self.items.len() < 2 || wanted == 0 && n.saturating_mul(per) <= NEAR {
            return alone(self);
        }
        let size = match wanted.min(n) {
            0 => block_size(n, per, self.items.iter().all(|item| item.1 == n)),
            size if self.items.iter().any(|(item, _)| sums(item)) => size.next_multiple_of(GRAIN),
            size => size,
        };
        let leads = self.leads();
        let Some(count) = self
            .items
            .iter()
            .zip(&leads)
            .map(|((item, n), lead)| least(item, *n).saturating_sub(*lead) / size)
            .min()
        else {
            return alone(self);
        };
        if count < 2 {
            return alone(self);
        }
        let near = self.near(plan, touched, &leads);
        let rest = |n: usize, lead: usize| n - lead - count * size;
        for &buf in &near {
            // A pass that reads is no longer than the one that writes.
            let rest = self.writes.get(&buf).map_or(0, |w| rest(w.n, leads[w.by]));
            plan.buffers[buf.index()].len = rest.max(size);
        }
        let passes = self.items.iter().zip(&leads).map(|((item, n), &lead)| {
            let rest = rest(*n, lead);
            Pass {
                lead: (lead > 0).then(|| part(item, &near, &[lead], 0)),
                whole: part(item, &near, &[count, size], lead),
                rest: (rest > 0).then(|| part(item, &near, &[rest], lead + count * size)),
            }
        });
        let passes = passes.collect();
        let blocks = Item::Blocks(Box::new(Blocks { count, passes, near }));
        std::iter::once(blocks).chain(self.after).collect()
    }

    /// By pass, how many elements it must be ahead of the last, so that those that read ahead find
    /// what they read.
    fn leads(&self) -> Vec<usize> {
        let mut leads = vec![0usize; self.items.len()];
        for (at, (item, _)) in self.items.iter().enumerate().rev() {
            for load in item.accesses().0 {
                let Some(w) = self.writes.get(&load.buf).filter(|w| w.by < at) else { continue };
                let needed = leads[at].saturating_add_signed(load.offset - w.offset);
                leads[w.by] = leads[w.by].max(needed.next_multiple_of(GRAIN));
            }
        }
        leads
    }

    /// Buffers that nothing else touches, that are written from one end to the other, and that no
    /// pass reads ahead of what is written: none reads behind it either, where a buffer begins with
    /// what is written first.
    fn near(&self, plan: &Plan, touched: &[u32], leads: &[usize]) -> Vec<BufId> {
        let mut inside: FxHashMap<BufId, u32> = FxHashMap::default();
        for (item, _) in &self.items {
            each(plan, item, |buf| *inside.entry(buf).or_default() += 1);
        }
        let written = self.writes.iter().filter(|&(buf, w)| {
            let buffer = plan.buffer(*buf);
            let whole = w.offset == 0 && w.n == buffer.len;
            matches!(buffer.place, Place::Temp(_)) && whole && leads[w.by] == 0
        });
        let mut near: Vec<BufId> =
            written.map(|w| *w.0).filter(|buf| inside.get(buf) == Some(&touched[buf.index()])).collect();
        near.sort_unstable();
        near
    }
}

fn moves(access: &Access) -> bool {
    access.strides.last().is_some_and(|&stride| stride != 0)
}

/// How many elements a pass over `n` writes through a store; a sum counts what it adds up.
fn elements(item: &Item, store: &Access, n: usize) -> usize {
    let beside = |kernel: &Kernel| kernel.beside.iter().find(|b| b.store.buf == store.buf).map(|b| b.n);
    kernel(item).and_then(beside).unwrap_or(n)
}

/// How many elements all that a pass over `n` does is done for.
fn least(item: &Item, n: usize) -> usize {
    kernel(item).map_or(n, Kernel::common)
}

fn kernel(item: &Item) -> Option<&Kernel> {
    match item {
        Item::Loop(kernel) => Some(kernel),
        _ => None,
    }
}

/// Whether a pass is a sum.
fn sums(item: &Item) -> bool {
    matches!(item, Item::Loop(kernel) if kernel.reduced() > 0)
}

fn lanes(item: &Item) -> usize {
    match item {
        Item::Loop(kernel) => 2 + kernel.body.len(),
        _ => 2,
    }
}

/// Elements of a block of arrays with `per` bytes to an element. A size that leaves nothing over
/// saves the code for it.
fn block_size(n: usize, per: usize, even: bool) -> usize {
    let most = (WORKING / per.max(1)).clamp(*BLOCK.start(), *BLOCK.end()) / GRAIN * GRAIN;
    let whole =
        (most / 2 / GRAIN..=2 * most / GRAIN).rev().map(|k| k * GRAIN).find(|size| n.is_multiple_of(*size));
    whole.filter(|_| even).unwrap_or(most)
}

/// A pass over some of its elements from `from` on: in blocks, if there are two dims.
fn part(item: &Item, near: &[BufId], dims: &[usize], from: usize) -> Item {
    let place = |access: &Access| {
        let near = near.contains(&access.buf);
        let stride = access.strides.last().copied().unwrap_or(0);
        let step = |elements: usize| if near { 0 } else { elements as isize * stride };
        Access {
            buf: access.buf,
            offset: access.offset + step(from),
            strides: match dims {
                [_, size] => smallvec![step(*size), stride],
                _ => smallvec![stride],
            },
        }
    };
    match item {
        Item::Loop(kernel) => {
            let mut kernel = kernel.clone();
            match &mut kernel.ending {
                Ending::Store(_) => kernel.store = place(&kernel.store),
                Ending::Reduce { reduced, .. } => *reduced = dims.len(),
            }
            kernel.dims = dims.into();
            for lane in &mut kernel.body {
                if let LaneOp::Load(access) = &mut lane.op {
                    *access = place(access);
                }
            }
            let least = dims.last().copied().unwrap_or(0);
            for beside in &mut kernel.beside {
                beside.store = place(&beside.store);
                beside.n = match dims.len() {
                    1 => beside.n.saturating_sub(from).min(least),
                    _ => least,
                };
            }
            join::prune(&mut kernel);
            Item::Loop(kernel)
        }
        Item::Call(call) => {
            let mut call = call.clone();
            if let Call::Many { dims: all, src, out, .. } = call.as_mut() {
                (*src, *out) = (place(src), place(out));
                *all = dims.into();
                if dims.len() == 1 {
                    all.insert(0, 1);
                    src.strides.insert(0, 0);
                    out.strides.insert(0, 0);
                }
            }
            Item::Call(call)
        }
        other => other.clone(),
    }
}
