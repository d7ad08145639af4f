//! Floating-point numbers as text, to the bit.

use std::fmt;

macro_rules! float {
    ($write:ident, $read:ident, $t:ty, $bits:ty, $nan:literal, $digits:literal) => {
        /// The shortest text that reads back to the same bits.
        pub(super) fn $write(f: &mut fmt::Formatter<'_>, v: $t) -> fmt::Result {
            if v.is_nan() {
                return match v.to_bits() {
                    $nan => f.write_str("nan"),
                    bits => write!(f, concat!("nan:0x{:0", $digits, "x}"), bits),
                };
            }
            // `Display` never uses an exponent and `Debug` adds ".0" to integers.
            if v.abs() < 1e16 && v.trunc() == v { write!(f, "{v}") } else { write!(f, "{v:?}") }
        }

        /// The number written so; `None` also where it is too large to be finite.
        pub(super) fn $read(token: &str) -> Option<$t> {
            match token {
                "inf" => return Some(<$t>::INFINITY),
                "-inf" => return Some(<$t>::NEG_INFINITY),
                "nan" => return Some(<$t>::from_bits($nan)),
                _ => {}
            }
            if let Some(hex) = token.strip_prefix("nan:0x") {
                let full = hex.len() == $digits && hex.bytes().all(|b| b.is_ascii_hexdigit());
                let bits = <$bits>::from_str_radix(hex, 16).ok().filter(|_| full)?;
                return Some(<$t>::from_bits(bits)).filter(|v| v.is_nan());
            }
            // Only plain decimals are left: no "+1", ".5" or "infinity".
            let digits = token.strip_prefix('-').unwrap_or(token);
            let plain = digits.starts_with(|c: char| c.is_ascii_digit());
            token.parse::<$t>().ok().filter(|v| plain && v.is_finite())
        }
    };
}

float!(write_f64, read_f64, f64, u64, 0x7ff8_0000_0000_0000, 16);
float!(write_f32, read_f32, f32, u32, 0x7fc0_0000, 8);
