//! The arena: scratch buffers whose lives do not overlap share bytes.

use crate::lower::LowerError;
use crate::lower::plan::{BufId, Place, Plan};

/// Alignment of every buffer of the workspace.
pub const ALIGN: usize = 64;

/// Rounds up to the arena's alignment; `None` on overflow.
pub fn align_up(bytes: usize) -> Option<usize> {
    bytes.checked_add(ALIGN - 1).map(|b| b & !(ALIGN - 1))
}

/// First and last item that touches each buffer.
pub fn lives(plan: &Plan) -> Vec<Option<(usize, usize)>> {
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; plan.buffers.len()];
    for (at, item) in plan.items.iter().enumerate() {
        let mut touched: smallvec::SmallVec<[BufId; 8]> = smallvec::SmallVec::new();
        let seen = std::cell::RefCell::new(&mut touched);
        plan.touches(item, |b| seen.borrow_mut().push(b), |b| seen.borrow_mut().push(b));
        for buf in touched {
            let life = &mut lives[buf.index()];
            *life = Some(life.map_or((at, at), |(first, _)| (first, at)));
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
    let lives = lives(plan);
    let too_large = || LowerError::TooLarge;
    let mut starts: Vec<Vec<BufId>> = vec![Vec::new(); plan.items.len()];
    let mut ends: Vec<Vec<BufId>> = vec![Vec::new(); plan.items.len()];
    for (i, life) in lives.iter().enumerate() {
        if let (Some((first, last)), Place::Temp(_)) = (life, &plan.buffers[i].place) {
            starts[*first].push(BufId(i as u32));
            ends[*last].push(BufId(i as u32));
        }
    }
    let mut free = Free::default();
    for at in 0..plan.items.len() {
        for &buf in &starts[at] {
            let bytes = align_up(plan.buffer(buf).bytes()).ok_or_else(too_large)?;
            let offset = free.take(bytes).ok_or_else(too_large)?;
            plan.buffers[buf.index()].place = Place::Temp(Some(offset));
        }
        for &buf in &ends[at] {
            if let Place::Temp(Some(offset)) = plan.buffer(buf).place {
                let bytes = align_up(plan.buffer(buf).bytes()).ok_or_else(too_large)?;
                if bytes > 0 {
                    free.give(offset, bytes);
                }
            }
        }
    }
    plan.temp_bytes = free.end;
    Ok(())
}
