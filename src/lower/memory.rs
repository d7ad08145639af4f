//! The arena: scratch buffers whose lives do not overlap share bytes.

use crate::lower::LowerError;
use crate::lower::plan::{BufId, Item, Place, Plan};

/// Alignment of every buffer of the workspace.
pub const ALIGN: usize = 64;

/// Rounds up to the arena's alignment; `None` on overflow.
pub fn align_up(bytes: usize) -> Option<usize> {
    bytes.checked_add(ALIGN - 1).map(|b| b & !(ALIGN - 1))
}

/// First and last step that touches each buffer: an item, or a pass of blocks. A buffer that holds
/// more than one block lasts for all passes of an item that touches it.
pub fn lives(plan: &Plan) -> Vec<Option<(usize, usize)>> {
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; plan.buffers.len()];
    let mut touch = |item: &Item, first: usize, last: usize, wanted: &dyn Fn(BufId) -> bool| {
        plan.touches(item, &mut |buf, _| {
            if wanted(buf) {
                let life = &mut lives[buf.index()];
                *life = Some(life.map_or((first, last), |(from, to)| (from.min(first), to.max(last))));
            }
        });
    };
    let mut at = 0;
    for item in &plan.items {
        match item {
            Item::Blocks(blocks) => {
                let end = at + blocks.passes.len();
                touch(item, at, end - 1, &|buf| !blocks.near.contains(&buf));
                for (at, pass) in (at..).zip(&blocks.passes) {
                    for item in pass.items() {
                        touch(item, at, at, &|buf| blocks.near.contains(&buf));
                    }
                }
                at = end;
            }
            _ => {
                touch(item, at, at, &|_| true);
                at += 1;
            }
        }
    }
    lives
}

/// Free byte ranges, by offset.
#[derive(Default)]
struct Free {
    ranges: std::collections::BTreeMap<usize, usize>,
    end: usize,
}

impl Free {
    fn take(&mut self, bytes: usize) -> Option<usize> {
        // Nothing is anywhere: it must not split a range that others use.
        if bytes == 0 {
            return Some(0);
        }
        let fit = self.ranges.iter().find(|&(_, &len)| len >= bytes).map(|(&at, &len)| (at, len));
        if let Some((at, len)) = fit {
            self.ranges.remove(&at);
            if len > bytes {
                self.ranges.insert(at + bytes, len - bytes);
            }
            return Some(at);
        }
        let at = self.end;
        self.end = self.end.checked_add(bytes)?;
        Some(at)
    }

    fn give(&mut self, mut at: usize, mut len: usize) {
        if let Some((&next, &next_len)) = self.ranges.range(at + len..).next()
            && next == at + len
        {
            self.ranges.remove(&next);
            len += next_len;
        }
        if let Some((&before, &before_len)) = self.ranges.range(..at).next_back()
            && before + before_len == at
        {
            self.ranges.remove(&before);
            at = before;
            len += before_len;
        }
        self.ranges.insert(at, len);
    }
}

/// Gives every scratch buffer its offset, first fit in order of first use.
pub fn plan_arena(plan: &mut Plan) -> Result<(), LowerError> {
    if !plan.buffers.iter().any(|b| matches!(b.place, Place::Temp(_))) {
        return Ok(());
    }
    let lives = lives(plan);
    let too_large = || LowerError::TooLarge;
    // (step, 0 = begins or 1 = ends, buffer), in order of time.
    let mut events: Vec<(usize, u8, BufId)> = Vec::new();
    for (i, life) in lives.iter().enumerate() {
        if let (Some((first, last)), Place::Temp(_)) = (life, &plan.buffers[i].place) {
            events.push((*first, 0, BufId(i as u32)));
            events.push((*last, 1, BufId(i as u32)));
        }
    }
    events.sort_unstable();
    let mut free = Free::default();
    for (_, end, buf) in events {
        let bytes = align_up(plan.buffer(buf).bytes()).ok_or_else(too_large)?;
        match plan.buffer(buf).place {
            Place::Temp(Some(offset)) if end == 1 && bytes > 0 => free.give(offset, bytes),
            Place::Temp(None) if end == 0 => {
                let offset = free.take(bytes).ok_or_else(too_large)?;
                plan.buffers[buf.index()].place = Place::Temp(Some(offset));
            }
            _ => {}
        }
    }
    plan.temp_bytes = free.end;
    Ok(())
}
