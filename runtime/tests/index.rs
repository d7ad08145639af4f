//! Indexed copies and sums, with indices in and out of range.

use cotangent_runtime::index::*;

fn dims(outer: usize, axis: usize, inner: usize, count: usize, mode: u32) -> IndexDims {
    IndexDims { outer, axis, inner, count, mode, node: 7 }
}

#[test]
fn gather_reads_entries() {
    let src: Vec<f64> = (0..12).map(f64::from).collect();
    let mut dst = [0.0; 8];
    let mut status = CallStatus::OK;
    let idx = [2, 0];
    // SAFETY: the slices have the extents of the dims, here and below.
    unsafe {
        gather_f64(&dims(2, 3, 2, 2, MODE_ERROR), src.as_ptr(), idx.as_ptr(), dst.as_mut_ptr(), &mut status)
    };
    assert_eq!(dst, [4.0, 5.0, 0.0, 1.0, 10.0, 11.0, 6.0, 7.0]);
    assert!(status.is_ok());
    let mut dst = [0; 2];
    let src = [10i64, 20, 30];
    // SAFETY: as above.
    unsafe {
        gather_i64(&dims(1, 3, 1, 2, MODE_ERROR), src.as_ptr(), idx.as_ptr(), dst.as_mut_ptr(), &mut status)
    };
    assert_eq!(dst, [30, 10]);
}

#[test]
fn gather_out_of_range() {
    let src = [1u8, 2, 3];
    let idx = [1, -1, 3, i64::MIN, i64::MAX];
    let mut dst = [9u8; 5];
    let mut status = CallStatus::OK;
    // SAFETY: as above.
    unsafe {
        gather_u8(&dims(1, 3, 1, 5, MODE_ERROR), src.as_ptr(), idx.as_ptr(), dst.as_mut_ptr(), &mut status)
    };
    assert_eq!(dst, [2, 1, 3, 1, 3]);
    assert_eq!(status, CallStatus { node: 7, position: 1, index: -1, len: 3 });
    let mut status = CallStatus::OK;
    // SAFETY: as above; a null status is allowed.
    unsafe {
        gather_u8(&dims(1, 3, 1, 5, MODE_SKIP), src.as_ptr(), idx.as_ptr(), dst.as_mut_ptr(), &mut status);
        gather_u8(
            &dims(1, 3, 1, 5, MODE_ERROR),
            src.as_ptr(),
            idx.as_ptr(),
            [0; 5].as_mut_ptr(),
            std::ptr::null_mut(),
        );
    }
    assert_eq!(dst, [2, 0, 0, 0, 0]);
    assert!(status.is_ok());
    // SAFETY: as above.
    unsafe {
        gather_u8(&dims(1, 0, 5, 1, MODE_ERROR), src.as_ptr(), idx.as_ptr(), dst.as_mut_ptr(), &mut status)
    };
    assert_eq!(dst, [0; 5]);
    assert_eq!((status.position, status.len), (0, 0));
}

#[test]
fn the_lowest_error_stays() {
    let mut status = CallStatus::default();
    for (node, position) in [(5, 9), (5, 3), (6, 0), (4, 8), (4, 9)] {
        status.record(CallStatus { node, position, index: 0, len: 0 });
    }
    assert_eq!((status.node, status.position), (4, 8));
}

#[test]
fn scatter_adds_in_order() {
    let base = [1.0f32; 6];
    let idx = [1, 1, 5, 0];
    let updates: Vec<f32> = (1..=8).map(|x| x as f32).collect();
    let mut dst = [0.0; 6];
    let mut status = CallStatus::OK;
    let d = dims(1, 3, 2, 4, MODE_SKIP);
    // SAFETY: as above.
    unsafe {
        scatter_add_f32(&d, base.as_ptr(), idx.as_ptr(), updates.as_ptr(), dst.as_mut_ptr(), &mut status)
    };
    assert_eq!(dst, [8.0, 9.0, 5.0, 7.0, 1.0, 1.0]);
    let d = dims(1, 3, 2, 4, MODE_ERROR);
    let at = dst.as_mut_ptr();
    // SAFETY: as above; in place.
    unsafe { scatter_add_f32(&d, at, idx.as_ptr(), updates.as_ptr(), at, &mut status) };
    assert_eq!(dst, [15.0, 17.0, 9.0, 13.0, 6.0, 7.0]);
    assert_eq!(status, CallStatus { node: 7, position: 2, index: 5, len: 3 });
}

#[test]
fn along_forms_pair_up() {
    // src (2, 3, 2), idx (2, 2, 2)
    let src: Vec<f64> = (0..12).map(f64::from).collect();
    let idx = [0, 2, 1, 1, 2, 0, -4, 9];
    let d = dims(2, 3, 2, 2, MODE_ERROR);
    let mut dst = [0.0; 8];
    let mut status = CallStatus::OK;
    // SAFETY: as above.
    unsafe { take_along_f64(&d, src.as_ptr(), idx.as_ptr(), dst.as_mut_ptr(), &mut status) };
    assert_eq!(dst, [0.0, 5.0, 2.0, 3.0, 10.0, 7.0, 6.0, 11.0]);
    assert_eq!((status.position, status.index), (6, -4));
    let (base, updates) = ([0.0; 12], [1.0; 8]);
    let mut sums = [5.0; 12];
    let skip = IndexDims { mode: MODE_SKIP, ..d };
    // SAFETY: as above.
    unsafe {
        put_along_add_f64(
            &skip,
            base.as_ptr(),
            idx.as_ptr(),
            updates.as_ptr(),
            sums.as_mut_ptr(),
            &mut status,
        )
    };
    assert_eq!(sums, [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn every_symbol_has_one_name_and_an_address() {
    let all = cotangent_runtime::symbols::all();
    let mut names: Vec<_> = all.iter().map(|s| s.0).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
    for (name, at) in all {
        assert!(!at.is_null());
        assert_eq!(cotangent_runtime::symbols::lookup(name), Some(at));
    }
    assert_eq!(cotangent_runtime::symbols::lookup("ct_none"), None);
}
