//! Elements in memory. What a finished tensor leaves behind is kept for the
//! next one on the same thread: a tape run again and again would otherwise get
//! its memory from the system, page by page, each time.

use std::cell::RefCell;
use std::fmt::Debug;
use std::ops::{Deref, DerefMut};

/// What tensors are made of.
pub trait Element: Clone + Debug + 'static {
    /// Calls `f` with the spare buffers of this thread; `None` where this type
    /// keeps none.
    fn with_spare<R>(_f: impl FnOnce(&mut Spare<Self>) -> R) -> Option<R> {
        None
    }
}

macro_rules! kept {
    ($($t:ty => $name:ident),*) => {$(
        thread_local! {
            static $name: RefCell<Spare<$t>> = const { RefCell::new(Spare { free: Vec::new(), bytes: 0 }) };
        }

        impl Element for $t {
            fn with_spare<R>(f: impl FnOnce(&mut Spare<$t>) -> R) -> Option<R> {
                // Fails while the thread ends: then memory is simply freed.
                $name.try_with(|spare| spare.try_borrow_mut().ok().map(|mut spare| f(&mut spare))).ok()?
            }
        }
    )*};
}
kept!(f64 => SPARE_F64, f32 => SPARE_F32);
impl Element for i64 {}
impl Element for bool {}
impl<A: Element, B: Element> Element for (A, B) {}

/// Buffers without elements.
#[derive(Debug)]
pub struct Spare<T> {
    free: Vec<Vec<T>>,
    bytes: usize,
}

/// Smaller buffers are the allocator's business.
const SMALLEST: usize = 1 << 10;
/// Bytes that one thread keeps of one type, at most.
const KEPT: usize = 32 << 20;
/// Spare buffers that are looked at for one that fits.
const LOOKED_AT: usize = 16;

impl<T> Spare<T> {
    fn take(&mut self, n: usize) -> Option<Vec<T>> {
        let fits = |v: &Vec<T>| v.capacity() >= n && v.capacity() / 2 <= n;
        let back = self.free.iter().rev().take(LOOKED_AT).position(fits)?;
        let buffer = self.free.swap_remove(self.free.len() - 1 - back);
        self.bytes -= buffer.capacity() * size_of::<T>();
        Some(buffer)
    }

    fn give(&mut self, mut buffer: Vec<T>) {
        let bytes = buffer.capacity() * size_of::<T>();
        if self.bytes + bytes <= KEPT {
            buffer.clear();
            self.bytes += bytes;
            self.free.push(buffer);
        }
    }
}

/// Elements in memory: a vector whose buffer is used again.
#[derive(Debug, PartialEq)]
pub struct Buf<T: Element>(Vec<T>);

impl<T: Element> Buf<T> {
    /// An empty buffer with room for `n` elements.
    pub fn with_capacity(n: usize) -> Buf<T> {
        let kept = if n * size_of::<T>() >= SMALLEST { T::with_spare(|spare| spare.take(n)) } else { None };
        Buf(kept.flatten().unwrap_or_else(|| Vec::with_capacity(n)))
    }

    /// `n` times the same element.
    pub fn filled(value: T, n: usize) -> Buf<T> {
        let mut filled = Buf::with_capacity(n);
        filled.0.resize(n, value);
        filled
    }
}

impl<T: Element> Drop for Buf<T> {
    fn drop(&mut self) {
        if self.0.capacity() * size_of::<T>() >= SMALLEST {
            let buffer = std::mem::take(&mut self.0);
            T::with_spare(|spare| spare.give(buffer));
        }
    }
}

impl<T: Element> Default for Buf<T> {
    fn default() -> Buf<T> {
        Buf(Vec::new())
    }
}

impl<T: Element> Clone for Buf<T> {
    fn clone(&self) -> Buf<T> {
        let mut copy = Buf::with_capacity(self.len());
        copy.extend_from_slice(self);
        copy
    }
}

impl<T: Element> Deref for Buf<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Element> DerefMut for Buf<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Element> From<Vec<T>> for Buf<T> {
    fn from(elements: Vec<T>) -> Buf<T> {
        Buf(elements)
    }
}

impl<T: Element> FromIterator<T> for Buf<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Buf<T> {
        let elements = elements.into_iter();
        // Of fallible elements only the upper bound is known.
        let (lower, upper) = elements.size_hint();
        let mut collected = Buf::with_capacity(upper.unwrap_or(lower));
        collected.0.extend(elements);
        collected
    }
}
