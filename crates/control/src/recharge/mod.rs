//! Auto-recharge: wallets that run low are filled up by charging the card that their owners saved.

mod low_wallets;

pub use low_wallets::LowWallets;
