//! What a batch does to holds: it registers, extends and ends them.

use domain::money::Nusd;
use rusqlite::{OptionalExtension, params};

use super::SqliteCommitter;
use super::counts::count;
use super::sums::Sums;
use crate::StoreError;
use crate::batch::{Batch, Writer};

impl SqliteCommitter {
    pub(super) fn write_holds(
        &self,
        batch: &Batch,
        writer: &Writer,
        sums: &mut Sums,
    ) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO holds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                 '[]', ?14)
             ON CONFLICT (id) DO NOTHING",
        )?;
        for new in &batch.holds {
            let hold = &new.hold;
            let inserted = insert.execute(params![
                hold.id.to_string(),
                hold.organization.as_str(),
                hold.project.as_str(),
                hold.key.as_str(),
                &*hold.model,
                hold.endpoint,
                writer.node,
                writer.epoch,
                new.amount.get(),
                hold.price_id.as_str(),
                hold.admitted_at.0,
                count(new.seen.input_tokens),
                count(new.seen.output_tokens),
                hold.markup.basis_points(),
            ])?;
            if inserted == 1 {
                sums.wallet(hold.organization.as_str()).2 += new.amount;
            }
        }
        Ok(())
    }

    // What a row says is asked for by itself: for RETURNING, SQLite makes a table in memory each
    // time.

    pub(super) fn write_progress(&self, batch: &Batch, sums: &mut Sums) -> Result<(), StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT organization_id FROM holds WHERE id = ?1")?;
        let mut update = self.connection.prepare_cached(
            "UPDATE holds SET seen_input_tokens = MAX(seen_input_tokens, ?2),
                 seen_output_tokens = MAX(seen_output_tokens, ?3), amount_nusd = amount_nusd + ?4
             WHERE id = ?1",
        )?;
        for (id, progress) in &batch.progress {
            let (id, seen) = (id.to_string(), progress.seen);
            let of = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            let Some(organization) = select.query_row([&id], of).optional()? else {
                continue;
            };
            let (input, output) = (count(seen.input_tokens), count(seen.output_tokens));
            update.execute(params![id, input, output, progress.more.get()])?;
            sums.wallet(&organization).2 += progress.more;
        }
        Ok(())
    }

    pub(super) fn end_holds(&self, batch: &Batch, sums: &mut Sums) -> Result<(), StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT organization_id, amount_nusd FROM holds WHERE id = ?1")?;
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM holds WHERE id = ?1")?;
        for id in &batch.ended {
            let id = id.to_string();
            let of = |row: &rusqlite::Row<'_>| {
                let organization: String = row.get(0)?;
                sums.wallet(&organization).2 -= Nusd::new(row.get(1)?);
                Ok(())
            };
            if select.query_row([&id], of).optional()?.is_some() {
                delete.execute([&id])?;
            }
        }
        Ok(())
    }
}
