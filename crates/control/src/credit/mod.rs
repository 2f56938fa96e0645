//! `/api/billing`: an organization's credit as its people see it. What there is, what moved, and
//! codes that give more.

pub(crate) mod balance;
pub(crate) mod movements;
pub(crate) mod redemptions;
