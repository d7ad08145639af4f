//! Records to rows and back, element by element, for every size around a tile.

use cotangent_runtime::points::{Lane, Rows, Strides, read, read_masks, write, write_masks};

/// Distinct numbers.
fn numbers<T: TryFrom<usize>>(n: usize) -> Vec<T>
where
    T::Error: std::fmt::Debug,
{
    (0..n).map(|i| T::try_from(i + 1).unwrap()).collect()
}

const UNTOUCHED: usize = 0;

fn check<T: Lane + PartialEq + std::fmt::Debug + TryFrom<usize>>()
where
    T::Error: std::fmt::Debug,
{
    let untouched = || T::try_from(UNTOUCHED).unwrap();
    for n in 0..35 {
        for m in 0..14 {
            for (point, element) in [(m, 1), (m + 3, 1), (1, n), (1, n + 5), (2 * m + 1, 2), (3, 3 * n + 1)] {
                let strides = Strides { point, element };
                let rows = Rows { count: m, apart: n + 3 };
                let len = if n * m == 0 { 0 } else { (n - 1) * point + (m - 1) * element + 1 };
                let at = |p: usize, e: usize| p * point + e * element;

                let records: Vec<T> = numbers(len);
                let mut table = vec![untouched(); m * rows.apart];
                // SAFETY: both are as long as the strides say.
                unsafe { read(n, records.as_ptr(), strides, table.as_mut_ptr(), rows) };
                for e in 0..m {
                    let row = &table[e * rows.apart..(e + 1) * rows.apart];
                    assert!((0..n).all(|p| row[p] == records[at(p, e)]), "{n} points of {m} at {strides:?}");
                    assert!(row[n..].iter().all(|&x| x == untouched()), "{n} points of {m} at {strides:?}");
                }

                let table: Vec<T> = numbers(m * rows.apart);
                let (mut records, mut expected) = (vec![untouched(); len], vec![untouched(); len]);
                (0..m * n).for_each(|i| expected[at(i / m, i % m)] = table[i % m * rows.apart + i / m]);
                // SAFETY: as above, and no two elements are in one place.
                unsafe { write(n, table.as_ptr(), rows, records.as_mut_ptr(), strides) };
                assert_eq!(records, expected, "{n} points of {m} at {strides:?}");
            }
        }
    }
}

#[test]
fn numbers_of_eight_bytes() {
    check::<u64>();
}

#[test]
fn numbers_of_four_bytes() {
    check::<u32>();
}

#[test]
fn masks() {
    let (records, strides) = ([1u8, 0, 0, 1, 1, 1], Strides { point: 2, element: 1 });
    let rows = Rows { count: 2, apart: 3 };
    let (mut table, mut back) = ([7u32; 6], [9u8; 6]);
    // SAFETY: three points of two, two rows of three.
    unsafe {
        read_masks(3, records.as_ptr(), strides, table.as_mut_ptr(), rows);
        write_masks(3, table.as_ptr(), rows, back.as_mut_ptr(), strides);
    }
    assert_eq!(table, [u32::MAX, 0, u32::MAX, 0, u32::MAX, u32::MAX]);
    assert_eq!(back, records);
}
