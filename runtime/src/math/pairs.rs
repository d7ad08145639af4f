//! Functions of two numbers, of many at once: one after the other, by the definition of one.

/// A function of many pairs: `out[i] = f(x[i], y[i])` for `n` pairs; no two of the three overlap.
pub type PairEntry<T> = unsafe extern "C" fn(n: usize, x: *const T, y: *const T, out: *mut T);

/// The forms of a function of many pairs, by element type.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    /// The function's name.
    pub name: &'static str,
    /// The names of both forms for compiled code, `f64` first.
    pub symbols: [&'static str; 2],
    /// Of `f64`.
    pub wide: PairEntry<f64>,
    /// Of `f32`.
    pub narrow: PairEntry<f32>,
}

impl Pairs {
    /// What compiled code may call: names and addresses.
    pub fn entries(&self) -> [(&'static str, *const u8); 2] {
        let [wide, narrow] = self.symbols;
        [(wide, self.wide as *const u8), (narrow, self.narrow as *const u8)]
    }
}

/// The functions of many pairs.
pub fn all_pairs() -> &'static [Pairs] {
    PAIRS
}

/// The function of many pairs with this name, if there is one.
pub fn pairs(name: &str) -> Option<&'static Pairs> {
    PAIRS.iter().find(|f| f.name == name)
}

macro_rules! forms {
    ($($name:ident $narrow:ident;)*) => {
        static PAIRS: &[Pairs] = &[$(Pairs {
            name: stringify!($name),
            symbols: [concat!("ct_pairs_", stringify!($name), "_f64"), concat!("ct_pairs_", stringify!($name), "_f32")],
            wide: $name::f64,
            narrow: $name::f32,
        },)*];

        $(mod $name {
            forms!(@ f64 $name);
            forms!(@ f32 $narrow);
        })*
    };
    (@ $T:ident $one:ident) => {
        pub unsafe extern "C" fn $T(n: usize, x: *const $T, y: *const $T, out: *mut $T) {
            // SAFETY: the caller gives as many numbers in both places, and as much room apart from them.
            let (x, y, out) = unsafe {
                let read = |from| std::slice::from_raw_parts(from, n);
                (read(x), read(y), std::slice::from_raw_parts_mut(out, n))
            };
            for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
                *out = super::super::$one(x, y);
            }
        }
    };
}

forms! {
    pow pow_f32;
    atan2 atan2_f32;
    hypot hypot_f32;
    polygamma polygamma_f32;
}
