//! The rules about people: how an account is made, entered and kept from others.
//!
//! - [`email`] and [`phone`] give addresses the one form they are compared in.
//! - [`password`] says what may be one; [`code`] what is sent to prove that an address is
//!   somebody's; [`secret`] what a cookie or a link carries.
//! - [`factor`] is what is asked for after the password: codes of an app ([`totp`]), and those for
//!   when it is lost ([`recovery_code`]).
//! - [`throttle`] bounds guessing, [`session`] how long a sign-in lasts.

pub mod code;
pub mod device;
pub mod email;
pub mod factor;
pub mod password;
pub mod phone;
pub mod recovery_code;
pub mod secret;
pub mod session;
pub mod throttle;
pub mod totp;
