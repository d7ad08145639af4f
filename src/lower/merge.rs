//! What has been made so far of what, so that the same is not made again.

use rustc_hash::FxHashMap;

/// Looked through before a hash is asked: most things have few users, and those at hand.
const FEW: usize = 8;

/// What was made, by the last made thing that it was made of: equal things are made of the same.
/// A hash table of all would cost a look at memory far away for each.
#[derive(Default)]
pub struct Made {
    /// By thing its last user and, of the thing it was made of last, the user before it;
    /// one more than its number, 0 where there is none.
    users: Vec<[u32; 2]>,
    /// What was made of nothing, and what has more users than a few. By hash: a collision only
    /// means that two equal things stay apart.
    others: FxHashMap<u64, u32>,
}

impl Made {
    /// With room for so many.
    pub fn with_capacity(n: usize) -> Made {
        Made { users: Vec::with_capacity(n), others: FxHashMap::default() }
    }

    /// What was made before of things of which `latest` is the last, and is the same. Where
    /// there is nothing, it is taken that `next` is made now.
    #[inline]
    pub fn find(
        &mut self,
        latest: Option<usize>,
        next: u32,
        hash: impl FnOnce() -> u64,
        same: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        if self.users.len() <= next as usize {
            self.users.resize(next as usize + 1, [0; 2]);
        }
        if let Some(latest) = latest {
            let [first, _] = self.users[latest];
            let mut user = first;
            for _ in 0..FEW {
                if user == 0 {
                    self.users[next as usize][1] = first;
                    self.users[latest][0] = next.wrapping_add(1);
                    return None;
                }
                if same(user - 1) {
                    return Some(user - 1);
                }
                user = self.users[user as usize - 1][1];
            }
        }
        let id = *self.others.entry(hash()).or_insert(next);
        (id != next && same(id)).then_some(id)
    }
}
