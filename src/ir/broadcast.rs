//! The broadcasting rule of the file. Only two shapes are stored; which axis
//! of one is which of the other is found from the left, without looking back:
//! equal extents first, then 1 to n, then a new axis. So `[3]` to `[3, 3]`
//! repeats along the last axis, where NumPy repeats along the first.

use crate::graph::Shape;

/// `from` under the axes of `to`, extent 1 where it is repeated; `None` where
/// the rule does not lead from one to the other.
pub(super) fn left_aligned(from: &Shape, to: &Shape) -> Option<Shape> {
    let mut rest = from.dims();
    let mut dims = Vec::with_capacity(to.rank());
    for &n in to.dims() {
        match rest.split_first() {
            Some((&own, tail)) if own == n || own == 1 => {
                dims.push(own);
                rest = tail;
            }
            _ => dims.push(1),
        }
    }
    rest.is_empty().then(|| Shape::from(dims))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_left_without_looking_back() {
        let rule = |from: &[usize], to: &[usize]| {
            left_aligned(&Shape::new(from), &Shape::new(to)).map(|s| s.dims().to_vec())
        };
        assert_eq!(rule(&[], &[2, 3]), Some(vec![1, 1]));
        assert_eq!(rule(&[3], &[3, 3]), Some(vec![3, 1]));
        assert_eq!(rule(&[2], &[2, 3]), Some(vec![2, 1]));
        assert_eq!(rule(&[3], &[2, 3]), Some(vec![1, 3]));
        assert_eq!(rule(&[2, 3], &[2, 2, 3]), Some(vec![2, 1, 3]));
        assert_eq!(rule(&[1, 3], &[4, 3]), Some(vec![1, 3]));
        // A leading 1 takes the first axis, so nothing is left for the 4.
        assert_eq!(rule(&[1, 4], &[4]), None);
        assert_eq!(rule(&[3], &[2]), None);
        assert_eq!(rule(&[2], &[]), None);
    }
}
