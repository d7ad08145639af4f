//! `check_rules` finds rules that are wrong, and raises no false alarm.

mod honest;
mod planted;
