//! What a batch settles: usage records, and the transfers that pay for them.

use std::collections::HashMap;

use domain::ledger::{Account, Transfer};
use domain::usage::{LineItem, UsageClass};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::SqliteCommitter;
use super::counts::count;
use super::sums::Sums;
use crate::StoreError;
use crate::batch::{Batch, Settlement, Writer};
use crate::chain::Linking;

impl SqliteCommitter {
    pub(super) fn write_settlements(
        &self,
        batch: &Batch,
        writer: &Writer,
        linking: &mut Linking,
        sums: &mut Sums,
    ) -> Result<(), StoreError> {
        let mut usage = self.connection.prepare_cached(
            "INSERT INTO usage_records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29,
                 ?30, ?31, ?32, ?33)
             ON CONFLICT (organization_id, id) DO NOTHING",
        )?;
        let mut transfers = self.connection.prepare_cached(
            "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', '', ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (organization_id, id) DO NOTHING",
        )?;
        let mut wallets = Wallets::of(&self.connection)?;
        for settlement in &batch.settlements {
            if insert_usage(&mut usage, settlement, linking.place())? == 0 {
                continue;
            }
            linking.usage_record(settlement);
            sums.fold_usage(settlement);
            for transfer in settlement.transfers(writer) {
                let (debit, credit) = (transfer.debit.to_string(), transfer.credit.to_string());
                let (chain, seq) = linking.place();
                let (debits, credits) = wallets.after(&transfer, &debit)?.unzip();
                transfers.execute(params![
                    transfer.organization.as_str(),
                    transfer.id,
                    debit,
                    credit,
                    transfer.amount.get(),
                    transfer.code.as_str(),
                    transfer.request.map(|id| id.to_string()),
                    transfer.at.0,
                    chain,
                    seq,
                    debits,
                    credits,
                ])?;
                linking.transfer(&transfer);
                sums.account(&debit).0 += transfer.amount;
                sums.account(&credit).1 += transfer.amount;
            }
        }
        Ok(())
    }
}

fn insert_usage(
    statement: &mut CachedStatement<'_>,
    settlement: &Settlement,
    (chain, seq): (&str, i64),
) -> Result<usize, StoreError> {
    let (hold, usage) = (&settlement.hold, &settlement.usage);
    let cost = settlement.charge.cost;
    Ok(statement.execute(params![
        hold.organization.as_str(),
        hold.id.to_string(),
        hold.project.as_str(),
        hold.key.as_str(),
        &*hold.model,
        &*settlement.upstream,
        hold.endpoint,
        hold.admitted_at.0,
        settlement.ended_at.0,
        count(usage[UsageClass::FreshInput]),
        count(usage[UsageClass::CachedInput]),
        count(usage[UsageClass::CacheWrite]),
        count(usage[UsageClass::Output]),
        count(usage[UsageClass::Reasoning]),
        count(usage[UsageClass::AudioInput]),
        count(usage[UsageClass::AudioOutput]),
        count(usage[UsageClass::Image]),
        hold.amount.get(),
        cost.total.get(),
        cost.line(LineItem::Input).get(),
        cost.line(LineItem::CachedInput).get(),
        cost.line(LineItem::Output).get(),
        cost.line(LineItem::Request).get(),
        settlement.charge.overrun.get(),
        settlement.charge.upstream_cost.get(),
        hold.price_id.as_str(),
        hold.markup.basis_points(),
        settlement.flags.to_bits(),
        settlement.course.streamed,
        settlement.course.first_output_us,
        settlement.course.finish_reason,
        chain,
        seq,
    ])?)
}

/// Where each wallet stands, with what the batch moved so far.
struct Wallets<'a> {
    select: CachedStatement<'a>,
    /// Debits and credits, in nUSD.
    sums: HashMap<String, (i64, i64)>,
}

impl<'a> Wallets<'a> {
    fn of(connection: &'a Connection) -> Result<Self, StoreError> {
        let sql = "SELECT debits_nusd, credits_nusd FROM accounts WHERE id = ?1";
        Ok(Wallets {
            select: connection.prepare_cached(sql)?,
            sums: HashMap::new(),
        })
    }

    /// What was ever taken from a wallet and added to it with this transfer, if it takes from one:
    /// usage moves money in no other way.
    fn after(
        &mut self,
        transfer: &Transfer,
        debit: &str,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        if !matches!(transfer.debit, Account::Wallet(_)) {
            return Ok(None);
        }
        if !self.sums.contains_key(debit) {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            // One that is not there stops the batch when its accounts are moved.
            let stands = self.select.query_row([debit], read).optional()?;
            self.sums
                .insert(debit.to_owned(), stands.unwrap_or_default());
        }
        Ok(self.sums.get_mut(debit).map(|sums| {
            sums.0 = sums.0.saturating_add(transfer.amount.get());
            *sums
        }))
    }
}
