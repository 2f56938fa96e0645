//! The double-entry ledger: accounts, and the transfers that are the only way money moves.
//!
//! A transfer takes one amount from one account (its debit) to another (its credit), so the books
//! balance by construction. Wallets are what we owe to organizations: credits put money in, debits
//! take it out, and a wallet is never overdrawn. What its credit is made of is in
//! [`crate::credit`].

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{OrganizationId, RequestId};
use crate::money::Nusd;
use crate::time::AtUs;

/// An account of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// Prepaid credit of an organization.
    Wallet(OrganizationId),
    /// What customers paid for usage, kept per node so that no row is hot.
    Revenue(String),
    /// Credit given for free.
    Grants,
    /// Usage beyond a hold: delivered, and never charged to the customer.
    Overrun,
    /// What an upstream's usage cost the operator.
    UpstreamCost(String),
    /// What is owed to an upstream.
    UpstreamPayable(String),
    /// Money that customers paid in, which a payment provider has or paid out.
    Payments(String),
    /// Tax on what was paid, which is owed to the state.
    Tax,
    /// What an organization may spend beyond what was paid in: its credit line.
    Overdraft(OrganizationId),
    /// What banks took back of credit that was spent already.
    Disputes,
}

impl Account {
    /// The account named by `text`, as [`fmt::Display`] writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(':') {
            None if text == "grants" => Account::Grants,
            None if text == "overrun" => Account::Overrun,
            None if text == "tax" => Account::Tax,
            None if text == "disputes" => Account::Disputes,
            Some(("wallet", id)) => Account::Wallet(OrganizationId::new(id)),
            Some(("revenue", node)) => Account::Revenue(node.to_owned()),
            Some(("upstream_cost", upstream)) => Account::UpstreamCost(upstream.to_owned()),
            Some(("upstream_payable", upstream)) => Account::UpstreamPayable(upstream.to_owned()),
            Some(("payments", provider)) => Account::Payments(provider.to_owned()),
            Some(("overdraft", id)) => Account::Overdraft(OrganizationId::new(id)),
            _ => return None,
        })
    }

    /// Only what we owe to customers must never be overdrawn.
    #[must_use]
    pub fn may_be_overdrawn(&self) -> bool {
        !matches!(self, Account::Wallet(_))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Wallet(id) => write!(f, "wallet:{id}"),
            Account::Revenue(node) => write!(f, "revenue:{node}"),
            Account::Grants => f.write_str("grants"),
            Account::Overrun => f.write_str("overrun"),
            Account::UpstreamCost(upstream) => write!(f, "upstream_cost:{upstream}"),
            Account::UpstreamPayable(upstream) => write!(f, "upstream_payable:{upstream}"),
            Account::Payments(provider) => write!(f, "payments:{provider}"),
            Account::Tax => f.write_str("tax"),
            Account::Overdraft(id) => write!(f, "overdraft:{id}"),
            Account::Disputes => f.write_str("disputes"),
        }
    }
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferCode {
    /// A settled request: wallet to revenue.
    Usage,
    /// Usage beyond the hold: overrun to revenue.
    Overrun,
    /// What the request cost the operator: upstream cost to upstream payable.
    UpstreamCost,
    /// Free credit: grants to wallet.
    Grant,
    /// Free credit that a code was exchanged for: grants to wallet.
    Redeemed,
    /// What was left of a grant when it expired: wallet to grants.
    Expiry,
    /// Credit that an operator takes back: wallet to grants.
    Adjustment,
    /// Credit that was paid for: payments to wallet.
    Purchase,
    /// The tax that was paid with it: payments to tax.
    Tax,
    /// A purchase given back: wallet to payments.
    Refund,
    /// Its tax, given back: tax to payments.
    RefundedTax,
    /// A refund that did not reach the customer, which [`TransferCode::Refund`] and
    /// [`TransferCode::RefundedTax`] are taken back by.
    RefundFailed,
    /// What a bank took back of a purchase, as far as it was still there: wallet to payments.
    Dispute,
    /// The rest of it, which was spent: disputes to payments.
    DisputedLoss,
    /// A dispute that was decided for the operator: what it moved, moved back.
    DisputeWon,
    /// A credit line that was opened or raised: overdraft to wallet.
    Overdraft,
    /// One that was lowered or ended: wallet to overdraft.
    OverdraftEnded,
}

impl TransferCode {
    /// Every code.
    pub const ALL: [TransferCode; 17] = [
        TransferCode::Usage,
        TransferCode::Overrun,
        TransferCode::UpstreamCost,
        TransferCode::Grant,
        TransferCode::Redeemed,
        TransferCode::Expiry,
        TransferCode::Adjustment,
        TransferCode::Purchase,
        TransferCode::Tax,
        TransferCode::Refund,
        TransferCode::RefundedTax,
        TransferCode::RefundFailed,
        TransferCode::Dispute,
        TransferCode::DisputedLoss,
        TransferCode::DisputeWon,
        TransferCode::Overdraft,
        TransferCode::OverdraftEnded,
    ];

    /// The word the code is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TransferCode::Usage => "usage",
            TransferCode::Overrun => "overrun",
            TransferCode::UpstreamCost => "upstream_cost",
            TransferCode::Grant => "grant",
            TransferCode::Redeemed => "redeemed",
            TransferCode::Expiry => "expiry",
            TransferCode::Adjustment => "adjustment",
            TransferCode::Purchase => "purchase",
            TransferCode::Tax => "tax",
            TransferCode::Refund => "refund",
            TransferCode::RefundedTax => "refunded_tax",
            TransferCode::RefundFailed => "refund_failed",
            TransferCode::Dispute => "dispute",
            TransferCode::DisputedLoss => "disputed_loss",
            TransferCode::DisputeWon => "dispute_won",
            TransferCode::Overdraft => "overdraft",
            TransferCode::OverdraftEnded => "overdraft_ended",
        }
    }
}

/// An amount that moved from one account to another. Never changed, never deleted: a correction is
/// another transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Unique; the same id posted again is the same transfer.
    pub id: String,
    /// Whose row it is, also for moves between accounts of the house.
    pub organization: OrganizationId,
    /// The account it is taken from.
    pub debit: Account,
    /// The account it is added to.
    pub credit: Account,
    /// How much, above zero.
    pub amount: Nusd,
    /// Why.
    pub code: TransferCode,
    /// The request it settles, if it does.
    pub request: Option<RequestId>,
    /// What a person gave as the reason; empty for requests.
    pub reason: String,
    /// Who moved it, such as a user's id, `operator` or `farebox`; empty for requests.
    pub actor: String,
    /// When.
    pub at: AtUs,
}

/// Both sides of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Everything taken from it.
    pub debits: Nusd,
    /// Everything added to it.
    pub credits: Nusd,
}

/// Why a transfer cannot be posted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nothing or less would move.
    #[error("a transfer moves more than nothing")]
    NotPositive,
    /// Both sides are the same account.
    #[error("a transfer needs two accounts")]
    SameAccount,
    /// The debit account does not have that much.
    #[error("{account} has {available} and {amount} was to be taken")]
    Overdrawn {
        /// The account.
        account: Account,
        /// What it has.
        available: Nusd,
        /// What was asked of it.
        amount: Nusd,
    },
}

/// The whole ledger in memory: what the databases must agree with, and the model they are tested
/// against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    accounts: BTreeMap<Account, Sides>,
    posted: BTreeMap<String, Transfer>,
}

impl Journal {
    /// Posts a transfer. Posting the same id again changes nothing.
    ///
    /// # Errors
    /// [`PostError`]; nothing moved.
    pub fn post(&mut self, transfer: &Transfer) -> Result<(), PostError> {
        if transfer.amount <= Nusd::ZERO {
            return Err(PostError::NotPositive);
        }
        if transfer.debit == transfer.credit {
            return Err(PostError::SameAccount);
        }
        if self.posted.contains_key(&transfer.id) {
            return Ok(());
        }
        let Sides { debits, credits } = self.sides(&transfer.debit);
        let available = credits - debits;
        if !transfer.debit.may_be_overdrawn() && transfer.amount > available {
            return Err(PostError::Overdrawn {
                account: transfer.debit.clone(),
                available,
                amount: transfer.amount,
            });
        }
        self.accounts
            .entry(transfer.debit.clone())
            .or_default()
            .debits += transfer.amount;
        self.accounts
            .entry(transfer.credit.clone())
            .or_default()
            .credits += transfer.amount;
        self.posted.insert(transfer.id.clone(), transfer.clone());
        Ok(())
    }

    /// Both sides of an account; zeros if nothing was ever posted to it.
    #[must_use]
    pub fn sides(&self, account: &Account) -> Sides {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// Every account that money moved on.
    pub fn accounts(&self) -> impl Iterator<Item = (&Account, Sides)> {
        self.accounts
            .iter()
            .map(|(account, sides)| (account, *sides))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn transfer(id: u64, debit: Account, credit: Account, amount: i64) -> Transfer {
        Transfer {
            id: id.to_string(),
            organization: OrganizationId::new("org-a"),
            debit,
            credit,
            amount: Nusd::new(amount),
            code: TransferCode::Grant,
            request: None,
            reason: String::new(),
            actor: String::new(),
            at: AtUs(0),
        }
    }

    fn wallet() -> Account {
        Account::Wallet(OrganizationId::new("org-a"))
    }

    fn revenue() -> Account {
        Account::Revenue("node".into())
    }

    #[test]
    fn bad_transfers_move_nothing() {
        let mut journal = Journal::default();
        journal
            .post(&transfer(1, Account::Grants, wallet(), 10))
            .expect("a grant");
        let before = journal.clone();
        let overdrawn = PostError::Overdrawn {
            account: wallet(),
            available: Nusd::new(10),
            amount: Nusd::new(11),
        };
        for (bad, error) in [
            (transfer(2, wallet(), revenue(), 0), PostError::NotPositive),
            (transfer(2, wallet(), revenue(), -1), PostError::NotPositive),
            (transfer(2, wallet(), wallet(), 1), PostError::SameAccount),
            (transfer(2, wallet(), revenue(), 11), overdrawn),
        ] {
            assert_eq!(journal.post(&bad), Err(error));
            assert_eq!(journal, before);
        }
        journal
            .post(&transfer(2, wallet(), revenue(), 10))
            .expect("all there is");
    }

    #[test]
    fn every_account_that_money_moved_on_is_listed() {
        let mut journal = Journal::default();
        journal
            .post(&transfer(1, Account::Grants, wallet(), 10))
            .expect("a grant");
        let sides = |debits, credits| Sides {
            debits: Nusd::new(debits),
            credits: Nusd::new(credits),
        };
        let listed: Vec<_> = journal.accounts().collect();
        assert_eq!(
            listed,
            [(&wallet(), sides(0, 10)), (&Account::Grants, sides(10, 0)),]
        );
    }

    #[test]
    fn codes_are_stored_as_these_words() {
        let words = TransferCode::ALL.map(TransferCode::as_str);
        let wanted = [
            "usage",
            "overrun",
            "upstream_cost",
            "grant",
            "redeemed",
            "expiry",
            "adjustment",
            "purchase",
            "tax",
            "refund",
            "refunded_tax",
            "refund_failed",
            "dispute",
            "disputed_loss",
            "dispute_won",
            "overdraft",
            "overdraft_ended",
        ];
        assert_eq!(words, wanted);
    }

    #[test]
    fn accounts_read_as_they_are_written() {
        for account in [
            wallet(),
            revenue(),
            Account::Grants,
            Account::Overrun,
            Account::UpstreamCost("a:b".into()),
            Account::UpstreamPayable("v".into()),
            Account::Payments("stripe".into()),
            Account::Tax,
            Account::Overdraft(OrganizationId::new("org-a")),
            Account::Disputes,
        ] {
            assert_eq!(Account::parse(&account.to_string()), Some(account));
        }
        assert_eq!(Account::parse("purse:x"), None);
        assert_eq!(Account::parse("purse"), None);
    }

    proptest! {
        #[test]
        fn the_books_balance_whatever_is_posted(
            posts in proptest::collection::vec(
                (0..40_u64, 0..3_usize, 0..3_usize, -2..50_i64),
                1..100,
            ),
        ) {
            let accounts = [Account::Grants, wallet(), revenue()];
            let mut journal = Journal::default();
            for (id, debit, credit, amount) in posts {
                let moved =
                    transfer(id, accounts[debit].clone(), accounts[credit].clone(), amount);
                let again = journal.post(&moved).is_ok();
                let after = journal.clone();
                if again {
                    prop_assert_eq!(journal.post(&moved), Ok(()));
                    prop_assert_eq!(&journal, &after);
                }
                let (debits, credits) = journal.accounts().fold(
                    (Nusd::ZERO, Nusd::ZERO),
                    |(debits, credits), (_, s)| (debits + s.debits, credits + s.credits),
                );
                prop_assert_eq!(debits, credits);
                let wallet = journal.sides(&wallet());
                prop_assert!(wallet.debits <= wallet.credits);
            }
        }
    }
}
